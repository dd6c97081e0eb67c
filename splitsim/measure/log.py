"""The log of an external power meter: a CSV file with the columns ``time`` and ``watts``.

``time`` is in epoch seconds on this machine's clock; other columns are passed over. The file may
still be growing: a line counts once its end is written.
"""

from __future__ import annotations

import csv
import io
import math
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

from splitsim.csvtable import reason
from splitsim.errors import BadInput
from splitsim.measure.meter import Track, now_s

COLUMNS = ("time", "watts")
LOOK_S = 0.1


class Row(NamedTuple):
    """A line of the log."""

    line: int
    time_s: float
    watts: float


class Log:
    """A meter by the file that an external one writes, matched by time.

    Args:
        path: the file.
        patience_s: how long to wait for the file to reach an instant.
    """

    name = "csv"

    def __init__(self, path: Path, patience_s: float = 5.0) -> None:
        self.path = path
        self.point = f"external meter ({path})"
        self.patience_s = patience_s
        self._track = Track()

    def __enter__(self) -> Self:
        self._track = read_log(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def mark(self) -> float:
        """This instant; the file need not have reached it."""
        return now_s()

    def joules(self, at_s: float | None = None) -> float:
        """Joules until an instant, now if none is given; waits for the file to reach it."""
        instant_s = self.mark() if at_s is None else at_s
        give_up_s = now_s() + self.patience_s
        while not self._track.spans(instant_s):
            if now_s() > give_up_s:
                raise BadInput(self._beside(instant_s))
            time.sleep(LOOK_S)
            self._track = read_log(self.path)
        return self._track.at(instant_s)

    def _beside(self, instant_s: float) -> str:
        return (
            f"{self.path}: has no rows around {instant_s:.3f}, when something was measured; log "
            "from before the start until after the end, by this machine's clock"
        )


def read_log(path: Path) -> Track:
    """Cumulative joules of a log, by the trapezoid rule.

    Raises:
        BadInput: the file cannot be read, or has lines that are wrong.
    """
    rows = _rows(path)
    problems = [
        f"{path}:{row.line}: must be a time and watts, 0 or more"
        for row in rows
        if not (math.isfinite(row.time_s) and 0 <= row.watts < math.inf)
    ]
    problems += [
        f"{path}:{row.line}: time: must rise, not from {before.time_s} to {row.time_s}"
        for before, row in pairwise(rows)
        if row.time_s <= before.time_s
    ]
    if problems:
        raise BadInput(*problems)
    return _integrated(rows)


def _integrated(rows: list[Row]) -> Track:
    track, joules = Track(), 0.0
    for before, row in zip([*rows[:1], *rows], rows, strict=False):
        joules += (row.time_s - before.time_s) * (row.watts + before.watts) / 2
        track.add(row.time_s, joules)
    return track


def _rows(path: Path) -> list[Row]:
    try:
        content = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(content[: content.rfind("\n") + 1]))
        table = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as CSV: {reason(error)}") from error
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise BadInput(f"{path}:1: there is no column {', '.join(missing)}; needed are time,watts")
    return [Row(line, *(_number(row[name]) for name in COLUMNS)) for line, row in table]


def _number(cell: str | None) -> float:
    """A number; NaN where there is none."""
    try:
        return float(cell or "")
    except ValueError:
        return math.nan
