"""What happens around a network: pre-processing an image, and coding what crosses a cut.

At cut 0 the device resizes and crops the camera's picture and codes it as an image; the receiver
decodes it and normalises. At every other cut the device also normalises, and tensors are coded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from splitsim.dnn.preprocessing import Preprocessing, stages
from splitsim.dnn.timing import HostClock, lasts_s
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel

CAMERA = (480, 640)  # of the picture that is resized, height x width in pixels


@dataclass(frozen=True)
class Steps:
    """What is done to a sample at one cut, as pieces of work that can be timed."""

    pre: Callable[[], object]
    encode: Callable[[], bytes]
    decode: Callable[[], object]

    def last_s(self, clock: HostClock) -> tuple[float, float, float]:
        """Seconds of pre-processing, encoding and decoding, once."""
        pre, encode, decode = (
            lasts_s(work, clock) for work in (self.pre, self.encode, self.decode)
        )
        return pre, encode, decode


def takes_images(model: LoadedModel) -> bool:
    """Whether a network's input is grey or coloured pixels."""
    return len(model.shape) == 3 and model.shape[0] in (1, 3)


def picture(model: LoadedModel) -> Tensor | None:
    """A picture made up of noise of all sizes, coarse ones strongest, like a camera's.

    C x H x W, uint8, always the same; None if the network takes no images.
    """
    if not takes_images(model):
        return None
    resized = isinstance(model.preprocess, Preprocessing) and model.preprocess.resize
    height, width = CAMERA if resized else model.shape[1:]
    chance = torch.Generator().manual_seed(0)
    pixels = torch.zeros(1, model.shape[0], height, width)
    for octave in range(10):
        size = (min(height, 2**octave + 1), min(width, 2**octave + 1))
        noise = torch.rand(1, model.shape[0], *size, generator=chance) / 2 ** (octave / 2)
        pixels += functional.interpolate(noise, (height, width), mode="bilinear")
    return (pixels[0] / pixels.max() * 255).to(torch.uint8)


def image_steps(model: LoadedModel, shot: Tensor, wire: Wire) -> Steps:
    """At cut 0, where an image is sent."""
    cropped, normalised = stages(model.preprocess)
    pixels = cropped(shot)
    message = wire.encode(pixels.unsqueeze(0))

    def decode() -> Tensor:
        decoded = wire.decode(message)
        assert isinstance(decoded, Tensor)
        return normalised((decoded[0] * 255).round().to(torch.uint8))

    return Steps(lambda: cropped(shot), lambda: wire.encode(pixels.unsqueeze(0)), decode)


def tensor_steps(
    model: LoadedModel, shot: Tensor | None, tensors: Sequence[Tensor], wire: Wire
) -> Steps:
    """At a cut where tensors cross."""
    crossing = tensors[0] if len(tensors) == 1 else tuple(tensors)
    message = wire.encode(crossing)
    return Steps(pre(model, shot), lambda: wire.encode(crossing), lambda: wire.decode(message))


def pre(model: LoadedModel, shot: Tensor | None) -> Callable[[], object]:
    """What is done to a picture before the network."""
    return (lambda: None) if shot is None else (lambda: model.preprocess(shot))


def input_of(model: LoadedModel, shot: Tensor | None) -> Tensor:
    """What the network takes for a picture, with its batch dimension, on the network's device."""
    example = model.example()
    return example if shot is None else model.preprocess(shot).unsqueeze(0).to(example.device)
