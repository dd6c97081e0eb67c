"""Measured channels: reading rate traces in the forms in which they are published.

A format is one function, from a file's lines to a ``Trace``; its keyword parameters are the
options it takes. To add one, write it and list it in ``_READERS`` (and ``_SUFFIXES``).
"""

from __future__ import annotations

import csv
import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from splitsim.errors import BadInput

Floats = npt.NDArray[np.float64]

PACKET_BITS = 1500 * 8
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
        edges_s = np.arange(math.floor(self.period_s / width_s) + 1) * width_s
        bits = np.cumsum(self.rates_bps * self.durations_s)
        ends_s = np.append(self.starts_s, self.period_s)
        return np.diff(np.interp(edges_s, ends_s, np.append(0.0, bits))) / width_s


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
    reader = _reader(name, format, options)
    with np.errstate(over="ignore", invalid="ignore"):  # the results are looked at
        return reader(_Lines(name, _text(name)), **options)


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
        """The lines, with nothing left of comments: each keeps its number."""
        return ["" if text.lstrip().startswith("#") else text for text in self.texts]

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
    return _trace(edges_ms[:-1][changes] / 1e3, rates_bps[changes], period_ms / 1e3)


def _two_column(
    lines: _Lines, *, time_unit_s: float = 1.0, rate_unit_bps: float = 1e6, hold: str = "previous"
) -> Trace:
    """Lines of ``time value``, separated by tabs, spaces or a comma, without a header."""
    split = [text.replace(",", " ").split() for text in lines.uncommented()]
    for line, fields in enumerate(split, 1):
        if len(fields) not in {0, 2}:
            lines.report(line, f"{_count(fields, 'value')} where a time and a rate are needed")
    rows = [_Row(line, *fields) for line, fields in enumerate(split, 1) if len(fields) == 2]
    times = _numbers(lines, rows, "time")
    return _held(lines, rows, times * time_unit_s, rate_unit_bps, hold)


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

    A value that is missing ("", -, None, nan) is a mistake: only the user knows whether the
    link was down or the meter was. But a last row without a rate says when the trace ends.
    """
    (head_line, head), *table = _table(lines)
    columns = [_column(lines, head_line, head, name) for name in (time, rate)]
    if rate_unit_bps is None and not rate.endswith("_bps"):
        lines.report(head_line, f"the unit of {rate!r} is not known; give rate_unit_bps")
    for line, fields in table:
        if len(fields) != len(head):
            lines.report(line, f"{_count(fields, 'value')} where the header has {len(head)}")
    lines.check()
    rows = [_Row(line, *(fields[i].strip() for i in columns)) for line, fields in table]
    return _held(lines, rows, _times_s(lines, rows, time_unit_s), rate_unit_bps or 1.0, hold)


_READERS: dict[str, Callable[..., Trace]] = {
    "mahimahi": _mahimahi,
    "two-column": _two_column,
    "csv": _csv,
}
_SUFFIXES = {".up": "mahimahi", ".down": "mahimahi", ".csv": "csv"}


def _reader(name: str, form: str | None, options: dict[str, object]) -> Callable[..., Trace]:
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


def _misfits(options: dict[str, object]) -> list[str]:
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


class _Row(NamedTuple):
    line: int
    time: str
    rate: str


def _held(
    lines: _Lines, rows: Sequence[_Row], times_s: Floats, rate_unit_bps: float, hold: str
) -> Trace:
    """The trace of rows whose times are known."""
    ends = bool(rows) and hold == "previous" and not rows[-1].rate
    valued = rows[:-1] if ends else rows
    rates_bps = _numbers(lines, valued, "rate") * rate_unit_bps
    _check_rows(lines, rows, times_s, rates_bps)
    edges_s = times_s - times_s[0]
    if hold == "next":
        rates_bps = rates_bps[1:]
    elif not ends:
        edges_s = np.append(edges_s, edges_s[-1] + np.median(steps_s[steps_s > 0]))
    used = np.diff(edges_s) > 0  # a value with no interval to hold on has no effect
    return _trace(edges_s[:-1][used], rates_bps[used], edges_s[-1])
