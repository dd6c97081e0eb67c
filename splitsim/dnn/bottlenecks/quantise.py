"""A quantiser that networks can be trained through."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Quantiser(nn.Module):
    """Rounds each sample to codes of some bits between its least and its greatest value.

    ``value = low + code * (high - low) / (2**bits - 1)``, per tensor, as BottleFit does at 8 bits
    (arXiv 2201.02693): exactly what the wire format of as many bits does, so that sending its
    output changes nothing. Gradients pass straight through (Bengio et al., arXiv 1308.3432).

    Args:
        bits: of a code, 1 to 16.
    """

    def __init__(self, bits: int = 8) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """The rounded tensor; shape (samples, ...) as it comes."""
        rounded = self._rounded(x.detach())
        return (
            x + (rounded - x).detach() if torch.is_grad_enabled() and x.requires_grad else rounded
        )

    def _rounded(self, x: Tensor) -> Tensor:
        rows = x.flatten(1).double()
        low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        levels = 2**self.bits - 1
        step = (high - low) / levels
        codes = ((rows - low) / torch.where(step == 0, 1.0, step)).round()
        share = codes / levels
        values: Tensor = low * (1 - share) + high * share
        return values.to(x.dtype).view_as(x)

    def extra_repr(self) -> str:
        """What a printed network says of it."""
        return f"bits={self.bits}"
