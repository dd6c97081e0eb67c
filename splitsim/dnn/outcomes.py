"""Outcomes: what a split network sends and answers for every sample, at every cut and loss."""

from __future__ import annotations

import io
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import fx

from splitsim.csvtable import Table
from splitsim.dnn import cache
from splitsim.dnn.choice import choose
from splitsim.dnn.crossing import Crossing, crossing
from splitsim.dnn.data import Dataset, Samples, dataset
from splitsim.dnn.memory import memory
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.tables import check_name, model_files, write
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel, load
from splitsim.errors import BadInput

ANSWER_BYTES = 100  # labels and scores
CACHE = Path(".cache", "outcomes.sqlite")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What to run; all that verifying has to know, kept in the table.

    Attributes:
        network: as ``splitsim.dnn.zoo.load`` names it.
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
        batch: how many samples are computed at once; it changes the last bits of tensors.
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

    def check(self) -> None:
        """All mistakes in its numbers.

        Raises:
            BadInput: there are some.
        """
        wrong = [loss for loss in self.losses if not 0 <= loss <= 1]
        problems = [f"--loss: must be shares of packets from 0 to 1, not {n:g}" for n in wrong]
        for option, number in (("--batch", self.batch), ("--limit", self.limit)):
            if number is not None and number < 1:
                problems.append(f"{option}: must be a whole number, 1 or more, not {number}")
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
        network = load(plan.network, weights=plan.weights, classes=plan.classes, shape=plan.shape)
        _check_classes(network, data)
        example = network.example()
        traced = trace(network.module, example)
        every = cuts(network.module, example)
        wanted = choose(every, plan.cuts or str(table or "natural"))
        known = choose(every, str(table)) if table else wanted
        return cls(plan, network, traced, data, known, _within(wanted, known, table))

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
        """Of the network."""
        return cache.network_sha256(self.network, self.traced, self.data.take(0, 1).images[0])

    @property
    def starts(self) -> range:
        """The numbers of the first samples of all batches."""
        return range(0, self.data.samples, self.plan.batch)

    def take(self, start: int) -> Samples:
        """A batch."""
        return self.data.take(start, start + self.plan.batch)

    def keys(self, start: int, samples: Samples, cut: Cut) -> dict[float, str]:
        """By loss, what the rows of a batch at a cut are cached under."""
        # Numbers of threads and versions of PyTorch differ in the last bits of tensors.
        made = (self.sha256, self.network.name, torch.__version__, torch.get_num_threads())
        wire = self.plan.image if cut.index == 0 and self.plan.image != "none" else self.plan.wire
        where = (cache.samples_sha256(samples), start, cut.before, cut.name, wire)
        return {loss: cache.key(*made, *where, loss) for loss in self.plan.levels}


