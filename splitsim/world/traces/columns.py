"""Columns of text as numbers: a table's rows, and the spellings of what is missing."""

from __future__ import annotations

import contextlib
import csv
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitsim.errors import BadInput
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.trace import Floats

MISSING = frozenset({"", "-", "none", "nan", "null", "na", "n/a"})


class Rows(NamedTuple):
    """A table's columns of text, and the line of the file in which each row stands.

    ``values`` are by series: a rate, a round trip, ...; ``names`` are those of their columns.
    """

    lines: Sequence[int]
    times: Sequence[str]
    values: Mapping[str, Sequence[str]]


class Table(NamedTuple):
    """A header, and rows of as many texts, at least one."""

    head_line: int
    names: Sequence[str]
    lines: Sequence[int]
    rows: Sequence[Sequence[str]]

    def column(self, name: str) -> list[str]:
        """A column of text; it must be there once."""
        i = self.names.index(name)
        return [fields[i].strip() for fields in self.rows]

    def ask(self, lines: Lines, name: str) -> None:
        """Report a column that is not there once."""
        if (found := self.names.count(name)) != 1:
            what = f"{found or 'no'} columns are called {name!r}"
            lines.report(self.head_line, f"{what}; {self._remedy()}")

    def _remedy(self) -> str:
        there = ", ".join(self.names)
        if len(self.names) == 1 and {";", "\t"} & set(there):
            return f"separate values by commas, not as in {there!r}"
        numbered = [str(n + 1) for n in range(len(self.names))]
        if self.names != numbered and not np.isnan(_floats(self.names)).any():
            return f"is the first line, {there}, a row (header: false)?"
        return f"name time and rate among {there}"


def table_of(lines: Lines, header: bool = True) -> Table:
    """Comma-separated values; without a header the columns are called 1, 2, ..."""
    reader = csv.reader(lines.uncommented())
    try:
        found = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise BadInput(f"{lines.name}:{reader.line_num}: {error}; correct it") from None
    if len(found) < 1 + header:
        what = "a header and rows are" if header else "rows are"
        raise BadInput(f"{lines.name}: {what} needed; is it another format?")
    head_line, head = found[0]
    names = [name.strip() for name in head]
    if not header:
        names = [str(n) for n in range(1, len(head) + 1)]
    rows = found[1:] if header else found
    whose = "the header has" if header else "the first row has"
    for line, fields in rows:
        if len(fields) != len(names):
            lines.report(line, f"{counted(fields)} where {whose} {len(names)}; correct it")
    return Table(head_line, names, [line for line, _ in rows], [fields for _, fields in rows])


def counted(fields: Sequence[str]) -> str:
    """How many values a line has, in words."""
    return "1 value" if len(fields) == 1 else f"{len(fields)} values"


def as_numbers(
    lines: Lines, where: Sequence[int], texts: Sequence[str], what: str, remedy: str
) -> Floats:
    """A column as numbers; a text that is none is reported and becomes NaN."""
    values = with_gaps(lines, where, texts, what, remedy)
    for i in indices(np.isnan(values)):
        if is_missing(texts[i]):  # others were told of
            lines.report(where[i], _not_a_number(what, texts[i], remedy))
    return values


def with_gaps(
    lines: Lines, where: Sequence[int], texts: Sequence[str], what: str, remedy: str
) -> Floats:
    """A column as numbers, NaN where a value is missing; any other text is reported."""
    values = _floats(texts)
    for i in indices(~np.isfinite(values)):
        values[i] = np.nan
        if not is_missing(texts[i]):
            lines.report(where[i], _not_a_number(what, texts[i], remedy))
    return values


def is_missing(text: str) -> bool:
    """Whether a text is one of the spellings of a missing value."""
    return text.lower() in MISSING


def _floats(texts: Sequence[str]) -> Floats:
    # Python takes 20200213_130324 for a number; here it is a date, in no form that we know.
    if "_" not in "".join(texts):
        with contextlib.suppress(ValueError):
            return np.array(list(map(float, texts)), dtype=np.float64)
    return np.array([_float(text) for text in texts], dtype=np.float64)


def _float(text: str) -> float:
    try:
        return float(text.replace("_", "?"))
    except ValueError:
        return math.nan


def _not_a_number(what: str, text: str, remedy: str) -> str:
    if is_missing(text):
        return f"the {what} is missing ({text!r}); {remedy}"
    return f"the {what} {reprlib.repr(text)} is not a finite number; {remedy}"


def since_first(values: Floats) -> Floats:
    """Times counted from the smallest; NaN is passed over.

    To be called before any scaling: an epoch in ms has no digits to spare.
    """
    first: Floats = values - np.fmin.reduce(values, initial=np.inf)
    return first


def indices(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Where a mask is true."""
    return np.flatnonzero(mask).tolist()
