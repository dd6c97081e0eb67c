"""A server: workers under a discipline, background load, and what it tells its clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, Count, NonNegative, Positive
from splitsim.outages import Outages, held_s, through_s
from splitsim.rng import stream
from splitsim.system.clock import Clock, Life, Moment
from splitsim.system.stations import Fifo
from splitsim.world.load import Background
from splitsim.world.service import ConstantService, Service


class FifoDiscipline(Component):
    """First come, first served."""

    kind: Literal["fifo"] = "fifo"

    def station(
        self, clock: Clock, workers: int, background: Iterator[tuple[float, float]] | None
    ) -> Fifo:
        """The running queue."""
        return Fifo(clock, workers, background)


Discipline = Annotated[FifoDiscipline, Field(discriminator="kind")]


class ServerSpec(Component):
    """A server in the scenario file.

    ``backhaul_s`` is the one-way latency between the cells and this server. Without
    ``report_every_s`` a device hears of the server's queue with each answer only. What comes to
    the back-haul in one of ``backhaul_outages`` waits, on either side, until that is over.
    """

    hardware: str
    workers: Count = 1
    discipline: Discipline = FifoDiscipline()
    background: Background | None = None
    service: Service = ConstantService()
    backhaul_s: NonNegative = 0.0
    report_every_s: Positive | None = None
    outages: Outages = ()
    backhaul_outages: Outages = ()


class Server:
    """A running server."""

    def __init__(self, clock: Clock, name: str, spec: ServerSpec, seed: int) -> None:
        self.name = name
        self.spec = spec
        self._clock = clock
        self._reports: list[float] = []
        self.station = spec.discipline.station(clock, spec.workers, self._background(seed))

    def _background(self, seed: int) -> Iterator[tuple[float, float]] | None:
        if self.spec.background is None:
            return None
        times, works = (
            stream(seed, f"background-{what}", self.name) for what in ("times", "works")
        )
        return self.spec.background.jobs(times, works, self.spec.workers)

    def backhaul_held_s(self, time_s: float) -> float:
        """How long what comes to the back-haul at a time waits before it crosses."""
        outages = self.spec.backhaul_outages
        return held_s(outages, time_s) if outages else 0.0

    def reporting(self, until_s: float) -> Life:
        """Write down the queueing delay every ``report_every_s``."""
        every_s = self.spec.report_every_s
        while every_s and (time_s := len(self._reports) * every_s) < until_s:
            yield self._clock.at(time_s, Moment(self._clock, 0))
            self._reports.append(self.station.wait_s())

    def reported(self, now_s: float, delay_s: float) -> tuple[float, float] | None:
        """The newest report that has come through: queueing delay, and when it was true."""
        every_s = self.spec.report_every_s
        sent_s = through_s(self.spec.backhaul_outages, now_s - delay_s)
        if every_s is None or sent_s < 0:
            return None
        n = min(int(sent_s / every_s), len(self._reports) - 1)
        return (self._reports[n], n * every_s) if n >= 0 else None