def outcomes(
    plan: Plan,
    out: Path,
    name: str,
    *,
    kept: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Runs a split network over a data set and writes the outcomes table and the model table.

    Args:
        plan: what to run.
        out: a folder of tables; the file it returns is ``outcomes/<name>@<data set>.parquet``.
        name: of the model in tables and scenarios.
        kept: the file of what was computed before; by default in ``.cache`` below ``out``.
        progress: told how many batches at cuts are done, and how many there are.

    Raises:
        BadInput: see ``Study.of``; or the model table has a profile, and is of another network.
    """
    problems = check_name("--name", name)
    if problems:
        raise BadInput(*problems)
    table = out / "models" / f"{name}.csv"
    profiled = table.is_file() and any((out / "profiles").glob(f"{name}@*.csv"))
    study = Study.of(plan, table if profiled else None)
    study.crossings  # noqa: B018 - what is wrong is told before anything is written
    found = _run(study, out / CACHE if kept is None else kept, progress)
    files = _model(study, found, name, table if profiled else None)
    path = f"outcomes/{name}@{study.data.name}.parquet"
    write(out, {path: _parquet(study, found, name, out / path), **files})
    return out / path


Rows = dict[tuple[float, int], np.ndarray]  # by loss and cut, an array of crossing.ROW


def _run(study: Study, kept: Path, progress: Progress) -> Rows:
    """The rows of all samples; what is not cached is computed batch by batch."""
    found: dict[tuple[float, int], list[np.ndarray]] = {
        (loss, cut.index): [] for loss, cut in product(study.plan.levels, study.chosen)
    }
    total = len(study.starts) * len(study.chosen)
    with cache.Cache(kept) as file:
        for done, (loss_rows, cut) in enumerate(_batches(study, file), start=1):
            for loss, rows in loss_rows.items():
                found[loss, cut.index].append(rows)
            progress(done, total)
    return {key: np.concatenate(rows) for key, rows in found.items()}


def _batches(study: Study, file: cache.Cache) -> Iterator[tuple[Mapping[float, np.ndarray], Cut]]:
    for start in study.starts:
        samples = study.take(start)
        for cut in study.chosen:
            keys = study.keys(start, samples, cut)
            found = {loss: rows for loss, k in keys.items() if (rows := file.get(k)) is not None}
            missing = [loss for loss in keys if loss not in found]
            if missing:
                new = study.crossings[cut.index].rows(samples, start, missing)
                file.put({keys[loss]: rows for loss, rows in new.items()})
                found |= new
            yield found, cut


def _model(study: Study, found: Rows, name: str, table: Path | None) -> dict[str, bytes]:
    """The model table: mean bytes where a cut was run, and counted accuracy."""
    plan = study.plan
    sent = [float(row["wire_bytes"]) for row in Table(table).rows] if table else {}
    wire = {**dict(enumerate(sent))}
    wire |= {cut.index: float(found[0.0, cut.index]["bytes"].mean()) for cut in study.chosen}
    old = tomllib.loads(table.with_suffix(".toml").read_text()) if table else {}
    card = {
        "network": name,
        "answer_bytes": ANSWER_BYTES,
        **old,
        "dataset": study.data.name,
        "top1": float(found[0.0, study.chosen[-1].index]["correct"].mean()),
        "top1_basis": "measured",
        "wire_format": f"cut 0: {plan.wire if plan.image == 'none' else plan.image}; "
        f"inner cuts: {plan.wire}; means over the data set",
        "weights_sha256": study.sha256,
        "source": _source(study),
    }
    sides = memory(study.traced, study.network.example(), study.table)
    return model_files(name, study.table, [wire[cut.index] for cut in study.table], card, sides)


def _source(study: Study) -> str:
    weights = f"weights {study.plan.weights}" if study.plan.weights else "random weights"
    data = f"{study.data.samples} samples of {study.plan.dataset}"
    return f"{study.plan.network} ({weights}) run over {data} by splitsim outcomes"


def _parquet(study: Study, found: Rows, name: str, path: Path) -> bytes:
    """The outcomes table: a row per loss, cut and sample, in this order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.concatenate([found[key] for key in found])
    samples = study.data.samples
    where = np.array(list(found))
    columns = {
        "sample": np.tile(np.arange(samples), len(found)),
        "cut": np.repeat(where[:, 1].astype(int), samples),
        "loss": np.repeat(where[:, 0], samples),
        **{column: rows[column] for column in rows.dtype.names or ()},
    }
    about = _about(study, name, path)
    table = pa.table({**columns, "correct": rows["correct"].astype(np.int8)})
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), file, compression="zstd")
    return file.getvalue()


def _about(study: Study, name: str, path: Path) -> dict[str, str]:
    """What verifying has to know; files are named from where the table stands."""
    plan: dict[str, Any] = asdict(study.plan)
    if plan["weights"] is not None and Path(plan["weights"]).is_file():
        plan["weights"] = Path(os.path.relpath(plan["weights"], path.parent)).as_posix()
    made = {
        "plan": plan,
        "model": name,
        "network_sha256": study.sha256,
        "layers": [cut.name for cut in study.table],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return {"source": _source(study), "splitsim": json.dumps(made)}


def _check_classes(network: LoadedModel, data: Dataset) -> None:
    if network.classes is None:
        what = "gives no score per class; outcomes need a network that classifies"
        raise BadInput(f"{network.name}: {what}")
    if data.classes is not None and data.classes != network.classes:
        what = f"{data.source} has {data.classes} classes, {network.name} answers one of"
        raise BadInput(f"{what} {network.classes}; give a network trained on it, and its --classes")


def _within(wanted: Sequence[Cut], known: Sequence[Cut], table: Path | None) -> list[Cut]:
    """The wanted cuts as the table has them."""
    at = {cut.before: cut for cut in known}
    lost = [cut.name for cut in wanted if cut.before not in at]
    if lost:
        have = ", ".join(cut.name for cut in known)
        what = f"{table}: has a profile, and no cut"
        raise BadInput(*(f"{what} {name!r}; there are {have}: profile it anew" for name in lost))
    return [at[cut.before] for cut in wanted]
