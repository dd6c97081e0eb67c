"""Background load: work that others bring to a server."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, Curve, Positive
from splitsim.csvtable import Table
from splitsim.errors import BadInput
from splitsim.rng import CHUNK
from splitsim.steps import Steps
from splitsim.world.arrivals import unit_arrivals
from splitsim.world.service import ConstantService, Sizes

Jobs = Iterator[tuple[float, float]]
SOON = 1e-9  # seconds of work; a load that does not bring them any more is over


class _Drawn(Component):
    """Jobs that chance brings, as many as keep a share ``load`` of all workers busy."""

    kind: str
    load: Curve

    def loads(self, workers: int) -> Steps:
        """The expected load over time, a share of all workers."""
        return self.load.steps()

    def offered_s(self, workers: int, until_s: float) -> float:
        """Expected work in seconds up to a time."""
        return workers * self.load.steps().area(until_s)


class PoissonLoad(_Drawn):
    """Jobs of mean ``work_s`` at Poisson times that keep a share ``load`` of all workers busy.

    Unit-rate arrivals are scaled by the load: the same randomness serves every load.
    """

    kind: Literal["poisson"]
    work_s: Positive
    service: Sizes = ConstantService()
    priority: int = 0
    deadline_s: Positive | None = None

    def jobs(self, times: np.random.Generator, sizes: np.random.Generator, workers: int) -> Jobs:
        """Pairs of arrival time and work, both in seconds, rising in time, without end."""
        seconds = (arrivals * self.work_s / workers for arrivals in unit_arrivals(times))
        return zip(self.load.whens(seconds), _works(self, sizes))  # noqa: B905 - neither ends


class PeriodicLoad(_Drawn):
    """Jobs of mean ``work_s`` at equal distances that keep a share ``load`` of all workers busy.

    The first falls uniformly into the first period, which is work_s / (load x workers); a load
    that changes stretches the distances.
    """

    kind: Literal["periodic"]
    work_s: Positive
    service: Sizes = ConstantService()
    priority: int = 0
    deadline_s: Positive | None = None

    def jobs(self, times: np.random.Generator, sizes: np.random.Generator, workers: int) -> Jobs:
        """Pairs of arrival time and work, both in seconds, rising in time, without end."""
        phase = times.random()
        firsts = itertools.count(0, CHUNK)
        numbers = (phase + first + np.arange(CHUNK) for first in firsts)
        seconds = (number * self.work_s / workers for number in numbers)
        return zip(self.load.whens(seconds), _works(self, sizes))  # noqa: B905 - neither ends


class BurstyLoad(_Drawn):
    """Poisson jobs in bursts and calms: a Markov-modulated process of two states.

    Bursts and calms last exponential times of mean ``burst_s`` and ``calm_s``. In a burst the
    load is ``peak`` times the mean ``load``; in a calm it is (1 - p peak) / (1 - p) times, with
    the share of time p = burst_s / (burst_s + calm_s) (Fischer and Meier-Hellstern 1993). When it
    bursts does not depend on the load.
    """

    kind: Literal["bursty"]
    work_s: Positive
    peak: Annotated[float, Field(gt=1, allow_inf_nan=False)]
    burst_s: Positive
    calm_s: Positive
    service: Sizes = ConstantService()
    priority: int = 0
    deadline_s: Positive | None = None

    @model_validator(mode="after")
    def _calm_enough(self) -> Self:
        most = (self.burst_s + self.calm_s) / self.burst_s
        if self.peak > most:
            raise ValueError(
                f"peak must be at most (burst_s + calm_s) / burst_s = {most:g}, or bursts alone "
                f"would bring more than load; it is {self.peak:g}"
            )
        return self

    @property
    def levels(self) -> tuple[float, float]:
        """The load over its mean in a burst and in a calm."""
        share = self.burst_s / (self.burst_s + self.calm_s)
        return self.peak, max(1 - share * self.peak, 0.0) / (1 - share)

    def jobs(self, times: np.random.Generator, sizes: np.random.Generator, workers: int) -> Jobs:
        """Pairs of arrival time and work, both in seconds, rising in time, without end."""
        far_away = np.random.Generator(times.bit_generator.jumped())  # type: ignore[attr-defined]
        arrivals = itertools.chain.from_iterable(
            (units * self.work_s / workers).tolist() for units in unit_arrivals(times)
        )
        whens = self._whens(arrivals, self._states(far_away))
        return zip(whens, _works(self, sizes))  # noqa: B905 - neither ends

    def _states(self, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Level and length of one state after the other, in equilibrium at the beginning."""
        both = list(zip(self.levels, (self.burst_s, self.calm_s), strict=True))
        if rng.random() >= self.burst_s / (self.burst_s + self.calm_s):
            both.reverse()
        while True:
            drawn = rng.standard_exponential(CHUNK).tolist()
            for (level, mean_s), factor in zip(itertools.cycle(both), drawn):
                yield level, mean_s * factor

    def _whens(
        self, arrivals: Iterator[float], states: Iterator[tuple[float, float]]
    ) -> Iterator[float]:
        """When the integral of load x level reaches each of some rising values."""
        steps = self.load.steps()
        begin_s = area = mass = 0.0
        target = next(arrivals)
        for level, lasts_s in states:
            begin_s += lasts_s
            next_area = steps.area(begin_s)
            if next_area == area and steps.when(area + SOON) == math.inf:
                break
            next_mass = mass + level * (next_area - area)
            while target < next_mass:
                yield steps.when(area + (target - mass) / level)
                target = next(arrivals)
            area, mass = next_area, next_mass
        yield from itertools.repeat(math.inf)


