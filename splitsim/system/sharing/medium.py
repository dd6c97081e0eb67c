"""A medium: the transfers that use it at the moment, and the next time at which that changes.

Events happen only where the set of active transfers changes. In between a discipline says how far
everybody comes; one alarm is set for the next change, and one that turns out too early is set
again. What a change costs grows with the active transfers, not with the devices.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from splitsim.steps import Steps
from splitsim.system.clock import Clock, Key, Moment
from splitsim.system.stations import Transfer

_due_s, _limit_s, _rank = attrgetter("due_s"), attrgetter("limit_s"), attrgetter("rank")


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
    least_share_s: float
    bound_bps: float  # which its rate does not exceed until ``bound_until_s``
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

    def note(self, now_s: float) -> None:
        """How far it came by now is up to date."""


class Discipline(Protocol):
    """How a medium is shared."""

    def plan(self, flows: Sequence[Flow], now_s: float) -> float:
        """Set ``due_s`` of the flows; until when that holds at least, if nobody is due before."""

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
        self._active: list[Flow] = []
        self._at_s = 0.0  # up to when it is known how far everybody came
        self._plan_s = self._next_s = math.inf  # until when the plan holds; the next change
        self._alarm: Moment | None = None
        self._alarm_s = math.inf
        self._is_changing = False
        self.keeps_track = False  # whether somebody will ask how far transfers had come
        self.busy_s = 0.0  # with at least one transfer

    def join(self, flow: Flow) -> None:
        """A flow has something to send from now on."""
        if self._is_changing:
            self._add(flow)
        else:
            self._change(flow)

    def leave(self, flow: Flow) -> None:
        """A flow is taken away."""
        self.settle(flow)
        self._active.remove(flow)
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
        self._advance()
        if self._next_s <= now:
            self._part(now)
        if comes is not None:
            self._add(comes)
        self._is_changing = False
        self._plan(now)

    def _part(self, now: float) -> None:
        """Let those go who are through, or give up."""
        for flow in self._active:
            if flow.due_s <= now and not flow.is_last:
                flow.setup_left_s, flow.bits_from_s, flow.due_s = 0.0, now, math.inf
        gone = [f for f in self._active if f.due_s <= now or f.limit_s <= now]
        if gone:
            self._active = [flow for flow in self._active if flow not in gone]
        for flow in gone:
            self._discipline.settle(flow, now)
            if flow.due_s <= now:
                flow.through(now)
            else:
                flow.cut(now)

    def _add(self, flow: Flow) -> None:
        flow.due_s, flow.since_s, flow.least_share_s = math.inf, self._clock.now, -1.0
        insort(self._active, flow, key=_rank)

    def _plan(self, now: float) -> None:
        self._plan_s = self._next_s = math.inf
        if self._active:
            self._plan_s = self._discipline.plan(self._active, now)
            first = min(self._active, key=_due_s)
            self._next_s = min(first.due_s, *map(_limit_s, self._active), self._plan_s)
            self._set_alarm(first)

    def _set_alarm(self, first: Flow) -> None:
        """For the next time at which something changes; an earlier alarm stays."""
        if self._next_s < self._alarm_s:
            self._alarm_s = self._next_s
            self._alarm = Moment(self._clock, first.job.key)
            self._alarm.callbacks.append(self._ring)
            self._clock.at(self._next_s, self._alarm)

    def _ring(self, alarm: object) -> None:
        if alarm is not self._alarm:
            return  # another one came before it
        self._alarm_s = math.inf
        if self._next_s <= self._clock.now:
            self._change()
        elif self._active:
            self._set_alarm(self._active[0])
