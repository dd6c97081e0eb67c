"""CSV files read strictly: mistakes pile up with their lines and are told together."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from splitsim.errors import BadInput
from splitsim.uncertainty import Cells

EXCESS = "more values than columns"
LARGEST = 1000.0  # factor of uncertainty


def reason(error: Exception) -> str:
    """Why a file cannot be read, in few words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (isinstance(error, OSError) and error.strerror) or str(error)


class Table:
    """A CSV file; mistakes pile up with their lines and are raised together on leaving."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.rows: list[dict[str, str]] = []
        self._lines: dict[int, int] = {}  # by the identity of a row
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._read(csv.DictReader(file, restkey=EXCESS, restval="", strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            remedy = "; check the path" if isinstance(error, FileNotFoundError) else ""
            raise BadInput(f"{path}: cannot be read as CSV: {reason(error)}{remedy}") from error

    def _read(self, reader: csv.DictReader[str]) -> None:
        self.header = tuple(name.strip() for name in reader.fieldnames or ())
        reader.fieldnames = self.header
        if not self.header:
            raise BadInput(f"{self.path}: is empty; its first line must name the columns")
        twice = dict.fromkeys(name for name in self.header if self.header.count(name) > 1)
        if twice:
            raise BadInput(*(f"{self.path}:1: there are two columns {name}" for name in twice))
        for row in reader:
            self.rows.append(row)
            self._lines[id(row)] = reader.line_num
            if EXCESS in row:
                self.problems.append(
                    f"{self.path}:{reader.line_num}: has more values than there are columns"
                )

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self.problems:
            raise BadInput(*self.problems)

    def check_columns(self, *columns: str) -> Table:
        """There must be these columns; nothing else can be said without them."""
        missing = [column for column in columns if column not in self.header]
        if missing:
            have = ", ".join(self.header)
            raise BadInput(
                *(f"{self.path}:1: there is no column {name}; there are {have}" for name in missing)
            )
        return self

    def check_distinct(self, key: str) -> None:
        """No value of a column may come twice."""
        seen: set[str] = set()
        for row in self.rows:
            if row[key] in seen:
                self.wrong(row, key, "must differ from those before")
            seen.add(row[key])

    def check_cuts(self, count: int | None = None) -> None:
        """Rows must be the cuts 0..L in order, as many as the model has."""
        for number, row in enumerate(self.rows):
            if row.get("cut") != str(number):
                self.wrong(row, "cut", f"must be {number}: one row per cut, in order")
        if len(self.rows) < 2:
            self.problems.append(f"{self.path}: needs a row for cut 0 and one for the last cut")
        elif count is not None and len(self.rows) != count:
            self.problems.append(f"{self.path}: has {len(self.rows)} cuts, its model has {count}")

    def number(self, row: dict[str, str], key: str, least: float = 0.0) -> float:
        """A finite number >= ``least``."""
        try:
            value = float(row.get(key, ""))
        except ValueError:
            value = math.nan
        if not (least <= value and math.isfinite(value)):
            bound = "" if math.isinf(least) else f", {least:g} or more"
            self.wrong(row, key, f"must be a number{bound}")
        return value

    def numbers(self, row: dict[str, str], key: str) -> tuple[float, ...]:
        """Numbers >= 0 with blanks between them, one or more."""
        try:
            values = tuple(map(float, row.get(key, "").split()))
        except ValueError:
            values = ()
        if not values or not all(0 <= value < math.inf for value in values):
            self.wrong(row, key, "must be numbers, 0 or more, with blanks between them")
        return values

    def cells(self, key: str) -> Cells:
        """A column of numbers, None where empty."""
        return tuple(self.number(row, key) if row.get(key) else None for row in self.rows)

    def one_of(self, row: dict[str, str], key: str, words: Sequence[str]) -> str:
        """One of some words; the first if it is none of them."""
        if row.get(key) not in words:
            self.wrong(row, key, f"must be one of {', '.join(words)}")
            return words[0]
        return row[key]

    def factor(self, row: dict[str, str], key: str, usual: float) -> float:
        """A factor >= 1; the usual one where there is none."""
        if not row.get(key):
            return usual
        value = self.number(row, key, least=1.0)
        if value > LARGEST:
            self.wrong(row, key, f"must be at most {LARGEST:g}: beyond, nothing is known")
        return value

    def count(self, row: dict[str, str], key: str) -> int:
        """A whole number >= 1."""
        if not row.get(key, "").isdecimal() or not int(row[key]):
            self.wrong(row, key, "must be a whole number, 1 or more")
            return 1
        return int(row[key])

    def wrong(self, row: dict[str, str], key: str, what: str) -> None:
        """Note a mistake in a cell."""
        self.problems.append(
            f"{self.path}:{self._lines[id(row)]}: {key}: {what}, not {row.get(key, '')!r}"
        )
