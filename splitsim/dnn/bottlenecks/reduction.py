"""Plain channel reduction: a 1x1 convolution to few channels, quantised, and one back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from splitsim.component import Count
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape
from splitsim.dnn.bottlenecks.quantise import Quantiser
from splitsim.errors import BadInput


class Reduction(BottleneckSpec):
    """Fewer channels at a cut, each number in a few bits; nothing else is changed."""

    kind: Literal["reduction"]
    channels: Count
    bits: Annotated[int, Field(ge=1, le=16)] = 8

    @property
    def wire(self) -> str:
        """Codes of as many bits."""
        return "uint8" if self.bits == 8 else f"{self.bits}bit"

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """1x1 convolutions with batch norm and ReLU."""
        if before != joined or len(before) != 3:
            shape = "x".join(map(str, before))
            raise BadInput(
                f"after, join: must be one cut with channels x height x width, not {shape}"
            )
        encoder = nn.Sequential(
            nn.Conv2d(before[0], self.channels, 1, bias=False),
            nn.BatchNorm2d(self.channels),
            nn.ReLU(),
            Quantiser(self.bits),
        )
        decoder = nn.Sequential(
            nn.Conv2d(self.channels, joined[0], 1, bias=False), nn.BatchNorm2d(joined[0]), nn.ReLU()
        )
        return Bottleneck(encoder, decoder)
