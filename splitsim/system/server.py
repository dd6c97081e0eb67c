"""A server: workers under a discipline, background load, and what it tells its clients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from splitsim.component import Component, ConstantCurve, Count, Curve, NonNegative, Positive
from splitsim.entries import Hardware
from splitsim.outages import Outages, mask, through_s
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Life, Moment
from splitsim.system.disciplines import Discipline
from splitsim.system.disciplines.board import Loading, Memory, Ramp
from splitsim.system.disciplines.meter import Power
from splitsim.system.disciplines.ordered import FifoDiscipline
from splitsim.system.disciplines.reactive import Reactive, Site
from splitsim.system.stations import Job
from splitsim.task import Option
from splitsim.world.load import Background
from splitsim.world.mobility import Position
from splitsim.world.service import ConstantService, Service

Path_ = tuple[str, ...]


class Slowdown(Component):
    """How much longer work takes beside others': a ``factor`` over the load they bring.

    The load is the expected one of the background, a share of all workers; between the points
    the factor is linear, beyond them constant. It concerns whatever the server computes.
    """

    utilisation: Annotated[Sequence[NonNegative], Field(min_length=1)]
    factor: Annotated[Sequence[Positive], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.utilisation) != len(self.factor):
            raise ValueError(f"{len(self.utilisation)} utilisation but {len(self.factor)} factor")
        if any(b <= a for a, b in pairwise(self.utilisation)):
            raise ValueError("utilisation must rise")
        return self

    def speeds(self, loads: np.ndarray) -> np.ndarray:
        """The speed that is left, by load; both of shape (n,)."""
        speeds: np.ndarray = 1 / np.interp(loads, self.utilisation, self.factor)
        return speeds


class ServerSpec(Component):
    """A server in the scenario file.

    ``backhaul_s`` is the one-way latency between the cells and this server, at the time a message
    comes to the back-haul. With its ``position_m`` devices that know where they are know how far
    it is. Without
    ``report_every_s`` a device hears of the server's queue with each answer only. What comes to
    the back-haul in one of ``backhaul_outages`` waits, on either side, until that is over.

    ``speed`` multiplies that of the tables; 0 is an outage, in which work stands still, as in one
    of the ``outages``. At most ``queue_limit`` jobs wait; who comes then is rejected, and an
    answer of ``refusal_bytes`` says so. Whose client has given up leaves the queue at once; once
    it has begun it is ``abandoned``: it runs on for nobody, or is aborted.
    """

    hardware: str
    position_m: Position | None = None
    workers: Count = 1
    discipline: Discipline = FifoDiscipline()
    background: Background | None = None
    service: Service = ConstantService()
    backhaul_s: Curve = ConstantCurve(value=0.0)
    report_every_s: Positive | None = None
    outages: Outages = ()
    backhaul_outages: Outages = ()
    speed: Curve = ConstantCurve(value=1.0)
    slowdown: Slowdown | None = None
    ramp: Ramp | None = None
    queue_limit: Annotated[int, Field(ge=0)] | None = None
    refusal_bytes: NonNegative = 0.0
    abandoned: Literal["run_on", "abort"] = "run_on"
    loading: Loading | None = None
    power: Power | None = None

    def speeds(self) -> Steps:
        """The speed over time, slowed down by others."""
        speed = self.speed.steps().product(mask(self.outages))
        if self.slowdown is None or self.background is None:
            return speed
        return speed.product(self.background.loads(self.workers).through(self.slowdown.speeds))

    def misfits(self, *, compared: bool = False) -> Iterator[tuple[Path_, str]]:
        """Keys and what is wrong with them: what the discipline does not know, and has to.

        Args:
            compared: whether other disciplines will be tried, which may know it.
        """
        kind, knows, others = self.discipline.kind, self.discipline.knows, self.background
        if self.slowdown is not None and others is None:
            what = "is by the load of others; add a background, or leave it out"
            yield ("slowdown",), what
        if others is None or compared:
            return
        for key, usual, needed in (("deadline_s", None, "edf"), ("priority", 0, "priority")):
            if getattr(others, key) != usual and key not in knows:
                what = f"a {kind} server does not know it; make its discipline {needed}"
                yield ("background", key), f"{what}, or leave it out"

    def room_bytes(self, hardware: Hardware) -> float:
        """Of each worker's memory; inf: not known."""
        if self.loading is not None and self.loading.memory_bytes is not None:
            return self.loading.memory_bytes
        return hardware.memory_bytes


