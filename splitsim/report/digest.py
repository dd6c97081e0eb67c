"""What the figures show of a results folder: curves and means, made of rows part by part."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from splitsim.parts import PartName, parts_in
from splitsim.report.basis import CHOICE, KINDS, Grounds, Sums
from splitsim.summary import ENERGY
from splitsim.task import STAMPS

if TYPE_CHECKING:
    from splitsim.results import Results

TIMELINE_S = 60.0
QUANTILES = 150_000  # of all curves in a report; a curve has from 100 to 1,000
MARKERS = 200_000  # of all time lines in a report; one has from 200 to 2,000

# By part of a latency: the stamps that end it, wherever the stamp before may be.
LATENCY_PARTS = {
    "wait for the compute unit": ("head_start_s",),
    "device computes": ("head_end_s",),
    "wait for the uplink": ("tx_start_s",),
    "transmission": ("tx_end_s",),
    "network to the server": ("server_arrival_s",),
    "wait for a worker": ("server_start_s",),
    "server computes": ("server_end_s",),
    "answer": ("answer_start_s", "done_s"),
    "fallback": ("fallback_start_s", "fallback_end_s"),
}
ENERGY_PARTS = dict(zip(("compute", "send", "receive", "radio tail"), ENERGY, strict=True))

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Curve:
    """An empirical distribution function at equal steps of share.

    It rises to ``n / len(values) * end`` at ``values[n - 1]``, and ends below 1 if not all tasks
    have a value.
    """

    values: np.ndarray
    end: float

    @classmethod
    def of(cls, found: np.ndarray, count: int, most: int) -> Curve:
        """Of values that ``len(found)`` of ``count`` tasks have, at no more than ``most`` steps."""
        steps = min(len(found), most)
        ranks = np.ceil(np.arange(1, steps + 1) * (len(found) / max(steps, 1)) - 1e-9)
        return cls(np.sort(found)[ranks.astype(int) - 1], len(found) / max(count, 1))

    def at(self, share: float) -> float:
        """The value that a share of those that have one does not exceed; NaN of nothing."""
        rank = math.ceil(share * len(self.values)) - 1
        return float(self.values[max(rank, 0)]) if len(self.values) else math.nan


@dataclass(frozen=True)
class TimeLine:
    """The tasks of one device over a while, by creation; ``latency_s`` until they ended."""

    created_s: np.ndarray
    latency_s: np.ndarray
    done: np.ndarray
    option: np.ndarray
    status: np.ndarray


@dataclass(frozen=True)
class Group:
    """One policy at one point, all its seeds together, warm-up left out.

    The parts of the latency are means over done tasks, those of the energy over all. ``exits``
    are the shares of all tasks that exits answered: by exit, those that ended there early, and
    those that had waited in vain.
    """

    point: int
    policy: str
    tasks: int
    latency_s: Curve
    energy_j: Curve
    latency_parts_s: Mapping[str, float]
    energy_parts_j: Mapping[str, float]
    latency_basis_s: Mapping[str, Mapping[str, float]]  # by part, what rests on each basis
    energy_basis_j: Mapping[str, Mapping[str, float]]
    exits: Mapping[tuple[str, bool], float]  # by the cut of the exit, and whether in vain
    deadlines_s: Sequence[float]  # the finite ones of its devices
    deadline_s: float  # of the first device; inf: none
    timeline: TimeLine


def digest(results: Results) -> list[Group]:
    """The groups of a folder, by point and in the policies' order."""
    policies = list(results.manifest["policies"])
    order = {policy: n for n, policy in enumerate(policies)}
    names = sorted(parts_in(results.folder), key=lambda p: (p.point, order[p.policy], p.seed))
    groups = [list(parts) for _, parts in groupby(names, key=lambda p: (p.point, p.policy))]
    digester = _Digester(results, len(groups))
    return [digester.group(parts) for parts in groups]


def latency_parts_s(tasks: Columns) -> dict[str, np.ndarray]:
    """The parts of each latency; those of a task sum to ``done_s - created_s``."""
    parts_of = {stamp: part for part, stamps in LATENCY_PARTS.items() for stamp in stamps}
    found = {part: np.zeros(len(tasks["created_s"])) for part in LATENCY_PARTS}
    before = tasks["created_s"]
    for stamp in STAMPS[1:]:
        now = np.where(np.isnan(tasks[stamp]), before, tasks[stamp])
        found[parts_of[stamp]] += now - before
        before = now
    return found


@dataclass(frozen=True)
class _Part:
    """What a group needs of one seed."""

    latency_s: np.ndarray  # of the tasks that are done
    energy_j: np.ndarray
    latency_sums_s: Mapping[str, float]
    energy_sums_j: Mapping[str, float]
    latency_basis_s: Sums
    energy_basis_j: Sums
    exits: Counter[tuple[str, bool]]  # tasks


