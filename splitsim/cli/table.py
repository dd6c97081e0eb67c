"""The summary as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

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
FAILED = ("timeout", "dropped", "unfinished")
LOADS = {"device_load": "a device", "uplink_load": "an uplink", "server_load": "a server"}


def summary_table(rows: Sequence[Row], swept: Sequence[str]) -> Table:
    """A row per point and policy.

    Args:
        rows: of the summary.
        swept: names of the swept parameters.
    """
    failed = [name for name in FAILED if any(row[name] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in swept:
        table.add_column(name.replace(".", ".\n"))
    table.add_column("policy", no_wrap=True)
    for _, heading, _, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in failed:
        table.add_column(name, justify="right", no_wrap=True)
    for n, row in enumerate(rows):
        last = n + 1 == len(rows) or rows[n + 1]["point"] != row["point"]
        table.add_row(*_cells(row, swept, failed), end_section=last)
    return table


def notes(rows: Sequence[Row], swept: Sequence[str]) -> list[str]:
    """What must be known to read the table."""
    found = [
        f"{_name(row, swept)}: {what} was offered {row[load]:.2f} times the work it can do; "
        "unless tasks give up, its queue and the averages grow as long as tasks come"
        for row in rows
        for load, what in LOADS.items()
        if row[load] > 1
    ]
    if any(row[name] for row in rows for name in FAILED):
        found.append("latencies are over done tasks; summary.csv also has them over all tasks")
    return found


def _cells(row: Row, swept: Sequence[str], failed: Sequence[str]) -> list[str]:
    overloaded = any(row[load] > 1 for load in LOADS)
    return [
        *(escape(str(row[name])) for name in swept),
        row["policy"] + (" [red]*[/red]" if overloaded else ""),
        *(_number(row[name] * factor, digits) for name, _, factor, digits in COLUMNS),
        *(f"{row[name]:,}" for name in failed),
    ]


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def _name(row: Row, swept: Sequence[str]) -> str:
    point = ", ".join(f"{name} = {row[name]}" for name in swept)
    return f"{row['policy']} ({point})" if point else str(row["policy"])
