"""What happens to samples at a cut: head, message, loss, tail, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from splitsim.dnn import packets
from splitsim.dnn.data import Samples
from splitsim.dnn.partition import Cut, split
from splitsim.dnn.preprocessing import Preprocessing, stages
from splitsim.dnn.trace import STUCK, first_line
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput
from splitsim.rng import stream

# What is kept of a sample at a cut; ``confidence`` is the probability of the prediction.
ROW = np.dtype([("bytes", "<i8"), ("prediction", "<i8"), ("confidence", "<f4"), ("correct", "?")])


@dataclass(frozen=True)
class Crossing:
    """A network split at one cut, and how what crosses is coded.

    Attributes:
        name: of the network and the cut; with a sample's number it decides what is lost.
        wire: of the messages; None at the last cut, where nothing is sent.
        head: gives for images what is to be sent of each.
        tail: gives for what was received the scores (samples x classes).
    """

    name: str
    wire: Wire | None
    head: Callable[[Sequence[Tensor]], list[Tensor]]
    tail: Callable[[list[Tensor]], Tensor]

    def rows(
        self, samples: Samples, first: int, losses: Sequence[float]
    ) -> dict[float, np.ndarray]:
        """What becomes of samples, an array of ROW for each loss.

        Args:
            samples: a batch of them.
            first: the number of the first in its data set.
            losses: the probabilities with which a packet is lost.
        """
        with torch.inference_mode():
            crossing = self.head(samples.images)
            if self.wire is None:
                rows = _rows([0] * len(crossing), self.tail(crossing), samples.labels)
                return dict.fromkeys(losses, rows)
            messages = [self.wire.encode(tensor) for tensor in crossing]
            sizes = list(map(len, messages))
            return {
                loss: _rows(sizes, self.tail(self._received(messages, first, loss)), samples.labels)
                for loss in losses
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


def crossing(
    network: LoadedModel, traced: fx.GraphModule, cut: Cut, wire: Wire, image: Wire | None
) -> Crossing:
    """A network split at a cut.

    Args:
        network: the network.
        traced: its graph.
        cut: one of its cuts.
        wire: of the tensors.
        image: of the pixels at cut 0; without it the pre-processed input is sent by ``wire``.
    """
    name = f"{network.name}/{cut.name}"
    if cut.index == 0 and image is not None:
        return _offloaded(name, network, traced, image)
    return _split(name, network, traced, cut, wire)


def _offloaded(name: str, network: LoadedModel, traced: fx.GraphModule, image: Wire) -> Crossing:
    shrink, normalise = stages(network.preprocess)

    def head(images: Sequence[Tensor]) -> list[Tensor]:
        return [shrink(picture).unsqueeze(0) for picture in images]

    def tail(received: list[Tensor]) -> Tensor:
        pixels = [(255 * picture[0]).round().to(torch.uint8) for picture in received]
        return _run(network, traced, _inputs(network, normalise, pixels))

    return Crossing(name, image, head, tail)


def _split(
    name: str, network: LoadedModel, traced: fx.GraphModule, cut: Cut, wire: Wire
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

    return Crossing(name, wire if cut.crossing else None, head, tail)


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


def _run(network: LoadedModel, part: torch.nn.Module, given: Tensor) -> Tensor:
    try:
        result: Tensor = part(given)
    except STUCK as error:
        what = f"{network.name} cannot take {len(given)} samples at once: {first_line(error)}"
        raise BadInput(f"{what}; try --batch 1") from error
    return result


def _rows(sizes: Sequence[int], scores: Tensor, labels: Sequence[int]) -> np.ndarray:
    confidence, prediction = scores.softmax(1).max(1)
    rows = np.empty(len(labels), ROW)
    rows["bytes"], rows["prediction"] = sizes, prediction.numpy()
    rows["confidence"], rows["correct"] = confidence.numpy(), prediction.numpy() == labels
    return rows


def _misfit(network: LoadedModel, what: str) -> str:
    takes = "x".join(map(str, network.shape))
    return f"data set: has {what}; {network.name} takes {takes}: give another, or its --shape"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
