"""The formats: one function each, from a file's lines and its options to a trace."""

from __future__ import annotations

import reprlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from splitsim.world.traces.columns import (
    Rows,
    as_numbers,
    counted,
    held,
    indices,
    named_columns,
    since_first,
)
from splitsim.world.traces.dates import as_seconds
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.trace import Trace, checked_trace

PACKET_BITS = 1500 * 8
MAX_DIGITS = 15  # of a whole number that a float still holds exactly


def mahimahi(lines: Lines) -> Trace:
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
    return checked_trace(lines, edges_ms[:-1][changes] / 1e3, rates_bps[changes], period_ms / 1e3)


def _milliseconds(text: str) -> int:
    """A time of a Mahimahi file, -1 if it is none."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else -1


def _check_milliseconds(lines: Lines, times_ms: npt.NDArray[np.int64]) -> None:
    for i in indices(times_ms < 0):
        found = reprlib.repr(lines.texts[i]) if lines.texts[i] else "an empty line"
        lines.report(i + 1, f"{found} is not a whole number of ms; correct or delete it")
    back = (np.diff(times_ms) < 0) & (times_ms[1:] >= 0)
    for i in indices(back):
        found = f"time goes back from {times_ms[i]} to {times_ms[i + 1]} ms"
        lines.report(i + 2, f"{found}; sort the file")
    if times_ms[-1] == 0:
        lines.report(len(times_ms), "the last time, the period, is 0; a trace lasts at least 1 ms")
    lines.check()


def two_column(
    lines: Lines, *, time_unit_s: float = 1.0, rate_unit_bps: float = 1e6, hold: str = "previous"
) -> Trace:
    """Lines of ``time value``, separated by tabs, spaces or a comma, without a header."""
    table = [text.replace(",", " ").split() for text in lines.uncommented()]
    for line, fields in enumerate(table, 1):
        if len(fields) not in {0, 2}:
            lines.report(line, f"{counted(fields)} where a time and a rate are needed; correct it")
    numbers = [line for line, fields in enumerate(table, 1) if len(fields) == 2]
    rows = Rows(numbers, *([table[line - 1][i] for line in numbers] for i in (0, 1)))
    remedy = "correct it, or give format csv if this is a header"
    times = as_numbers(lines, rows.lines, rows.times, "time", remedy)
    rates = as_numbers(lines, rows.lines, rows.rates, "rate", remedy)
    return held(lines, rows, since_first(times) * time_unit_s, rates * rate_unit_bps, hold)


def csv(
    lines: Lines,
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
    rows = named_columns(lines, time, rate)
    if rate_unit_bps is None and not rate.endswith("_bps"):
        lines.report(0, f"the unit of the column {rate!r} is not known; give rate_unit_bps")
    times_s = as_seconds(lines, rows, time_unit_s)
    ends = hold == "previous" and not rows.rates[-1]
    valued = rows.rates[:-1] if ends else rows.rates
    rates = as_numbers(lines, rows.lines, valued, "rate", "correct it")
    return held(lines, rows, times_s, rates * (rate_unit_bps or 1.0), hold)


READERS: dict[str, Callable[..., Trace]] = {
    "mahimahi": mahimahi,
    "two-column": two_column,
    "csv": csv,
}
SUFFIXES = {".up": "mahimahi", ".down": "mahimahi", ".csv": "csv"}
