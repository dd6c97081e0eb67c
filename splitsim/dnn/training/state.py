"""Where a training is: its epochs so far, and the best of the stage it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Self

from torch import Tensor

from splitsim.dnn.tables import as_csv
from splitsim.dnn.training.stages import Stage

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        stage: its number, from 1.
        epoch: its number within the stage, from 1.
        loss: the mean over samples, of the batches as they were learned from.
        accuracy: likewise, of the network's own answer.
        validation_loss: of the samples held back, after the epoch; None if there are none.
        validation_accuracy: likewise.
        lr: the learning rate of its last batch.
        seconds: that it took.
    """

    stage: int
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float
    seconds: float


def history_csv(history: Sequence[Epoch]) -> bytes:
    """A row per epoch; what is not known is empty."""
    return as_csv([column.name for column in fields(Epoch)], map(astuple, history))


@dataclass(frozen=True)
class State:
    """Where a training is, after a whole epoch.

    Attributes:
        stage: the number of the stage it is in, from 0.
        epoch: how many whole epochs of it are done.
        history: all epochs.
        best: the best value that the stage watches, the greater the better.
        best_weights: of the network then, if they are to be kept.
        waited: how many epochs ago that was.
    """

    stage: int = 0
    epoch: int = 0
    history: Sequence[Epoch] = ()
    best: float | None = None
    best_weights: Weights | None = field(default=None, repr=False)
    waited: int = 0

    def after(self, row: Epoch, stage: Stage, weights: Weights) -> Self:
        """The state after one more epoch; weights are copied if they are the best."""
        grown = replace(self, epoch=self.epoch + 1, history=[*self.history, row])
        if stage.watch is None:
            return grown
        value = row.validation_accuracy if stage.watch.on == "accuracy" else _minus(row)
        assert value is not None, "a recipe that watches has samples to watch"
        if self.best is not None and value <= self.best:
            return replace(grown, waited=self.waited + 1)
        kept = None
        if stage.watch.keep == "best":
            kept = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return replace(grown, best=value, best_weights=kept, waited=0)

    def ends(self, stage: Stage) -> bool:
        """Whether the stage it is in is over."""
        patience = None if stage.watch is None else stage.watch.patience
        return self.epoch >= stage.epochs or (patience is not None and self.waited >= patience)

    def next_stage(self) -> Self:
        """The beginning of the stage behind."""
        return type(self)(stage=self.stage + 1, history=self.history)


def _minus(row: Epoch) -> float | None:
    return None if row.validation_loss is None else -row.validation_loss
