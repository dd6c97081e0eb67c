"""What all reactive stations have in common: coming, waiting, giving up, and others' jobs.

A reactive station does not know a job's end when it comes, for later jobs may go first, or share.
It catches up on what has happened at its next occasion, others' jobs included, and asks for
an occasion only when a task's fate is decided: one pending alarm, which may ring too early.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar, Literal

from splitsim.steps import Steps
from splitsim.system.clock import Clock, Moment
from splitsim.system.disciplines.board import Memory, Ramp
from splitsim.system.disciplines.meter import Meter
from splitsim.system.disciplines.waiting import Heap, Other
from splitsim.system.stations import Counts, Job, settle

NOBODY = (math.inf, 0.0)
FIRST = 1  # an alarm's key: a place that becomes free is so before the jobs of the same time come


@dataclass(frozen=True)
class Site:
    """The house rules of a server, whatever its discipline.

    ``queue_limit`` is how many may wait; ``speed`` multiplies that of the tables. A job that has
    begun and whose owner gives up runs on, or is aborted. ``background`` are others' jobs,
    arrival and work, rising in time.
    """

    workers: int = 1
    background: Iterator[tuple[float, float]] | None = None
    others_deadline_s: float = math.inf  # from their arrival
    others_priority: int = 0
    speed: Steps = Steps.constant(1.0)  # noqa: RUF009 - a constant does not change
    queue_limit: float = math.inf
    abandoned: Literal["run_on", "abort"] = "run_on"
    ramp: Ramp | None = None
    memories: tuple[Memory, ...] = ()  # of each worker; none if loading takes no time
    window_s: float | None = None  # in which busy time is metered

    @property
    def is_plain(self) -> bool:
        """Whether nothing but work, in seconds, and patience counts."""
        odd = self.ramp or self.memories or self.window_s or self.queue_limit < math.inf
        return self.speed.always == 1 and self.abandoned == "run_on" and not odd


class Alarm:
    """The one pending moment at which a station looks again; superseded ones ring for nobody."""

    def __init__(self, clock: Clock, station: Reactive) -> None:
        self._clock = clock
        self._station = station
        self._at_s = math.inf
        self._pending: Moment | None = None

    def by(self, time_s: float) -> None:
        """Ring at a time at the latest."""
        if time_s < self._at_s:
            self._at_s = time_s
            self._pending = Moment(self._clock, FIRST)
            self._pending.callbacks.append(self._ring)
            self._clock.at(time_s, self._pending)

    def _ring(self, moment: Moment) -> None:
        if moment is self._pending:
            self._at_s = math.inf
            self._station.look()


class Reactive(ABC):
    """A station whose jobs' ends depend on later ones.

    At one time patience runs out first, of who is served after who ends then; then jobs end, then
    others' jobs come, then tasks do in the order of (device, task).

    Args:
        clock: simulated time.
        site: the house rules.
    """

    lapses_first: ClassVar[bool] = True

    def __init__(self, clock: Clock, site: Site) -> None:
        self._clock = clock
        self._site = site
        self._others = iter(()) if site.background is None else site.background
        self._next_s, self._next_work_s = next(self._others, NOBODY)
        self._patience = Heap(lambda job: not job.settled)
        self._alarm = Alarm(clock, self)
        self._meter = Meter(site.speed, site.window_s)
        self._aborts = site.abandoned == "abort"
        self._submitted = self._served = self._gave_up = self._rejected = self._aborted = 0
        self._tasks = 0  # whose owners wait for what only an occasion can tell
        self.offered_s = 0.0
        self.busy_s = 0.0  # spent on tasks
        self.others_rejected = 0

    def submit(self, job: Job) -> Job:
        """Take a job, which happens when it is through, given up or rejected."""
        now = self._clock.now
        self._catch_up(now)
        self._submitted += 1
        self.offered_s += job.work
        job.arrived_s = now
        if job.give_up_s <= now:
            self._gave_up += 1
            self._settle(job)
        elif self._is_full():
            self._rejected += 1
            job.rejected = job.settled = True
            self._clock.at(now, job)
        else:
            self._tasks += 1
            self._patience.push(job.give_up_s, job)
            self._enter(now, job)
        self._arm()
        return job

    def withdraw(self, job: Job) -> None:
        """Let a job go now, as if its owner's patience were over.

        One whose end is settled, as a worker has begun it, goes on to it.
        """
        now = self._clock.now
        self._catch_up(now)
        if not job.settled:
            job.give_up_s = now
            self._lapse(job)
            self._patience.died()
        self._arm()

    def look(self) -> None:
        """An occasion to see what has happened."""
        self._catch_up(self._clock.now)
        self._arm()

    def counts(self, end_s: float) -> Counts:
        """The account of the tasks up to the present or later."""
        self._catch_up(end_s)
        ends = self._served, self._gave_up, self._rejected, self._aborted
        return Counts(self._submitted, *ends, self._in_service())

    def busy_until_s(self, time_s: float) -> float:
        """Time spent on tasks and others up to the present or later, all workers together."""
        return self.meter(time_s).busy_s

    def meter(self, time_s: float) -> Meter:
        """When workers were busy up to the present or later."""
        self._catch_up(time_s)
        meter = self._meter.copy()
        self._read(meter, time_s)
        return meter

    @abstractmethod
    def wait_s(self) -> float:
        """What a server tells of its queue: how long a job that comes now may expect to wait."""

    @abstractmethod
    def _is_full(self) -> bool:
        """Whether a job that comes now has to be rejected."""

    @abstractmethod
    def _enter(self, now_s: float, job: Job | Other) -> None:
        """A job comes in, and begins if it can."""

    @abstractmethod
    def _lapse(self, job: Job) -> None:
        """A job's owner gives up."""

    @abstractmethod
    def _change_s(self) -> float:
        """When something happens next if nobody comes and nobody gives up."""

    @abstractmethod
    def _change(self, now_s: float) -> None:
        """What happens then."""

    @abstractmethod
    def _read(self, meter: Meter, time_s: float) -> None:
        """Add who is busy now, up to a time."""

    @abstractmethod
    def _in_service(self) -> int:
        """Tasks that have begun and not ended."""

    def _account(self, began_s: float, end_s: float, tasks: int, *, cut: bool) -> None:
        """A worker was busy, with some tasks or with others; ``cut`` short if nobody waited."""
        before_s = self._meter.busy_s
        self._meter.add(began_s, end_s)
        if tasks:
            self.busy_s += self._meter.busy_s - before_s
            if cut:
                self._aborted += tasks
            else:
                self._served += tasks

    def _settle(self, job: Job) -> None:
        """The job's owner will go on, at a time that is known now."""
        job.settled = True
        settle(job)

    def _arm(self) -> None:
        if self._tasks:
            self._alarm.by(min(self._change_s(), self._lapses_s()))

    def _lapses_s(self) -> float:
        entry = self._patience.first()
        return math.inf if entry is None else entry[0]

    def _catch_up(self, now_s: float) -> None:
        """All that has happened up to a time, one after the other."""
        while True:
            lapses_s, change_s = self._lapses_s(), self._change_s()
            time_s = min(lapses_s, change_s, self._next_s)
            if time_s > now_s or time_s == math.inf:
                return
            if lapses_s == time_s and (self.lapses_first or change_s > time_s):
                self._lapse(self._patience.pop())
            elif change_s == time_s:
                self._change(time_s)
            else:
                self._admit_other(time_s)

    def _admit_other(self, now_s: float) -> None:
        if self._is_full():
            self.others_rejected += 1
        else:
            deadline_s = now_s + self._site.others_deadline_s
            other = Other(now_s, self._next_work_s, deadline_s, self._site.others_priority)
            self._enter(now_s, other)
        self._next_s, self._next_work_s = next(self._others, NOBODY)


HELD = attrgetter("held")