class ReplayLoad(Component):
    """Recorded jobs: a CSV with the columns ``arrival_s``, rising, and ``work_s``.

    ``file`` is relative to the scenario file. With ``loop`` the recording begins again after its
    last arrival and one mean distance; ``scale`` multiplies the works.
    """

    kind: Literal["replay"]
    file: str
    loop: bool = True
    scale: Positive = 1.0
    priority: int = 0
    deadline_s: Positive | None = None

    _arrivals_s: np.ndarray = PrivateAttr()
    _works_s: np.ndarray = PrivateAttr()

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        find: Callable[[str], Path] = (info.context or {}).get("find_file", Path)
        self._arrivals_s, self._works_s = _read_jobs(find(self.file))
        return self

    @property
    def period_s(self) -> float:
        """After which the recording begins again."""
        last, count = float(self._arrivals_s[-1]), len(self._arrivals_s)
        return last + (last - float(self._arrivals_s[0])) / (count - 1)

    def jobs(self, times: np.random.Generator, sizes: np.random.Generator, workers: int) -> Jobs:
        """Pairs of arrival time and work, both in seconds, rising in time, without end."""
        works = (self.scale * self._works_s).tolist()
        for again in itertools.count() if self.loop else (0,):
            arrivals = (again * self.period_s + self._arrivals_s).tolist()
            yield from zip(arrivals, works, strict=True)
        yield from itertools.repeat((math.inf, 0.0))

    def loads(self, workers: int) -> Steps:
        """The mean load of the recording, a share of all workers."""
        total_s = self.scale * float(self._works_s.sum())
        mean = total_s / (workers * self.period_s)
        return Steps.constant(mean) if self.loop else Steps.of([0.0, self.period_s], [mean, 0.0])

    def offered_s(self, workers: int, until_s: float) -> float:
        """Work in seconds that arrives up to a time."""
        total_s = np.concatenate([[0.0], np.cumsum(self.scale * self._works_s)])
        times, rest_s = divmod(until_s, self.period_s) if self.loop else (0.0, until_s)
        begun = int(np.searchsorted(self._arrivals_s, rest_s, side="right"))
        return float(times * total_s[-1] + total_s[begun])


def _works(
    load: PoissonLoad | PeriodicLoad | BurstyLoad, rng: np.random.Generator
) -> Iterator[float]:
    """Seconds of work, job after job."""
    return (load.work_s * factor for factor in load.service.factors(rng))


def _read_jobs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Arrival times and works of a recording, both in seconds."""
    with Table(path).check_columns("arrival_s", "work_s") as table:
        arrivals = [table.number(row, "arrival_s") for row in table.rows]
        works = [table.number(row, "work_s") for row in table.rows]
        for row, one, other in zip(table.rows[1:], arrivals, arrivals[1:]):  # noqa: B905
            if other < one:
                table.wrong(row, "arrival_s", "must not be less than the one before")
    if len(arrivals) < 2 or arrivals[-1] == arrivals[0]:
        raise BadInput(f"{path}: must have jobs at two or more different times")
    return np.array(arrivals), np.array(works)


Background = Annotated[
    PoissonLoad | BurstyLoad | PeriodicLoad | ReplayLoad, Field(discriminator="kind")
]
