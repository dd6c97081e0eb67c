"""Reading a file: which format it has, and whether the options given fit that."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np

from splitsim.errors import BadInput
from splitsim.world.traces.entries import iperf3, sabre
from splitsim.world.traces.formats import csv, mahimahi, two_column
from splitsim.world.traces.gains import refuse_gains
from splitsim.world.traces.holding import Hold, Missing, Repeats
from splitsim.world.traces.lines import Lines, text_of
from splitsim.world.traces.logs import g_nettrack, riiser_log
from splitsim.world.traces.recording import RATES, SERIES, Recording
from splitsim.world.traces.trace import Trace, Way
from splitsim.world.traces.units import implausible

READERS: dict[str, Callable[..., Recording]] = {
    "mahimahi": mahimahi,
    "two-column": two_column,
    "csv": csv,
    "g-nettrack": g_nettrack,
    "riiser-log": riiser_log,
    "sabre": sabre,
    "iperf3": iperf3,
}
SUFFIXES = {".up": "mahimahi", ".down": "mahimahi", ".csv": "csv"}
LONG_S = 5.0  # a mean round trip that points to a wrong unit
Beside = Literal["rtt_s", "loss"]
Format = Literal["mahimahi", "two-column", "csv", "g-nettrack", "riiser-log", "sabre", "iperf3"]


class Options(TypedDict, total=False):
    """How a file is to be read; None is as good as left out. Each format takes some of them.

    Attributes:
        header: csv: false if the first line is a row; the columns are called 1, 2, ... then.
        time: csv: the column of time, ``time_s`` by default.
        rate: csv: the column of the rate. By default all columns are read that are called
            ``rate_bps``, ``uplink_bps``, ``downlink_bps``, ``rtt_s``, ``loss``, ``snr_db`` or
            ``rsrp_dbm``.
        columns: csv: the columns of several of these series, by series.
        time_unit_s: csv and two-column: the unit of time, 1 s by default. Dates need none.
        rate_unit_bps: the unit of the rate. Two-column: 1e6 by default, with a warning. Csv: 1
            for a column called ``..._bps``, to be stated for any other.
        units: csv: the unit of other series, 1 by default: ``rtt_s: 0.001`` for one in ms.
        hold: csv and two-column. ``previous`` (default): a value holds from its time to the
            next row's (so the last of equal times counts), the last one for the median step.
            ``next``: it holds from the row before to its own time, so that the first value is
            not used (and the first of equal times counts); Pensieve's environment does so.
        missing: csv, two-column and g-nettrack: what a rate that is missing (empty, -, None,
            nan, ...) means: a mistake (``error``, the default), a rate of ``zero``, or nothing
            (``skip``: its row is passed over, and the value before it holds on).
        repeats: csv, two-column and g-nettrack: which of equal times counts, the ``last``
            (default of g-nettrack), the ``first``, or their ``mean``; by default see ``hold``.
        max_hold_s: csv, two-column and g-nettrack: a value holds no longer than that, and the
            rate is zero in the rest of a gap. By default it holds, with a warning.
        gaps: riiser-log: between rows ``join`` (default) leaves out time that no row accounts
            for, ``zero`` makes the rate zero there.
    """

    header: bool | None
    time: str | int | None
    rate: str | int | None
    columns: Mapping[str, str] | None
    time_unit_s: float | None
    rate_unit_bps: float | None
    units: Mapping[str, float] | None
    hold: Hold | None
    missing: Missing | None
    repeats: Repeats | None
    max_hold_s: float | None
    gaps: Literal["join", "zero"] | None


CHOICES = {
    "hold": ("previous", "next"),
    "missing": ("error", "zero", "skip"),
    "repeats": ("last", "first", "mean"),
    "gaps": ("join", "zero"),
}


def read_trace(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word of the scenario file
    way: Way | None = None,
    expected_mean_bps: float | None = None,
    **options: Unpack[Options],
) -> Trace:
    """Read a rate; time is shifted to begin at 0, rates become bit/s.

    Blank lines and lines that begin with ``#`` are skipped, except by ``mahimahi`` and in JSON.
    ``warnings`` of the trace say what is odd, such as a mean that points to a wrong unit.

    Args:
        path: a text file (UTF-8).
        format: ``mahimahi``, ``two-column``, ``csv``, ``g-nettrack``, ``riiser-log`` (also
            Ghent's), ``sabre`` or ``iperf3``; may be left out for a file called ``.up``,
            ``.down`` (mahimahi) or ``.csv``.
        way: ``uplink`` or ``downlink``: which rate to take of a file that holds both, and what
            the rate is of where the file does not tell.
        expected_mean_bps: what the source says it delivers on average; a warning tells of a
            reading that is off by a factor of four or more.
        **options: see ``Options``.

    Raises:
        BadInput: the file cannot be used; all its mistakes, the first ten in full.
    """
    recording = read_recording(path, format=format, way=way, **options)
    trace = recording.trace(way)
    odd = implausible(trace, expected_mean_bps)
    return replace(trace, warnings=(*trace.warnings, f"{recording.name}: {odd}")) if odd else trace


def read_beside(
    path: str | os.PathLike[str],
    key: Beside,
    *,
    column: str | int | None = None,
    unit: float | None = None,
    format: str | None = None,  # noqa: A002 - the word of the scenario file
    way: Way | None = None,
    **options: Unpack[Options],
) -> Trace:
    """Read what was measured beside a rate, see ``Recording.beside``.

    Args:
        path: a text file that also holds a rate.
        key: round trips in seconds, or the share of packets that were lost.
        column: csv: its column, if that has another name.
        unit: csv: its unit, 1 by default.
        format: see ``read_trace``.
        way: see ``read_trace``.
        **options: see ``Options``.

    Raises:
        BadInput: the file cannot be used, or it was not measured.
    """
    if column is not None:
        options["columns"] = {key: str(column)}
    if unit is not None:
        options["units"] = {key: unit}
    trace = read_recording(path, format=format, way=way, **options).beside(key)
    mean_s = trace.mean_bps
    if key == "rtt_s" and mean_s > LONG_S:
        odd = f"its round trips are {mean_s:,.4g} s on average; a column in ms has the unit 0.001"
        return replace(trace, warnings=(*trace.warnings, f"{os.fspath(path)}: {odd}"))
    return trace


def read_recording(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word of the scenario file
    way: Way | None = None,
    **options: Unpack[Options],
) -> Recording:
    """Read all that a file holds: rates, round trips, losses, ...; see ``read_trace``."""
    name = os.fspath(path)
    given = {key: value for key, value in options.items() if value is not None}
    lines = Lines(name, text_of(name))
    reader = _reader(name, format, {"way": way, **given})
    with np.errstate(over="ignore", invalid="ignore"):  # its numbers are looked at in the end
        recording = reader(lines, **given)
    return recording if way is None else replace(recording, way=way)


def _reader(name: str, form: str | None, options: Mapping[str, object]) -> Callable[..., Recording]:
    """The function that reads a format, once its options are known to be in order."""
    refuse_gains(name)
    form = form or SUFFIXES.get(Path(name).suffix.lower())
    known = ", ".join(READERS)
    if form is None:
        raise BadInput(f"{name}: its name does not tell the format; give one of {known}")
    if form not in READERS:
        raise BadInput(f"{name}: there is no format {form!r}; give one of {known}")
    problems = [*_misplaced(form, options), *_misfits(options)]
    if problems:
        raise BadInput(*(f"{name}: {problem}" for problem in problems))
    return READERS[form]


def _misplaced(form: str, options: Iterable[str]) -> list[str]:
    taken = [*inspect.signature(READERS[form]).parameters][1:]
    remedy = f"it takes {', '.join(taken)}" if taken else "it takes no options"
    order = [*Options.__annotations__]
    wrong = [key for key in options if key not in taken and key != "way"]
    wrong.sort(key=lambda key: order.index(key) if key in order else len(order))
    return [f"format {form} does not take {key}; {remedy}" for key in wrong]


def _misfits(options: Mapping[str, object]) -> Iterator[str]:
    for key in ("time_unit_s", "rate_unit_bps", "max_hold_s"):
        if key in options and not _is_positive(options[key]):
            yield f"{key} is {options[key]!r}; it must be a finite number above 0"
    for key, words in CHOICES.items():
        if key in options and options[key] not in words:
            *others, last = map(repr, words)
            yield f"{key} is {options[key]!r}; it must be {', '.join(others)} or {last}"
    if options.get("way") not in {None, "uplink", "downlink"}:
        yield f"way is {options['way']!r}; it must be 'uplink' or 'downlink'"
    yield from _strange(options)


def _strange(options: Mapping[str, object]) -> Iterator[str]:
    """Mappings whose keys are no series, and units that are none."""
    for key in ("columns", "units"):
        given = options.get(key, {})
        series = SERIES if key == "columns" else SERIES[len(RATES) :]
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if name not in series:
                yield f"{key} has no {name!r}; there are {', '.join(series)}"
            elif key == "units" and not _is_positive(value):
                yield f"units of {name} is {value!r}; it must be a finite number above 0"


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