class _Digester:
    """Reads the parts of a group one after the other and keeps what the figures need."""

    def __init__(self, results: Results, groups: int) -> None:
        self._folder = results.folder
        points = results.manifest["points"]
        self._warmups_s = [point["warmup_s"] for point in points]
        self._lengths_s = [point.get("timeline_s", TIMELINE_S) for point in points]
        self._options = results.options
        self._grounds: dict[int, Grounds] = {}
        self._quantiles = min(max(QUANTILES // max(groups, 1), 100), 1000)
        self._markers = min(max(MARKERS // max(groups, 1), 200), 2000)

    def group(self, names: Sequence[PartName]) -> Group:
        """All seeds of a policy at a point."""
        first = names[0]
        devices = first.read(self._folder, "devices", ("device", "deadline_s"))
        deadlines_s = np.nan_to_num(devices["deadline_s"].astype(float), nan=math.inf)
        parts = [self._part(name) for name in names]
        latency_s = np.concatenate([part.latency_s for part in parts])
        energy_j = np.concatenate([part.energy_j for part in parts])
        return Group(
            point=first.point,
            policy=first.policy,
            tasks=len(energy_j),
            latency_s=Curve.of(latency_s, len(energy_j), self._quantiles),
            energy_j=Curve.of(energy_j, len(energy_j), self._quantiles),
            latency_parts_s=_means([part.latency_sums_s for part in parts], len(latency_s)),
            energy_parts_j=_means([part.energy_sums_j for part in parts], len(energy_j)),
            latency_basis_s=_basis([part.latency_basis_s for part in parts], len(latency_s)),
            energy_basis_j=_basis([part.energy_basis_j for part in parts], len(energy_j)),
            exits=_exit_shares([part.exits for part in parts], len(energy_j)),
            deadlines_s=np.unique(deadlines_s[np.isfinite(deadlines_s)]).tolist(),
            deadline_s=float(deadlines_s[0]),
            timeline=self._timeline(first, str(devices["device"][0])),
        )

    def _part(self, name: PartName) -> _Part:
        rows = name.read(self._folder, "tasks", (*CHOICE, *STAMPS, *ENERGY))
        counts = rows["created_s"] >= self._warmups_s[name.point]
        tasks = {column: values[counts] for column, values in rows.items()}
        answered = ~np.isnan(tasks["done_s"])
        done = {stamp: tasks[stamp][answered] for stamp in STAMPS}
        parts_s = latency_parts_s(done)
        parts_j = {part: tasks[column] for part, column in ENERGY_PARTS.items()}
        grounds = self._grounds_of(name.point)
        exits, in_vain = tasks["exit"], ~np.isnan(tasks["fallback_start_s"])
        early = np.array(exits)
        early[in_vain] = None  # who waited in vain had gone the whole way
        chosen = grounds.options_of({**tasks, "exit": early})
        head_s, fallback_s = _computing_s(tasks, "head"), _computing_s(tasks, "fallback")
        return _Part(
            latency_s=done["done_s"] - done["created_s"],
            energy_j=np.sum([tasks[column] for column in ENERGY], axis=0),
            latency_sums_s={p: float(np.sum(v)) for p, v in parts_s.items()},
            energy_sums_j={p: float(np.sum(v)) for p, v in parts_j.items()},
            latency_basis_s=grounds.latency(parts_s, fallback_s[answered], chosen[answered]),
            energy_basis_j=grounds.energy(parts_j, head_s, fallback_s, chosen),
            exits=Counter(
                (exit_, vain)
                for exit_, vain in zip(exits.tolist(), in_vain.tolist(), strict=True)
                if exit_ is not None
            ),
        )

    def _grounds_of(self, point: int) -> Grounds:
        if point not in self._grounds:
            options = self._options
            rows = options[options["point"] == point] if len(options) else options
            self._grounds = {point: Grounds({c: rows[c].to_numpy() for c in rows.columns})}
        return self._grounds[point]

    def _timeline(self, name: PartName, device: str) -> TimeLine:
        """Of the first device with the first seed, the one the channels are written for."""
        from_s, length_s = self._warmups_s[name.point], self._lengths_s[name.point]
        columns = ("device", "created_s", "left_s", "status", "option", "server")
        tasks = name.read(self._folder, "tasks", columns)
        created_s = tasks["created_s"]
        shown = (created_s >= from_s) & (created_s < from_s + length_s)
        shown &= (tasks["device"] == device) & (name.seed == 0)
        found = np.flatnonzero(shown)
        # Of a whole run that has too many, every second, third, ...
        every = -(-len(found) // self._markers) if length_s > TIMELINE_S else 1
        rows = {c: values[found[::every][: self._markers]] for c, values in tasks.items()}
        return TimeLine(
            created_s=rows["created_s"],
            latency_s=rows["left_s"] - rows["created_s"],
            done=rows["status"] == "done",
            option=np.array(list(_ways(rows)), object),
            status=rows["status"],
        )


def _ways(tasks: Columns) -> Iterator[str]:
    """Option and server of each task; a skipped frame has neither."""
    for option, server in zip(tasks["option"], tasks["server"], strict=True):
        yield "skipped" if option is None else f"{option}@{server}" if server else str(option)


def _computing_s(tasks: Columns, what: str) -> np.ndarray:
    """How long each task computed on its device."""
    seconds: np.ndarray = np.nan_to_num(tasks[f"{what}_end_s"] - tasks[f"{what}_start_s"])
    return seconds


def _basis(sums: Sequence[Sums], count: int) -> dict[str, dict[str, float]]:
    """Means over all seeds together, by part and basis."""
    means = {p: np.sum([each[p] for each in sums], axis=0) / max(count, 1) for p in sums[0]}
    return {part: dict(zip(KINDS, mean.tolist(), strict=True)) for part, mean in means.items()}


def _exit_shares(
    counts: Sequence[Counter[tuple[str, bool]]], tasks: int
) -> dict[tuple[str, bool], float]:
    total = sum(counts, Counter[tuple[str, bool]]())
    return {key: count / tasks for key, count in total.items()}


def _means(sums: Sequence[Mapping[str, float]], count: int) -> dict[str, float]:
    """Over all seeds together; 0 of nothing, which is a bar of no length."""
    return {part: math.fsum(each[part] for each in sums) / max(count, 1) for part in sums[0]}
