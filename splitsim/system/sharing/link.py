"""A device's end of a shared medium, in one direction: its own queue, and what is under way."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from splitsim.costs import NO_COSTS, Costs
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Key, Moment
from splitsim.system.sharing.lone import Lone
from splitsim.system.sharing.medium import Medium
from splitsim.system.sharing.patience import Patience
from splitsim.system.stations import NOTHING_SENT, Link, Sent, Transfer, settle

NO_MORE: Iterator[float] = iter(())  # windows


class SharedLink:
    """First come, first served on the device; the first of its queue competes with others'.

    A transfer's end is not known ahead: it depends on what others will send. The transfer itself
    is the event of its end, or of its owner's giving up.

    Args:
        clock: simulated time.
        medium: what it shares.
        rate: what it would get alone.
        device: its rank among simultaneous events.
        is_down: whether it is a downlink.
        costs: of every transfer.
    """

    # So many names are more than the 30 of which CPython keeps objects fast without slots.
    __slots__ = (
        *("_before", "_clock", "_costs", "_free_of_charge", "_is_on_air", "_keeps_track", "_lone"),
        *("_medium", "_over_s", "_patience", "_paused_s", "_queue", "_step", "_window_bits"),
        *("_windows", "_windows_bits", "airtime_s", "bits_from_s", "bound_until_s", "cuts"),
        *("due_s", "is_down", "is_last", "job", "least_share_s", "left_bits", "limit_s"),
        *("moved_bits", "moving_s", "on_grid", "rank", "rate", "setup_left_s", "since_s"),
        *("since_share_s", "since_step", "transfers", "zero", "zero_s"),
    )

    job: Transfer  # the first of its queue

    def __init__(
        self,
        clock: Clock,
        medium: Medium,
        rate: Steps,
        device: Key,
        *,
        is_down: bool,
        costs: Costs = NO_COSTS,
    ) -> None:
        self._clock = clock
        self._medium = medium
        self._costs = costs
        self._free_of_charge = costs == NO_COSTS
        self._queue: deque[Transfer] = deque()
        self._over_s = -math.inf  # when the last transfer was over, or a lone one will be
        self._lone: Lone | None = None  # the last one that was not in company
        self._step: Moment | None = None  # the beginning of the next transfer, or window
        self._patience = Patience(clock, self._lose_patience)
        self._windows: Iterator[float] = NO_MORE
        self._window_bits = self._windows_bits = 0.0  # of this one; of those before
        self._paused_s = math.nan
        self._is_on_air = False
        self.rank = (device, is_down)
        self.is_down = is_down
        self.rate = rate
        self.zero: Steps | None = None
        self._keeps_track = False
        self.left_bits = self.setup_left_s = self.bits_from_s = 0.0
        self.due_s = self.limit_s = math.inf
        self.is_last = True
        self.since_s = self.since_share_s = self.least_share_s = 0.0
        self.since_step, self.on_grid = 0, False
        self.bound_until_s = -math.inf
        self.airtime_s = self.moving_s = self.zero_s = 0.0
        self._before = (0.0, 0.0, 0.0)  # these, of earlier transfers
        self.moved_bits = 0.0
        self.transfers = self.cuts = 0

    @property
    def free_s(self) -> float:
        """When the last transfer ended; inf while there is one, for its end is not known."""
        return math.inf if self._queue or self._over_s > self._clock.now else self._over_s

    def watch(self, *, zeros: bool, past: bool) -> None:
        """Say what will be asked: times at rate zero, and how far transfers came in the past."""
        self.zero = self.rate.is_zero() if zeros else None
        self._keeps_track = past
        self._medium.keeps_track |= past

    def submit(self, job: Transfer) -> Transfer:
        """Take a transfer."""
        now = self._clock.now
        if self._over_s > now:
            self._medium.disturb()
        if job.ready_s < now:
            job.ready_s = now
        self._queue.append(job)
        if len(self._queue) == 1:
            self._begin()
        else:
            self._patience.watch(job)
        return job

    def withdraw(self, job: Transfer) -> None:
        """Take back a transfer, which ends now as if its owner had given up."""
        now = self._clock.now
        if self._over_s > now:
            self._medium.disturb()
        job.give_up_s = min(job.give_up_s, now)
        if job is not self.job:
            self._queue.remove(job)
            settle(job)
        elif self._is_on_air:
            self._medium.leave(self)
            self.cut(now)
        elif job.start_s is not None:
            self._resume()
        else:
            self._step = None
            self._queue.popleft()
            settle(job)
            self._begin()

    def clear(self) -> None:
        """Withdraw all there is."""
        if self._over_s > self._clock.now:
            self._medium.disturb()
        for job in list(reversed(self._queue)):
            self.withdraw(job)

    def _begin(self) -> None:
        """Let the first of the queue begin when it can; who would have given up leaves."""
        while self._queue:
            job = self.job = self._queue[0]
            start_s = max(job.ready_s, self._clock.now)
            if not self._free_of_charge:
                was_empty = job.ready_s >= self._over_s
                start_s += self._costs.before_s(was_empty=was_empty, rtt_s=job.rtt_s)
            if start_s < job.give_up_s:
                self._at(start_s, self._start)
                return
            self._queue.popleft()
            settle(job)

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        if time_s == self._clock.now:
            action()
            return

        def happens(moment: object) -> None:
            if moment is self._step:
                action()

        self._step = step = Moment(self._clock, self.job.key)
        step.callbacks.append(happens)
        self._clock.at(time_s, step)

    def _start(self) -> None:
        job, now = self.job, self._clock.now
        job.start_s = now
        self._before = self.airtime_s, self.moving_s, self.zero_s
        if self._keeps_track:
            job.track = [(now, NOTHING_SENT)]
        self._windows_bits = 0.0
        if not self._free_of_charge:
            self._windows = self._costs.windows(job.work)
            self.setup_left_s = self._costs.setup_s
            self._send(next(self._windows))
        elif self._queue[-1] is not job or not self._goes_alone(job, now):
            self._windows = NO_MORE
            self._send(job.work)

    def _goes_alone(self, job: Transfer, start_s: float) -> bool:
        """Let a transfer be over ahead if nobody else is about; who comes before undoes it."""
        if not self._medium.is_free(start_s):
            return False
        end_s = self.rate.finish_s(start_s, job.work, job.give_up_s)
        if end_s == math.inf or end_s + job.after_s > job.give_up_s:
            return False
        self._medium.leave_alone(self, end_s)
        self._lone = Lone(self._clock, job, (self._before, self.moved_bits, self._over_s))
        self._queue.popleft()
        self.airtime_s += end_s - start_s
        self.moving_s += end_s - start_s
        if self.zero is not None:
            self.zero_s += self.zero.area(end_s) - self.zero.area(start_s)
        job.end_s, job.sent_bits = end_s, job.work
        self._account(job, end_s)
        self._clock.at(end_s + job.after_s, self._lone)
        return True

    def join_in(self) -> None:
        """Its transfer goes on as one of several, from where it began."""
        assert self._lone is not None
        self.job = self._lone.undo()
        self._queue.append(self.job)
        self.transfers -= 1
        self._before, self.moved_bits, self._over_s = self._lone.before
        self.airtime_s, self.moving_s, self.zero_s = self._before
        self._windows = NO_MORE
        self._carry(self.job.work, self.job.start_s or 0.0)

    def _carry(self, bits: float, from_s: float) -> None:
        self._window_bits = self.left_bits = bits
        self.bits_from_s = from_s
        self.limit_s = self.job.give_up_s
        self._is_on_air = True

    def _send(self, bits: float) -> None:
        self._carry(bits, self._clock.now)
        self._medium.join(self)

    def through(self, now_s: float) -> None:
        """A window is sent: the next one goes when the acknowledgement is back."""
        self._is_on_air = False
        self._windows_bits += self._window_bits
        self.left_bits = self._window_bits = 0.0
        bits = next(self._windows, None)
        if bits is None:
            self.job.end_s, self.job.sent_bits = now_s, self.job.work
            self._end(now_s)
            return
        acknowledged_s = self.bits_from_s + self.job.rtt_s
        self._window_bits = self.left_bits = bits
        if acknowledged_s <= now_s:
            self._send(bits)
        else:
            self._paused_s = now_s
            self._at(min(acknowledged_s, self.job.give_up_s), self._resume)

    def _resume(self) -> None:
        now = self._clock.now
        self.job.pause_s += now - self._paused_s
        self._paused_s = math.nan
        self.note(now)
        if now >= self.job.give_up_s:
            self.cut(now)
        else:
            self._send(self.left_bits)

    def cut(self, now_s: float) -> None:
        """The owner gave up."""
        self._is_on_air = False
        self.job.sent_bits = self._bits()
        self.cuts += 1
        self._end(now_s)

    def _end(self, now_s: float) -> None:
        self._step = None
        job = self._queue.popleft()
        self._account(job, now_s)
        settle(job)
        if self._queue:
            self._begin()

    def _account(self, job: Transfer, over_s: float) -> None:
        job.over_s = self._over_s = over_s
        self._tell(job)
        self.moved_bits += job.sent_bits
        self.transfers += 1

    def _bits(self) -> float:
        return self._windows_bits + self._window_bits - self.left_bits

    def _lose_patience(self) -> None:
        """Let those go who wait and give up."""
        now = self._clock.now
        for job in list(self._queue)[1:]:
            if job.give_up_s <= now:
                self._queue.remove(job)
                settle(job)
        waiting = list(self._queue)[1:]
        if waiting:
            self._patience.watch(min(waiting, key=lambda job: job.give_up_s))

    def note(self, now_s: float) -> None:
        """Write down how far the transfer came, where somebody may ask about the past."""
        if self._keeps_track:
            self.job.track.append((now_s, self._so_far()))

    def _tell(self, job: Transfer) -> None:
        """Let the transfer know its part of what this link has used."""
        airtime_s, moving_s, zero_s = self._before
        job.airtime_s = self.airtime_s - airtime_s
        job.moving_s = self.moving_s - moving_s
        job.zero_s = self.zero_s - zero_s

    def _so_far(self) -> Sent:
        job = self.job
        self._tell(job)
        return Sent(self._bits(), job.airtime_s, job.zero_s, job.pause_s)

    def sent(self, job: Transfer, to_s: float, *, with_zeros: bool = False) -> Sent:
        """What a transfer has sent by a time, not after the present.

        Of the past it is known at the moments at which the medium changed, and taken to be
        steady in between; and only if the link was told to ``watch`` the past.
        """
        del with_zeros
        if self._over_s > self._clock.now:
            self._medium.disturb()
        if job.start_s is None or to_s <= job.start_s:
            return NOTHING_SENT
        if job.over_s is not None and to_s >= job.over_s:
            return Sent(job.sent_bits, job.airtime_s, job.zero_s, job.pause_s)
        if job.over_s is None and to_s >= self._clock.now:
            if self._is_on_air:
                self._medium.settle(self)
            return self._so_far()
        times, amounts = zip(*job.track, strict=True)
        columns = np.array(amounts).T
        return Sent(*(float(np.interp(to_s, times, column)) for column in columns))


Line = Link | SharedLink
