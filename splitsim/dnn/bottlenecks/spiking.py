"""SpikeBottleNet: a spiking encoder and decoder in a network that spikes as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from splitsim.component import Count, Positive
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, shape_text
from splitsim.dnn.partition import Cut
from splitsim.dnn.spikes.convert import spiking
from splitsim.dnn.spikes.fold import Fold, Unfold
from splitsim.dnn.spikes.lif import Lif, Reset, Units
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput


class SpikeBottleNet(BottleneckSpec):
    """SpikeBottleNet (arXiv 2410.08673): few binary maps, at every one of a few time steps.

    The whole network is made to spike. The encoder is a convolution to ``channels``, a norm and
    units; ``spatial`` is its stride, by which height and width are divided, rounded up. What
    crosses for a sample is ``steps * channels`` binary maps, those of the first step first. The
    decoder is a transposed convolution, a norm and units. The paper's decay, threshold, steps and
    layers are not public: these are ours.
    """

    kind: Literal["spikebottlenet"]
    channels: Count
    spatial: Count = 1
    steps: Count = 4
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.5
    threshold: Positive = 1.0
    learnable: bool = True
    reset: Reset = "subtract"

    JOINS: ClassVar[Sequence[str]] = ("layer4", "features")  # the last stage that has maps

    @property
    def wire(self) -> str:
        """A bit per unit and step."""
        return "spikes"

    @property
    def units(self) -> Units:
        """What the units of all layers are like at first."""
        return Units(self.steps, self.beta, self.threshold, self.learnable, self.reset)

    def prepare(self, network: LoadedModel) -> LoadedModel:
        """The network, spiking."""
        return spiking(network, self.units)

    def places(self, every: Sequence[Cut]) -> tuple[Cut, Cut]:
        """The cuts ``after`` and ``join``, both where there are time steps."""
        after, join = super().places(every)
        if after.index == 0:
            raise BadInput("after: the input has no time steps yet; name 'repeat', or a cut behind")
        return after, join

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """Encoder and decoder.

        Args:
            before: of the tensor at ``after``, at one time step of one sample.
            joined: of the tensor at ``join``, likewise.

        Raises:
            BadInput: one is not of maps, or the decoder cannot widen to it.
        """
        for key, shape in (("join", joined), ("after", before)):
            if len(shape) != 3:
                what = f"must be a cut with channels x height x width, not {shape_text(shape)}"
                raise BadInput(f"{key}: {what}")
        narrow = (self.channels, *(-(-side // self.spatial) for side in before[1:]))
        kernel = self.spatial | 1  # the next odd number
        encoder = nn.Sequential(
            nn.Conv2d(before[0], self.channels, kernel, self.spatial, kernel // 2, bias=False),
            nn.BatchNorm2d(self.channels),
            Lif(self.units),
            Unfold(self.steps),
        )
        decoder = nn.Sequential(
            Fold(self.steps), _widened(narrow, joined), nn.BatchNorm2d(joined[0]), Lif(self.units)
        )
        return Bottleneck(encoder, decoder)


def bit_compression(
    shape: Shape, *, steps: int, channels: int, height: int, width: int, bits: int = 32
) -> Fraction:
    """How many times fewer bits binary maps have than the numbers they stand for.

    ``bits C H W / (T Cb Hb Wb)``; SpikeBottleNet counts a number as 32 bits, and eight bits a
    number would be a fairer measure against a quantised network.

    Args:
        shape: C, H and W of the tensor that is narrowed.
        steps: T.
        channels: Cb, per step.
        height: Hb.
        width: Wb.
        bits: of a number of the tensor.
    """
    return Fraction(bits * prod(shape), steps * channels * height * width)


def _widened(narrow: Shape, joined: Shape) -> nn.ConvTranspose2d:
    """A transposed convolution from maps of one shape to maps of another, at least as large."""
    pairs = list(zip(narrow[1:], joined[1:], strict=True))
    strides = [-(-wide // small) for small, wide in pairs]
    missing = [
        wide - 1 - (small - 1) * stride
        for (small, wide), stride in zip(pairs, strides, strict=True)
    ]
    if not all(0 <= rest < stride for rest, stride in zip(missing, strides, strict=True)):
        what = f"{shape_text(narrow)} cannot be widened to {shape_text(joined)} by a whole stride"
        raise BadInput(f"spatial: {what}; choose another, or leave out after")
    kernels = [stride | 1 for stride in strides]
    return nn.ConvTranspose2d(
        narrow[0],
        joined[0],
        (kernels[0], kernels[1]),
        (strides[0], strides[1]),
        (kernels[0] // 2, kernels[1] // 2),
        (missing[0], missing[1]),
        bias=False,
    )
