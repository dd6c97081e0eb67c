"""A convolution that divides the height and width of maps, and one that multiplies them again."""

from __future__ import annotations

from torch import nn

from splitsim.dnn.bottlenecks.base import Shape, shape_text
from splitsim.errors import BadInput


def smaller(before: Shape, channels: int, spatial: int) -> nn.Conv2d:
    """As in BottleNet++'s public code: 3x3 where nothing shrinks, else as large as its stride.

    Args:
        before: channels x height x width that it takes.
        channels: that it gives.
        spatial: by which height and width are divided, rounded down.

    Raises:
        BadInput: nothing would be left of the maps.
    """
    if spatial > min(before[1:]):
        raise BadInput(f"spatial: must be {min(before[1:])} at most for {shape_text(before)}")
    kernel, padding = (3, 1) if spatial == 1 else (spatial, 0)
    return nn.Conv2d(before[0], channels, kernel, spatial, padding)


def larger(channels: int, joined: Shape, spatial: int) -> nn.Conv2d | nn.ConvTranspose2d:
    """The way back; where the division left a rest, the last rows and columns have no input.

    Args:
        channels: that it takes.
        joined: channels x height x width that it gives.
        spatial: as of the other.
    """
    if spatial == 1:
        return nn.Conv2d(channels, joined[0], 3, padding=1)
    rest = joined[1] % spatial, joined[2] % spatial
    return nn.ConvTranspose2d(channels, joined[0], spatial, spatial, output_padding=rest)