class Server:
    """A running server.

    Args:
        clock: simulated time.
        name: its name.
        spec: what the scenario says of it.
        seed: the replication.
        hardware: its board.
        tail_bytes: what the models' tails take in memory, where that is known.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        spec: ServerSpec,
        seed: int,
        hardware: Hardware,
        tail_bytes: Mapping[str, float],
    ) -> None:
        self.name = name
        self.spec = spec
        self.speed = spec.speeds()
        self._clock = clock
        self._hardware = hardware
        self._reports: list[float | None] = []
        self.station = spec.discipline.station(clock, self._site(seed, tail_bytes))

    def serve(self, job: Job, way: Option, deadline_s: float, priority: int) -> Job:
        """Take a task's tail, which happens when it is through, given up or rejected.

        Args:
            job: the tail.
            way: what it is a tail of.
            deadline_s: when the task is late; inf: never.
            priority: its class.
        """
        job.group, job.deadline_s, job.priority = (way.model, way.cut), deadline_s, priority
        return self.station.submit(job)

    def reporting(self, until_s: float) -> Life:
        """Write down the queueing delay every ``report_every_s``; in an outage nothing."""
        every_s = self.spec.report_every_s
        while every_s and (time_s := len(self._reports) * every_s) < until_s:
            yield self._clock.at(time_s, Moment(self._clock, 0))
            is_on = self.speed.always or self.speed.value(time_s)
            self._reports.append(self.station.wait_s() if is_on else None)

    def reported(self, now_s: float, delay_s: float) -> tuple[float, float] | None:
        """The newest report that has come through: queueing delay, and when it was true."""
        every_s = self.spec.report_every_s
        sent_s = through_s(self.spec.backhaul_outages, now_s - delay_s)
        if every_s is None or sent_s < 0:
            return None
        n = min(int(sent_s / every_s), len(self._reports) - 1)
        wait_s = self._reports[n] if n >= 0 else None
        return None if wait_s is None else (wait_s, n * every_s)

    def row(self, end_s: float, duration_s: float) -> dict[str, Any]:
        """The server's account, by the columns of its table.

        Args:
            end_s: until when it was on.
            duration_s: until when tasks were created.
        """
        spec, station = self.spec, self.station
        counts = station.counts(end_s)
        busy_s = station.busy_until_s(end_s)
        idle_j, compute_j = self._joules(end_s, busy_s)
        others, full_s = spec.background, spec.workers * self.speed.area(duration_s)
        return {
            "workers": spec.workers,
            "discipline": spec.discipline.kind,
            "offered_s": station.offered_s,
            "served_s": station.busy_s,
            "background_s": others.offered_s(spec.workers, duration_s) if others else 0.0,
            "capacity_s": full_s,
            "gain": spec.discipline.gain(),
            "busy_s": busy_s,
            "idle_j": idle_j,
            "compute_j": compute_j,
            "board_j": idle_j + compute_j,
            "loads": sum(memory.loads for memory in self._memories),
            "others_rejected": station.others_rejected,
            **counts._asdict(),
        }

    def _joules(self, end_s: float, busy_s: float) -> tuple[float, float]:
        """Of all boards: being on, and what computing adds."""
        idle_w, workers = self._hardware.idle_w, self.spec.workers
        power, station = self.spec.power, self.station
        if power is None or not isinstance(station, Reactive):
            return workers * idle_w * end_s, self._hardware.compute_w * busy_s
        all_j = station.meter(end_s).energy_j(power, workers, idle_w, end_s)
        idle_j = workers * float(power.watts(np.zeros(1), idle_w)[0]) * end_s
        return idle_j, all_j - idle_j

    def _site(self, seed: int, tail_bytes: Mapping[str, float]) -> Site:
        spec, others = self.spec, self.spec.background
        self._memories: tuple[Memory, ...] = ()
        if spec.loading is not None:
            room_bytes = spec.room_bytes(self._hardware)
            self._memories = tuple(
                Memory(spec.loading, tail_bytes, room_bytes) for _ in range(spec.workers)
            )
        deadline_s = others.deadline_s if others is not None else None
        return Site(
            workers=spec.workers,
            background=self._background(seed),
            others_deadline_s=math.inf if deadline_s is None else deadline_s,
            others_priority=others.priority if others is not None else 0,
            speed=self.speed,
            queue_limit=math.inf if spec.queue_limit is None else spec.queue_limit,
            abandoned=spec.abandoned,
            ramp=spec.ramp,
            memories=self._memories,
            window_s=None if spec.power is None else spec.power.window_s,
        )

    def _background(self, seed: int) -> Iterator[tuple[float, float]] | None:
        if self.spec.background is None:
            return None
        times, works = (
            stream(seed, f"background-{what}", self.name) for what in ("times", "works")
        )
        return self.spec.background.jobs(times, works, self.spec.workers)
