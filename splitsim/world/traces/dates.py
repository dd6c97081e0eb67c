"""A column of times, numbers or dates, as seconds since its first."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from splitsim.world.traces.columns import Rows, as_numbers, indices, since_first
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.trace import Floats

_DATE = re.compile(  # 2020-02-13T13:03:24.123456789Z, 2020.02.13_13.03.24
    r"((?:19|20)\d\d)[-./](\d\d)[-./](\d\d)[T _](\d\d)[:.](\d\d)[:.](\d\d(?:\.\d{1,9})?)"
    r" ?(Z|[A-Z]{3,4}|[+-]\d\d:?\d\d)?"
)
_UNIX_DATE = re.compile(  # Sat Aug 20 13:29:30 UTC 2022
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (?:([A-Z]{3,4}) )?((?:19|20)\d\d)"
)
_CLOCK = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?")  # 13:03:24.5, all of one day
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def as_seconds(lines: Lines, rows: Rows, time_unit_s: float | None) -> Floats:
    """The times of a csv, numbers or dates, in seconds since the first row."""
    if _moment(rows.times[0]) == ("", ""):
        remedy = "correct it; a date is written 2020-02-13T13:03:24.5"
        times = as_numbers(lines, rows.lines, rows.times, "time", remedy)
        return since_first(times) * (time_unit_s or 1.0)
    if time_unit_s is not None:
        lines.report(0, "its times are dates; leave out time_unit_s")
    return _dates_s(lines, rows)


def _dates_s(lines: Lines, rows: Rows) -> Floats:
    """Dates as seconds since the first row. A time zone cancels out if it is always the same."""
    dates, zones = zip(*map(_moment, rows.times), strict=True)
    instants = _nanoseconds(dates)
    for i in indices(np.isnat(instants)):
        lines.report(
            rows.lines[i], f"the time {reprlib.repr(rows.times[i])} is not a date; correct it"
        )
    for i in indices(~np.isnat(instants) & (np.array(zones) != zones[0])):
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


def _moment(text: str) -> tuple[str, str]:
    """A date in ISO form and its time zone; both empty if it is in no form that we know."""
    if match := _DATE.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups("")
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}", zone
    if (match := _UNIX_DATE.fullmatch(text)) and match[1] in _MONTHS:
        month, day, clock, zone, year = match.groups("")
        return f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}", zone
    return (f"1970-01-01T{text}", "") if _CLOCK.fullmatch(text) else ("", "")
