"""What a network costs an accelerator at the cuts of its model table, as tables."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from splitsim.dnn.cache import weights_sha256
from splitsim.dnn.choice import of_table
from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import Dataset
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.spikes.counts import Counts, Layer, count
from splitsim.dnn.spikes.energy import Accelerator
from splitsim.dnn.tables import as_csv, as_toml
from splitsim.dnn.zoo import LoadedModel
from splitsim.entries import TIMES
from splitsim.errors import BadInput

ENERGY = (
    *("layer", "cut", "runs", "run_macs", "input_rate", "spikes", "estimated_acs"),
    *("macs", "acs", "energy_j"),  # as the accelerator does it
)
LEFT_OUT = (
    "energy: arithmetic only, without memory traffic, units' leak and static power; pre, encode: "
    "not on the accelerator, left out"
)


@dataclass(frozen=True)
class Account:
    """A network's work, what it costs, and where.

    Attributes:
        counts: of the network.
        accelerator: that does it.
        cuts: of the model table, in order.
        about: how it was counted.
    """

    counts: Counts
    accelerator: Accelerator
    cuts: Sequence[Cut]
    about: Mapping[str, object]

    @property
    def energies_j(self) -> list[float]:
        """Joules of the head at each cut."""
        return [self.accelerator.energy_j(self.counts.head(cut)) for cut in self.cuts]

    @property
    def heads_s(self) -> list[float]:
        """Seconds of the head at each cut."""
        return [self.accelerator.head_s(self.counts, cut) for cut in self.cuts]

    def files(self, name: str) -> dict[str, bytes]:
        """A profile with its card, and a table of layers, by paths below the tables' folder.

        Args:
            name: of the model.
        """
        stem = f"{name}@{self.accelerator.name}"
        return {
            f"profiles/{stem}.csv": self._profile(),
            f"profiles/{stem}.toml": as_toml(self.about),
            f"energy/{stem}.csv": as_csv(ENERGY, map(self._row, self.counts.layers)),
        }

    def cut_of(self, layer: Layer) -> int:
        """The number of the first cut whose head has a layer."""
        return next(n for n, cut in enumerate(self.cuts) if layer.node < cut.before)

    def _profile(self) -> bytes:
        steps = [column for step in TIMES for column in (f"{step}_s", f"{step}_basis")]
        return as_csv(["cut", *steps, "energy_j", "source"], self._profile_rows())

    def _profile_rows(self) -> Iterator[list[object]]:
        source = f"splitsim count, {self.counts.samples} samples; {LEFT_OUT}"
        for number, (head_s, energy_j) in enumerate(
            zip(self.heads_s, self.energies_j, strict=True)
        ):
            device = [0, "assumed", f"{head_s:.9g}", "assumed", 0, "assumed"]
            yield [number, *device, "", "", "", "", f"{energy_j:.9g}", source]

    def _row(self, layer: Layer) -> list[object]:
        seen = (layer.runs, layer.run_macs, layer.rate, layer.spikes, layer.estimated_acs)
        done = (*self.accelerator.operations(layer), self.accelerator.layer_j(layer))
        return [layer.name, self.cut_of(layer), *map(_text, (*seen, *done))]


def account(
    network: LoadedModel,
    data: Dataset,
    table: Path,
    accelerator: Accelerator,
    *,
    batch: int = 16,
    threads: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> Account:
    """Counts a network's work over a data set, and what it costs an accelerator.

    Args:
        network: to be counted; branches of exits are not.
        data: its samples, of which there must be one.
        table: the network's model table, whose cuts are taken.
        accelerator: that does it.
        batch: samples computed together.
        threads: of PyTorch; like ``batch`` they change last bits, and so now and then a spike.
        progress: is told which share is done.

    Raises:
        BadInput: the table is of another network, a sample cannot be read, or the accelerator is
            for spiking networks and this one does not spike.
    """
    if not data.samples:
        raise BadInput(f"{data.source}: has no samples")
    accelerator.check(network)
    chosen = of_table(cuts(network.module, network.example()), table)
    _check_weights(network, table.with_suffix(".toml"))
    with _threads(threads):
        counts = count(network, _batches(network, data, batch, progress))
    about = {
        "measured_by": "splitsim count",
        "model": network.name,
        "weights_sha256": weights_sha256(network.module),
        "dataset": data.source,
        "samples": counts.samples,
        "steps": counts.steps,
        "basis": "operations are counted, their energies published, head times assumed",
        "torch": torch.__version__,
    }
    return Account(counts, accelerator, chosen, about)


def _check_weights(network: LoadedModel, card: Path) -> None:
    """Joules of one network must not stand beside the answers of another."""
    answered = tomllib.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    if answered.get("weights_sha256") not in (None, weights_sha256(network.module)):
        what = "its answers were counted with other weights than are given"
        raise BadInput(f"{card}: {what}; give those as --weights, or run splitsim outcomes again")


def _batches(
    network: LoadedModel, data: Dataset, batch: int, progress: Callable[[float], None]
) -> Iterator[Tensor]:
    for start in range(0, data.samples, batch):
        yield inputs(network, data.take(start, start + batch).images)
        progress(min(1.0, (start + batch) / data.samples))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"
