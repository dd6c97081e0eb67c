"""A stage of training: what is minimised, how, in which parts of a network, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import nn, optim

from splitsim.component import Component, Count, NonNegative, Positive, Share
from splitsim.dnn.training.losses import AnyLoss

Factor = Annotated[float, Field(gt=0, le=1)]
Parts = Annotated[Sequence[str], Field(min_length=1)]
FLOOR = 0.04  # of the learning rate, at which one cycle begins


class Adam(Component):
    """Adam (Kingma and Ba, arXiv 1412.6980) with its usual moments."""

    kind: Literal["adam"] = "adam"
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0

    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """The optimiser of some parameters."""
        return optim.Adam(parameters, self.lr, weight_decay=self.weight_decay)


class Sgd(Component):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: Positive
    momentum: Share = 0.9
    weight_decay: NonNegative = 0.0

    def make(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """The optimiser of some parameters."""
        return optim.SGD(parameters, self.lr, self.momentum, weight_decay=self.weight_decay)


class Milestones(Component):
    """The rate is multiplied by ``factor`` when each of ``epochs`` has passed."""

    kind: Literal["milestones"] = "milestones"
    epochs: Annotated[Sequence[Count], Field(min_length=1)]
    factor: Factor = 0.1

    def at(self, epoch: float, _last: int) -> float:
        """What the learning rate is multiplied by, after so many epochs."""
        return float(self.factor ** sum(passed <= epoch for passed in self.epochs))


class Cosine(Component):
    """Half a cosine from the whole rate to none (Loshchilov and Hutter, arXiv 1608.03983)."""

    kind: Literal["cosine"] = "cosine"

    def at(self, epoch: float, last: int) -> float:
        """What the learning rate is multiplied by, after so many epochs of all."""
        return _fall(epoch / last)


class OneCycle(Component):
    """Up in a line over a share ``rise`` of the stage, then half a cosine (arXiv 1708.07120)."""

    kind: Literal["one_cycle"] = "one_cycle"
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3

    def at(self, epoch: float, last: int) -> float:
        """What the learning rate is multiplied by, after so many epochs of all."""
        done = epoch / last
        if done < self.rise:
            return FLOOR + (1 - FLOOR) * done / self.rise
        return _fall((done - self.rise) / (1 - self.rise))


class Watch(Component):
    """What is looked at after every epoch, on the validation part.

    With ``patience``, the stage stops after so many epochs without a better one; ``keep`` says
    whether the weights of the best or of the last epoch leave it.
    """

    on: Literal["accuracy", "loss"] = "accuracy"
    patience: Count | None = None
    keep: Literal["best", "last"] = "best"


AnyOptimiser = Annotated[Adam | Sgd, Field(discriminator="kind")]
AnySchedule = Annotated[Milestones | Cosine | OneCycle, Field(discriminator="kind")]


class Stage(Component):
    """Some epochs with one loss.

    Either ``train`` names the only parts that learn, or ``freeze`` those that do not: modules by
    their paths in the network, such as ``bottleneck`` (the encoder), ``decoder``, ``layer3``,
    ``exits`` or ``exits.layer1``. The statistics of frozen norms stay as they are, too. Without
    ``watch`` all epochs are run and the last weights kept.
    """

    epochs: Count
    loss: AnyLoss
    optimiser: AnyOptimiser = Adam()
    schedule: AnySchedule | None = None
    train: Parts | None = None
    freeze: Parts | None = None
    watch: Watch | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.train and self.freeze:
            raise ValueError("train and freeze: give one of them")
        if isinstance(self.schedule, Milestones) and max(self.schedule.epochs) >= self.epochs:
            raise ValueError(f"schedule.epochs: must be less than {self.epochs}, the stage's")
        return self

    def lr(self, epoch: float) -> float:
        """The learning rate after so many epochs of this stage."""
        factor = 1.0 if self.schedule is None else self.schedule.at(epoch, self.epochs)
        return self.optimiser.lr * factor


def _fall(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2
