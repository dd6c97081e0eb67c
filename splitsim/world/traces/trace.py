"""A rate as a function of time: what every format is read into, and its own form as a file."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from splitsim.world.traces.lines import Lines

Floats = npt.NDArray[np.float64]


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


def checked_trace(lines: Lines, starts_s: Floats, rates_bps: Floats, period_s: float) -> Trace:
    """A checked trace, whose arrays cannot be changed."""
    if not np.any(rates_bps > 0):
        lines.report(0, "every rate is zero, a transfer would never end; is it the right column?")
    if not math.isfinite(period_s) or not np.all(np.isfinite(rates_bps)):
        lines.report(0, "the numbers are too large; correct time_unit_s or rate_unit_bps")
    lines.check()
    starts_s.setflags(write=False)
    rates_bps.setflags(write=False)
    return Trace(starts_s, rates_bps, period_s)


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
