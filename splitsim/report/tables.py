"""The report's tables: the summary in units that fit, by point, by phase and with shifts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from splitsim.report.look import NONE, Unit, point_name, unit, value_text
from splitsim.task import DROPPED, TIMEOUT, UNFINISHED

Row = Mapping[str, Any]

LOADS = {"device_load": "device", "uplink_load": "uplink", "server_load": "server"}


@dataclass(frozen=True)
class Column:
    """A column of the summary, as the table shows it."""

    title: str
    key: str
    kind: str
    interval: str = ""


SUMMARY = (
    Column("Tasks", "tasks", "count"),
    Column("Mean latency", "latency_mean_s", "seconds", "latency_mean_s_ci95"),
    Column("p50", "latency_p50_s", "seconds"),
    Column("p95", "latency_p95_s", "seconds", "latency_p95_s_ci95"),
    Column("p99", "latency_p99_s", "seconds"),
    Column("p95 of all tasks", "latency_p95_all_s", "seconds"),
    Column("Missed deadline", "deadline_miss", "share", "deadline_miss_ci95"),
    Column("Goodput", "goodput", "share"),
    Column("Accuracy", "accuracy", "share"),
    Column("Energy per task", "energy_mean_j", "joules", "energy_mean_j_ci95"),
    Column("Whole board", "board_power_w", "watts"),
    Column("Sent per task", "sent_bytes_mean", "bytes"),
)
PIVOTS = (
    Column("95th percentile of latency, all tasks", "latency_p95_all_s", "seconds"),
    Column("Energy per task", "energy_mean_j", "joules", "energy_mean_j_ci95"),
    Column("Missed deadlines", "deadline_miss", "share", "deadline_miss_ci95"),
)
SHIFTED = (
    Column("Mean latency", "latency_mean_s", "seconds"),
    Column("p95 of all tasks", "latency_p95_all_s", "seconds"),
    Column("Energy per task", "energy_mean_j", "joules"),
    Column("Whole board", "board_power_w", "watts"),
    Column("Missed deadline", "deadline_miss", "share"),
    Column("Goodput", "goodput", "share"),
)


@dataclass(frozen=True)
class Cell:
    """A number and, below it, what is to be said of it."""

    text: str
    note: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a table: a name and cells."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """Headings with their units, and lines under subtitles."""

    title: str
    headings: Sequence[tuple[str, str]]
    bodies: Sequence[tuple[str, Sequence[Line]]]


def summary_table(rows: Sequence[Row], swept: Sequence[Mapping[str, Any]]) -> Table:
    """Policies by point, each with every column of SUMMARY, what failed and the busiest part."""
    units = [_unit_of(column.kind, rows) for column in SUMMARY]
    headings = [(c.title, found.name) for c, found in zip(SUMMARY, units, strict=True)]
    bodies = [
        (point_name(swept[point]), [_summary_line(row, units) for row in group])
        for point, group in groupby(rows, key=lambda row: int(row["point"]))
    ]
    return Table("", [*headings, ("No answer", "%"), ("Busiest", "load")], bodies)


def phases_table(rows: Sequence[Row], swept: Sequence[Mapping[str, Any]]) -> Table:
    """Policies by phase between changes, with the columns of SUMMARY that phases have.

    Args:
        rows: of the summary by phase.
        swept: by point.
    """
    columns = [c for c in SUMMARY if rows and c.key in rows[0]]
    units = [unit(c.kind, (row[c.key] for row in rows)) for c in columns]
    ordered = sorted(rows, key=lambda row: (row["point"], row["phase"]))  # policies stay in order
    bodies = [
        (
            f"{name}: {_span(from_s, to_s)}" if (name := point_name(swept[point])) else span,
            [
                Line(
                    str(row["policy"]),
                    [
                        *(_cell(row, c, u) for c, u in zip(columns, units, strict=True)),
                        _failed(row),
                    ],
                )
                for row in group
            ],
        )
        for (point, from_s, to_s), group in groupby(
            ordered, key=lambda row: (int(row["point"]), float(row["from_s"]), float(row["to_s"]))
        )
        for span in [_span(from_s, to_s)]
    ]
    headings = [(c.title, found.name) for c, found in zip(columns, units, strict=True)]
    return Table("", [*headings, ("No answer", "%")], bodies)


def _span(from_s: float, to_s: float) -> str:
    return f"{from_s:g} s to {to_s:g} s"


def pivots(rows: Sequence[Row], swept: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table per column of PIVOTS: points by policies."""
    return [_pivot(rows, swept, column) for column in PIVOTS]


