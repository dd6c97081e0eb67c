"""Means over batches: of losses, and of right answers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from splitsim.dnn.training.feed import Batch, Feed
from splitsim.dnn.training.objective import Objective
from splitsim.dnn.zoo import LoadedModel


class Tally:
    """Means over the samples of all batches so far."""

    def __init__(self) -> None:
        self._samples, self._losses, self._right = 0, 0.0, 0

    def add(self, losses: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Take in a batch: its losses per sample, and its scores."""
        self._samples += len(labels)
        self._losses += float(losses.detach().sum())
        self._right += right(scores, labels)

    @property
    def loss(self) -> float:
        """The mean loss; NaN or infinite once one was."""
        return self._losses / self._samples

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self._right / self._samples


def measured(objective: Objective, feed: Feed, numbers: Tensor, batch: int) -> Tally | None:
    """Loss and accuracy of a network in eval mode on some samples; None if there are none."""
    tally = Tally()
    for inputs, labels in _batches(feed, numbers, batch):
        with torch.no_grad():
            tally.add(*objective(inputs, labels), labels)
    return tally if len(numbers) else None


def accuracy(network: LoadedModel, feed: Feed, numbers: Tensor, batch: int) -> float:
    """The share of right answers of a network in eval mode on some samples."""
    found = 0
    for inputs, labels in _batches(feed, numbers, batch):
        with torch.no_grad():
            found += right(network.module(inputs), labels)
    return found / len(numbers)


def right(scores: Tensor, labels: Tensor) -> int:
    """How many answers are right."""
    return int((scores.argmax(1) == labels).sum())


def _batches(feed: Feed, numbers: Tensor, batch: int) -> Iterator[Batch]:
    return feed.read(torch.split(numbers, batch)) if len(numbers) else iter(())
