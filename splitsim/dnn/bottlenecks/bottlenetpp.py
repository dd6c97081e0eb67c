"""BottleNet++: an encoder and a decoder that learn source and channel coding at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from splitsim.component import Component, Count, Number, Share
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, check_one_cut
from splitsim.dnn.bottlenecks.noise import Awgn, Erasure, UnitPower
from splitsim.dnn.bottlenecks.quantise import Bits, Quantiser, wire_of
from splitsim.dnn.bottlenecks.strided import larger, smaller


class ErasureChannel(Component):
    """A digital link: codes of some bits, of which training loses some.

    The paper erases bits. Here whole codes are lost, as on the wire: one by one, or
    ``packet_elements`` that follow one another. A real packet holds some 1,400 codes of 8 bits;
    a tensor of no more is there or is not.
    """

    kind: Literal["erasure"]
    loss: Share
    packet_elements: Count = 1
    bits: Bits = 8

    @property
    def wire(self) -> str:
        """Codes of as many bits."""
        return wire_of(self.bits)

    def layers(self) -> tuple[nn.Module, nn.Module]:
        """What the encoder ends with."""
        return Quantiser(self.bits), Erasure(self.loss, self.packet_elements)


class AwgnChannel(Component):
    """An analogue link: each number is a real symbol, of unit average power in each sample."""

    kind: Literal["awgn"]
    snr_db: Number

    @property
    def wire(self) -> str:
        """Where they have to be bytes, floats."""
        return "float32"

    def layers(self) -> tuple[nn.Module, nn.Module]:
        """What the encoder ends with."""
        return UnitPower(), Awgn(self.snr_db)


class BottleNetPlusPlus(BottleneckSpec):
    """BottleNet++ (Shao and Zhang, ICC Workshops 2020, arXiv 1910.14315).

    A convolution to ``channels`` with batch norm and a sigmoid, the channel, and a convolution back
    with batch norm and ReLU, as in its public code, which also divides height and width by
    ``spatial``. The channel's state as a further input of the encoder, in later versions of the
    paper, is left out: a network is trained for one. Symbols are scaled to unit power, where that
    code leaves them between 0 and 1: their mean takes a part of the power in both.
    """

    kind: Literal["bottlenetpp"]
    channels: Count
    spatial: Count = 1
    channel: Annotated[ErasureChannel | AwgnChannel, Field(discriminator="kind")]

    @property
    def wire(self) -> str:
        """As the channel has it."""
        return self.channel.wire

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """Encoder, channel included, and decoder."""
        check_one_cut(before, joined)
        encoder = nn.Sequential(
            smaller(before, self.channels, self.spatial),
            nn.BatchNorm2d(self.channels),
            nn.Sigmoid(),
            *self.channel.layers(),
        )
        back = larger(self.channels, joined, self.spatial)
        return Bottleneck(encoder, nn.Sequential(back, nn.BatchNorm2d(joined[0]), nn.ReLU()))
