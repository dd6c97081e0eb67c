"""A quantiser that networks can be trained through."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

Bits = Annotated[int, Field(ge=1, le=16)]  # of a code


def wire_of(bits: int) -> str:
    """The wire format that carries what was quantised to so many bits without change."""
    return "uint8" if bits == 8 else f"{bits}bit"


class Quantiser(nn.Module):
    """Rounds each sample to codes of some bits between its least and its greatest value.

    ``value = low + code * (high - low) / (2**bits - 1)``, per tensor, as BottleFit does at 8 bits
    (arXiv 2201.02693): exactly what the wire format of as many bits does, so that sending its
    output changes nothing. Gradients pass straight through.

    Args:
        bits: of a code, 1 to 16.
    """

    def __init__(self, bits: int = 8) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """The rounded tensor; shape (samples, ...) as it comes."""
        return straight_through(x, self._rounded(x.detach()))

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


def straight_through(x: Tensor, became: Tensor) -> Tensor:
    """What a tensor became by a step without a gradient, bit for bit, with that of no step at all.

    The straight-through estimator (Bengio et al., arXiv 1308.3432).
    """
    made: Tensor = _StraightThrough.apply(x, became)  # type: ignore[no-untyped-call]
    return made


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, _x: Tensor, became: Tensor) -> Tensor:
        return became.view_as(became)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
