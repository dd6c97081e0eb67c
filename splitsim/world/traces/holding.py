"""From rows to intervals: how long a value holds, and what missing and repeated rows mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from splitsim.world.traces.columns import Rows, indices, is_missing
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.recording import RATES, Recording, checked_recording, held_on
from splitsim.world.traces.trace import Floats

Hold = Literal["previous", "next"]
Missing = Literal["error", "zero", "skip"]
Repeats = Literal["last", "first", "mean"]
REMEDY = (
    "write 0 if the link was down, or delete the row to hold the rate before it; the options "
    "missing: zero and missing: skip do so for all"
)
SLOW_S = 100.0  # between rows; who measures a channel measures more often
LONG = 10  # median steps that make a gap worth a warning


class Rules(NamedTuple):
    """What the rows of a file mean.

    Attributes:
        hold: ``previous``: a value holds from its time to the next row's, the last one for the
            median step. ``next``: it holds from the row before to its own time, so that the
            first value is not used.
        missing: a rate that is missing is a mistake (``error``), nothing could be sent
            (``zero``), or its row says nothing, and its neighbour holds on (``skip``).
        repeats: of equal times the ``last`` row counts, the ``first``, or their ``mean``. None:
            the one that has an interval to hold on, the last where ``hold`` is ``previous``.
        max_hold_s: a value holds no longer; in the rest of a gap the rate is zero.
    """

    hold: Hold = "previous"
    missing: Missing = "error"
    repeats: Repeats | None = None
    max_hold_s: float | None = None


def held(
    lines: Lines, rows: Rows, times_s: Floats, series: Mapping[str, Floats], rules: Rules
) -> Recording:
    """The recording of n times and n values each, or n - 1 where the last row only ends it."""
    filled = {key: _filled(lines, rows, key, values, rules) for key, values in series.items()}
    _check_rows(lines, rows, times_s, series)
    if rules.repeats is not None:
        times_s, filled = _unrepeated(times_s, filled, REPEATED[rules.repeats])
    count = min(len(values) for values in filled.values())
    edges_s = times_s
    if (step_s := median_step(times_s)) >= SLOW_S:
        what = f"its rows are {step_s:g} s apart; is the unit of time right (time_unit_s)?"
        lines.warn(0, what)
    if rules.hold == "next":
        filled = {key: values[1:] for key, values in filled.items()}
    elif count == len(times_s):
        edges_s = np.append(times_s, times_s[-1] + step_s)
    used = np.diff(edges_s) > 0  # of equal times, one has an interval to hold on
    ends_s = edges_s[1:][used]
    intervals = (edges_s[:-1][used], ends_s, {key: v[used] for key, v in filled.items()})
    if rules.hold == "next" or count == len(times_s):  # else rows begin where values change
        _tell_gaps(lines, *intervals, rules)
    starts_s, intervals_of = _cut(*intervals, rules.max_hold_s, after=rules.hold == "next")
    return checked_recording(lines, starts_s, intervals_of, float(ends_s[-1]))


def median_step(times_s: Floats) -> float:
    """The median distance of different times."""
    steps_s = np.diff(times_s)
    return float(np.median(steps_s[steps_s > 0]))


def _check_rows(lines: Lines, rows: Rows, times_s: Floats, series: Mapping[str, Floats]) -> None:
    for key, values in series.items():
        if key in RATES:
            _refuse(lines, rows, key, values < 0, "the rate {} is negative; correct it")
        elif key == "rtt_s":
            _refuse(lines, rows, key, values < 0, "the round trip {} is negative; correct it")
        elif key == "loss":
            outside = "the loss {} is no share in [0, 1]; give its unit, 0.01 for per cent"
            _refuse(lines, rows, key, (values < 0) | (values > 1), outside)
    for i in indices(np.diff(times_s) < 0):
        back = f"from {rows.times[i]} to {rows.times[i + 1]}"
        lines.report(rows.lines[i + 1], f"time goes back {back}; sort the rows by time")
    lines.check()
    if not np.any(np.diff(times_s) > 0):
        lines.report(0, "has fewer than two different times; a trace needs two to have a length")
        lines.check()


def _refuse(
    lines: Lines, rows: Rows, key: str, wrong: np.ndarray[Any, np.dtype[np.bool_]], what: str
) -> None:
    for i in indices(wrong):
        lines.report(rows.lines[i], what.format(rows.values[key][i]))


def _filled(lines: Lines, rows: Rows, key: str, values: Floats, rules: Rules) -> Floats:
    """A rate without holes, by the rule for what is missing; other series keep them."""
    holes = np.isnan(values)
    if key not in RATES or not holes.any():
        return values
    if rules.missing == "zero":
        return np.where(holes, 0.0, values)
    texts = rows.values[key]
    for i in indices(holes) if rules.missing == "error" else ():
        if is_missing(texts[i]):  # other texts were told of where they were read
            lines.report(rows.lines[i], f"the rate is missing ({texts[i]!r}); {REMEDY}")
    backwards = rules.hold == "next"
    filled = held_on(values[::-1])[::-1] if backwards else held_on(values)
    side = "after" if backwards else "before"
    for i in indices(np.isnan(filled)) if rules.missing == "skip" else ():
        what = f"the rate is missing ({texts[i]!r}), with none {side} it to hold on"
        lines.report(rows.lines[i], f"{what}; delete the row")
    return filled


def _mean(values: Floats, firsts: np.ndarray[Any, np.dtype[np.intp]]) -> Floats:
    counts = np.diff(firsts, append=len(values))
    means: Floats = np.add.reduceat(values, firsts) / counts
    return means


REPEATED: Mapping[str, Callable[..., Floats]] = {
    "first": lambda values, firsts: values[firsts],
    "last": lambda values, firsts: values[np.append(firsts[1:], len(values)) - 1],
    "mean": _mean,
}


def _unrepeated(
    times_s: Floats, series: Mapping[str, Floats], choose: Callable[..., Floats]
) -> tuple[Floats, dict[str, Floats]]:
    """Every time once. A last time that only ends the recording keeps its place."""
    distinct_s, firsts = np.unique(times_s, return_index=True)
    chosen = {}
    for key, values in series.items():
        valued = firsts[firsts < len(values)]
        chosen[key] = choose(values, valued)
    return distinct_s, chosen


def _cut(
    begins_s: Floats,
    ends_s: Floats,
    series: Mapping[str, Floats],
    most_s: float | None,
    *,
    after: bool,
) -> tuple[Floats, dict[str, Floats]]:
    """The starts and values, every one held no longer than allowed.

    With ``after`` a value stands at the end of its interval.
    """
    if most_s is None:
        return begins_s, dict(series)
    long = ends_s - begins_s > most_s * (1 + 1e-9)
    turns_s = (ends_s - most_s if after else begins_s + most_s)[long]
    where = np.flatnonzero(long)
    starts_s = np.insert(begins_s, where + 1, turns_s)
    cut = {}
    for key, values in series.items():
        nothing = np.full(len(where), 0.0 if key in RATES else np.nan)
        place = where if after else where + 1
        cut[key] = np.insert(values, place, nothing)
    return starts_s, cut


def _tell_gaps(
    lines: Lines, begins_s: Floats, ends_s: Floats, series: Mapping[str, Floats], rules: Rules
) -> None:
    """Warn of values held for long, unless the rate is the same on the other side."""
    if rules.max_hold_s is not None:
        return
    rates_bps = [values for key, values in series.items() if key in RATES]
    lengths_s = ends_s - begins_s
    usual_s = float(np.median(lengths_s))
    same = np.ones(len(lengths_s), dtype=bool)
    for rate_bps in rates_bps:
        steady = np.append(rate_bps[1:] == rate_bps[:-1], False)
        same &= steady | np.roll(steady, 1)
    long = np.flatnonzero((lengths_s > LONG * usual_s) & ~same)
    if len(long):
        gaps = "a gap" if len(long) == 1 else f"{len(long)} gaps, the longest"
        worst = long[np.argmax(lengths_s[long])]
        what = (
            f"{gaps} of {lengths_s[worst]:.4g} s where rows are {usual_s:.4g} s apart, at "
            f"{begins_s[worst]:.4g} s: the value next to it is held; max_hold_s would make it zero"
        )
        lines.warn(0, what)
