"""A compute unit whose speed changes: by a curve, by its heat, or both.

It stays recursive: first come, first served, so that the speed during a computation, and with it
its end, follow from what was admitted before. The pace of a computation is constant between the
steps of the curve and the turns of its heat, and all of them are met exactly.
"""

from __future__ import annotations

import math

import numpy as np

from splitsim.steps import Steps
from splitsim.system.clock import Clock
from splitsim.system.stations import Job, settle
from splitsim.system.thermal import Heat


class Processor:
    """First come, first served, one at a time, at a pace that changes.

    Args:
        clock: simulated time.
        speed: how many seconds of work it does in a second.
        heat: what else its speed depends on.
    """

    def __init__(self, clock: Clock, speed: Steps, heat: Heat | None) -> None:
        self._clock = clock
        self._speed = speed
        self.heat = heat
        self.free_s = 0.0
        self.offered_s = 0.0
        self.busy_s = 0.0

    def submit(self, job: Job) -> Job:
        """Take a job, which happens when it is through."""
        return settle(self.admit(job))

    def admit(self, job: Job) -> Job:
        """Take a job and only fill in its times, for an owner who need not wait for it.

        A computation that has begun runs out.
        """
        start_s = max(self.free_s, self._clock.now)
        self.offered_s += job.work
        if start_s < job.give_up_s:
            if self.heat is not None:
                self.heat.rest(start_s)
            times_s, done_s = self._run(start_s, job.work)
            self.free_s = times_s[-1]
            self.busy_s += job.work
            job.start_s = start_s
            job.progress = np.array(times_s), np.array(done_s)
            if self.free_s <= job.give_up_s:
                job.end_s = self.free_s
        return job

    def speed(self, now_s: float) -> float:
        """How fast it computes now, or would if it had something to do."""
        if self.heat is None:
            return self._speed.value(now_s)
        self.heat.rest(now_s)
        slowed = self.heat.was_throttled(now_s)
        return self._speed.value(now_s) * (self.heat.throttled_speed if slowed else 1.0)

    def _run(self, start_s: float, work: float) -> tuple[list[float], list[float]]:
        """Times, and how much work is done by then."""
        times_s, done_s, now_s = [start_s], [0.0], start_s
        left_s = work
        while left_s > 0:
            heat = self.heat
            pace = self._speed.value(now_s) * (1.0 if heat is None else heat.speed)
            end_s = now_s + left_s / pace if pace else math.inf
            until_s = min(end_s, self._speed.until_s(now_s))
            if heat is not None:
                until_s = min(until_s, heat.turns_s(pace))
                heat.go_on(until_s, pace)
            left_s = 0.0 if until_s >= end_s else max(left_s - pace * (until_s - now_s), 0.0)
            now_s = until_s
            times_s.append(now_s)
            done_s.append(work - left_s)
        return times_s, done_s
