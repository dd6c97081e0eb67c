"""The workers of a server that serve one job, or one batch, at a time."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from splitsim.system.disciplines.board import Worker
from splitsim.system.disciplines.meter import Meter
from splitsim.system.disciplines.reactive import Site
from splitsim.system.stations import Group


class Shift(NamedTuple):
    """A worker's being busy; the first two fields are its place among the ends."""

    end_s: float
    number: int
    began_s: float
    lasts_s: float  # at full speed
    worker: int
    tasks: int
    cut: bool  # short, since nobody waited any more


class Crew:
    """Workers, each busy until a known time or idle; the one that is idle longest goes first."""

    def __init__(self, site: Site) -> None:
        memories = site.memories or (None,) * site.workers
        self._workers = [Worker(site.ramp, memory) for memory in memories]
        self._speed = site.speed
        self._timed = site.ramp is not None
        self._idle = [(0.0, n) for n in range(site.workers)]
        self._busy: list[Shift] = []
        self._numbers = count()

    @property
    def is_idle(self) -> bool:
        """Whether a worker is free."""
        return bool(self._idle)

    @property
    def next_s(self) -> float:
        """When a worker will be through."""
        return self._busy[0].end_s if self._busy else math.inf

    @property
    def tasks(self) -> int:
        """Tasks being served."""
        return sum(shift.tasks for shift in self._busy)

    def begin(
        self, now_s: float, group: Group, work_s: float, tasks: int, until_s: float = math.inf
    ) -> Shift:
        """Have the first idle worker serve; after ``until_s`` it would be for nobody, and stops."""
        _, n = heappop(self._idle)
        worker = self._workers[n]
        lasts_s = worker.take_s(self._at_s(now_s), group, work_s)
        end_s = max(self._speed.finish_s(now_s, lasts_s), now_s)
        cut = end_s > until_s
        if cut:
            end_s, worker.free_s = until_s, self._at_s(until_s)
        shift = Shift(end_s, next(self._numbers), now_s, lasts_s, n, tasks, cut)
        heappush(self._busy, shift)
        return shift

    def end(self) -> Shift:
        """The first to be through is."""
        shift = heappop(self._busy)
        heappush(self._idle, (shift.end_s, shift.worker))
        return shift

    def read(self, meter: Meter, time_s: float) -> None:
        """Add who is busy now, up to a time."""
        for shift in self._busy:
            meter.add(shift.began_s, time_s)

    def left_s(self, now_s: float) -> list[float]:
        """Seconds at full speed that each busy worker still needs."""
        if self._speed.always:
            return [(shift.end_s - now_s) * self._speed.always for shift in self._busy]
        area = self._speed.area(now_s)
        done = (area - self._speed.area(shift.began_s) for shift in self._busy)
        return [shift.lasts_s - gone for shift, gone in zip(self._busy, done, strict=True)]

    def wait_s(self, now_s: float, waiting_s: float) -> float:
        """How long a job would wait that comes now, behind some work; at the present speed.

        Behind nobody it begins when the first worker is through; behind others when all work is
        shared out evenly: exact with one worker.
        """
        if self._idle:
            return 0.0
        left_s = self.left_s(now_s)
        ahead_s = (sum(left_s) + waiting_s) / len(left_s) if waiting_s else min(left_s)
        return max(ahead_s, 0.0) / (self._speed.value(now_s) or 1.0)

    def _at_s(self, time_s: float) -> float:
        """A time on the clock that runs at the server's speed, where somebody asks for it."""
        return self._speed.area(time_s) if self._timed else 0.0
