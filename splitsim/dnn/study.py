"""What to run for outcomes, and all that was loaded for it: network, samples, cuts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import fx, nn

from splitsim.dnn import cache
from splitsim.dnn.answers import ROW
from splitsim.dnn.choice import choose, of_table, usual, within
from splitsim.dnn.crossing import Crossing, Level, crossing, inputs
from splitsim.dnn.data import Dataset, Samples, dataset
from splitsim.dnn.exact import mixed
from splitsim.dnn.exits import at_cuts
from splitsim.dnn.formats import Formats
from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.networks import load
from splitsim.dnn.partition import Cut, cuts, find
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

SYMBOLS = Wire.parse("float32")  # what the wire of a bottleneck is whose numbers are symbols


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
            that has a profile, or else the network's usual ones.
        wire: format of the tensors; by default the bottleneck's own for it, and ``uint8+zstd``.
        image: format of the pixels at cut 0; ``none``: the pre-processed input goes by ``wire``.
        losses: shares of the packets that are lost; none are is always among them.
        snrs: of the link in dB, if the bottleneck's numbers are sent as symbols.
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
    wire: str | None = None
    image: str = "jpeg90"
    losses: tuple[float, ...] = ()
    snrs: tuple[float, ...] = ()
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
        endless = [snr_db for snr_db in self.snrs if not math.isfinite(snr_db)]
        problems += [f"--snr: must be numbers in dB, not {snr_db:g}" for snr_db in endless]
        numbers = {"batch": self.batch, "threads": self.threads, "limit": self.limit}
        problems += [
            f"--{name}: must be a whole number, 1 or more, not {number}"
            for name, number in numbers.items()
            if number is not None and number < 1
        ]
        if problems:
            raise BadInput(*problems)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The losses in order, without loss first, and the SNRs in order."""
        losses = [Level(loss) for loss in sorted({0.0, *self.losses})]
        return (*losses, *(Level(snr_db=snr_db) for snr_db in sorted({*self.snrs})))


@dataclass(frozen=True)
class Study:
    """A plan with all that was loaded for it."""

    plan: Plan
    network: LoadedModel
    traced: fx.GraphModule
    data: Dataset
    formats: Formats
    table: Sequence[Cut]  # the cuts of the model table
    chosen: Sequence[Cut]  # those to run
    branches: Mapping[int, nn.Module]  # of the exits, by the numbers of their cuts

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
        formats = Formats.parse(network, plan.wire, plan.image)
        traced = trace(network.module, network.example())
        every = cuts(network.module, network.example())
        known, chosen = _chosen(network, every, plan.cuts, table)
        branches = at_cuts(network, every, known)
        study = cls(plan, network, traced, data, formats, known, chosen, branches)
        study._check_samples()
        study._check_symbols()
        return study

    def _check_samples(self) -> None:
        """A batch must be what its samples are one by one."""
        images = self.data.take(0, 2).images
        if len(images) < 2 or self.plan.batch < 2:
            return
        why = mixed(self.traced, self.chosen, inputs(self.network, images))
        if why:
            raise BadInput(f"{self.network.name}: {why}; outcomes per sample need --batch 1")

    def _check_symbols(self) -> None:
        """Numbers can be sent as symbols only where a bottleneck makes such."""
        if self.plan.snrs and not any(map(self._is_analogue, self.chosen)):
            what = "has no bottleneck whose numbers are sent as symbols, as BottleNet++'s are"
            raise BadInput(f"--snr: {self.network.name} {what}; leave it out")

    def _is_analogue(self, cut: Cut) -> bool:
        own = self.network.wire is not None and Wire.parse(self.network.wire) == SYMBOLS
        return own and cut.name == BOTTLENECK

    def levels(self, cut: Cut) -> tuple[Level, ...]:
        """Of the link, at a cut: symbols are sent at the bottleneck only."""
        analogue = self._is_analogue(cut)
        return tuple(level for level in self.plan.levels if analogue or level.snr_db is None)

    @cached_property
    def crossings(self) -> dict[int, Crossing]:
        """The chosen cuts, by their numbers."""
        return {
            cut.index: crossing(
                self.network, self.traced, cut, self.formats, self.branches.get(cut.index)
            )
            for cut in self.chosen
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

    def keys(self, start: int, batch_sha256: str, cut: Cut) -> dict[Level, str]:
        """By level, what the rows of a batch at a cut are cached under."""
        made = (self.sha256, self.crossings[cut.index].name, torch.__version__, self.plan.threads)
        where = (batch_sha256, start, cut.before, str(self.formats.at(cut)), str(ROW))
        return {level: cache.key(*made, *where, level) for level in self.levels(cut)}


def _check_classes(network: LoadedModel, data: Dataset) -> None:
    if network.classes is None:
        what = "gives no score per class; outcomes need a network that classifies"
        raise BadInput(f"{network.name}: {what}")
    if data.classes is not None and data.classes != network.classes:
        raise BadInput(f"{data.source}: has {data.classes} classes; {_answers(network)}")


def _answers(network: LoadedModel) -> str:
    what = f"{network.name} chooses from {network.classes}"
    return f"{what}: give a network trained on these data, and its --classes"


def _chosen(
    network: LoadedModel, every: Sequence[Cut], which: str | None, table: Path | None
) -> tuple[Sequence[Cut], Sequence[Cut]]:
    """The cuts of the model table, and those to run; those of exits are among both."""
    if table is None:
        wanted = choose(every, which or usual(network), network.exits)
        return wanted, wanted
    known = of_table(every, table)
    wanted = known if which is None else choose(every, which)
    exits = [find(every, name) for name in network.exits]
    return known, within([*wanted, *exits], known, table)
