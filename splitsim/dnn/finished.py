"""A finished run on real samples: its tasks, and the outcomes tables it rests on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from splitsim.dnn.cache import file_sha256, weights_sha256
from splitsim.dnn.crossing import Level
from splitsim.dnn.networks import is_file
from splitsim.dnn.study import Plan, Study
from splitsim.errors import BadInput
from splitsim.parts import PartName, parts_in
from splitsim.results import Results
from splitsim.rng import stream
from splitsim.scenario.document import Document
from splitsim.task import DONE

COLUMNS = (
    *("point", "policy", "seed", "device", "task", "sample", "option", "exit", "status"),
    *("fallback_start_s", "sent_bytes", "correct", "snr_db"),
)
LEAST_DB = -1e9  # nothing was heard at all


@dataclass(frozen=True)
class Task:
    """A row of a task, with all that says what to run for it."""

    row: Mapping[str, Any]
    part: PartName
    model: str
    cut: int  # where it was sent, or ended at an exit
    loss: float

    @property
    def sample(self) -> int:
        """Its number in the data set."""
        return int(self.row["sample"])

    @property
    def exited(self) -> bool:
        """Whether an exit answered."""
        return isinstance(self.row.get("exit"), str)

    def batch(self, study: Study) -> tuple[int, int, int]:
        """Tasks of the same one are run together: cut, first sample and number of the level."""
        start = self.sample // study.plan.batch * study.plan.batch
        nearest = min(study.plan.levels, key=self._distance)
        return self.cut, start, study.plan.levels.index(nearest)

    def _distance(self, level: Level) -> float:
        """Of a level from the link that the task had; symbols are noisy, packets are lost."""
        heard = self.row.get("snr_db")
        snr_db = math.nan if heard is None else max(float(heard), LEAST_DB)
        if math.isnan(snr_db) != (level.snr_db is None):
            return math.inf
        return abs(level.loss - self.loss) if level.snr_db is None else abs(level.snr_db - snr_db)


@dataclass(frozen=True)
class OutcomesTable:
    """An outcomes table that a run rests on."""

    path: Path
    model_table: Path
    about: Mapping[str, Any]

    def study(self, weights: Path | None, source: str | None) -> Study:
        """What it was made with, loaded again."""
        plan = Plan.of(self.about["plan"])
        plan = replace(plan, cuts=None, dataset=source or plan.dataset)
        plan = replace(plan, weights=self._weights(plan.weights, weights))
        plan = replace(plan, network=self._network(plan.network))
        study = Study.of(plan, self.model_table)
        if [cut.name for cut in study.table] != self.about["layers"]:
            raise BadInput(f"{self.path}: is of other cuts than {self.model_table}")
        if weights_sha256(study.network.module) != self.about["weights_sha256"]:
            what = f"was made with other weights than those of {study.plan.weights or 'now'}"
            raise BadInput(f"{self.path}: {what}; give them as --weights FILE")
        return study

    def _network(self, kept: str) -> str:
        """Where its file is now, if it was one; it must be what it was."""
        if not is_file(kept):
            return kept
        beside = self.path.parent / kept
        if not beside.is_file():
            raise BadInput(f"{beside}: there is no such network file; put it back")
        if file_sha256(beside) != self.about["network_sha256"]:
            what = f"changed since {self.path} was made of it"
            raise BadInput(f"{beside}: {what}; put it back, or run splitsim outcomes again")
        return str(beside)

    def cut(self, layer: str) -> int:
        """The number of a cut."""
        return int(self.about["layers"].index(layer))

    def _weights(self, kept: str | None, given: Path | None) -> str | None:
        """Where they are now; ``kept`` is a path from the table, or torchvision's name."""
        if given is not None or kept is None:
            return None if given is None else str(given)
        beside = self.path.parent / kept
        if not beside.is_file() and Path(kept).suffix:
            raise BadInput(f"{beside}: there is no such file of weights; give it as --weights FILE")
        return str(beside) if beside.is_file() else kept