def shifts_table(
    rows: Sequence[Row], swept: Sequence[Mapping[str, Any]], columns: Sequence[Column]
) -> Table:
    """How often each policy is best when the tables are shifted, and within which bounds it is.

    Args:
        rows: of a summary with shifts.
        swept: by point.
        columns: those of SHIFTED that are known.
    """
    units = [
        unit(c.kind, (row[f"{c.key}_{end}"] for row in rows for end in ("low", "high")))
        for c in columns
    ]
    bodies = [
        (
            point_name(swept[point]),
            [
                Line(
                    str(row["policy"]),
                    [_best(row, c.key, found) for c, found in zip(columns, units, strict=True)],
                )
                for row in group
            ],
        )
        for point, group in groupby(rows, key=lambda row: int(row["point"]))
    ]
    headings = [(c.title, f"% best; {u.name}") for c, u in zip(columns, units, strict=True)]
    return Table("", headings, bodies)


def _unit_of(kind: str, rows: Sequence[Row]) -> Unit:
    """One unit for all columns of a kind, so that they can be compared."""
    keys = [column.key for column in SUMMARY if column.kind == kind]
    return unit(kind, (row[key] for key in keys for row in rows if not _grows(row, key)))


def _summary_line(row: Row, units: Sequence[Unit]) -> Line:
    cells = [_cell(row, column, found) for column, found in zip(SUMMARY, units, strict=True)]
    return Line(str(row["policy"]), [*cells, _failed(row), _busiest(row)])


def _cell(row: Row, column: Column, found: Unit) -> Cell:
    if _grows(row, column.key):
        return Cell("grows", marked=True)
    interval = row[column.interval] if column.interval else math.nan
    return Cell(found.text(row[column.key]), found.interval(interval))


def _grows(row: Row, key: str) -> bool:
    """Whether a latency would only say how long the run was."""
    return not row["stable"] and key.startswith("latency")


def _best(row: Row, key: str, found: Unit) -> Cell:
    low, high, share = (float(row[f"{key}_{what}"]) for what in ("low", "high", "best"))
    band = "" if math.isnan(low) else f"{found.text(low)} \N{EN DASH} {found.text(high)}"
    return Cell(NONE if math.isnan(share) else f"{100 * share:.0f}", band)


def _failed(row: Row) -> Cell:
    counts = {name: row[name] for name in (TIMEOUT, DROPPED, UNFINISHED) if row[name]}
    share = 100 * sum(counts.values()) / max(row["tasks"], 1)
    note = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return Cell(f"{share:,.1f}" if row["tasks"] else NONE, note)


def _busiest(row: Row) -> Cell:
    load = max(LOADS, key=lambda name: float(row[name]))
    return Cell(f"{row[load]:.2f}", LOADS[load], row[load] > 1)


def _pivot(rows: Sequence[Row], swept: Sequence[Mapping[str, Any]], column: Column) -> Table:
    known = (row[column.key] for row in rows if not _grows(row, column.key))
    found = unit(column.kind, known)
    policies = list(dict.fromkeys(str(row["policy"]) for row in rows))
    cells = {(row["point"], row["policy"]): _cell(row, column, found) for row in rows}
    lines = [
        Line(
            ", ".join(value_text(value) for value in swept[point].values()),
            [cells.get((point, policy), Cell(NONE)) for policy in policies],
        )
        for point in dict.fromkeys(row["point"] for row in rows)
    ]
    return Table(f"{column.title}, {found.name}", [(name, "") for name in policies], [("", lines)])
