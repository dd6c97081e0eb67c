"""Leaky integrate-and-fire units, the only layers that know of time.

Row ``n * T + t`` of a tensor is time step t of sample n: to convolutions, norms and pools all steps
of all samples are one batch.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from splitsim.errors import BadInput

Reset: TypeAlias = Literal["subtract", "zero"]
STEEPNESS = 2.0  # of the surrogate's slope at the threshold; snnTorch's own value is the same


@dataclass(frozen=True)
class Units:
    """What the units of a network are like at first; each layer learns its own decay and threshold.

    Attributes:
        steps: T, how often a sample is shown.
        beta: of a membrane's potential that is left a step later, in (0, 1).
        threshold: above which a unit spikes, > 0.
        learnable: whether training changes the two.
        reset: after a spike the threshold is subtracted, or the potential is zero.

    Raises:
        BadInput: a number is out of its range.
    """

    steps: int = 4
    beta: float = 0.5
    threshold: float = 1.0
    learnable: bool = True
    reset: Reset = "subtract"

    def __post_init__(self) -> None:
        problems = []
        if self.steps < 1:
            problems.append(f"steps: must be a whole number, 1 or more, not {self.steps}")
        if not 0 < self.beta < 1:
            problems.append(f"beta: must lie between 0 and 1, both excluded, not {self.beta:g}")
        if not 0 < self.threshold < math.inf:
            problems.append(f"threshold: must be above 0, not {self.threshold:g}")
        if problems:
            raise BadInput(*problems)


class Lif(nn.Module):
    """A layer of leaky integrate-and-fire units (Eshraghian et al., arXiv 2109.12894).

    ::

        u[t] = decay u[t-1] + x[t] - threshold s[t-1]        reset by subtraction
        u[t] = decay u[t-1] (1 - s[t-1]) + x[t]              reset to zero
        s[t] = 1 where u[t] > threshold, else 0

    with u and s zero before the first step of every call. As ``snntorch.Leaky`` does it; that
    class keeps its last potentials and is not used, for a network must not remember its inputs.
    Backwards, ds/du is that of arctan(pi/2 steepness (u - threshold)) / pi + 1/2 (Fang et al.,
    ICCV 2021), and s[t-1] in the reset counts as a constant, while the threshold there does not.

    Decay is the logistic function of what is learned, and the threshold its exponential: neither
    can leave its range.

    Raises:
        BadInput: snnTorch is not installed.
    """

    def __init__(self, units: Units) -> None:
        super().__init__()
        surrogates()
        self.steps, self.reset = units.steps, units.reset
        raw = math.log(units.beta / (1 - units.beta)), math.log(units.threshold)
        self.raw_decay, self.log_threshold = (
            nn.Parameter(torch.tensor(value), requires_grad=units.learnable) for value in raw
        )

    @property
    def decay(self) -> Tensor:
        """Of all units of the layer, in (0, 1)."""
        return self.raw_decay.sigmoid()

    @property
    def threshold(self) -> Tensor:
        """Of all units of the layer, above 0."""
        return self.log_threshold.exp()

    def forward(self, x: Tensor) -> Tensor:
        """Spikes, zeros and ones, for currents; both (samples * T, ...)."""
        decay, threshold = self.decay, self.threshold
        currents = x.reshape(-1, self.steps, *x.shape[1:])
        potential = spikes = torch.zeros_like(currents[:, 0])
        train = []
        for current in currents.unbind(1):
            if self.reset == "zero":
                potential = decay * potential * (1 - spikes.detach()) + current
            else:
                potential = decay * potential + current - threshold * spikes.detach()
            spikes = self.fire(potential - threshold)
            train.append(spikes)
        return torch.stack(train, 1).flatten(0, 1).to(x.dtype)

    def fire(self, excess: Tensor) -> Tensor:
        """1 where a potential is above the threshold by an excess > 0, with a surrogate slope."""
        spikes: Tensor = surrogates().atan(STEEPNESS)(excess)
        return spikes

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"steps={self.steps}, reset={self.reset}"


def surrogates() -> Any:
    """The surrogate gradients of snnTorch.

    Raises:
        BadInput: it is not installed.
    """
    try:
        return importlib.import_module("snntorch.surrogate")
    except ImportError as error:
        raise BadInput(
            "spiking networks need snnTorch, which is not here; pip install 'splitsim[spiking]'"
        ) from error
