"""Plain channel reduction: a 1x1 convolution to few channels, quantised, and one back."""

from __future__ import annotations

from typing import Literal

from torch import nn

from splitsim.component import Count
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, check_one_cut
from splitsim.dnn.bottlenecks.quantise import Bits, Quantiser, wire_of


class Reduction(BottleneckSpec):
    """Fewer channels at a cut, each number in a few bits; nothing else is changed."""

    kind: Literal["reduction"]
    channels: Count
    bits: Bits = 8

    @property
    def wire(self) -> str:
        """Codes of as many bits."""
        return wire_of(self.bits)

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """1x1 convolutions with batch norm and ReLU."""
        check_one_cut(before, joined)
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
