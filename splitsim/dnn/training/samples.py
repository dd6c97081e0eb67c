"""The samples of a recipe: to learn from, to watch, and to test on in the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import Dataset, dataset
from splitsim.dnn.training.augment import Augment
from splitsim.dnn.training.chance import generator
from splitsim.dnn.training.feed import Feed, Prepare, feed
from splitsim.dnn.training.recipe import LoadedRecipe
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Samples:
    """Inputs of a network by their numbers.

    Attributes:
        train: the training part.
        test: the test part.
        learned: numbers of the training part that are learned from.
        watched: its others, never learned from.
        tested: all numbers of the test part.
    """

    train: Feed
    test: Feed
    learned: Tensor
    watched: Tensor
    tested: Tensor


def open_data(loaded: LoadedRecipe) -> tuple[Dataset, Dataset]:
    """The training and the test part; no image is read yet.

    Raises:
        BadInput: one is not on this machine, or has no samples.
    """
    problems, data = loaded.problems(), loaded.recipe.data
    with problems.at(("data", "train")):
        train = _part(data.train)
    with problems.at(("data", "test")):
        test = _part(data.test)
    problems.tell()
    return train, test


def _part(source: str) -> Dataset:
    found = dataset(source)
    if found.samples < 2:
        raise BadInput(f"{source}: has {found.samples} samples; two are needed at least")
    return found


def open_samples(
    loaded: LoadedRecipe,
    parts: tuple[Dataset, Dataset],
    student: LoadedModel,
    seed: int,
    device: torch.device,
) -> Samples:
    """Both parts as inputs of a network.

    Args:
        loaded: the recipe.
        parts: as ``open_data`` gives them.
        student: the network.
        seed: of what is held back of the training part.
        device: where inputs are to be.

    Raises:
        BadInput: they do not fit the network.
    """
    data, problems = loaded.recipe.data, loaded.problems()
    with problems.at(("data", "train")):
        train = _feed(parts[0], student, data.augment, data.workers, device)
    with problems.at(("data", "test")):
        test = _feed(parts[1], student, None, data.workers, device)
    order = torch.randperm(parts[0].samples, generator=generator(seed, "validation"))
    held = round(data.validation * len(order))
    if len(order) - held < 2 or (not held and any(s.watch for s in loaded.recipe.steps)):
        what = f"leaves {len(order) - held} samples to learn from and {held} to watch"
        problems.add(("data", "validation"), f"{what}; change the share")
    problems.tell()
    return Samples(train, test, order[held:], order[:held], torch.arange(parts[1].samples))


def _feed(
    data: Dataset, network: LoadedModel, augment: Augment | None, workers: int, device: torch.device
) -> Feed:
    if data.classes is not None and data.classes != network.classes:
        what = f"has {data.classes} classes; {network.name} chooses from {network.classes}"
        raise BadInput(f"{data.source}: {what}: give the base its classes")
    inputs(network, data.take(0, 1).images)  # says what does not fit
    return feed(data, Prepare(network, augment), device, workers)
