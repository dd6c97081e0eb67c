"""From a decoded image to the input of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Preprocessing:
    """Scales to [0, 1]; where sizes are given, resizes and crops the centre; normalises.

    Attributes:
        resize: what the shorter side becomes, in pixels.
        crop: height and width of the piece taken from the middle, in pixels.
        mean: subtracted, a number per channel or one for all.
        std: divided by, likewise.
        mode: of interpolation, ``bilinear`` or ``bicubic``.
    """

    resize: int | None = None
    crop: tuple[int, int] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    mode: str = "bilinear"

    def __call__(self, image: Tensor) -> Tensor:
        """The input of a network (C x H x W, float32) for an image (C x H x W, uint8)."""
        pixels = image.float() if self.resize is None else self._resized(image.float())
        mean, std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (self.mean, self.std))
        return (self._cropped(pixels) / 255 - mean) / std

    def sized(self, shape: tuple[int, ...] | None) -> Preprocessing:
        """The same for another input (C x H x W): what is cropped keeps its share of the image."""
        if shape is None or self.resize is None or self.crop is None:
            return self
        resize = round(self.resize * min(shape[1:]) / min(self.crop))
        return replace(self, resize=resize, crop=(shape[1], shape[2]))

    def _resized(self, pixels: Tensor) -> Tensor:
        """Pixels stay whole numbers from 0 to 255, as where images are resized as such."""
        height, width = pixels.shape[-2:]
        size = [int((self.resize or 0) * side / min(height, width)) for side in (height, width)]
        one = pixels.unsqueeze(0)
        resized = functional.interpolate(one, size, mode=self.mode, antialias=True)
        return resized.squeeze(0).round().clamp(0, 255)

    def _cropped(self, pixels: Tensor) -> Tensor:
        if self.crop is None:
            return pixels
        height, width = self.crop
        top, left = round((pixels.shape[-2] - height) / 2), round((pixels.shape[-1] - width) / 2)
        return pixels[..., top : top + height, left : left + width]


def stages(
    preprocess: Callable[[Tensor], Tensor],
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """What is done with an image before it is sent (pixels from 0 to 1), and after.

    The device resizes and crops and the server normalises; where these cannot be told apart, the
    whole image is sent.
    """
    if not isinstance(preprocess, Preprocessing):
        return (lambda image: image / 255), preprocess
    shrink = replace(preprocess, mean=(0.0,), std=(1.0,))
    return shrink, replace(preprocess, resize=None, crop=None)
