"""A medium: the transfers that use it at the moment, and the next time at which that changes.

Events happen only where the set of active transfers changes. In between a discipline says how far
everybody comes; one alarm is set for the next change, and one that turns out too early is set
again. What a change costs grows with the active transfers, not with the devices.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from splitsim.steps import Steps
from splitsim.system.clock import Clock, Key, Moment
from splitsim.system.stations import Transfer

_limit_s = attrgetter("limit_s")


class Flow(Protocol):
    """What a medium sees of a device in one direction.

    ``left_bits`` and ``setup_left_s`` are what is left of the part that is being sent;
    ``bits_from_s`` is when its first bit went, and ``limit_s`` when its owner gives up. ``due_s``
    is when the part will be through if nothing changes before; inf: that is not the next thing to
    happen. If not ``is_last``, it is only the set-up that will be over.
    """

    rank: tuple[Key, bool]
    is_down: bool
    rate: Steps
    limit_s: float
    left_bits: float
    setup_left_s: float
    bits_from_s: float
    due_s: float
    is_last: bool
    zero: Steps | None  # 1 where the rate is zero, if anybody wants to know
    since_s: float  # up to when it is settled, and notes of a discipline's own
    since_share_s: float
    since_step: int
    on_grid: bool  # whether the edges of its rate are known
    least_share_s: float
    bound_until_s: float
    airtime_s: float  # of its transfers, and so on
    moving_s: float
    zero_s: float

    @property
    def job(self) -> Transfer:
        """Its transfer."""

    def through(self, now_s: float) -> None:
        """The part is sent, and the flow off the medium."""

    def cut(self, now_s: float) -> None:
        """Its owner gave up, and the flow is off the medium."""

    def join_in(self) -> None:
        """It was alone on the medium until now, and is no longer."""

    def note(self, now_s: float) -> None:
        """How far it came by now is up to date."""


class Discipline(Protocol):
    """How a medium is shared; perhaps it ``gives_one_all``: whoever is alone has its own rate."""

    gives_one_all: bool

    def join(self, flow: Flow, now_s: float) -> None:
        """A flow will be in the next plan."""

    def leave(self, flow: Flow, now_s: float) -> None:
        """A flow will not, and is to know what it sent."""

    def plan(self, flows: Sequence[Flow], now_s: float) -> tuple[Flow, float]:
        """Set ``due_s`` of the flows.

        Returns:
            The first to be through, and when that is, or until when the plan holds if that is
            before.
        """

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for what the flows of the plan sent in an interval of it."""

    def settle(self, flow: Flow, now_s: float) -> None:
        """Let a flow know what that was, if it does not know yet."""


