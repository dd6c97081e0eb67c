"""Disciplines that serve job after job, without interruption: by arrival, deadline or class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from splitsim.component import Component
from splitsim.system.clock import Clock
from splitsim.system.disciplines.crew import Crew
from splitsim.system.disciplines.meter import Meter
from splitsim.system.disciplines.reactive import HELD, Reactive, Site
from splitsim.system.disciplines.waiting import Heap, Other
from splitsim.system.stations import Fifo, Job

Rank = Callable[[Job | Other], Any]


class FifoDiscipline(Component):
    """First come, first served."""

    kind: Literal["fifo"] = "fifo"

    knows: ClassVar[frozenset[str]] = frozenset()

    def station(self, clock: Clock, site: Site) -> Fifo | Reactive:
        """The running queue; where nothing but work and patience counts, a recursion."""
        if site.is_plain:
            return Fifo(clock, site.workers, site.background)
        return Ordered(clock, site, lambda _: 0)

    def gain(self) -> float:
        """Work done by a worker per second, at full speed."""
        return 1.0


class EdfDiscipline(Component):
    """Earliest deadline first: of those that wait the most urgent, those without one last.

    A deadline is a device's ``deadline_s`` after its task's creation. Who has begun is not
    interrupted; who is late is served all the same, if the client still waits.
    """

    kind: Literal["edf"]

    knows: ClassVar[frozenset[str]] = frozenset({"deadline_s"})

    def station(self, clock: Clock, site: Site) -> Reactive:
        """The running queue."""
        return Ordered(clock, site, lambda job: job.deadline_s)

    def gain(self) -> float:
        """Work done by a worker per second, at full speed."""
        return 1.0


class PriorityDiscipline(Component):
    """Classes: of those that wait the highest ``priority`` first, in it by arrival.

    Who has begun is not interrupted (Cobham 1954).
    """

    kind: Literal["priority"]

    knows: ClassVar[frozenset[str]] = frozenset({"priority"})

    def station(self, clock: Clock, site: Site) -> Reactive:
        """The running queue."""
        return Ordered(clock, site, lambda job: -job.priority)

    def gain(self) -> float:
        """Work done by a worker per second, at full speed."""
        return 1.0


class Ordered(Reactive):
    """Workers that take the job of the lowest rank, the order of arrival breaking ties.

    A task costs at most two events: its end, and, if it waits, the alarm at which it may begin.
    One more if patience runs out in the queue.
    """

    def __init__(self, clock: Clock, site: Site, rank: Rank) -> None:
        super().__init__(clock, site)
        self._rank = rank
        self._crew = Crew(site)
        self._queue = Heap(HELD)
        self._waiting = 0
        self._waiting_s = 0.0

    def wait_s(self) -> float:
        """How long a job would wait that comes now and goes last, at the present speed."""
        now = self._clock.now
        self._catch_up(now)
        return self._crew.wait_s(now, self._waiting_s if self._waiting else 0.0)

    def _is_full(self) -> bool:
        return not self._crew.is_idle and self._waiting >= self._site.queue_limit

    def _enter(self, now_s: float, job: Job | Other) -> None:
        if self._crew.is_idle:
            self._begin(now_s, job)
        else:
            job.held = True
            self._queue.push(self._rank(job), job)
            self._waiting += 1
            self._waiting_s += job.work

    def _lapse(self, job: Job) -> None:
        self._leave_queue(job)
        self._queue.died()
        self._tasks -= 1
        self._gave_up += 1
        self._settle(job)

    def _change_s(self) -> float:
        return self._crew.next_s

    def _change(self, now_s: float) -> None:
        shift = self._crew.end()
        self._account(shift.began_s, shift.end_s, shift.tasks, cut=shift.cut)
        if self._queue.first() is not None:
            job = self._queue.pop()
            self._leave_queue(job)
            self._begin(now_s, job)

    def _read(self, meter: Meter, time_s: float) -> None:
        self._crew.read(meter, time_s)

    def _in_service(self) -> int:
        return self._crew.tasks

    def _leave_queue(self, job: Job | Other) -> None:
        job.held = False
        self._waiting -= 1
        self._waiting_s -= job.work

    def _begin(self, now_s: float, job: Job | Other) -> None:
        if isinstance(job, Job):
            until_s = job.give_up_s if self._aborts else math.inf
            shift = self._crew.begin(now_s, job.group, job.work, 1, until_s)
            job.start_s = now_s
            if not shift.cut and shift.end_s <= job.give_up_s:
                job.end_s = shift.end_s
            self._tasks -= 1
            self._settle(job)
            self._patience.died()
        else:
            self._crew.begin(now_s, None, job.work, 0)