class Run:
    """A results folder, and the outcomes tables it rests on.

    Raises:
        BadInput: it is none.
    """

    def __init__(self, folder: Path) -> None:
        self._results = Results(folder)

    @cached_property
    def tables(self) -> Mapping[str, OutcomesTable]:
        """The outcomes tables, by model."""
        files = {Path(path): digest for path, digest in self._results.manifest["files"].items()}
        paths = [path for path in files if path.suffix == ".parquet" and _kind(path) == "outcomes"]
        if not paths:
            what = "no outcomes table was used; name a dataset in the scenario"
            raise BadInput(f"{self._results.folder}: {what}")
        found = {}
        for path in paths:
            about = _about(path, files[path])
            model = about["model"]
            tables = [p for p in files if p.name == f"{model}.csv" and _kind(p) == "models"]
            found[model] = OutcomesTable(path, tables[0], about)
        return found

    def draw(self, count: int, seed: int) -> list[Task]:
        """Tasks that were done as they were begun, at random; all of them if they are few."""
        best: list[tuple[float, PartName, dict[str, Any]]] = []
        for part in parts_in(self._results.folder):
            rows = part.read(self._results.folder, "tasks", COLUMNS)
            able = np.flatnonzero((rows["status"] == DONE) & np.isnan(rows["fallback_start_s"]))
            order = stream(seed, "verify", str(part)).random(len(able))
            best += [
                (order[n], part, {key: rows[key][able[n]] for key in rows})
                for n in np.argsort(order)[:count]
            ]
        best.sort(key=lambda drawn: drawn[0])
        if not best:
            raise BadInput(f"{self._results.folder}: no task was done; there is nothing to verify")
        return [self._task(part, row) for _, part, row in best[:count]]

    def _task(self, part: PartName, row: Mapping[str, Any]) -> Task:
        group = str(row["device"]).rpartition("-")[0]
        known = self._options.get((part.point, group, str(row["option"])))
        if known is None:
            what = f"part {part}: option {row['option']!r} is none of the run's"
            raise BadInput(f"{self._results.folder}: {what}")
        model, cut = known
        if model not in self.tables:
            raise BadInput(f"{self._results.folder}: model {model!r} has no outcomes table")
        if isinstance(row.get("exit"), str):
            cut = self.tables[model].cut(row["exit"])
        return Task(row, part, model, cut, self._loss(part.point, group))

    @cached_property
    def _options(self) -> Mapping[tuple[int, str, str], tuple[str, int]]:
        """Model and cut by point, group of devices and option."""
        rows = self._results.options[["point", "group", "option", "model", "cut"]]
        return {tuple(key): (model, cut) for *key, model, cut in rows.itertuples(index=False)}

    def _loss(self, point: int, group: str) -> float:
        """The share of packets that the receiver has to do without."""
        document = Document.read(self._results.folder / "resolved.yaml")
        for path, value in self._results.manifest["points"][point]["swept"].items():
            document = document.with_value(document.find(path), value, "sweep")
        data: Any = document.data
        cell = next(device["cell"] for device in data["devices"] if device["name"] == group)
        transport = data["cells"][cell].get("transport", {})
        return float(transport.get("loss", 0)) if transport.get("kind") == "unreliable" else 0.0


def _about(path: Path, sha256: str) -> dict[str, Any]:
    """What an outcomes table says of itself."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(f"{path}: is no longer there; put it back, or run the scenario anew")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise BadInput(f"{path}: changed since the run; run the scenario anew")
    text = (pq.read_schema(path).metadata or {}).get(b"splitsim")
    if text is None:
        raise BadInput(f"{path}: was not made by splitsim outcomes, and cannot be verified")
    about: dict[str, Any] = json.loads(text)
    return about


def _kind(path: Path) -> str:
    return path.parent.name
