"""Measured channels: reading rate traces in the forms in which they are published.

A format is one function, from a file's lines to a ``Trace``; its keyword parameters are the
options it takes. To add one, write it and list it in ``_READERS`` (and ``_SUFFIXES``).
"""

from __future__ import annotations

import contextlib
import csv
import inspect
import math
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from splitsim.errors import BadInput

Floats = npt.NDArray[np.float64]

PACKET_BITS = 1500 * 8
MAX_DIGITS = 15  # of a whole number that a float still holds exactly
MAX_PROBLEMS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A rate as a function of time, to be replayed from its beginning, over and over.

    Attributes:
        starts_s: n times, rising, the first one 0 (read-only float64 array).
        rates_bps: n rates, each from its start to the next one, the last to ``period_s``.
        period_s: length of the trace.
    """

    starts_s: Floats
    rates_bps: Floats
    period_s: float

    @property
    def durations_s(self) -> Floats:
        """How long each rate holds; n values, all above 0."""
        return np.diff(self.starts_s, append=self.period_s)

    @property
    def mean_bps(self) -> float:
        """The mean over time: what a replay delivers per second."""
        return float(self.rates_bps @ self.durations_s) / self.period_s

    def binned_bps(self, width_s: float) -> Floats:
        """Mean rates over [0, width_s), [width_s, 2 width_s), ...; the rest is left out."""
        count = math.floor(self.period_s / width_s + 1e-9)  # 0.3 / 0.1 is a little below 3
        edges_s = np.arange(count + 1) * width_s
        bits = np.cumsum(self.rates_bps * self.durations_s)
        ends_s = np.append(self.starts_s, self.period_s)
        means_bps: Floats = np.diff(np.interp(edges_s, ends_s, np.append(0.0, bits))) / width_s
        return means_bps


def read_trace(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word of the scenario file
    time: str | None = None,
    rate: str | None = None,
    time_unit_s: float | None = None,
    rate_unit_bps: float | None = None,
    hold: Literal["previous", "next"] | None = None,
) -> Trace:
    """Read a trace; time is shifted to begin at 0, rates become bit/s.

    Blank lines and lines that begin with ``#`` are skipped, except by ``mahimahi``. Of several
    rows with the same time the one counts that has an interval to hold on (see ``hold``).

    Args:
        path: a text file (UTF-8).
        format: ``mahimahi``, ``two-column`` or ``csv``; may be left out for a file called
            ``.up``, ``.down`` (mahimahi) or ``.csv``.
        time: csv: the column of time, ``time_s`` by default.
        rate: csv: the column of the rate, ``rate_bps`` by default.
        time_unit_s: csv and two-column: the unit of time, 1 s by default. Dates need none.
        rate_unit_bps: the unit of the rate. Two-column: 1e6 by default. Csv: 1 for a column
            called ``..._bps``, to be stated for any other.
        hold: csv and two-column. ``previous`` (default): a value holds from its time to the
            next row's (so the last of equal times counts), the last one for the median step.
            ``next``: it holds from the row before to its own time, so that the first value is
            not used (and the first of equal times counts); Pensieve's environment does so.

    Raises:
        BadInput: the file cannot be used; all its mistakes, the first ten in full.
    """
    name = os.fspath(path)
    given = {
        "time": time,
        "rate": rate,
        "time_unit_s": time_unit_s,
        "rate_unit_bps": rate_unit_bps,
        "hold": hold,
    }
    options = {key: value for key, value in given.items() if value is not None}
    lines = _Lines(name, _text(name))
    reader = _reader(name, format, options)
    with np.errstate(over="ignore", invalid="ignore"):  # its numbers are looked at in the end
        return reader(lines, **options)


def write_csv(path: str | os.PathLike[str], trace: Trace) -> None:
    """Write a trace in the ``csv`` form that ``read_trace`` takes without any option.

    The columns are ``time_s,rate_bps``. A last row without a rate says where the last rate
    ends; without it the reader could only assume the median step. Reading gives back exactly
    the same numbers.
    """
    rows = zip(trace.starts_s.tolist(), trace.rates_bps.tolist(), strict=True)
    text = [
        "# A rate holds from its time to the next; the last row only says where the trace ends.",
        "time_s,rate_bps",
        *(f"{start_s!r},{rate_bps!r}" for start_s, rate_bps in rows),
        f"{float(trace.period_s)!r},",
    ]
    Path(path).write_text("\n".join(text) + "\n", encoding="utf-8")


# --- A file ----------------------------------------------------------------------------------


class _Lines:
    """The lines of a trace file, and the mistakes found in them so far."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.texts = text.removesuffix("\n").split("\n")
        self._found: list[tuple[int, str]] = []

    def uncommented(self) -> list[str]:
        """The lines, with nothing left of comments and blanks: each keeps its number."""
        return ["" if text.lstrip()[:1] in {"", "#"} else text for text in self.texts]

    def report(self, line: int, problem: str) -> None:
        """Keep a mistake of a line, counted from 1; 0 stands for the whole file."""
        self._found.append((line, problem))

    def check(self) -> None:
        """Raise BadInput with the first mistakes in the order of lines, if there are any."""
        if not self._found:
            return
        first = [
            f"{self.name}:{line}: {problem}" if line else f"{self.name}: {problem}"
            for line, problem in sorted(self._found)[:MAX_PROBLEMS]
        ]
        more = len(self._found) - MAX_PROBLEMS
        raise BadInput(*first, *([f"{self.name}: ... and {more} more"] if more > 0 else []))


