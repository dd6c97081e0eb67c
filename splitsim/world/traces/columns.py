"""What formats with columns share: their rows, numbers, and how long a value holds."""

from __future__ import annotations

import contextlib
import csv
import math
import reprlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitsim.errors import BadInput
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.trace import Floats, Trace, checked_trace


class Rows(NamedTuple):
    """A table's two columns of text, and the line of the file in which each row stands."""

    lines: Sequence[int]
    times: Sequence[str]
    rates: Sequence[str]


def named_columns(lines: Lines, time: str, rate: str) -> Rows:
    """Two columns of a table; at least one row."""
    (head_line, head), *table = _table(lines)
    names = [name.strip() for name in head]
    for name in (time, rate):
        if names.count(name) != 1:
            found = f"{names.count(name) or 'no'} columns are called {name!r}"
            lines.report(head_line, f"{found}; name time and rate among {', '.join(names)}")
    for line, fields in table:
        if len(fields) != len(names):
            lines.report(line, f"{counted(fields)} where the header has {len(names)}; correct it")
    lines.check()
    chosen = (names.index(name) for name in (time, rate))
    columns = ([fields[i].strip() for _, fields in table] for i in chosen)
    return Rows([line for line, _ in table], *columns)


def _table(lines: Lines) -> list[tuple[int, list[str]]]:
    """The header and the rows, at least one, each with the number of its (last) line."""
    reader = csv.reader(lines.uncommented())
    try:
        table = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise BadInput(f"{lines.name}:{reader.line_num}: {error}; correct it") from None
    if len(table) < 2:
        raise BadInput(f"{lines.name}: a header and rows are needed; is it another format?")
    return table


def counted(fields: Sequence[str]) -> str:
    """How many values a line has, in words."""
    return "1 value" if len(fields) == 1 else f"{len(fields)} values"


def as_numbers(
    lines: Lines, where: Sequence[int], texts: Sequence[str], what: str, remedy: str
) -> Floats:
    """A column as numbers; a text that is none is reported and becomes NaN."""
    values = np.array(_floats(texts), dtype=np.float64)
    for i in indices(~np.isfinite(values)):
        values[i] = np.nan
        lines.report(where[i], _not_a_number(what, texts[i], remedy))
    return values


def _floats(texts: Sequence[str]) -> list[float]:
    # Python takes 20200213_130324 for a number; here it is a date, in no form that we know.
    if "_" not in "".join(texts):
        with contextlib.suppress(ValueError):
            return list(map(float, texts))
    return [_float(text) for text in texts]


def _float(text: str) -> float:
    try:
        return float(text.replace("_", "?"))
    except ValueError:
        return math.nan


def _not_a_number(what: str, text: str, remedy: str) -> str:
    if text.lower() not in {"", "-", "none", "nan", "null", "na", "n/a"}:
        return f"the {what} {reprlib.repr(text)} is not a finite number; {remedy}"
    if what == "rate":
        remedy = "write 0 if the link was down, or delete the row to hold the rate before it"
    return f"the {what} is missing ({text!r}); {remedy}"


def since_first(values: Floats) -> Floats:
    """Times counted from the smallest; NaN is passed over.

    To be called before any scaling: an epoch in ms has no digits to spare.
    """
    first: Floats = values - np.fmin.reduce(values, initial=np.inf)
    return first


def indices(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Where a mask is true."""
    return np.flatnonzero(mask).tolist()


def held(lines: Lines, rows: Rows, times_s: Floats, rates_bps: Floats, hold: str) -> Trace:
    """The trace of n times and n rates, or n - 1 where the last row only says when it ends."""
    _check_rows(lines, rows, times_s, rates_bps)
    edges_s = times_s
    if hold == "next":
        rates_bps = rates_bps[1:]
    elif len(rates_bps) == len(times_s):
        edges_s = np.append(times_s, times_s[-1] + _median_step(times_s))
    used = np.diff(edges_s) > 0  # of equal times, one has an interval to hold on
    return checked_trace(lines, edges_s[:-1][used], rates_bps[used], float(edges_s[-1]))


def _median_step(times_s: Floats) -> float:
    steps_s = np.diff(times_s)
    return float(np.median(steps_s[steps_s > 0]))


def _check_rows(lines: Lines, rows: Rows, times_s: Floats, rates_bps: Floats) -> None:
    for i in indices(rates_bps < 0):
        lines.report(rows.lines[i], f"the rate {rows.rates[i]} is negative; correct it")
    for i in indices(np.diff(times_s) < 0):
        back = f"from {rows.times[i]} to {rows.times[i + 1]}"
        lines.report(rows.lines[i + 1], f"time goes back {back}; sort the rows by time")
    lines.check()
    if not np.any(np.diff(times_s) > 0):
        lines.report(0, "has fewer than two different times; a trace needs two to have a length")
        lines.check()
