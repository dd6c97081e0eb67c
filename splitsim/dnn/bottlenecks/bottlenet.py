"""BottleNet: few and smaller maps, sent as a JPEG."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from splitsim.component import Count
from splitsim.dnn.bottlenecks.base import Bottleneck, BottleneckSpec, Shape, check_one_cut
from splitsim.dnn.bottlenecks.sent import Sent
from splitsim.dnn.bottlenecks.strided import larger, smaller


class BottleNet(BottleneckSpec):
    """BottleNet (Eshratifar et al., ISLPED 2019, arXiv 1902.01000).

    A learned reduction in channels and, by ``spatial``, in height and width; eight bits a number;
    JPEG, which training takes for the identity backwards; and a learned restoration. There is no
    public code: kernels, one convolution for both reductions, batch norm and ReLU behind it, and
    how channels are laid out as a picture (``splitsim.dnn.maps``) are assumed.
    """

    kind: Literal["bottlenet"]
    channels: Count
    spatial: Count = 2
    quality: Annotated[int, Field(ge=1, le=100)] = 75

    @property
    def wire(self) -> str:
        """JPEG of as good a quality."""
        return f"map-jpeg{self.quality}"

    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """A strided convolution and a transposed one, each with batch norm and ReLU."""
        check_one_cut(before, joined)
        encoder = nn.Sequential(
            smaller(before, self.channels, self.spatial),
            nn.BatchNorm2d(self.channels),
            nn.ReLU(),
            Sent(self.wire),
        )
        back = larger(self.channels, joined, self.spatial)
        return Bottleneck(encoder, nn.Sequential(back, nn.BatchNorm2d(joined[0]), nn.ReLU()))
