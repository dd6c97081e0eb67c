"""Samples on their way into a network: batches of inputs and labels, from memory or from disk.

Small data are held in memory as they are, uint8, and pre-processed a batch at a time; data that do
not fit, or whose images differ in size, are read by processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, cast

import torch
from torch import Generator, Tensor, device
from torch.utils.data import DataLoader

from splitsim.dnn.data import Dataset, Samples
from splitsim.dnn.preprocessing import Preprocessing, stages
from splitsim.dnn.training.augment import Augment
from splitsim.dnn.training.chance import generator
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

MEMORY = 2**30  # bytes of images, or of inputs, that are held at most

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Prepare:
    """From a batch of images (uint8) to one of inputs (float32).

    Attributes:
        network: whose inputs they are.
        augment: what happens to images before; nothing without a generator.
    """

    network: LoadedModel
    augment: Augment | None

    def __call__(self, images: Tensor, chance: Generator | None) -> Tensor:
        """Inputs of the network, pre-processed as single images are."""
        own = self.network.preprocess
        if chance is None or self.augment is None:
            return prepared(own, images)
        size = self.network.shape[1], self.network.shape[2]
        changed = self.augment(images, size, chance)
        is_sized = self.augment.crop is not None
        return prepared(stages(own)[1] if is_sized else own, changed)


def prepared(preprocess: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """A batch of images, pre-processed: what the single ones would be, to the last bit."""
    if not isinstance(preprocess, Preprocessing):
        return torch.stack([preprocess(image) for image in images])
    with images.device:  # the pre-processing makes its numbers there
        return _batch(preprocess, images)


def _batch(preprocess: Preprocessing, images: Tensor) -> Tensor:
    pixels = images.float()
    if preprocess.resize is not None or preprocess.crop is not None:
        # Images are resized a channel at a time, so that a batch may pass for one with many.
        shrunk = replace(preprocess, mean=(0.0,), std=(1.0,))(images.flatten(0, 1))
        pixels = (255 * shrunk).round().view(*images.shape[:2], *shrunk.shape[1:])
    return replace(preprocess, resize=None, crop=None)(pixels)


class InMemory:
    """Samples of which all images are held, on the device that computes."""

    def __init__(self, images: Tensor, labels: Tensor, prepare: Prepare) -> None:
        self.images = images
        self.labels = labels
        self.prepare = prepare

    def read(self, batches: Sequence[Tensor], chance: Generator | None = None) -> Iterator[Batch]:
        """Batches of samples by their numbers, changed at random if there is a generator."""
        for chosen in (batch.to(self.labels.device) for batch in batches):
            yield self._inputs(chosen, chance), self.labels[chosen]

    def _inputs(self, chosen: Tensor, chance: Generator | None) -> Tensor:
        plain = chance is None or self.prepare.augment is None
        if plain and self._all is not None:
            return self._all[chosen]
        return self.prepare(self.images[chosen], chance)

    @cached_property
    def _all(self) -> Tensor | None:
        """All inputs, if they fit into memory."""
        if 4 * len(self.images) * prod(self.prepare.network.shape) > MEMORY:
            return None
        return self.prepare(self.images, None)


@dataclass(frozen=True)
class OnDisk:
    """Samples that are read when it is their turn, by processes of their own."""

    data: Dataset
    prepare: Prepare
    device: device
    workers: int

    def read(self, batches: Sequence[Tensor], chance: Generator | None = None) -> Iterator[Batch]:
        """Batches of samples by their numbers, changed at random if there is a generator.

        Raises:
            BadInput: a sample is no image with a label.
        """
        seed = None if chance is None else chance.initial_seed()
        loader: DataLoader[Any] = DataLoader(
            cast("Any", _Reader(self.data, self.prepare, seed)),
            batch_sampler=[batch.tolist() for batch in batches],
            num_workers=self.workers,
            collate_fn=_collated,
            pin_memory=self.device.type == "cuda",
        )
        for found in loader:
            if isinstance(found, BadInput):
                raise found
            yield tuple(tensor.to(self.device, non_blocking=True) for tensor in found)


@dataclass(frozen=True)
class _Reader:
    """A sample's input and label by its number; what is wrong with it travels as a value."""

    data: Dataset
    prepare: Prepare
    seed: int | None

    def __len__(self) -> int:
        return self.data.samples

    def __getitem__(self, number: int) -> tuple[Tensor, int] | BadInput:
        chance = None if self.seed is None else generator(self.seed, "sample", index=number)
        try:
            (image,), (label,) = _checked(self.data.take(number, number + 1), self.prepare)
        except BadInput as error:
            return error
        return self.prepare(image.unsqueeze(0), chance)[0], label


def _collated(samples: Sequence[Any]) -> Any:
    wrong = next((found for found in samples if isinstance(found, BadInput)), None)
    inputs, labels = zip(*samples, strict=True) if wrong is None else ((), ())
    return wrong or (torch.stack(inputs), torch.tensor(labels))


Feed = InMemory | OnDisk


def feed(data: Dataset, prepare: Prepare, where: device, workers: int) -> Feed:
    """The samples of a data set, in memory if they fit there.

    Raises:
        BadInput: one is no image with a label.
    """
    if data.samples * data.take(0, 1).images[0].numel() <= MEMORY:
        images, labels = _checked(data.take(0, data.samples), prepare)
        if len({image.shape for image in images}) == 1:
            return InMemory(torch.stack(images).to(where), torch.tensor(labels).to(where), prepare)
    return OnDisk(data, prepare, where, workers)


def _checked(samples: Samples, prepare: Prepare) -> Samples:
    most, classes = max(samples.labels), prepare.network.classes or 0
    if most >= classes:
        what = f"has the label {most}; {prepare.network.name} chooses from {classes}"
        raise BadInput(f"data set: {what}: give one trained on these data, and its classes")
    return samples


def in_batches(numbers: Tensor, batch: int) -> list[Tensor]:
    """Numbers of samples in batches; a single one left over is left out, for norms need two."""
    parts = list(torch.split(numbers, batch))
    return parts[:-1] if len(parts) > 1 and len(parts[-1]) == 1 else parts
