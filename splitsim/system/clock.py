"""Simulated time: a SimPy environment with exact times, ordered ties and light processes."""

from __future__ import annotations

import math
from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any

import simpy

Key = int  # orders events of the same time: device, then task
TASKS = 1 << 40  # more than a device ever creates
Life = Generator[simpy.Event, Any, None]


def task_key(device: int, task: int) -> Key:
    """The rank among simultaneous events; 0 and 1 are SimPy's own."""
    return 2 + device * TASKS + task


class Moment(simpy.Event):
    """An event without a value, that happens at a time given to ``Clock.at``.

    Subclasses set env, callbacks and key themselves: the hottest lines of a simulation.
    """

    _ok = True
    _value = None

    def __init__(self, clock: Clock, key: Key) -> None:
        self.env = clock
        self.callbacks = []
        self.key = key


class Clock(simpy.Environment):
    """An environment in which events are set for absolute times.

    ``env.timeout(end - now)`` would land at ``now + (end - now)``, which is not ``end`` in
    floating point; and simultaneous events would run in the order they were scheduled, where
    rows must not depend on it: here the order is (time, device, task).
    """

    now = 0.0  # as an attribute, which is read much more often than set

    def run(self, until: float = math.inf) -> None:  # type: ignore[override] # no SimPy events
        """Let everything happen that is set, or what is before a time."""
        queue = self._queue
        while queue and queue[0][0] < until:
            self.now, _, _, moment = heappop(queue)
            callbacks, moment.callbacks = moment.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(moment)
        if until < math.inf:
            self.now = until

    def at(self, time_s: float, moment: Moment) -> Moment:
        """Let a moment happen at a time that is not in the past."""
        entry = (time_s, moment.key, next(self._eid), moment)
        heappush(self._queue, entry)  # type: ignore[misc] # SimPy types its own priorities only
        return moment

    def spawn(self, life: Life) -> None:
        """Run a generator of events as a process.

        Unlike a simpy.Process it needs no events for its own beginning and end; it cannot be
        waited for or interrupted, and what it raises ends the simulation.
        """
        _Process(life)(None)


class _Process:
    """Resumes a generator when the event it waits for happens."""

    __slots__ = ("_resume",)

    def __init__(self, life: Life) -> None:
        self._resume = life.send

    def __call__(self, event: simpy.Event | None) -> None:
        try:
            awaited = self._resume(event)
        except StopIteration:
            return
        awaited.callbacks.append(self)
