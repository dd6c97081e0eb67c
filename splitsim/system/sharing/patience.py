"""Patience: an alarm for the first of those who wait to give up."""

from __future__ import annotations

import math
from collections.abc import Callable

from splitsim.system.clock import Clock, Moment
from splitsim.system.stations import Transfer


class Patience:
    """One alarm, however many wait.

    Args:
        clock: simulated time.
        lost: what happens then; it has the first of those watched who wait on.
    """

    def __init__(self, clock: Clock, lost: Callable[[], None]) -> None:
        self._clock = clock
        self._lost = lost
        self._alarm: Moment | None = None
        self._alarm_s = math.inf

    def watch(self, job: Transfer) -> None:
        """Set the alarm, if nobody gives up before."""
        if job.give_up_s < self._alarm_s:
            self._alarm_s = job.give_up_s
            self._alarm = Moment(self._clock, job.key)
            self._alarm.callbacks.append(self._ring)
            self._clock.at(max(job.give_up_s, self._clock.now), self._alarm)

    def _ring(self, alarm: object) -> None:
        if alarm is self._alarm:
            self._alarm_s = math.inf
            self._lost()
