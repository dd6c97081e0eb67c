"""The summary as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from splitsim.cli.fit import fitting
from splitsim.notes import is_overloaded
from splitsim.notes import notes as summary_notes
from splitsim.report.look import value_text
from splitsim.task import DROPPED, TIMEOUT, UNFINISHED

FAILED = (TIMEOUT, DROPPED, UNFINISHED)

Row = Mapping[str, Any]

# column of the summary, heading, factor, digits
COLUMNS = (
    ("tasks", "tasks", 1, 0),
    ("latency_mean_s", "mean\nms", 1e3, 1),
    ("latency_p50_s", "p50\nms", 1e3, 1),
    ("latency_p95_s", "p95\nms", 1e3, 1),
    ("latency_p99_s", "p99\nms", 1e3, 1),
    ("deadline_miss", "missed\n%", 1e2, 1),
    ("energy_mean_j", "energy\nmJ/task", 1e3, 0),
    ("board_power_w", "board\nW", 1, 2),
    ("goodput", "goodput\n%", 1e2, 1),
    ("sent_bytes_mean", "sent\nkB/task", 1e-3, 1),
)
EXITED = ("exited", "exited\n%", 1e2, 1)  # only where some task was
SPARE = (  # columns that go first where a terminal is narrow
    *("sent_bytes_mean", "latency_p50_s", "board_power_w", "latency_p99_s", *FAILED),
    *("goodput", "tasks", "latency_mean_s", "latency_p95_all_s"),
)


def summary_table(
    rows: Sequence[Row], swept: Sequence[str], console: Console | None = None
) -> Table:
    """A row per point and policy.

    Args:
        rows: of the summary.
        swept: names of the swept parameters.
        console: what it must fit; without one, nothing is left out.
    """
    failed = [(name, name, 1, 0) for name in FAILED if any(row[name] for row in rows)]
    exited = [EXITED] if any(row["exited"] > 0 for row in rows) else []
    columns = {column[0]: column for column in (*COLUMNS, *exited, *failed)}

    def build(names: Sequence[str]) -> Table:
        table = _table(swept)
        for name in names:
            table.add_column(columns[name][1], justify="right", no_wrap=True)
        for n, row in enumerate(rows):
            numbers = [_cell(row, *columns[name]) for name in names]
            table.add_row(*_names(row, swept), *numbers, end_section=_ends_point(rows, n))
        return table

    return build([*columns]) if console is None else fitting(console, [*columns], SPARE, build)


# of a phase: column of the summary, heading, factor, digits
OF_PHASE = (
    ("tasks", "tasks", 1, 0),
    ("latency_mean_s", "mean\nms", 1e3, 1),
    ("latency_p95_s", "p95\nms", 1e3, 1),
    ("latency_p95_all_s", "p95, all\nms", 1e3, 1),
    ("deadline_miss", "missed\n%", 1e2, 1),
    ("energy_mean_j", "energy\nmJ/task", 1e3, 0),
    ("goodput", "goodput\n%", 1e2, 1),
)


def phases_table(
    rows: Sequence[Row], swept: Sequence[str], console: Console | None = None
) -> Table:
    """A row per point, phase and policy.

    Args:
        rows: of the summary by phase.
        swept: names of the swept parameters.
        console: what it must fit; without one, nothing is left out.
    """
    columns = {column[0]: column for column in OF_PHASE}

    def build(names: Sequence[str]) -> Table:
        return _phases(rows, swept, [columns[name] for name in names])

    return build([*columns]) if console is None else fitting(console, [*columns], SPARE, build)


def _phases(rows: Sequence[Row], swept: Sequence[str], columns: Sequence[Any]) -> Table:
    ordered = sorted(rows, key=lambda row: (row["point"], row["phase"]))  # policies stay in order
    table = _table([*swept, "created, s"], "by phase between changes")
    for _, heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for n, row in enumerate(ordered):
        next_ = ordered[n + 1] if n + 1 < len(ordered) else None
        ends = next_ is None or (next_["point"], next_["phase"]) != (row["point"], row["phase"])
        swept_names = (escape(value_text(row[name])) for name in swept)
        span = f"{row['from_s']:g} to {row['to_s']:g}"
        cells = [_cell(row, *column) for column in columns]
        table.add_row(*swept_names, span, row["policy"], *cells, end_section=ends)
    return table


# metric of the shifts, heading
BEST = {
    "latency_mean_s": "mean",
    "latency_p95_all_s": "p95, all\ntasks",
    "energy_mean_j": "energy\nper task",
    "board_power_w": "board\npower",
    "deadline_miss": "missed",
    "goodput": "goodput",
}


def notes(rows: Sequence[Row], swept: Sequence[str], replayed: Sequence[str] = ()) -> list[str]:
    """What must be known to read the table."""
    found = summary_notes(rows, swept, replayed)
    if any(row[name] for row in rows for name in FAILED):
        found.append("latencies are over done tasks; summary.csv also has them over all tasks")
    return found


def best_table(rows: Sequence[Row], swept: Sequence[str]) -> Table:
    """How often each policy is best at its point when the tables are shifted, in percent.

    Args:
        rows: of a summary with shifts.
        swept: names of the swept parameters.
    """
    metrics = [metric for metric in BEST if f"{metric}_best" in rows[0]]
    shifts = max(row["shifts"] for row in rows)
    title = f"how often each policy is best, % of {shifts} shifts of the tables"
    table = _table(swept, title)
    for metric in metrics:
        table.add_column(BEST[metric], justify="right", no_wrap=True)
    for n, row in enumerate(rows):
        shares = [_number(100 * row[f"{metric}_best"], 0) for metric in metrics]
        names = (escape(value_text(row[name])) for name in swept)
        table.add_row(*names, row["policy"], *shares, end_section=_ends_point(rows, n))
    return table


def _table(swept: Sequence[str], title: str | None = None) -> Table:
    """With columns for the point and the policy."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        show_edge=False,
    )
    for name in swept:
        table.add_column(name.replace(".", ".\n"))
    table.add_column("policy", no_wrap=True)
    return table


def _ends_point(rows: Sequence[Row], n: int) -> bool:
    return n + 1 == len(rows) or bool(rows[n + 1]["point"] != rows[n]["point"])


def _names(row: Row, swept: Sequence[str]) -> list[str]:
    """What was swept, and the policy, marked where it is overloaded."""
    mark = " [red]*[/red]" if is_overloaded(row) else ""
    return [*(escape(value_text(row[name])) for name in swept), row["policy"] + mark]


def _cell(row: Row, name: str, _: str, factor: float, digits: int) -> str:
    """A number; of a latency that grows with the run, that it does."""
    grows = not row["stable"] and name.startswith("latency")
    return "[red]grows[/red]" if grows else _number(row[name] * factor, digits)


def _number(value: float, digits: int) -> str:
    """With some digits behind the point; what they would round to nothing, with two that count."""
    if math.isnan(value):
        return "-"
    vanishes = value != 0 and abs(value) < 0.5 * 10**-digits
    return f"{value:.2g}" if vanishes else f"{value:,.{digits}f}"
