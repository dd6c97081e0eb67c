"""When tasks are created: open arrivals as times, closed ones as think times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from splitsim.component import Component, Curve, NonNegative, Positive
from splitsim.rng import CHUNK


def unit_arrivals(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Arrivals of a Poisson process of rate one, in chunks, without end."""
    last = 0.0
    while True:
        arrivals = last + np.cumsum(rng.standard_exponential(CHUNK))
        last = arrivals[-1]
        yield arrivals


class Poisson(Component):
    """A Poisson process; its rate may change over time.

    Unit-rate arrivals are mapped through the inverse of the integrated rate, so that two rates
    see the same randomness (time change; Cinlar 1975, Introduction to Stochastic Processes).
    """

    kind: Literal["poisson"]
    rate_hz: Curve

    closed: ClassVar[bool] = False

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        """Arrival times in seconds, rising, without end."""
        yield from self.rate_hz.whens(unit_arrivals(rng))


class Periodic(Component):
    """A frame every ``period_s``, each late by a uniform jitter in [0, ``jitter_s``).

    Without ``phase_s`` the first frame falls uniformly into the first period.
    """

    kind: Literal["periodic"]
    period_s: Positive
    jitter_s: NonNegative = 0.0
    phase_s: NonNegative | None = None

    closed: ClassVar[bool] = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.jitter_s > self.period_s:
            raise ValueError(f"jitter_s must be at most period_s ({self.period_s:g})")
        return self

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        """Arrival times in seconds, rising, without end."""
        drawn = self.period_s * rng.random()
        start = drawn if self.phase_s is None else self.phase_s
        first = 0
        while True:
            frames = start + self.period_s * np.arange(first, first + CHUNK)
            yield from (frames + self.jitter_s * rng.random(CHUNK)).tolist()
            first += CHUNK


class Closed(Component):
    """The next frame comes a think time after the last one was answered, or given up."""

    kind: Literal["closed"]
    think_s: NonNegative
    think: Literal["constant", "exponential"] = "constant"

    closed: ClassVar[bool] = True

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        """Think times in seconds, without end."""
        while True:
            drawn = rng.standard_exponential(CHUNK)
            factors = drawn if self.think == "exponential" else np.ones(CHUNK)
            yield from (self.think_s * factors).tolist()


Arrivals = Annotated[Poisson | Periodic | Closed, Field(discriminator="kind")]
