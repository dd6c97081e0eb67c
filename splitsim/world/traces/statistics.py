"""A trace in figures: its mean, how much it varies, its outages, and how long it remembers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from splitsim.world.traces.trace import Floats, Trace


class TraceStatistics(NamedTuple):
    """What a trace is like.

    Attributes:
        length_s: of the whole trace.
        mean_bps: over time, of the whole trace.
        std_bps: of the bins (divided by their number).
        p5_bps: 5 % of the bins are below; interpolated between bins, as are the next two.
        p50_bps: the median bin.
        p95_bps: 95 % of the bins are below.
        min_bps: of the lowest bin.
        max_bps: of the highest bin.
        zero_share: share of the bins in which nothing can be sent.
        outages: stretches of zero rate that last as long as a bin or longer, wherever they begin.
        longest_outage_s: length of the longest of these; 0 if there are none.
        lag1: correlation of a bin with the next; NaN where it has no meaning.
    """

    length_s: float
    mean_bps: float
    std_bps: float
    p5_bps: float
    p50_bps: float
    p95_bps: float
    min_bps: float
    max_bps: float
    zero_share: float
    outages: int
    longest_outage_s: float
    lag1: float


def trace_statistics(trace: Trace, bin_s: float = 1.0) -> TraceStatistics:
    """A trace in figures, most of them of its mean rates in bins.

    Bins begin at 0; a rest shorter than a bin is left out of them. A trace that is shorter than
    a bin is one bin. Nothing is wrapped around the end.

    Args:
        trace: what to describe.
        bin_s: width of the bins in seconds, above 0.
    """
    bins_bps = trace.binned_bps(min(bin_s, trace.period_s))
    low, median, high = np.percentile(bins_bps, [5, 50, 95])
    outages_s = zero_stretches_s(trace)
    outages_s = outages_s[outages_s >= bin_s * (1 - 1e-9)]
    return TraceStatistics(
        length_s=trace.period_s,
        mean_bps=trace.mean_bps,
        std_bps=float(bins_bps.std()),
        p5_bps=float(low),
        p50_bps=float(median),
        p95_bps=float(high),
        min_bps=float(bins_bps.min()),
        max_bps=float(bins_bps.max()),
        zero_share=float(np.mean(bins_bps == 0)),
        outages=len(outages_s),
        longest_outage_s=float(outages_s.max(initial=0.0)),
        lag1=_lag1(bins_bps),
    )


def zero_stretches_s(trace: Trace) -> Floats:
    """The length of every stretch of zero rate, adjacent steps taken together."""
    zero = np.concatenate([[False], trace.rates_bps == 0, [False]])
    edges = np.flatnonzero(zero[1:] != zero[:-1])
    ends_s = np.append(trace.starts_s, trace.period_s)[edges]
    lengths_s: Floats = ends_s[1::2] - ends_s[::2]
    return lengths_s


def _lag1(bins_bps: Floats) -> float:
    """The lag-1 autocorrelation: sum of (x[i] - m)(x[i + 1] - m) over that of (x[i] - m)^2."""
    around = bins_bps - bins_bps.mean()
    square = float(around @ around)
    if len(bins_bps) < 3 or square <= 1e-24 * float(bins_bps @ bins_bps):
        return math.nan
    return float(around[1:] @ around[:-1]) / square
