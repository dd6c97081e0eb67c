"""Stations: where jobs wait and are served.

``submit(job)`` gives back the job, which is itself the event of its end. The stations here are
recursive: with first come, first served the end is known at arrival, even if jobs give up,
because only earlier jobs matter and all is settled about them (Lindley 1952; Kiefer and
Wolfowitz 1955 for several workers). No queue object, and nothing to cancel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heapreplace
from typing import NamedTuple

import numpy as np

from splitsim.steps import Steps
from splitsim.system.clock import Clock, Key, Moment

Group = tuple[str, int] | None  # model and cut, of what can be computed together


class Job(Moment):
    """Work for a station: seconds, or bits on a link.

    A job that has not begun by ``give_up_s`` leaves then. One that has begun and is not through
    by then ends for its owner at that time. ``after_s`` is a pure delay behind the station.
    ``expected`` is the work that its owner expects it to be. A job may be submitted ahead of
    ``ready_s``, where the order of submission is the order of arrival. The station fills in
    ``start_s`` (None: never begun), ``end_s`` (None: not through in time) and ``gave_up``.

    At a server a job may also say its ``deadline_s``, its ``priority`` and its ``group``, and it
    may be ``rejected``, at once. A reactive station notes when it ``arrived_s``, whether it is
    ``held``, and whether what its owner waits for is ``settled``.
    """

    start_s: float | None = None
    end_s: float | None = None
    gave_up = False
    expected = 0.0
    progress: tuple[np.ndarray, np.ndarray] | None = None  # times and work done by then, where
    # the pace changes; None: it is one second in a second
    deadline_s = math.inf
    priority = 0
    group: Group = None
    rejected = held = settled = False
    arrived_s = 0.0

    def __init__(
        self,
        clock: Clock,
        key: Key,
        work: float,
        give_up_s: float,
        after_s: float = 0.0,
        ready_s: float = 0.0,
    ) -> None:
        self.env = self.clock = clock
        self.callbacks = []
        self.key = key
        self.work = work
        self.give_up_s = give_up_s
        self.after_s = after_s
        self.ready_s = ready_s


def settle(job: Job) -> Job:
    """Let the job's owner go on when it is through, or when it gives up."""
    if job.end_s is not None:
        time_s = job.end_s + job.after_s
        if time_s <= job.give_up_s:
            job.clock.at(time_s, job)
            return job
    job.gave_up = True
    job.clock.at(max(job.give_up_s, job.clock.now), job)
    return job


def travel(job: Job) -> Job:
    """A pure delay of ``job.work`` seconds, in which nobody waits for anybody."""
    job.start_s = job.clock.now
    job.end_s = job.start_s + job.work
    return settle(job)


class Counts(NamedTuple):
    """Tasks at a station: submitted = served + gave_up + rejected + aborted + in_service.

    ``served`` ran to their end, though some of their clients had given up; ``gave_up`` left
    before they had begun; ``aborted`` were cut off because their clients had given up;
    ``in_service`` had not ended yet.
    """

    submitted: int
    served: int
    gave_up: int
    rejected: int
    aborted: int
    in_service: int


class Fifo:
    """First come, first served, by any number of workers, with others' jobs in between.

    Args:
        clock: simulated time.
        workers: how many serve at a time.
        background: pairs of arrival time and work, rising in time; folded into the recursion
            when a job arrives, so that they cost no events.
    """

    others_rejected = 0

    def __init__(
        self,
        clock: Clock,
        workers: int = 1,
        background: Iterator[tuple[float, float]] | None = None,
    ) -> None:
        self._clock = clock
        self._free = [0.0] * workers
        self._background = iter(()) if background is None else background
        self._next = next(self._background, (math.inf, 0.0))
        self.offered_s = 0.0
        self.busy_s = 0.0
        self._others_s = 0.0
        self._submitted = self._gave_up = 0
        self._overdue_s: list[float] = []  # ends of those nobody waits for until then

    def submit(self, job: Job) -> Job:
        """Take a job, which happens when it is through."""
        return settle(self.admit(job))

    def admit(self, job: Job) -> Job:
        """Take a job and only fill in its times, for an owner who need not wait for it.

        A computation that has begun runs out on its worker.
        """
        now, work = self._clock.now, job.work
        if self._next[0] <= now:
            self._fold(now)
        free = self._free[0]
        start = free if free > now else now  # noqa: FURB136 - the hottest lines of a queue
        self.offered_s += work
        self._submitted += 1
        if start < job.give_up_s:
            end = start + work
            heapreplace(self._free, end)
            self.busy_s += work
            job.start_s = start
            if end <= job.give_up_s:
                job.end_s = end
            else:
                self._overdue_s.append(end)
        else:
            self._gave_up += 1
        return job

    def counts(self, end_s: float) -> Counts:
        """The account of the jobs up to a time at which nobody waits any more."""
        left = sum(end > end_s for end in self._overdue_s)
        begun = self._submitted - self._gave_up
        return Counts(self._submitted, begun - left, self._gave_up, 0, 0, left)

    def wait_s(self) -> float:
        """How long a job that comes now would wait."""
        now = self._clock.now
        if self._next[0] <= now:
            self._fold(now)
        return max(self._free[0] - now, 0.0)

    @property
    def free_s(self) -> float:
        """When all workers are through with what was submitted."""
        return max(self._free)

    def busy_until_s(self, time_s: float) -> float:
        """Time spent on jobs and background up to the present or later, all workers together.

        A worker that is busy beyond that time is so without a break.
        """
        self._fold(time_s)
        return self.busy_s + self._others_s - sum(max(free - time_s, 0.0) for free in self._free)

    def _fold(self, now: float) -> None:
        free, (arrival, work) = self._free, self._next
        while arrival <= now:
            heapreplace(free, max(free[0], arrival) + work)
            self._others_s += work
            arrival, work = next(self._background)
        self._next = arrival, work


class Transfer(Job):
    """A job on a link, which also fills in what was sent and how long it took."""

    airtime_s = 0.0
    sent_bits = 0.0


class Link:
    """A link of its own for one device in one direction; its rate varies.

    Jobs are bits. A transfer spans times of zero rate; one whose owner gives up is cut.
    """

    def __init__(self, clock: Clock, rate: Steps) -> None:
        self._clock = clock
        self.rate = rate
        self.free_s = -math.inf  # when the last transfer ends; -inf: there was none
        self.airtime_s = 0.0
        self._zero: Steps | None = None

    def submit(self, job: Transfer) -> Transfer:
        """Take a transfer."""
        start = max(self.free_s, self._clock.now, job.ready_s)
        if start < job.give_up_s:
            self._send(job, start)
        settle(job)
        return job

    def _send(self, job: Transfer, start: float) -> None:
        end = self.rate.finish_s(start, job.work, job.give_up_s)
        if end <= job.give_up_s:
            job.end_s, job.sent_bits = end, job.work
        else:
            end = job.give_up_s
            job.sent_bits = self.sent_bits(start, end)
        job.start_s, job.airtime_s = start, end - start
        self.free_s = end
        self.airtime_s += job.airtime_s

    def sent_bits(self, from_s: float, to_s: float) -> float:
        """Bits a transfer in progress moves between two times."""
        return self.rate.area(to_s) - self.rate.area(from_s)

    def zero_s(self, from_s: float, to_s: float) -> float:
        """Seconds between two times in which the rate is zero."""
        if self._zero is None:
            self._zero = self.rate.is_zero()
        return self._zero.area(to_s) - self._zero.area(from_s)
