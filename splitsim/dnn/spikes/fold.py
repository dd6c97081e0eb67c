"""Time in the batch: where it begins, where it ends, and where it steps aside for a cut.

Row ``n * T + t`` of a folded tensor is time step t of sample n.
"""

from __future__ import annotations

from torch import Tensor, nn


class _Folding(nn.Module):
    """Knows how many steps there are."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"steps={self.steps}"


class Repeat(_Folding):
    """Direct coding: shows the same analogue input at every step."""

    def forward(self, x: Tensor) -> Tensor:
        """(samples, ...) to (samples * T, ...)."""
        return x.repeat_interleave(self.steps, 0)


class Average(_Folding):
    """The mean of a network's scores over time."""

    def forward(self, x: Tensor) -> Tensor:
        """(samples * T, ...) to (samples, ...)."""
        return x.reshape(-1, self.steps, *x.shape[1:]).mean(1)


class Unfold(_Folding):
    """The maps of all steps side by side, the first step's channels first: a row per sample."""

    def forward(self, x: Tensor) -> Tensor:
        """(samples * T, C, H, W) to (samples, T * C, H, W)."""
        return x.reshape(-1, self.steps * x.shape[1], *x.shape[2:])


class Fold(_Folding):
    """Undoes ``Unfold``."""

    def forward(self, x: Tensor) -> Tensor:
        """(samples, T * C, H, W) to (samples * T, C, H, W)."""
        return x.reshape(-1, x.shape[1] // self.steps, *x.shape[2:])
