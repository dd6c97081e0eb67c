"""What the study of methods trains: every network, its rates of learning, and its seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parent / "recipes"
WIDTHS = (1, 2, 4)  # channels of BottleFit and of the autoencoder
STRATEGIES = ("two_stage", "cross_entropy", "distillation", "head_distillation")
CROSS_ENTROPY, EXITS = "cross_entropy", "exits"
# Rates to choose from: of Adam for heads, and of SGD for everything else; the least are published.
HEAD_LRS = (1e-3, 3e-3, 1e-2, 3e-2)
TUNE_LRS = (1e-3, 1e-2, 3e-2, 1e-1)


@dataclass(frozen=True)
class Subject:
    """A network and how it is trained, but for rates and seed.

    Attributes:
        method: of the bottleneck or the exits.
        recipe: the file's name, which has the rest.
        strategy: how it is trained.
        channels: of the bottleneck, if others than the recipe's.
    """

    method: str
    recipe: str
    strategy: str
    channels: int | None = None

    @property
    def name(self) -> str:
        """In names of files."""
        return f"{self.method}{self.channels or ''}-{self.strategy}".replace("_", "-")

    @property
    def has_head(self) -> bool:
        """Whether a rate for heads is used."""
        return self.strategy in ("two_stage", "head_distillation")

    @property
    def group(self) -> tuple[str, str]:
        """Subjects that share their rates: they differ in channels only."""
        return self.method, self.strategy


@dataclass(frozen=True)
class Rates:
    """Rates of learning; None: the recipe's."""

    head: float | None = None
    tune: float | None = None

    @property
    def name(self) -> str:
        """In names of files."""
        texts = {"head": self.head, "tune": self.tune}
        return "".join(f"-{key}{rate:.0e}" for key, rate in texts.items() if rate is not None)


@dataclass(frozen=True)
class Job:
    """A training."""

    subject: Subject
    seed: int
    rates: Rates = Rates()
    epochs: int | None = None

    @property
    def name(self) -> str:
        """Of the trained network."""
        is_teacher = self.subject == TEACHER
        return TEACHER.recipe if is_teacher else f"{self.subject.name}{self.rates.name}"

    @property
    def recipe(self) -> Path:
        """The file."""
        return RECIPES / f"{self.subject.recipe}.yaml"

    @property
    def overrides(self) -> Mapping[str, Any]:
        """What differs from the recipe."""
        values = {"name": self.name, "student.bottleneck.channels": self.subject.channels}
        return {key: value for key, value in (values | self._training).items() if value}

    @property
    def _training(self) -> dict[str, Any]:
        if self.subject.strategy in (EXITS, TEACHER.strategy):
            few = {"stages.0.schedule": {"kind": "cosine"}} if self.epochs else {}
            return {
                "stages.0.epochs": self.epochs,
                "stages.0.optimiser.lr": self.rates.tune,
                **few,
            }
        return {
            "strategy.kind": self.subject.strategy,
            "strategy.epochs": self.epochs,
            "strategy.head.lr": self.rates.head,
            "strategy.tune.lr": self.rates.tune,
        }


TEACHER = Subject("teacher", "digits-teacher", "alone")
BOTTLEFIT = [
    Subject("bottlefit", "methods-bottlefit4", strategy, channels)
    for channels in WIDTHS
    for strategy in STRATEGIES
]
OTHERS = [
    *(Subject("autoencoder", "methods-autoencoder4", "two_stage", width) for width in WIDTHS),
    Subject("bottlenet", "methods-bottlenet", CROSS_ENTROPY),
    Subject("bottlenetpp", "methods-bottlenetpp", CROSS_ENTROPY),
    Subject("bottlenetpp-awgn", "methods-bottlenetpp-awgn", CROSS_ENTROPY),
    Subject("spikebottlenet", "methods-spikebottlenet", CROSS_ENTROPY),
    Subject("spinn", "methods-spinn", EXITS),
    Subject("branchynet", "methods-branchynet", EXITS),
]
SUBJECTS = [*BOTTLEFIT, *OTHERS]


def candidates(subject: Subject, head: float | None) -> Iterator[Rates]:
    """The four rates that a group of subjects chooses from.

    Args:
        subject: one of the group.
        head: the rate for heads that head distillation alone has chosen.
    """
    if subject.strategy == "head_distillation":
        yield from (Rates(head=rate) for rate in HEAD_LRS)
    else:
        own = head if subject.has_head else None
        yield from (Rates(head=own, tune=rate) for rate in TUNE_LRS)
