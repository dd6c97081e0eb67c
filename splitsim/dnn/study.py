"""What to run for outcomes, and all that was loaded for it: network, samples, cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import fx

from splitsim.csvtable import Table
from splitsim.dnn import cache
from splitsim.dnn.choice import choose
from splitsim.dnn.crossing import Crossing, crossing, inputs
from splitsim.dnn.data import Dataset, Samples, dataset
from splitsim.dnn.exact import mixed
from splitsim.dnn.networks import load
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Plan:
    """What to run; all that verifying has to know, kept in the table.

    Attributes:
        network: as ``splitsim.dnn.networks.load`` names it.
        dataset: as ``splitsim.dnn.data.dataset`` names it.
        weights: a state-dict file, or a name that torchvision knows.
        classes: how many answers there are, if not the network's usual number.
        shape: of its input, if not the network's usual one.
        limit: take only the first so many samples.
        cuts: as ``splitsim.dnn.choice.choose`` names them; by default those of the model table
            that has a profile, or else the natural ones.
        wire: format of the tensors.
        image: format of the pixels at cut 0; ``none``: the pre-processed input goes by ``wire``.
        losses: shares of the packets that are lost; none are is always among them.
        batch: how many samples are computed at once; like ``threads`` it changes the last bits of
            tensors, and so now and then a code of a message.
        threads: of PyTorch; always the same, so that tables do not depend on the processor.
    """

    network: str
    dataset: str
    weights: str | None = None
    classes: int | None = None
    shape: tuple[int, ...] | None = None
    limit: int | None = None
    cuts: str | None = None
    wire: str = "uint8+zstd"
    image: str = "jpeg90"
    losses: tuple[float, ...] = ()
    batch: int = 64
    threads: int = 1

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """From what a table keeps, where tuples are lists."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()
        }
        return cls(**values)

    def check(self) -> None:
        """All mistakes in its numbers.

        Raises:
            BadInput: there are some.
        """
        wrong = [loss for loss in self.losses if not 0 <= loss <= 1]
        problems = [f"--loss: must be shares of packets from 0 to 1, not {n:g}" for n in wrong]
        numbers = {"batch": self.batch, "threads": self.threads, "limit": self.limit}
        problems += [
            f"--{name}: must be a whole number, 1 or more, not {number}"
            for name, number in numbers.items()
            if number is not None and number < 1
        ]
        if problems:
            raise BadInput(*problems)

    @property
    def levels(self) -> tuple[float, ...]:
        """The losses in order, without loss first."""
        return tuple(sorted({0.0, *self.losses}))


@dataclass(frozen=True)
class Study:
    """A plan with all that was loaded for it."""

    plan: Plan
    network: LoadedModel
    traced: fx.GraphModule
    data: Dataset
    table: Sequence[Cut]  # the cuts of the model table
    chosen: Sequence[Cut]  # those to run

    @classmethod
    def of(cls, plan: Plan, table: Path | None = None) -> Self:
        """Load what a plan names.

        Args:
            plan: it.
            table: a model table whose cuts are to be taken.

        Raises:
            BadInput: something of it is not there, or they do not fit together.
        """
        plan.check()
        data = dataset(plan.dataset, plan.limit)
        if not data.samples:
            raise BadInput(f"{data.source}: has no samples")
        network = load(plan.network, weights=plan.weights, classes=plan.classes, shape=plan.shape)
        _check_classes(network, data)
        example = network.example()
        traced = trace(network.module, example)
        every = cuts(network.module, example)
        known = None if table is None else _of_table(every, table)
        wanted = choose(every, plan.cuts or "natural") if plan.cuts or known is None else known
        chosen = wanted if known is None else _within(wanted, known, table)
        study = cls(plan, network, traced, data, known or wanted, chosen)
        study._check_samples()
        return study

    def _check_samples(self) -> None:
        """A batch must be what its samples are one by one."""
        images = self.data.take(0, 2).images
        if len(images) < 2 or self.plan.batch < 2:
            return
        why = mixed(self.traced, self.chosen, inputs(self.network, images))
        if why:
            raise BadInput(f"{self.network.name}: {why}; outcomes per sample need --batch 1")

    @cached_property
    def crossings(self) -> dict[int, Crossing]:
        """The chosen cuts, by their numbers."""
        wire = Wire.parse(self.plan.wire)
        image = None if self.plan.image == "none" else Wire.parse(self.plan.image)
        return {
            cut.index: crossing(self.network, self.traced, cut, wire, image) for cut in self.chosen
        }

    @cached_property
    def sha256(self) -> str:
        """Of all that decides what the network makes of a sample."""
        return cache.network_sha256(self.network, self.traced, self.data.take(0, 1).images[0])

    @property
    def starts(self) -> range:
        """The numbers of the first samples of all batches."""
        return range(0, self.data.samples, self.plan.batch)

    @contextmanager
    def threads(self) -> Iterator[None]:
        """PyTorch with the plan's number of threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.plan.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def take(self, start: int) -> Samples:
        """A batch.

        Raises:
            BadInput: a sample is no image with a label, or of a class that is no answer.
        """
        samples = self.data.take(start, start + self.plan.batch)
        most = max(samples.labels)
        if most >= (self.network.classes or 0):
            raise BadInput(f"{self.data.source}: has the label {most}; {_answers(self.network)}")
        return samples

    def keys(self, start: int, batch_sha256: str, cut: Cut) -> dict[float, str]:
        """By loss, what the rows of a batch at a cut are cached under."""
        made = (self.sha256, self.network.name, torch.__version__, self.plan.threads)
        wire = self.plan.image if cut.index == 0 and self.plan.image != "none" else self.plan.wire
        where = (batch_sha256, start, cut.before, cut.name, wire)
        return {loss: cache.key(*made, *where, loss) for loss in self.plan.levels}


def _check_classes(network: LoadedModel, data: Dataset) -> None:
    if network.classes is None:
        what = "gives no score per class; outcomes need a network that classifies"
        raise BadInput(f"{network.name}: {what}")
    if data.classes is not None and data.classes != network.classes:
        raise BadInput(f"{data.source}: has {data.classes} classes; {_answers(network)}")


def _answers(network: LoadedModel) -> str:
    what = f"{network.name} chooses from {network.classes}"
    return f"{what}: give a network trained on these data, and its --classes"


def _of_table(every: Sequence[Cut], table: Path) -> list[Cut]:
    """The cuts of a model table: by name, or where it has names of its own by what it counts."""
    rows = Table(table).check_columns("layer", "macs", "params").rows
    try:
        named = choose(every, ",".join(row["layer"] for row in rows[1:-1]))
    except BadInput:
        named = []
    counts = [(str(cut.macs), str(cut.params)) for cut in named]
    same = counts == [(row["macs"], row["params"]) for row in rows]
    return named if same else choose(every, str(table))


def _within(wanted: Sequence[Cut], known: Sequence[Cut], table: Path | None) -> list[Cut]:
    """The wanted cuts as the table has them."""
    at = {cut.before: cut for cut in known}
    lost = [cut.name for cut in wanted if cut.before not in at]
    if lost:
        have = ", ".join(cut.name for cut in known)
        what = f"{table}: has a profile, and no cut"
        raise BadInput(*(f"{what} {name!r}; there are {have}: profile it anew" for name in lost))
    return [at[cut.before] for cut in wanted]
