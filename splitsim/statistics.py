"""Statistics of simulation output: quantiles that know failures, intervals over replications."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def quantiles(values: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Quantiles by linear interpolation (Hyndman and Fan's type 7); NaN of nothing.

    Infinite values, which stand for tasks that never got an answer, are allowed: a quantile
    that leans on one is infinite.
    """
    if not len(values):
        return [math.nan for _ in shares]
    ranked = np.sort(values)
    return [_interpolate(ranked, share * (len(ranked) - 1)) for share in shares]


def _interpolate(ranked: np.ndarray, position: float) -> float:
    below = math.floor(position)
    part = position - below
    if part == 0:
        return float(ranked[below])
    low, high = float(ranked[below]), float(ranked[below + 1])
    return low + part * (high - low) if high < math.inf else math.inf


def mean(values: np.ndarray) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else math.nan


def half_width(replications: Sequence[float], confidence: float = 0.95) -> float:
    """Half the confidence interval of a mean over independent replications, by Student's t.

    NaN with less than two, or if one of them is not finite.
    """
    n = len(replications)
    if n < 2 or not np.all(np.isfinite(replications)):
        return math.nan
    from scipy.special import stdtrit

    spread = float(np.std(replications, ddof=1)) / math.sqrt(n)
    return float(stdtrit(n - 1, 0.5 + confidence / 2)) * spread
