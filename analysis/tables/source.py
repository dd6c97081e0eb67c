"""The published figures, ``traces/published/*.csv``, and measured profiles, each read once."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

TRACES = Path(__file__).resolve().parents[2] / "traces"
MEASURED_ON = "x86-1t"  # one thread of a server's processor


@cache
def published(name: str) -> list[dict[str, str]]:
    """The rows of ``traces/published/<name>.csv``."""
    with (TRACES / "published" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def measured(model: str) -> list[dict[str, str]]:
    """The rows of a model's profile that ``splitsim profile`` measured; none where it did not."""
    path = TRACES / "profiles" / f"{model}@{MEASURED_ON}.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def only(name: str, **wanted: object) -> dict[str, str]:
    """The one row of a published file with these cells.

    Raises:
        ValueError: there is no such row, or more than one.
    """
    (row,) = (r for r in published(name) if all(r[k] == str(v) for k, v in wanted.items()))
    return row


def shape(text: str) -> tuple[int, ...]:
    """``64x56x56`` as numbers."""
    return tuple(int(size) for size in text.split("x"))