def _text(name: str) -> str:
    try:
        data = Path(name).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise BadInput(f"{name}: is a folder; name a file in it") from None
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error.strerror}); check the file") from None
    if not data.strip():
        raise BadInput(f"{name}: the file is empty; fetch or record it again")
    return _decoded(name, data)


def _decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{name}: is not a text file; unpack it or save it as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# --- Formats ---------------------------------------------------------------------------------


def _mahimahi(lines: _Lines) -> Trace:
    """Packet delivery opportunities: a line is a time in ms at which 1500 B may leave.

    Time t stands for the millisecond that ends at t, so that the last time, which is the
    period, lies inside. A time of 0 is, as in Mahimahi's loop, the end of the round before.
    Rate = lines at t x 12,000 bit / 1 ms. Source: Netravali et al., USENIX ATC 2015.
    """
    times_ms = np.array([_milliseconds(text) for text in lines.texts])
    _check_milliseconds(lines, times_ms)
    period_ms = int(times_ms[-1])
    cells_ms, packets = np.unique((times_ms - 1) % period_ms, return_counts=True)
    edges_ms = np.unique(np.concatenate([[0], cells_ms, cells_ms + 1, [period_ms]]))
    rates_bps = np.zeros(len(edges_ms) - 1)
    rates_bps[np.searchsorted(edges_ms, cells_ms)] = packets * (PACKET_BITS / 1e-3)
    changes = np.append(True, np.diff(rates_bps) != 0)  # an outage is one step
    return _trace(lines, edges_ms[:-1][changes] / 1e3, rates_bps[changes], period_ms / 1e3)


