"""Images changed at random, as training sets are made larger: batches of uint8, drawn seeded."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional

from splitsim.component import Component, Count

TRIES = 10  # at a piece that lies inside the image
STRETCH = 4 / 3  # of a piece's sides, either way
Piece = tuple[int, int, int, int]  # top, left, height, width


class Crop(Component):
    """A piece of at least a share ``least`` of the image, resized to the network's input.

    Its area is drawn evenly up to the whole image and its shape between 3:4 and 4:3, as ImageNet
    networks are usually trained (Szegedy et al., arXiv 1409.4842).
    """

    least: Annotated[float, Field(gt=0, le=1)] = 0.08


class Augment(Component):
    """What may happen to an image before it is pre-processed; labels stay.

    ``shift`` moves it by up to so many pixels each way, and black comes in (elsewhere called a
    crop with padding); ``flip`` mirrors every other one, left to right; ``crop`` takes a piece.
    """

    shift: Count | None = None
    flip: bool = False
    crop: Crop | None = None

    def __call__(self, images: Tensor, size: tuple[int, int], chance: Generator) -> Tensor:
        """Changed images.

        Args:
            images: samples x channels x height x width, uint8.
            size: height and width of a piece, if there is ``crop``.
            chance: what is drawn from; on the CPU, wherever the images are.
        """
        if self.crop is not None:
            images = torch.cat([_piece(one, self.crop.least, size, chance) for one in images])
        if self.shift is not None:
            images = _shifted(images, self.shift, chance)
        if self.flip:
            tossed = torch.rand(len(images), generator=chance) < 0.5
            images = torch.where(tossed.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)
        return images


def _shifted(images: Tensor, most: int, chance: Generator) -> Tensor:
    """Each image by its own offsets: a window of it with a black border."""
    samples, channels, height, width = images.shape
    offsets = torch.randint(2 * most + 1, (2, samples, 1), generator=chance)
    down = (offsets[0] + torch.arange(height)).to(images.device).view(samples, 1, height, 1)
    right = (offsets[1] + torch.arange(width)).to(images.device).view(samples, 1, 1, width)
    sample = torch.arange(samples, device=images.device).view(samples, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, channels, 1, 1)
    return functional.pad(images, (most,) * 4)[sample, channel, down, right]


def _piece(image: Tensor, least: float, size: tuple[int, int], chance: Generator) -> Tensor:
    top, left, height, width = _drawn(image.shape[1], image.shape[2], least, chance)
    piece = image[None, :, top : top + height, left : left + width].float()
    resized = functional.interpolate(piece, size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _drawn(height: int, width: int, least: float, chance: Generator) -> Piece:
    """Where a piece lies; where none fits, the middle of the image."""
    for area, shape, down, right in torch.rand(TRIES, 4, generator=chance).tolist():
        pixels = height * width * (least + (1 - least) * area)
        stretch = math.exp((2 * shape - 1) * math.log(STRETCH))
        tall, wide = round(math.sqrt(pixels / stretch)), round(math.sqrt(pixels * stretch))
        if 0 < tall <= height and 0 < wide <= width:
            return int(down * (height - tall + 1)), int(right * (width - wide + 1)), tall, wide
    tall, wide = min(height, round(width * STRETCH)), min(width, round(height * STRETCH))
    return (height - tall) // 2, (width - wide) // 2, tall, wide
