"""The autoencoder that BottleFit is compared with: layers put behind those of the network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from torch import nn

from splitsim.component import Count
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, check_one_cut
from splitsim.dnn.bottlenecks.quantise import Bits, Quantiser, wire_of
from splitsim.errors import BadInput

WIDTHS = (128, 64, 32)
LEAST = 5  # height and width of maps that four 2x2 convolutions leave something of


class Autoencoder(BottleneckSpec):
    """Four convolutions of 2x2 to 128, 64, 32 and few channels; nothing of the network is left out.

    The encoder is that of the baseline in BottleFit (arXiv 2201.02693): no biases, batch norm and
    ReLU between the convolutions, height and width less by 4. In networks that have fewer channels
    there, none has more than they. The decoder is not published: it mirrors the encoder with
    transposed convolutions.
    """

    kind: Literal["autoencoder"]
    channels: Count
    bits: Bits = 8

    @property
    def wire(self) -> str:
        """Codes of as many bits."""
        return wire_of(self.bits)

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """Encoder and decoder.

        Raises:
            BadInput: the maps are too small.
        """
        check_one_cut(before, joined)
        if min(before[1:]) < LEAST:
            found = f"maps of {LEAST} x {LEAST} or more, not {before[1]} x {before[2]}"
            raise BadInput(f"join: four 2x2 convolutions need {found}; name an earlier cut")
        widths = (before[0], *(min(before[0], width) for width in WIDTHS), self.channels)
        encoder = [*_layers(nn.Conv2d, widths), Quantiser(self.bits)]
        decoder = _layers(nn.ConvTranspose2d, widths[::-1])
        return Bottleneck(nn.Sequential(*encoder), nn.Sequential(*decoder))


def _layers(
    kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], widths: tuple[int, ...]
) -> Iterator[nn.Module]:
    for number, (width, channels) in enumerate(pairwise(widths)):
        if number:
            yield nn.BatchNorm2d(width)
            yield nn.ReLU()
        yield kind(width, channels, 2, bias=False)
