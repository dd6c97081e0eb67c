"""What happens to samples at a cut: head, message, loss, tail, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn

from splitsim.dnn import packets
from splitsim.dnn.answers import answers
from splitsim.dnn.bottlenecks.noise import add_awgn
from splitsim.dnn.data import Samples
from splitsim.dnn.formats import Formats
from splitsim.dnn.partition import Cut, split
from splitsim.dnn.preprocessing import Preprocessing, stages
from splitsim.dnn.trace import STUCK, first_line
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput
from splitsim.rng import stream

SYMBOL_BYTES = 4  # of a number that is sent as a symbol, as much as it has in float32
POWER_ERROR = 1e-3  # of what should be 1


class Level(NamedTuple):
    """How good the link is: which share of the packets it loses, or at which SNR symbols arrive."""

    loss: float = 0.0
    snr_db: float | None = None


@dataclass(frozen=True)
class Crossing:
    """A network split at one cut, and how what crosses is coded.

    Attributes:
        name: of the network and the cut; with a sample's number it decides what is lost.
        wire: of the messages; None at the last cut, where nothing is sent.
        head: gives for images what is to be sent of each.
        tail: gives for what was received the scores (samples x classes).
        branch: gives for what is to be sent the scores of the exit; None without one.
    """

    name: str
    wire: Wire | None
    head: Callable[[Sequence[Tensor]], list[Tensor]]
    tail: Callable[[list[Tensor]], Tensor]
    branch: nn.Module | None = None

    def rows(
        self, samples: Samples, first: int, levels: Sequence[Level]
    ) -> dict[Level, np.ndarray]:
        """What becomes of samples, an array of ROW for each level.

        Args:
            samples: a batch of them.
            first: the number of the first in its data set.
            levels: of the link.
        """
        with torch.inference_mode():
            crossing = self.head(samples.images)
            branch = None if self.branch is None else self.branch(torch.cat(crossing))

            def told(sizes: Sequence[int], received: list[Tensor]) -> np.ndarray:
                return answers(sizes, self.tail(received), samples.labels, branch)

            if self.wire is None:
                return dict.fromkeys(levels, told([0] * len(crossing), crossing))
            messages = [self.wire.encode(tensor) for tensor in crossing]
            sizes = list(map(len, messages))
            symbols = [SYMBOL_BYTES * tensor.numel() for tensor in crossing]
            return {
                level: told(sizes, self._received(messages, first, level.loss))
                if level.snr_db is None
                else told(symbols, self._heard(crossing, first, level.snr_db))
                for level in levels
            }

    def _received(self, messages: Sequence[bytes], first: int, loss: float) -> list[Tensor]:
        return [
            self._decoded(message, number, loss) for number, message in enumerate(messages, first)
        ]

    def _decoded(self, message: bytes, number: int, loss: float) -> Tensor:
        rng = stream(0, "loss", f"{self.name}/{number}")
        decoded = Wire.decode(message, packets.lose(message, loss, rng=rng) if loss else None)
        assert isinstance(decoded, Tensor), "only single tensors are sent"
        return decoded

    def _heard(self, crossing: Sequence[Tensor], first: int, snr_db: float) -> list[Tensor]:
        """Numbers that were sent as symbols, with the noise of the link."""
        for power in (float(tensor.square().mean()) for tensor in crossing):
            if abs(power - 1) > POWER_ERROR:
                what = f"sends numbers of a mean square of {power:.3g}, not 1"
                raise BadInput(f"--snr: {self.name} {what}: they are no symbols; leave it out")
        rngs = (stream(0, "noise", f"{self.name}/{first + n}") for n in range(len(crossing)))
        return [add_awgn(x, snr_db, rng=rng) for x, rng in zip(crossing, rngs, strict=True)]


def crossing(
    network: LoadedModel,
    traced: fx.GraphModule,
    cut: Cut,
    formats: Formats,
    branch: nn.Module | None = None,
) -> Crossing:
    """A network split at a cut.

    Args:
        network: the network.
        traced: its graph.
        cut: one of its cuts.
        formats: of what crosses; without one of images the pre-processed input is sent.
        branch: of the exit there.
    """
    # A network file's folder is left out: what is lost does not depend on where it lies.
    name, wire = f"{Path(network.name).name}/{cut.name}", formats.at(cut)
    if cut.index == 0 and formats.image is not None:
        return _offloaded(name, network, traced, formats.image)
    return replace(_split(name, network, traced, cut, wire), branch=branch)


def _offloaded(name: str, network: LoadedModel, traced: fx.GraphModule, image: Wire) -> Crossing:
    shrink, normalise = stages(network.preprocess)

    def head(images: Sequence[Tensor]) -> list[Tensor]:
        return [shrink(picture).unsqueeze(0) for picture in images]

    def tail(received: list[Tensor]) -> Tensor:
        pixels = [(255 * picture[0]).round().to(torch.uint8) for picture in received]
        return _run(network, traced, _inputs(network, normalise, pixels))

    return Crossing(name, image, head, tail)


def _split(
    name: str, network: LoadedModel, traced: fx.GraphModule, cut: Cut, wire: Wire | None
) -> Crossing:
    near, far = split(traced, cut, network.example())

    def head(images: Sequence[Tensor]) -> list[Tensor]:
        made = _run(network, near, inputs(network, images))
        if len(made) != len(images):
            what = f"at cut {cut.name!r} {len(images)} samples make {len(made)} rows"
            raise BadInput(f"{network.name}: {what}: samples cannot be sent one by one there")
        return [made[n : n + 1] for n in range(len(made))]

    def tail(received: list[Tensor]) -> Tensor:
        return _run(network, far, torch.cat(received))

    return Crossing(name, wire, head, tail)


def inputs(network: LoadedModel, images: Sequence[Tensor]) -> Tensor:
    """Images, pre-processed, as a batch."""
    return _inputs(network, network.preprocess, images)


def _inputs(
    network: LoadedModel, prepare: Callable[[Tensor], Tensor], images: Sequence[Tensor]
) -> Tensor:
    """Images as a batch of inputs."""
    own = len(network.shape) == 3 and isinstance(network.preprocess, Preprocessing)
    for image in images:
        # A grey image would be stretched to three channels without a word.
        if own and image.shape[0] != network.shape[0]:
            raise BadInput(_misfit(network, f"an image of {_shape(image)}"))
    inputs = [prepare(image) for image in images]
    for made in inputs:
        if tuple(made.shape) != network.shape:
            raise BadInput(_misfit(network, f"an image that is {_shape(made)} when pre-processed"))
    return torch.stack(inputs)


def _run(network: LoadedModel, part: nn.Module, given: Tensor) -> Tensor:
    try:
        result: Tensor = part(given)
    except STUCK as error:
        what = f"{network.name} cannot take {len(given)} samples at once: {first_line(error)}"
        raise BadInput(f"{what}; try --batch 1") from error
    return result


def _misfit(network: LoadedModel, what: str) -> str:
    takes = "x".join(map(str, network.shape))
    return f"data set: has {what}; {network.name} takes {takes}: give another, or its --shape"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
