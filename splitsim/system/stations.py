"""Stations: where jobs wait and are served.

``submit(job)`` gives back the job, which is itself the event of its end. The stations here are
recursive: with first come, first served the end is known at arrival, even if jobs give up,
because only earlier jobs matter and all is settled about them (Lindley 1952; Kiefer and
Wolfowitz 1955 for several workers). No queue object, and nothing to cancel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from heapq import heapreplace
from typing import NamedTuple

import numpy as np

from splitsim.costs import NO_COSTS, Costs
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


class Sent(NamedTuple):
    """What a transfer has sent by some time, and how long that took."""

    bits: float
    airtime_s: float
    zero_s: float  # of its airtime, while the rate was zero
    pause_s: float  # in which it waited for acknowledgements


NOTHING_SENT = Sent(0.0, 0.0, 0.0, 0.0)


class Transfer(Job):
    """A job on a link, which also fills in what was sent and how long it took.

    ``over_s`` is when it left the link, through or cut; until then None. ``airtime_s`` is its
    share of the medium's time, and in ``pause_s`` it waited for acknowledgements. For
    ``moving_s`` it had bits on the way: what it saw as its rate is ``sent_bits`` over that.
    ``rtt_s`` is the round trip to its other end.
    """

    over_s: float | None = None
    airtime_s = 0.0
    pause_s = 0.0
    moving_s = 0.0
    zero_s = 0.0  # of its airtime at rate zero; counted by shared links alone
    sent_bits = 0.0
    rtt_s = 0.0
    bursts: Sequence[tuple[float, float]] = ()  # between the pauses, if its end was known ahead
    track: list[tuple[float, Sent]]  # how far it came and when, where somebody wants to know


class Link:
    """A link of its own for one device in one direction; its rate varies.

    Jobs are bits. A transfer spans times of zero rate; one whose owner gives up is cut.
    """

    def __init__(self, clock: Clock, rate: Steps, costs: Costs = NO_COSTS) -> None:
        self._clock = clock
        self._costs = costs
        self._free_of_charge = costs == NO_COSTS
        self.rate = rate
        self.free_s = -math.inf  # when the last transfer ends; -inf: there was none
        self.airtime_s = 0.0
        self.moved_bits = 0.0
        self.transfers = self.cuts = 0
        self._zero: Steps | None = None

    def submit(self, job: Transfer) -> Transfer:
        """Take a transfer."""
        start = max(self.free_s, self._clock.now, job.ready_s)
        if self._free_of_charge:
            if start < job.give_up_s:
                self._send(job, start)
        else:
            was_empty = max(self._clock.now, job.ready_s) >= self.free_s
            start += self._costs.before_s(was_empty=was_empty, rtt_s=job.rtt_s)
            if start < job.give_up_s:
                self._send_in_windows(job, start)
        settle(job)
        return job

    def _send(self, job: Transfer, start: float) -> None:
        end = self.rate.finish_s(start, job.work, job.give_up_s)
        if end <= job.give_up_s:
            job.end_s, job.sent_bits = end, job.work
        else:
            end = job.give_up_s
            job.sent_bits = self.rate.area(end) - self.rate.area(start)
        job.airtime_s = job.moving_s = end - start
        self._account(job, start, end)

    def _send_in_windows(self, job: Transfer, start: float) -> None:
        """Set-up, then the windows, each after the one before and its acknowledgement."""
        limit = job.give_up_s
        begin, end = start, min(start + self._costs.setup_s, limit)
        acknowledged, bursts = start, []
        for bits in self._costs.windows(job.work):
            at = max(end, acknowledged)
            if at > limit or (end == limit and bits):
                break
            if at > end:
                bursts.append((begin, end))
                begin = at
            acknowledged = at + job.rtt_s
            through = self.rate.finish_s(at, bits, limit)
            end = min(through, limit)
            job.moving_s += end - at
            if through > limit:
                job.sent_bits += self.rate.area(end) - self.rate.area(at)
                break
            job.sent_bits += bits
        else:
            job.end_s, job.sent_bits = end, job.work
        job.bursts = [*bursts, (begin, end)]
        over = end if job.end_s is not None else limit
        job.airtime_s = math.fsum(end - begin for begin, end in job.bursts)
        job.pause_s = over - start - job.airtime_s
        self._account(job, start, over)

    def _account(self, job: Transfer, start: float, end: float) -> None:
        job.start_s, job.over_s = start, end
        self.free_s = end
        self.airtime_s += job.airtime_s
        self.moved_bits += job.sent_bits
        self.transfers += 1
        self.cuts += job.end_s is None

    def sent(self, job: Transfer, to_s: float, *, with_zeros: bool = False) -> Sent:
        """What a transfer has sent by a time.

        Args:
            job: the transfer.
            to_s: until when.
            with_zeros: whether it matters when the rate was zero.
        """
        start, over = job.start_s, job.over_s
        if start is None or over is None or to_s <= start:
            return NOTHING_SENT
        if to_s >= over and not with_zeros:
            return Sent(job.sent_bits, job.airtime_s, 0.0, job.pause_s)
        last = min(to_s, over)
        bursts = job.bursts or ((start, over),)
        times = [(begin, min(end, last)) for begin, end in bursts if begin < last]
        airtime = math.fsum(end - begin for begin, end in times)
        zero = math.fsum(self.zero_s(*burst) for burst in times) if with_zeros else 0.0
        pause = last - start - airtime if job.bursts else 0.0
        if last == over:
            return Sent(job.sent_bits, airtime, zero, pause)
        area, set_up = self.rate.area, start + self._costs.setup_s
        moving = ((max(begin, set_up), end) for begin, end in times if end > set_up)
        bits = math.fsum(area(end) - area(begin) for begin, end in moving)
        return Sent(bits, airtime, zero, pause)

    def zero_s(self, from_s: float, to_s: float) -> float:
        """Seconds between two times in which the rate is zero."""
        if self._zero is None:
            self._zero = self.rate.is_zero()
        return self._zero.area(to_s) - self._zero.area(from_s)
