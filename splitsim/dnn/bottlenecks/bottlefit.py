"""BottleFit: the first layers of a network give way to a small encoder and a decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from torch import nn

from splitsim.component import Count
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, check_maps
from splitsim.dnn.bottlenecks.quantise import Bits, Quantiser, wire_of
from splitsim.dnn.partition import Cut

STEM = 64  # channels of the first convolution
ENOUGH = 1.5  # maps are halved while they are larger than this many times those at the join


class BottleFit(BottleneckSpec):
    """BottleFit (Matsubara et al., WoWMoM 2022, arXiv 2201.02693), for any network with maps.

    At 224 x 224 and a join at ResNet-152's ``layer2`` or a DenseNet's ``transition2`` these are the
    layers of its public code, their order included, but for the quantiser: a convolution of 7x7
    and a max pool of 3x3, then convolutions of 2x2 without biases, with batch norm and ReLU between
    all; where they pad, by 1, maps grow by one. Version 1 sends what the pool gives, version 2 what
    the next convolution gives, version 3 what one more gives that halves the maps again, and which
    the decoder undoes first. An average pool ends the decoder. (The code has versions 1 and 3 of
    ResNet-152 only.)

    One rule sizes them for other networks: each stride is 2 where maps are more than 1.5 times as
    high (or wide) as those at the join, else 1; the decoder's convolutions are as wide as the join.
    Where its maps are still that much too large, as at ``transition2``, it has one convolution
    more, and the first two are twice as wide. The pool gives the shape at the join exactly.
    """

    kind: Literal["bottlefit"]
    channels: Count
    version: Literal[1, 2, 3] = 2
    bits: Bits = 8

    @property
    def wire(self) -> str:
        """Codes of as many bits."""
        return wire_of(self.bits)

    def places(self, every: Sequence[Cut]) -> tuple[Cut, Cut]:
        """The cuts ``after``, the input if it is left out, and ``join``."""
        after, join = super().places(every)
        return (every[0] if self.after is None else after), join

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """Encoder and decoder, flat, their layers in the order of the public code."""
        check_maps(before, joined)
        sizes = _sizes(before, joined)
        encoder = [*self._encoder(before[0], sizes), Quantiser(self.bits)]
        decoder = [*self._decoder(sizes), nn.AdaptiveAvgPool2d(joined[1:])]
        return Bottleneck(nn.Sequential(*encoder), nn.Sequential(*decoder))

    def _encoder(self, width: int, sizes: _Sizes) -> Iterator[nn.Module]:
        first, second, third = sizes.strides
        stem = self.channels if self.version == 1 else STEM
        yield nn.Conv2d(width, stem, 7, first, 3, bias=False)
        yield from _norm(stem)
        yield nn.MaxPool2d(3, second, 1)
        if self.version > 1:
            wide = self.channels if self.version == 2 else sizes.widths[0]
            yield from _norm(stem)
            yield _conv(stem, wide, 1, third)
        if self.version == 3:
            yield from _norm(wide)
            yield _conv(wide, self.channels, 1, (2, 2))

    def _decoder(self, sizes: _Sizes) -> Iterator[nn.Module]:
        width, first = self.channels, sizes.widths[0]
        yield from _norm(width)
        if self.version == 1:
            yield _conv(width, STEM, 1, sizes.strides[2])
            yield from _norm(STEM)
            width = STEM
        if self.version == 3:
            yield nn.ConvTranspose2d(width, first, 2, 2, bias=False)
        else:
            yield _conv(width, first, 1)
        for number, (wide, narrow) in enumerate(pairwise(sizes.widths)):
            yield from _norm(wide)
            yield _conv(wide, narrow, 1 if number == 0 else 0)


class _Sizes(NamedTuple):
    """What the shapes at the cuts decide.

    Attributes:
        strides: of the encoder's first convolution, its pool and the convolution behind it.
        widths: channels of the decoder's convolutions.
    """

    strides: Sequence[tuple[int, int]]
    widths: Sequence[int]


def _sizes(before: Shape, joined: Shape) -> _Sizes:
    (height, width), strides = before[1:], []
    _, goal_height, goal_width = joined
    for _ in range(3):
        strides.append((_stride(height, goal_height), _stride(width, goal_width)))
        height, width = -(-height // strides[-1][0]), -(-width // strides[-1][1])
    still_large = _stride(height, goal_height) == 2 or _stride(width, goal_width) == 2
    wide, wider = joined[0], 2 * joined[0]
    return _Sizes(strides, (wider, wider, wide, wide, wide) if still_large else (wide,) * 4)


def _stride(side: int, goal: int) -> int:
    return 2 if side > ENOUGH * goal else 1


def _norm(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(width), nn.ReLU()


def _conv(width: int, channels: int, padding: int, stride: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    return nn.Conv2d(width, channels, 2, stride, padding, bias=False)
