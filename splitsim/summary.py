"""The summary of a results folder: a row per point and policy, from rows alone."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitsim.parts import PartName, parts_in, whole
from splitsim.statistics import half_width, mean, quantiles
from splitsim.task import DONE, DROPPED, TIMEOUT, UNFINISHED

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
ENERGY = ("compute_j", "tx_j", "rx_j", "tail_j")
NEEDED = ("device", "status", "exit", "created_s", "done_s", "sent_bytes", "correct", *ENERGY)
INTERVALS = ("latency_mean_s", "latency_p95_s", "energy_mean_j", "deadline_miss", "goodput")

LATENCIES = tuple(f"latency_{q}" for q in ("mean", *SHARES))
COLUMNS = (
    *("tasks", DONE, TIMEOUT, DROPPED, UNFINISHED),
    *(f"{latency}_s" for latency in LATENCIES),
    *(f"{latency}_all_s" for latency in LATENCIES),
    *("energy_mean_j", "board_energy_mean_j", "board_power_w"),
    *("deadline_miss", "goodput", "accuracy", "sent_bytes_mean"),
    *("server_energy_mean_j", "devices_off", "exited"),
)

Table = Mapping[str, np.ndarray]
Row = dict[str, Any]


@dataclass(frozen=True)
class Tasks:
    """The tasks of one or several parts that count, as columns."""

    status: np.ndarray
    latency_s: np.ndarray  # inf where no answer came
    late: np.ndarray
    energy_j: np.ndarray
    sent_bytes: np.ndarray
    correct: np.ndarray
    exited: np.ndarray  # whether an exit gave the answer

    @classmethod
    def of(cls, tasks: Table, devices: Table, warmup_s: float) -> Tasks:
        """The tasks of a part that were created after the warm-up."""
        counts = tasks["created_s"] >= warmup_s
        rows = {name: tasks[name][counts] for name in NEEDED}
        done = rows["status"] == DONE
        latency_s = np.where(done, rows["done_s"] - rows["created_s"], math.inf)
        deadlines = dict(zip(devices["device"], devices["deadline_s"], strict=True))
        deadline_s = np.array([deadlines[name] for name in rows["device"]], float)
        in_time = done & ~(latency_s > deadline_s)  # no deadline is NaN: never late
        return cls(
            status=rows["status"],
            latency_s=latency_s,
            late=~in_time,
            energy_j=np.sum([rows[name] for name in ENERGY], axis=0),
            sent_bytes=rows["sent_bytes"],
            correct=np.where(done, rows["correct"], 0.0),
            exited=np.array([name is not None for name in rows["exit"]], bool),
        )

    @classmethod
    def join(cls, parts: Sequence[Tasks]) -> Tasks:
        """Those of several parts together."""
        names = cls.__dataclass_fields__
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})

    def row(self) -> Row:
        """Everything the summary says of tasks."""
        done = self.status == DONE
        row: Row = {"tasks": len(done)}
        for status in (DONE, TIMEOUT, DROPPED, UNFINISHED):
            row[status] = int(np.sum(self.status == status))
        for label, values in (("", self.latency_s[done]), ("_all", self.latency_s)):
            row[f"latency_mean{label}_s"] = mean(values)
            found = quantiles(values, list(SHARES.values()))
            row |= {f"latency_{q}{label}_s": v for q, v in zip(SHARES, found, strict=True)}
        row["energy_mean_j"] = mean(self.energy_j)
        row["deadline_miss"] = mean(self.late)
        row["goodput"] = mean(self.correct * ~self.late)
        row["accuracy"] = mean(self.correct[done])
        row["exited"] = mean(self.exited)
        row["sent_bytes_mean"] = mean(self.sent_bytes)
        return row


def summarise(
    folder: Path,
    policies: Sequence[str],
    swept: Sequence[Mapping[str, Any]],
    warmups_s: Sequence[float],
    shift: int = 0,
) -> list[Row]:
    """The rows of a summary, by point and policy.

    Args:
        folder: the results folder.
        policies: their order.
        swept: by point, the values of the sweep.
        warmups_s: by point.
        shift: of the tables; 0 is none.
    """
    groups: dict[tuple[int, str], list[PartName]] = {}
    order = {policy: n for n, policy in enumerate(policies)}
    names = parts_in(folder, shift)
    for name in sorted(names, key=lambda n: (n.point, order[n.policy], n.seed)):
        groups.setdefault((name.point, name.policy), []).append(name)
    return [
        {"point": point, "policy": policy}
        | _row(folder, names, warmups_s[point])
        | dict(swept[point])
        for (point, policy), names in groups.items()
    ]


def _row(folder: Path, names: Sequence[PartName], warmup_s: float) -> Row:
    boards = [name.read(folder, "devices") for name in names]
    servers = [name.read(folder, "servers") for name in names]
    cells = [name.read(folder, "cells") for name in names]
    tasks = [
        Tasks.of(name.read(folder, "tasks", NEEDED), board, warmup_s)
        for name, board in zip(names, boards, strict=True)
    ]
    row = Tasks.join(tasks).row() | _board_row(_join(boards), _join(servers))
    row = {name: row[name] for name in COLUMNS}
    row["seeds"] = len(names)
    seeds = [part.row() for part in tasks]
    for name in INTERVALS:
        row[f"{name}_ci95"] = half_width([seed[name] for seed in seeds])
    return row | _loads(_join(boards), _join(servers), _join(cells))


def _board_row(boards: Table, servers: Table) -> Row:
    """Joules and watts of whole boards, over the whole run, the warm-up included."""
    off_s = boards["off_s"].astype(float)
    tasks = max(np.sum(boards["tasks"]), 1)
    return {
        "board_energy_mean_j": float(np.sum(boards["board_j"]) / tasks),
        "board_power_w": mean(boards["board_j"] / np.fmin(boards["end_s"], off_s)),
        "devices_off": mean(~np.isnan(off_s)),
        "server_energy_mean_j": float(np.sum(servers["board_j"]) / tasks),
    }


def _loads(boards: Table, servers: Table, cells: Table) -> Row:
    """Work offered over work that could be done: of the busiest device, uplink and server.

    The load of a shared cell's uplink is that of its medium.

    Above 1 a queue grows as long as tasks come, and averages depend on how long that is. In
    closed loops no queue does: they offer the more the sooner they are served.
    """
    most = 1.0 if np.all(boards["arrivals"] == "closed") else math.inf
    capacity_s = servers["workers"] * servers["duration_s"]
    server = (servers["offered_s"] + servers["background_s"]) / capacity_s
    loads = {
        "device_load": float(np.max(boards["offered_compute_s"] / boards["duration_s"])),
        "uplink_load": float(np.max(cells["load"][cells["direction"] == "uplink"])),
        "server_load": float(np.max(server, initial=0.0)),
    }
    return {name: min(load, most) for name, load in loads.items()}


def _join(tables: Sequence[Table]) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def write_summary(path: Path, rows: Sequence[Row]) -> None:
    """Write ``summary.csv``; the file is whole or not there."""
    names = dict.fromkeys(name for row in rows for name in row)
    with whole(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, names or ("point", "policy", *COLUMNS))
        writer.writeheader()
        writer.writerows(rows)
