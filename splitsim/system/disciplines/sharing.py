"""Processor sharing: everybody is served at once, each at an equal share of the workers."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from splitsim.component import Component
from splitsim.system.clock import Clock
from splitsim.system.disciplines.meter import Meter
from splitsim.system.disciplines.reactive import HELD, Reactive, Site
from splitsim.system.disciplines.waiting import Heap, Other
from splitsim.system.stations import Job


class SharingDiscipline(Component):
    """Processor sharing: n jobs on c workers go on at min(1, c / n) of the speed each.

    Nobody waits for a worker. A ``queue_limit`` is how many there may be beyond the workers.
    """

    kind: Literal["processor_sharing"]

    knows: ClassVar[frozenset[str]] = frozenset()

    def station(self, clock: Clock, site: Site) -> Reactive:
        """The running station."""
        return Sharing(clock, site)

    def gain(self) -> float:
        """Work done by a worker per second, at full speed."""
        return 1.0


class Sharing(Reactive):
    """Processor sharing by virtual time, in which every job advances at rate one.

    dV/dt = speed(t) min(1, c / n(t)): a job that comes at V with work w is through at V + w,
    whatever happens meanwhile. So ends have a fixed order, and a change costs O(log n).

    A task costs at most three events: its end, the alarm at which it is due, and one that rings
    too early because of it. With others' jobs these add one alarm each while tasks are there.
    """

    lapses_first = False

    def __init__(self, clock: Clock, site: Site) -> None:
        super().__init__(clock, site)
        self._jobs = Heap(HELD)
        self._here = 0
        self._tasks_here = 0  # those nobody waits for any more included
        self._virtual_s = 0.0  # as of ...
        self._at_s = 0.0
        self._warm = 0.0  # of the ramp
        self._planned_s: float | None = None  # when the first is through; None: to be found

    def wait_s(self) -> float:
        """How much longer a task of mean work would take that comes now, because of the others."""
        self._catch_up(self._clock.now)
        crowd = max((self._here + 1) / self._site.workers - 1, 0.0)
        mean_s = self.offered_s / self._submitted if self._submitted else 0.0
        return crowd * mean_s / (self._site.speed.value(self._clock.now) or 1.0)

    def _is_full(self) -> bool:
        return self._here >= self._site.workers + self._site.queue_limit

    def _enter(self, now_s: float, job: Job | Other) -> None:
        self._flow(now_s)
        work_s = job.work
        if self._site.memories and job.group is not None:
            work_s += self._site.memories[0].need_s(job.group[0])
        if isinstance(job, Job):
            job.start_s = now_s
            self._tasks_here += 1
        job.held = True
        self._jobs.push(self._virtual_s + work_s, job)
        self._here += 1

    def _lapse(self, job: Job) -> None:
        self._tasks -= 1
        self._settle(job)
        if self._aborts:
            self._flow(job.give_up_s)
            job.held = False
            self._jobs.died()
            self._here -= 1
            self._tasks_here -= 1
            self._aborted += 1

    def _change_s(self) -> float:
        if self._planned_s is None:
            first = self._jobs.first()
            self._planned_s = math.inf if first is None else self._through_s(first[0])
        return self._planned_s

    def _change(self, now_s: float) -> None:
        first = self._jobs.first()
        assert first is not None
        self._flow(now_s)
        self._virtual_s = first[0]  # rounding must not leave a trace of it
        while (entry := self._jobs.first()) is not None and entry[0] <= self._virtual_s:
            self._end(now_s, self._jobs.pop())

    def _read(self, meter: Meter, time_s: float) -> None:
        meter.add(self._at_s, time_s, min(self._here, self._site.workers))

    def _in_service(self) -> int:
        return self._tasks_here

    def _end(self, now_s: float, job: Job | Other) -> None:
        job.held = False
        self._here -= 1
        if isinstance(job, Job):
            self._tasks_here -= 1
            self._served += 1
            if not job.settled:
                job.end_s = now_s
                self._tasks -= 1
                self._settle(job)
                self._patience.died()

    @property
    def _busy(self) -> float:
        """The share of the workers that is busy."""
        return min(self._here / self._site.workers, 1.0)

    @property
    def _share(self) -> float:
        """The part of a worker that each job has."""
        return min(self._site.workers / self._here, 1.0) if self._here else 1.0

    def _through_s(self, virtual_s: float) -> float:
        """When the virtual time gets there if nothing happens."""
        lasts_s = max(virtual_s - self._virtual_s, 0.0) / self._share
        if self._site.ramp is not None:
            lasts_s = self._site.ramp.lasts_s(self._warm, self._busy, lasts_s)
        return max(self._site.speed.finish_s(self._at_s, lasts_s), self._at_s)

    def _flow(self, now_s: float) -> None:
        """Virtual time goes on up to now, where something is about to happen."""
        self._planned_s = None
        if now_s == self._at_s:
            return
        speed, ramp = self._site.speed, self._site.ramp
        done_s = lasts_s = speed.area(now_s) - speed.area(self._at_s)
        if ramp is not None:
            done_s = ramp.done_s(self._warm, self._busy, lasts_s)
            self._warm = ramp.later(self._warm, self._busy, lasts_s)
        if self._here:
            before_s = self._meter.busy_s
            self._meter.add(self._at_s, now_s, min(self._here, self._site.workers))
            self.busy_s += (self._meter.busy_s - before_s) * self._tasks_here / self._here
            self._virtual_s += done_s * self._share
        else:
            self._virtual_s = 0.0  # nobody there: small numbers are exact ones
        self._at_s = now_s