class Medium:
    """A medium under a discipline.

    Args:
        clock: simulated time.
        discipline: how it is shared.
    """

    def __init__(self, clock: Clock, discipline: Discipline) -> None:
        self._clock = clock
        self._discipline = discipline
        self._active: list[Flow] = []  # by rank
        self._ranks: list[tuple[Key, bool]] = []
        self._at_s = 0.0  # up to when it is known how far everybody came
        self._first: Flow | None = None  # who will be through, before all others
        self._next_s = math.inf  # the next change
        self._patience_s = math.inf  # before which nobody gives up
        self._alarm: Moment | None = None
        self._alarm_s = math.inf
        self._is_changing = False
        self._lone: Flow | None = None  # who has the medium for itself from one time to another
        self._lone_from_s = self._lone_to_s = -math.inf
        self._busy_before_s = 0.0
        self.keeps_track = False  # whether somebody will ask how far transfers had come
        self.busy_s = 0.0  # with at least one transfer

    def is_free(self, now: float) -> bool:
        """Whether a flow can be left alone that begins now."""
        if self._active or self._lone_to_s > now or self._is_changing or self.keeps_track:
            return False
        return self._discipline.gives_one_all

    def leave_alone(self, flow: Flow, end_s: float) -> None:
        """A flow has the medium for itself up to a time, if nobody comes before."""
        self._lone, self._lone_from_s, self._lone_to_s = flow, self._clock.now, end_s
        self._busy_before_s = self.busy_s
        self.busy_s += end_s - self._lone_from_s

    def disturb(self) -> None:
        """Somebody has something to do with whom was left alone."""
        if self._lone_to_s > self._clock.now:
            self._change()

    def _end_solitude(self) -> None:
        """Take back what was not to be, and let the flow join from where it began."""
        flow = self._lone
        assert flow is not None
        self.busy_s = self._busy_before_s
        self._at_s = self._lone_from_s
        self._lone_to_s = -math.inf
        flow.join_in()
        self._add(flow, self._at_s)

    def join(self, flow: Flow) -> None:
        """A flow has something to send from now on."""
        if self._is_changing:
            self._add(flow, self._clock.now)
        else:
            self._change(flow)

    def leave(self, flow: Flow) -> None:
        """A flow is taken away."""
        self._advance()
        self._discipline.leave(flow, self._clock.now)
        self._remove(flow)
        self._change()

    def settle(self, flow: Flow) -> None:
        """Let a flow know how far it came by now."""
        self._advance()
        self._discipline.settle(flow, self._clock.now)

    def _advance(self) -> None:
        now = self._clock.now
        if now > self._at_s:
            if self._active:
                self._discipline.advance(self._active, self._at_s, now)
                self.busy_s += now - self._at_s
                if self.keeps_track:
                    for flow in self._active:
                        self._discipline.settle(flow, now)
                        flow.note(now)
            self._at_s = now

    def _change(self, comes: Flow | None = None) -> None:
        """Some are through, some give up, one may come; those who go may come again at once."""
        now = self._clock.now
        self._is_changing = True
        if self._lone_to_s > now:
            self._end_solitude()
        if now > self._at_s:
            self._advance()
        if self._next_s <= now:
            self._part(now)
        if comes is not None:
            self._add(comes, now)
        self._is_changing = False
        self._plan(now)

    def _part(self, now: float) -> None:
        """Let those go who are through, or give up."""
        gone = []
        if self._first is not None and self._first.due_s <= now:
            gone = [flow for flow in self._active if flow.due_s <= now]
        if gone and not all(flow.is_last for flow in gone):
            gone = [flow for flow in gone if self._is_through(flow, now)]
        if self._patience_s <= now:
            gone = [f for f in self._active if f in gone or f.limit_s <= now]
            self._patience_s = -math.inf
        for flow in gone:
            self._remove(flow)
        for flow in gone:
            self._discipline.leave(flow, now)
            if flow.due_s <= now:
                flow.through(now)
            else:
                flow.cut(now)

    @staticmethod
    def _is_through(flow: Flow, now: float) -> bool:
        """Whether it is through, and not only with its set-up."""
        if not flow.is_last:
            flow.setup_left_s, flow.bits_from_s, flow.due_s = 0.0, now, math.inf
        return flow.is_last

    def _add(self, flow: Flow, now: float) -> None:
        flow.due_s = math.inf
        if flow.limit_s < self._patience_s:
            self._patience_s = flow.limit_s
        self._discipline.join(flow, now)
        at = bisect_left(self._ranks, flow.rank)
        self._ranks.insert(at, flow.rank)
        self._active.insert(at, flow)

    def _remove(self, flow: Flow) -> None:
        at = bisect_left(self._ranks, flow.rank)
        del self._ranks[at], self._active[at]

    def _plan(self, now: float) -> None:
        self._next_s = math.inf
        if self._active:
            if self._patience_s <= now:
                self._patience_s = min(map(_limit_s, self._active))
            self._first, next_s = self._discipline.plan(self._active, now)
            self._next_s = min(next_s, self._patience_s)
            self._set_alarm(self._first)
        else:
            self._patience_s = math.inf

    def _set_alarm(self, first: Flow) -> None:
        """For the next time at which something changes; an earlier alarm stays."""
        if self._next_s < self._alarm_s:
            self._alarm_s = self._next_s
            self._alarm = alarm = Moment(self._clock, first.job.key)
            alarm.callbacks.append(self._ring)
            self._clock.at(self._next_s, alarm)

    def _ring(self, alarm: object) -> None:
        if alarm is not self._alarm:
            return  # another one came before it
        self._alarm_s = math.inf
        if self._next_s <= self._clock.now:
            self._change()
        elif self._active:
            self._set_alarm(self._active[0])
