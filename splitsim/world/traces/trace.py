"""A rate as a function of time: what a channel replays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Way = Literal["uplink", "downlink"]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A rate as a function of time, to be replayed from its beginning, over and over.

    Attributes:
        starts_s: n times, rising, the first one 0 (read-only float64 array).
        rates_bps: n rates, each from its start to the next one, the last to ``period_s``.
        period_s: length of the trace.
        way: the direction in which it was measured; None where the file does not tell.
        warnings: what is odd about it, a sentence each.
    """

    starts_s: Floats
    rates_bps: Floats
    period_s: float
    way: Way | None = None
    warnings: tuple[str, ...] = ()

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
        edges_s = np.arange(count + 1, dtype=np.float64) * width_s
        means_bps: Floats = np.diff(self.bits(edges_s)) / width_s
        return means_bps

    def part(self, from_s: float, to_s: float) -> Trace:
        """The stretch between two times, 0 <= from_s < to_s <= period_s."""
        first = int(np.searchsorted(self.starts_s, from_s, side="right")) - 1
        last = int(np.searchsorted(self.starts_s, to_s))
        starts_s = np.maximum(self.starts_s[first:last] - from_s, 0.0)
        return replace(
            self,
            starts_s=read_only(starts_s),
            rates_bps=self.rates_bps[first:last],
            period_s=to_s - from_s,
        )

    def scaled(self, factor: float) -> Trace:
        """Every rate times a factor."""
        if factor == 1:
            return self
        return replace(self, rates_bps=read_only(factor * self.rates_bps))

    def resampled(self, width_s: float) -> Trace:
        """The mean rates in bins from 0 on; the last bin may be shorter. No bit is lost."""
        count = max(math.ceil(self.period_s / width_s - 1e-9), 1)
        edges_s = np.append(np.arange(count) * width_s, self.period_s)
        rates_bps = np.diff(self.bits(edges_s)) / np.diff(edges_s)
        return replace(self, starts_s=read_only(edges_s[:-1]), rates_bps=read_only(rates_bps))

    def bits(self, times_s: Floats) -> Floats:
        """What can be sent from the beginning up to each of some times."""
        bits = np.append(0.0, np.cumsum(self.rates_bps * self.durations_s))
        of_times: Floats = np.interp(times_s, np.append(self.starts_s, self.period_s), bits)
        return of_times


def read_only(values: Floats) -> Floats:
    """An array that cannot be changed any more."""
    values.setflags(write=False)
    return values
