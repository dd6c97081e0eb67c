"""BranchyNet's published times and exits (ICPR 2016, Table I), and what they imply of its branches.

Other networks, other data, another processor: beside ours they are a comparison of shape only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Published(NamedTuple):
    """A row: times of the network alone and with exits, and the shares that end at each.

    ``shares`` are as printed, in percent, the last going through; B-LeNet's sum to 99.93.
    """

    name: str
    alone_ms: float
    early_ms: float
    shares: Sequence[float]

    @property
    def speed_up(self) -> float:
        """How many times sooner."""
        return self.alone_ms / self.early_ms

    @property
    def parts(self) -> Sequence[float]:
        """The shares, summing to one."""
        whole = math.fsum(self.shares)
        return [share / whole for share in self.shares]

    def first_exit_ms(self, branches_ms: float = 0.0) -> tuple[float, float]:
        """Between which times answering at the first exit must lie.

        ``early = sum share_e x cost_e``, where costs rise and the last is the network alone with
        all its branches. The first costs least if those between cost as much as the last, and
        most if they cost as much as the first.

        Args:
            branches_ms: of all branches together.
        """
        first, *_, last = self.parts
        whole_ms = self.alone_ms + branches_ms
        least = (self.early_ms - (1 - first) * whole_ms) / first
        most = (self.early_ms - last * whole_ms) / (1 - last)
        return max(least, 0.0), most

    @property
    def branches_at_most_ms(self) -> float:
        """What all branches together can last: then leaving early would take no time at all."""
        return self.early_ms / self.parts[-1] - self.alone_ms


TABLE_I = (
    Published("B-LeNet", 3.37, 0.62, (94.3, 5.63)),
    Published("B-AlexNet", 9.56, 6.32, (65.6, 25.2, 9.2)),
    Published("B-ResNet-110", 137.2, 73.5, (41.5, 13.8, 44.7)),
)
