"""The summary of a results folder: a row per point and policy, from rows alone."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from splitsim import stability
from splitsim.parts import PartName, parts_in, whole
from splitsim.statistics import half_width, mean, quantiles
from splitsim.task import DONE, DROPPED, TIMEOUT, UNFINISHED

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
ENERGY = ("compute_j", "tx_j", "rx_j", "tail_j")
NEEDED = ("device", "status", "exit", "created_s", "done_s", "sent_bytes", "correct", *ENERGY)
LEAST_S = 1e-9  # a device that was hardly there
READ = tuple(dict.fromkeys((*NEEDED, *stability.NEEDED)))
INTERVALS = ("latency_mean_s", "latency_p95_s", "energy_mean_j", "deadline_miss", "goodput")

LATENCIES = tuple(f"latency_{q}" for q in ("mean", *SHARES))
COLUMNS = (
    *("tasks", DONE, TIMEOUT, DROPPED, UNFINISHED),
    *(f"{latency}_s" for latency in LATENCIES),
    *(f"{latency}_all_s" for latency in LATENCIES),
    *("energy_mean_j", "board_energy_mean_j", "board_power_w"),
    *("deadline_miss", "goodput", "accuracy", "sent_bytes_mean"),
    *("server_energy_mean_j", "devices_off", "throttled", "exited"),
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
    def of(cls, tasks: Table, devices: Table, from_s: float, to_s: float = math.inf) -> Tasks:
        """The tasks of a part that were created between two times."""
        counts = (tasks["created_s"] >= from_s) & (tasks["created_s"] < to_s)
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
    return [
        {"point": point, "policy": policy}
        | _row(folder, names, warmups_s[point])
        | dict(swept[point])
        for (point, policy), names in _groups(folder, policies, shift).items()
    ]


def summarise_phases(
    folder: Path,
    policies: Sequence[str],
    swept: Sequence[Mapping[str, Any]],
    phases_s: Sequence[Sequence[float]],
) -> list[Row]:
    """The rows of a summary by phase: tasks that were created in it, however long they took.

    Args:
        folder: the results folder.
        policies: their order.
        swept: by point, the values of the sweep.
        phases_s: by point, where phases begin and end; nothing where there are none.
    """
    rows = []
    for (point, policy), names in _groups(folder, policies).items():
        if not phases_s[point]:
            continue
        boards = [name.read(folder, "devices") for name in names]
        read = [name.read(folder, "tasks", READ) for name in names]
        for n, (from_s, to_s) in enumerate(pairwise(phases_s[point])):
            tasks = [Tasks.of(*of_part, from_s, to_s) for of_part in zip(read, boards, strict=True)]
            row = {"point": point, "policy": policy, "phase": n, "from_s": from_s, "to_s": to_s}
            row |= Tasks.join(tasks).row() | {"seeds": len(names)} | _intervals(tasks)
            rows.append(row | _verdict(read, boards, from_s, to_s) | dict(swept[point]))
    return rows


def _groups(
    folder: Path, policies: Sequence[str], shift: int = 0
) -> dict[tuple[int, str], list[PartName]]:
    """The parts by point and policy, in order."""
    groups: dict[tuple[int, str], list[PartName]] = {}
    order = {policy: n for n, policy in enumerate(policies)}
    names = parts_in(folder, shift)
    for name in sorted(names, key=lambda n: (n.point, order[n.policy], n.seed)):
        groups.setdefault((name.point, name.policy), []).append(name)
    return groups


def _intervals(parts: Sequence[Tasks]) -> Row:
    seeds = [part.row() for part in parts]
    return {f"{name}_ci95": half_width([seed[name] for seed in seeds]) for name in INTERVALS}


def _row(folder: Path, names: Sequence[PartName], warmup_s: float) -> Row:
    boards = [name.read(folder, "devices") for name in names]
    servers = [name.read(folder, "servers") for name in names]
    cells = [name.read(folder, "cells") for name in names]
    read = [name.read(folder, "tasks", READ) for name in names]
    tasks = [Tasks.of(*of_part, warmup_s) for of_part in zip(read, boards, strict=True)]
    row = Tasks.join(tasks).row() | _board_row(_join(boards), _join(servers))
    row = {name: row[name] for name in COLUMNS}
    row["seeds"] = len(names)
    row |= _intervals(tasks)
    row |= _loads(_join(boards), _join(servers), _join(cells))
    return row | _verdict(read, boards, warmup_s)


def _verdict(
    tasks: Sequence[Table], boards: Sequence[Table], from_s: float, to_s: float = math.inf
) -> Row:
    """Whether all queues are stable; if not, which grow, and in how many replications."""
    queues = [
        stability.growing(rows, board, from_s, min(float(np.max(board["duration_s"])), to_s))
        for rows, board in zip(tasks, boards, strict=True)
    ]
    unstable = sum(map(bool, queues))
    return {"stable": not unstable, "unstable_seeds": unstable, "grows": stability.in_words(queues)}


def _board_row(boards: Table, servers: Table) -> Row:
    """Joules and watts of whole boards, over the whole run, the warm-up included."""
    off_s = boards["off_s"].astype(float)
    tasks = max(np.sum(boards["tasks"]), 1)
    there_s = _there_s(boards, boards["end_s"])
    came = there_s > LEAST_S
    return {
        "board_energy_mean_j": float(np.sum(boards["board_j"]) / tasks),
        "board_power_w": mean((boards["board_j"] / there_s)[came]),
        "devices_off": mean(~np.isnan(off_s)),
        "throttled": mean((boards["throttled_s"] / there_s)[came]),
        "server_energy_mean_j": float(np.sum(servers["board_j"]) / tasks),
    }


def _there_s(boards: Table, until_s: np.ndarray) -> np.ndarray:
    """How long each device was there and on until a time."""
    off_s = np.fmin(boards["off_s"].astype(float), boards["leave_s"].astype(float))
    there_s: np.ndarray = np.maximum(np.fmin(until_s, off_s) - boards["join_s"], LEAST_S)
    return there_s


def _loads(boards: Table, servers: Table, cells: Table) -> Row:
    """Work offered over work that could be done: of the busiest device, uplink and server.

    The load of a shared cell's uplink is that of its medium.

    Above 1 a queue grows as long as tasks come, and averages depend on how long that is. In
    closed loops no queue does: they offer the more the sooner they are served.
    """
    most = 1.0 if np.all(boards["arrivals"] == "closed") else math.inf
    there_s = _there_s(boards, boards["duration_s"])
    board_s = np.maximum(boards["capacity_s"], LEAST_S)
    work_s = servers["offered_s"] / servers["gain"] + servers["background_s"]
    capacity_s = servers["capacity_s"]
    idle_or_down = np.where(work_s > 0, math.inf, 0.0)
    server = np.divide(work_s, capacity_s, out=idle_or_down, where=capacity_s > 0)
    shared = (cells["direction"] == "uplink") & (cells["sharing"] != "dedicated")
    media = np.max(cells["load"][shared], initial=0.0)
    loads = {
        "device_load": float(np.max(boards["offered_compute_s"] / board_s)),
        "uplink_load": float(max(np.max(boards["airtime_s"] / there_s), media)),
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
