"""Formats of rows of text: one function each, from a file's lines and options to a recording."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from splitsim.world.traces.columns import (
    Rows,
    Table,
    as_numbers,
    counted,
    indices,
    since_first,
    table_of,
    with_gaps,
)
from splitsim.world.traces.dates import as_seconds
from splitsim.world.traces.holding import Hold, Missing, Repeats, Rules, held
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.recording import RATES, SERIES, Recording, checked_recording
from splitsim.world.traces.trace import Floats
from splitsim.world.traces.units import contradiction, in_words

PACKET_BITS = 1500 * 8
MAX_DIGITS = 15  # of a whole number that a float still holds exactly
WORDS = {"rtt_s": "round trip", "snr_db": "SNR", "rsrp_dbm": "RSRP"}


def mahimahi(lines: Lines) -> Recording:
    """Packet delivery opportunities: a line is a time in ms at which 1500 B may leave.

    Time t stands for the millisecond that ends at t, so that the last time, which is the
    period, lies inside. A time of 0 is, as in Mahimahi's loop, the end of the round before.
    Rate = lines at t x 12,000 bit / 1 ms. A file called ``.up`` is of an uplink, ``.down`` of a
    downlink. Source: Netravali et al., USENIX ATC 2015.
    """
    times_ms = np.array([_milliseconds(text) for text in lines.texts])
    _check_milliseconds(lines, times_ms)
    period_ms = int(times_ms[-1])
    cells_ms, packets = np.unique((times_ms - 1) % period_ms, return_counts=True)
    edges_ms = np.unique(np.concatenate([[0], cells_ms, cells_ms + 1, [period_ms]]))
    rates_bps = np.zeros(len(edges_ms) - 1)
    rates_bps[np.searchsorted(edges_ms, cells_ms)] = packets * (PACKET_BITS / 1e-3)
    changes = np.append(True, np.diff(rates_bps) != 0)  # an outage is one step
    suffix = Path(lines.name).suffix.lower()
    key = {".up": "uplink_bps", ".down": "downlink_bps"}.get(suffix, "rate_bps")
    starts_s, series = edges_ms[:-1][changes] / 1e3, {key: rates_bps[changes]}
    return checked_recording(lines, starts_s, series, period_ms / 1e3)


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
    lines: Lines,
    *,
    time_unit_s: float = 1.0,
    rate_unit_bps: float | None = None,
    hold: Hold = "previous",
    missing: Missing = "error",
    repeats: Repeats | None = None,
    max_hold_s: float | None = None,
) -> Recording:
    """Lines of ``time value``, separated by tabs, spaces or a comma, without a header."""
    table = [text.replace(",", " ").split() for text in lines.uncommented()]
    for line, fields in enumerate(table, 1):
        if len(fields) not in {0, 2}:
            lines.report(line, f"{counted(fields)} where a time and a rate are needed; correct it")
    numbers = [line for line, fields in enumerate(table, 1) if len(fields) == 2]
    times, values = ([table[line - 1][i] for line in numbers] for i in (0, 1))
    rows = Rows(numbers, times, {"rate_bps": values})
    remedy = "correct it, or give format csv if this is a header"
    times_s = since_first(as_numbers(lines, rows.lines, times, "time", remedy)) * time_unit_s
    rates = with_gaps(lines, rows.lines, values, "rate", remedy)
    rules = Rules(hold, missing, repeats, max_hold_s)
    series = {"rate_bps": rates * (rate_unit_bps or 1e6)}
    recording = held(lines, rows, times_s, series, rules)
    if rate_unit_bps is not None:
        return recording
    mean = in_words(recording.trace().mean_bps)
    what = f"the unit of its rates is not told: taken for Mbit/s they give a mean of {mean}"
    return recording.with_caution("rate_bps", f"{what}; rate_unit_bps: 1e6 confirms it")


def csv(
    lines: Lines,
    *,
    header: bool = True,
    time: str | int = "time_s",
    rate: str | int | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit_s: float | None = None,
    rate_unit_bps: float | None = None,
    units: Mapping[str, float] | None = None,
    hold: Hold = "previous",
    missing: Missing = "error",
    repeats: Repeats | None = None,
    max_hold_s: float | None = None,
) -> Recording:
    """Comma-separated values below a header; columns not asked for are not looked at.

    A rate that is missing (empty, -, None, nan) is a mistake unless ``missing`` says what it
    means: only the user knows whether the link was down or the meter was. But a last row
    without any rate says when the recording ends.
    """
    table = table_of(lines, header)
    chosen = _columns(table, rate, columns)
    for name in dict.fromkeys((*chosen.values(), str(time))):
        table.ask(lines, name)
    lines.check()
    texts = {key: table.column(name) for key, name in chosen.items()}
    rows = Rows(table.lines, table.column(str(time)), texts)
    factors = {key: _unit(lines, key, chosen[key], rate_unit_bps, units) for key in chosen}
    times_s = as_seconds(lines, rows, time_unit_s)
    rules = Rules(hold, missing, repeats, max_hold_s)
    recording = held(lines, rows, times_s, in_units(lines, rows, factors, hold), rules)
    for key in RATES:
        if key in chosen and np.any(recording.series[key]):
            mean_bps = recording.mean(key)
            odd = contradiction(chosen[key], factors[key], mean_bps)
            recording = recording.with_caution(key, odd) if odd else recording
    return recording


def _columns(
    table: Table, rate: str | int | None, columns: Mapping[str, str] | None
) -> dict[str, str]:
    """The column of each series: those asked for, or those that are called as ours are."""
    asked = dict(columns or {})
    if rate is not None:
        asked["rate_bps"] = str(rate)
    if not asked:
        asked = {key: key for key in SERIES if key in table.names}
    return asked if any(key in asked for key in RATES) else {"rate_bps": "rate_bps", **asked}


def _unit(
    lines: Lines,
    key: str,
    column: str,
    rate_unit_bps: float | None,
    units: Mapping[str, float] | None,
) -> float:
    if key not in RATES:
        return (units or {}).get(key, 1.0)
    if rate_unit_bps is None and not column.endswith("_bps"):
        lines.report(0, f"the unit of the column {column!r} is not known; give rate_unit_bps")
    return rate_unit_bps or 1.0


def in_units(
    lines: Lines, rows: Rows, factors: Mapping[str, float], hold: Hold
) -> dict[str, Floats]:
    """The series of a table as numbers, one value less where the last row only ends it."""
    rates = [rows.values[key] for key in RATES if key in rows.values]
    ends = hold == "previous" and not any(texts[-1] for texts in rates)
    series = {}
    for key, texts in rows.values.items():
        what = "rate" if key in RATES else WORDS.get(key, key)
        valued = texts[:-1] if ends else texts
        series[key] = with_gaps(lines, rows.lines, valued, what, "correct it") * factors[key]
    return series