def _milliseconds(text: str) -> int:
    """A time of a Mahimahi file, -1 if it is none."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else -1


def _check_milliseconds(lines: _Lines, times_ms: npt.NDArray[np.int64]) -> None:
    for i in _indices(times_ms < 0):
        found = reprlib.repr(lines.texts[i]) if lines.texts[i] else "an empty line"
        lines.report(i + 1, f"{found} is not a whole number of ms; correct or delete it")
    back = (np.diff(times_ms) < 0) & (times_ms[1:] >= 0)
    for i in _indices(back):
        found = f"time goes back from {times_ms[i]} to {times_ms[i + 1]} ms"
        lines.report(i + 2, f"{found}; sort the file")
    if times_ms[-1] == 0:
        lines.report(len(times_ms), "the last time, the period, is 0; a trace lasts at least 1 ms")
    lines.check()


def _two_column(
    lines: _Lines, *, time_unit_s: float = 1.0, rate_unit_bps: float = 1e6, hold: str = "previous"
) -> Trace:
    """Lines of ``time value``, separated by tabs, spaces or a comma, without a header."""
    table = [text.replace(",", " ").split() for text in lines.uncommented()]
    for line, fields in enumerate(table, 1):
        if len(fields) not in {0, 2}:
            lines.report(line, f"{_count(fields)} where a time and a rate are needed; correct it")
    numbers = [line for line, fields in enumerate(table, 1) if len(fields) == 2]
    rows = _Rows(numbers, *([table[line - 1][i] for line in numbers] for i in (0, 1)))
    remedy = "correct it, or give format csv if this is a header"
    times = _numbers(lines, rows.lines, rows.times, "time", remedy)
    rates = _numbers(lines, rows.lines, rows.rates, "rate", remedy)
    return _held(lines, rows, _since_first(times) * time_unit_s, rates * rate_unit_bps, hold)


def _csv(
    lines: _Lines,
    *,
    time: str = "time_s",
    rate: str = "rate_bps",
    time_unit_s: float | None = None,
    rate_unit_bps: float | None = None,
    hold: str = "previous",
) -> Trace:
    """Comma-separated values below a header; other columns are not looked at.

    A value that is missing (empty, -, None, nan) is a mistake: only the user knows whether the
    link was down or the meter was. But a last row without a rate says when the trace ends.
    """
    rows = _columns(lines, time, rate)
    if rate_unit_bps is None and not rate.endswith("_bps"):
        lines.report(0, f"the unit of the column {rate!r} is not known; give rate_unit_bps")
    times_s = _times_s(lines, rows, time_unit_s)
    ends = hold == "previous" and not rows.rates[-1]
    valued = rows.rates[:-1] if ends else rows.rates
    rates = _numbers(lines, rows.lines, valued, "rate", "correct it")
    return _held(lines, rows, times_s, rates * (rate_unit_bps or 1.0), hold)


def _columns(lines: _Lines, time: str, rate: str) -> _Rows:
    """Two columns of a table; at least one row."""
    (head_line, head), *table = _table(lines)
    names = [name.strip() for name in head]
    for name in (time, rate):
        if names.count(name) != 1:
            found = f"{names.count(name) or 'no'} columns are called {name!r}"
            lines.report(head_line, f"{found}; name time and rate among {', '.join(names)}")
    for line, fields in table:
        if len(fields) != len(names):
            lines.report(line, f"{_count(fields)} where the header has {len(names)}; correct it")
    lines.check()
    chosen = (names.index(name) for name in (time, rate))
    columns = ([fields[i].strip() for _, fields in table] for i in chosen)
    return _Rows([line for line, _ in table], *columns)


def _table(lines: _Lines) -> list[tuple[int, list[str]]]:
    """The header and the rows, at least one, each with the number of its (last) line."""
    reader = csv.reader(lines.uncommented())
    try:
        table = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise BadInput(f"{lines.name}:{reader.line_num}: {error}; correct it") from None
    if len(table) < 2:
        raise BadInput(f"{lines.name}: a header and rows are needed; is it another format?")
    return table


def _count(fields: Sequence[str]) -> str:
    return "1 value" if len(fields) == 1 else f"{len(fields)} values"


_READERS: dict[str, Callable[..., Trace]] = {
    "mahimahi": _mahimahi,
    "two-column": _two_column,
    "csv": _csv,
}
_SUFFIXES = {".up": "mahimahi", ".down": "mahimahi", ".csv": "csv"}


def _reader(name: str, form: str | None, options: Mapping[str, object]) -> Callable[..., Trace]:
    """The function that reads a format, once its options are known to be in order."""
    form = form or _SUFFIXES.get(Path(name).suffix.lower())
    known = ", ".join(_READERS)
    if form is None:
        raise BadInput(f"{name}: its name does not tell the format; give one of {known}")
    if form not in _READERS:
        raise BadInput(f"{name}: there is no format {form!r}; give one of {known}")
    problems = [*_misplaced(form, options), *_misfits(options)]
    if problems:
        raise BadInput(*(f"{name}: {problem}" for problem in problems))
    return _READERS[form]


def _misplaced(form: str, options: Iterable[str]) -> list[str]:
    taken = [*inspect.signature(_READERS[form]).parameters][1:]
    remedy = f"it takes {', '.join(taken)}" if taken else "it takes no options"
    return [f"format {form} does not take {key}; {remedy}" for key in options if key not in taken]


def _misfits(options: Mapping[str, object]) -> list[str]:
    problems = [
        f"{key} is {options[key]!r}; it must be a finite number above 0"
        for key in ("time_unit_s", "rate_unit_bps")
        if key in options and not _is_positive(options[key])
    ]
    if options.get("hold", "next") not in {"previous", "next"}:
        problems.append(f"hold is {options['hold']!r}; it must be 'previous' or 'next'")
    return problems


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


# --- Rows: what the formats with columns share -----------------------------------------------


class _Rows(NamedTuple):
    """A table's two columns of text, and the line of the file in which each row stands."""

    lines: Sequence[int]
    times: Sequence[str]
    rates: Sequence[str]


def _held(lines: _Lines, rows: _Rows, times_s: Floats, rates_bps: Floats, hold: str) -> Trace:
    """The trace of n times and n rates, or n - 1 where the last row only says when it ends."""
    _check_rows(lines, rows, times_s, rates_bps)
    edges_s = times_s
    if hold == "next":
        rates_bps = rates_bps[1:]
    elif len(rates_bps) == len(times_s):
        edges_s = np.append(times_s, times_s[-1] + _median_step(times_s))
    used = np.diff(edges_s) > 0  # of equal times, one has an interval to hold on
    return _trace(lines, edges_s[:-1][used], rates_bps[used], float(edges_s[-1]))


def _median_step(times_s: Floats) -> float:
    steps_s = np.diff(times_s)
    return float(np.median(steps_s[steps_s > 0]))


