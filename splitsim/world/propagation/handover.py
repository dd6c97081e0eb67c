"""Hand-over: which site serves a device, as its strength over all sites changes on the way.

As event A3 of NR does: a site that is stronger than the serving one by a hysteresis for as long
as the time to trigger takes over, the strongest first, and nothing is sent for a while.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from pydantic import field_validator

from splitsim.component import Component, NonNegative


class Handover(Component):
    """The rule; ``interruption_s`` is how long nothing is sent."""

    hysteresis_db: NonNegative = 3.0
    time_to_trigger_s: NonNegative = 0.16
    interruption_s: NonNegative = 0.05

    @field_validator("interruption_s")
    @classmethod
    def _countable(cls, value: float) -> float:
        if 0 < value < 1e-3:
            raise ValueError("must be 0, or 0.001 and more")
        return value


class Served(NamedTuple):
    """Where a device stands between two stretches of time.

    Attributes:
        site: the one that serves.
        better: for how many steps each site has been better by the hysteresis, shape (sites,).
        since_s: when the site took over; -inf if it always served.
    """

    site: int
    better: np.ndarray
    since_s: float


def first(strengths_db: np.ndarray) -> Served:
    """The beginning: the strongest of the sites, shape (sites,)."""
    return Served(int(strengths_db.argmax()), np.zeros(strengths_db.shape, int), -math.inf)


def serve(
    strengths_db: np.ndarray, times_s: np.ndarray, before: Served, rule: Handover
) -> tuple[np.ndarray, np.ndarray, Served]:
    """Who serves over a stretch of time.

    Args:
        strengths_db: of every site, shape (n, sites).
        times_s: equally spaced, shape (n,).
        before: where the stretch before ended.
        rule: hysteresis and time to trigger.

    Returns:
        The sites and since when they serve, both of shape (n,), and where this stretch ended.
    """
    sites, since_s = np.empty(len(times_s), int), np.empty(len(times_s))
    needed = _steps(rule.time_to_trigger_s, times_s[1] - times_s[0])
    at, now = 0, before
    while at < len(times_s):
        ahead_db = strengths_db[at:] - strengths_db[at:, [now.site]]
        runs = _runs(ahead_db > rule.hysteresis_db, now.better)
        due = np.flatnonzero((runs > needed).any(axis=1))
        end = at + int(due[0]) if len(due) else len(times_s)
        sites[at:end], since_s[at:end] = now.site, now.since_s
        if end == len(times_s):
            return sites, since_s, now._replace(better=runs[-1])
        candidates = np.where(runs[end - at] > needed, strengths_db[end], -math.inf)
        now = first(candidates)._replace(since_s=float(times_s[end]))
        at = end
    return sites, since_s, now


def _steps(time_s: float, step_s: float) -> int:
    """Steps after which a time is over, but for rounding."""
    return math.ceil(time_s / step_s - 1e-6)


def _runs(better: np.ndarray, before: np.ndarray) -> np.ndarray:
    """How many steps in a row are true, ending at each; ``before`` were already. (n, sites)."""
    steps = np.arange(len(better))[:, None]
    last = np.maximum.accumulate(np.where(better, -1, steps), axis=0)
    return np.where(last < 0, steps + 1 + before, steps - last)
