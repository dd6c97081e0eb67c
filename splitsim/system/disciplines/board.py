"""The boards behind a server: how fast they work, and which models are in their memories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from splitsim.component import Component, NonNegative, Positive
from splitsim.system.stations import Group

ROUNDS = 60  # of Newton's method, which needs five or so
NEAR = 1e-15  # relative


class Ramp(Component):
    """Clocks that rise with load: a processor that was idle is slower at first.

    The speed is ``idle_speed + (1 - idle_speed) u``; the recent utilisation u follows the
    worker's being busy (b = 1) or not (b = 0) with du/dt = (b - u) / ``time_s``, from u = 0.
    With processor sharing there is one u for all workers, and b is the share of them that is
    busy. Time is counted at the server's ``speed``, so that it stands still in an outage.

    Measured (FurciferDataset): a server's pre-processing takes 9.0 ms for one client and 2.8 ms
    beside four others, a split's tail 29 and 20 ms: speeds of 0.3 and 0.7 when almost idle.
    ``time_s`` was not measured; governors of clocks act within some tens of milliseconds to
    seconds.
    """

    idle_speed: Annotated[float, Field(gt=0, lt=1)]
    time_s: Positive

    def later(self, warm: float, busy: float, lasts_s: float) -> float:
        """The utilisation after a time: b + (u - b) exp(-t / time_s)."""
        return busy + (warm - busy) * math.exp(-lasts_s / self.time_s)

    def done_s(self, warm: float, busy: float, lasts_s: float) -> float:
        """Work done in a time, the integral of the speed."""
        steady, extra_s = self._terms(warm, busy)
        return steady * lasts_s - extra_s * math.expm1(-lasts_s / self.time_s)

    def lasts_s(self, warm: float, busy: float, work_s: float) -> float:
        """How long some work takes: Newton's method from the side where it cannot overshoot."""
        steady, extra_s = self._terms(warm, busy)
        if extra_s > 0:
            lasts_s = work_s / (steady + extra_s / self.time_s)
        else:
            lasts_s = (work_s - extra_s) / steady
        for _ in range(ROUNDS):
            missing_s = work_s - self.done_s(warm, busy, lasts_s)
            change_s = missing_s / (
                steady + extra_s / self.time_s * math.exp(-lasts_s / self.time_s)
            )
            lasts_s += change_s
            if abs(change_s) <= NEAR * lasts_s:
                break
        return max(lasts_s, 0.0)

    def _terms(self, warm: float, busy: float) -> tuple[float, float]:
        rise = 1 - self.idle_speed
        return self.idle_speed + rise * busy, rise * (warm - busy) * self.time_s


class Loading(Component):
    """What bringing a model into a worker's memory costs; the least recently used ones make room.

    ``load_s`` is the time, one for all models or by model; the task that needs the model waits
    for it at the worker. ``memory_bytes`` is each worker's, the hardware's without it. A model
    takes the ``tail_bytes`` of its largest tail. At the beginning memories are empty.
    """

    load_s: NonNegative | Mapping[str, NonNegative]
    memory_bytes: Positive | None = None

    def of_s(self, model: str) -> float:
        """Seconds for a model."""
        return self.load_s.get(model, 0.0) if isinstance(self.load_s, Mapping) else self.load_s


class Memory:
    """The models in one memory.

    Args:
        loading: what bringing one in costs.
        bytes_of: what models take; nothing, if it is not known.
        room_bytes: of the memory.
    """

    def __init__(self, loading: Loading, bytes_of: Mapping[str, float], room_bytes: float) -> None:
        self._loading = loading
        self._bytes_of = bytes_of
        self._room_bytes = room_bytes
        self._held: dict[str, float] = {}  # the least recently used first
        self._held_bytes = 0.0
        self.loads = 0

    def need_s(self, model: str) -> float:
        """Use a model now; the seconds until it is there."""
        if model in self._held:
            self._held[model] = self._held.pop(model)
            return 0.0
        size = self._bytes_of.get(model, 0.0)
        while self._held and self._held_bytes + size > self._room_bytes:
            self._held_bytes -= self._held.pop(next(iter(self._held)))
        self._held[model] = size
        self._held_bytes += size
        self.loads += 1
        return self._loading.of_s(model)


class Worker:
    """One board, which serves one job, or one batch, at a time.

    Its times are of the server's operational clock: seconds at full speed.

    Args:
        ramp: how its speed changes with load, if it does.
        memory: its memory, if loading models takes time.
    """

    __slots__ = ("_began_s", "_ramp", "_warm", "free_s", "memory")

    def __init__(self, ramp: Ramp | None, memory: Memory | None) -> None:
        self._ramp = ramp
        self.memory = memory
        self.free_s = self._began_s = 0.0  # end and beginning of its last job
        self._warm = 0.0  # at that beginning

    def take_s(self, begins_s: float, group: Group, work_s: float) -> float:
        """Begin a job; how long it will take, with bringing in its model."""
        if self.memory is not None and group is not None:
            work_s += self.memory.need_s(group[0])
        if self._ramp is not None:
            idle_s = begins_s - self.free_s
            cooled = self._ramp.later(self._warm_when_free(self._ramp), 0.0, idle_s)
            self._warm, self._began_s = cooled, begins_s
            work_s = self._ramp.lasts_s(cooled, 1.0, work_s)
        self.free_s = begins_s + work_s
        return work_s

    def _warm_when_free(self, ramp: Ramp) -> float:
        return ramp.later(self._warm, 1.0, self.free_s - self._began_s)