def _check_rows(lines: _Lines, rows: _Rows, times_s: Floats, rates_bps: Floats) -> None:
    for i in _indices(rates_bps < 0):
        lines.report(rows.lines[i], f"the rate {rows.rates[i]} is negative; correct it")
    for i in _indices(np.diff(times_s) < 0):
        back = f"from {rows.times[i]} to {rows.times[i + 1]}"
        lines.report(rows.lines[i + 1], f"time goes back {back}; sort the rows by time")
    lines.check()
    if not np.any(np.diff(times_s) > 0):
        lines.report(0, "has fewer than two different times; a trace needs two to have a length")
        lines.check()


def _trace(lines: _Lines, starts_s: Floats, rates_bps: Floats, period_s: float) -> Trace:
    """A checked trace, whose arrays cannot be changed."""
    if not np.any(rates_bps > 0):
        lines.report(0, "every rate is zero, a transfer would never end; is it the right column?")
    if not math.isfinite(period_s) or not np.all(np.isfinite(rates_bps)):
        lines.report(0, "the numbers are too large; correct time_unit_s or rate_unit_bps")
    lines.check()
    starts_s.setflags(write=False)
    rates_bps.setflags(write=False)
    return Trace(starts_s, rates_bps, period_s)


# --- Values ----------------------------------------------------------------------------------


def _numbers(
    lines: _Lines, where: Sequence[int], texts: Sequence[str], what: str, remedy: str
) -> Floats:
    """A column as numbers; a text that is none is reported and becomes NaN."""
    values = np.array(_floats(texts), dtype=np.float64)
    for i in _indices(~np.isfinite(values)):
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


def _indices(mask: npt.NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


def _not_a_number(what: str, text: str, remedy: str) -> str:
    if text.lower() not in {"", "-", "none", "nan", "null", "na", "n/a"}:
        return f"the {what} {reprlib.repr(text)} is not a finite number; {remedy}"
    if what == "rate":
        remedy = "write 0 if the link was down, or delete the row to hold the rate before it"
    return f"the {what} is missing ({text!r}); {remedy}"


def _since_first(values: Floats) -> Floats:
    # Before any scaling: an epoch in ms has no digits to spare. NaN is passed over.
    first: Floats = values - np.fmin.reduce(values, initial=np.inf)
    return first


def _times_s(lines: _Lines, rows: _Rows, time_unit_s: float | None) -> Floats:
    """The times of a csv, numbers or dates, in seconds since the first row."""
    if _moment(rows.times[0]) == ("", ""):
        remedy = "correct it; a date is written 2020-02-13T13:03:24.5"
        times = _numbers(lines, rows.lines, rows.times, "time", remedy)
        return _since_first(times) * (time_unit_s or 1.0)
    if time_unit_s is not None:
        lines.report(0, "its times are dates; leave out time_unit_s")
    return _dates_s(lines, rows)


def _dates_s(lines: _Lines, rows: _Rows) -> Floats:
    """Dates as seconds since the first row. A time zone cancels out if it is always the same."""
    dates, zones = zip(*map(_moment, rows.times), strict=True)
    instants = _nanoseconds(dates)
    for i in _indices(np.isnat(instants)):
        lines.report(
            rows.lines[i], f"the time {reprlib.repr(rows.times[i])} is not a date; correct it"
        )
    for i in _indices(~np.isnat(instants) & (np.array(zones) != zones[0])):
        found = f"the time zone changes with {rows.times[i]!r}"
        lines.report(rows.lines[i], f"{found}; write the same one throughout")
    elapsed_s: Floats = (instants - np.fmin.reduce(instants)) / np.timedelta64(1, "s")
    return elapsed_s


def _nanoseconds(dates: Sequence[str]) -> npt.NDArray[np.datetime64]:
    try:
        return np.array(dates, dtype="datetime64[ns]")
    except ValueError:  # one of them is not in the calendar: which one?
        return np.array([_in_calendar(date) for date in dates], dtype="datetime64[ns]")


def _in_calendar(date: str) -> str:
    try:
        np.datetime64(date)
    except ValueError:
        return ""
    return date


_DATE = re.compile(  # 2020-02-13T13:03:24.123456789Z, 2020.02.13_13.03.24
    r"((?:19|20)\d\d)[-./](\d\d)[-./](\d\d)[T _](\d\d)[:.](\d\d)[:.](\d\d(?:\.\d{1,9})?)"
    r" ?(Z|[A-Z]{3,4}|[+-]\d\d:?\d\d)?"
)
_UNIX_DATE = re.compile(  # Sat Aug 20 13:29:30 UTC 2022
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (?:([A-Z]{3,4}) )?((?:19|20)\d\d)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _moment(text: str) -> tuple[str, str]:
    """A date in ISO form and its time zone; both empty if it is in no form that we know."""
    if match := _DATE.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups("")
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}", zone
    if (match := _UNIX_DATE.fullmatch(text)) and match[1] in _MONTHS:
        month, day, clock, zone, year = match.groups("")
        return f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}", zone
    return "", ""
