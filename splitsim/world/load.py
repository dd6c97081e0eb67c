"""Background load: work that others bring to a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Curve, Positive
from splitsim.world.arrivals import unit_arrivals
from splitsim.world.service import ConstantService, Service


class PoissonLoad(Component):
    """Jobs of mean ``work_s`` at Poisson times that keep a share ``load`` of all workers busy.

    Unit-rate arrivals are scaled by the load: the same randomness serves every load.
    """

    kind: Literal["poisson"]
    load: Curve
    work_s: Positive
    service: Service = ConstantService()

    def jobs(self, times: np.random.Generator, sizes: np.random.Generator, workers: int) -> Jobs:
        """Pairs of arrival time and work, both in seconds, rising in time, without end."""
        seconds = (arrivals * self.work_s / workers for arrivals in unit_arrivals(times))
        factors = self.service.factors(sizes)
        works = (self.work_s * factor for factor in factors)
        return zip(self.load.whens(seconds), works)  # noqa: B905 - neither ends

    def offered_s(self, workers: int, until_s: float) -> float:
        """Expected work in seconds up to a time."""
        return workers * self.load.steps().area(until_s)


Jobs = Iterator[tuple[float, float]]
Background = Annotated[PoissonLoad, Field(discriminator="kind")]
