"""One-way latency between a device and its cell: given over time, recorded, or drawn by task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from splitsim.component import (
    AnyCurve,
    Component,
    ConstantCurve,
    NonNegative,
    Positive,
    number_as_curve,
    within,
)
from splitsim.rng import endless
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.beside import TraceLatency
from splitsim.world.service import LognormalService


class LognormalLatency(Component):
    """Log-normal of mean ``mean_s`` and coefficient of variation ``cv``."""

    kind: Literal["lognormal"]
    mean_s: Positive
    cv: Positive

    @property
    def mean(self) -> float:
        """In seconds."""
        return self.mean_s

    def draws_s(self, rng: np.random.Generator) -> Iterator[float]:
        """Latencies, task after task."""
        factors = LognormalService(kind="lognormal", cv=self.cv).factors(rng)
        return (self.mean_s * factor for factor in factors)


class ExponentialLatency(Component):
    """At least ``least_s``, and an exponential rest that makes the mean ``mean_s``."""

    kind: Literal["exponential"]
    mean_s: Positive
    least_s: NonNegative = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.least_s > self.mean_s:
            raise ValueError(f"least_s must be at most mean_s ({self.mean_s:g})")
        return self

    @property
    def mean(self) -> float:
        """In seconds."""
        return self.mean_s

    def draws_s(self, rng: np.random.Generator) -> Iterator[float]:
        """Latencies, task after task."""
        rest_s = self.mean_s - self.least_s
        return endless(lambda n: self.least_s + rest_s * rng.standard_exponential(n))


Drawn = LognormalLatency | ExponentialLatency
LatencyKind = AnyCurve | Drawn | TraceLatency
Latency = Annotated[
    LatencyKind,
    Field(discriminator="kind"),
    BeforeValidator(number_as_curve, json_schema_input_type=float | LatencyKind),
    within(0.0),
]


def expected_s(latency: LatencyKind) -> float:
    """What a device expects it to be: the mean, or what a curve is at the beginning."""
    return latency.first if isinstance(latency, AnyCurve) else latency.mean


def shortest_s(latency: LatencyKind) -> float:
    """What it is at the best of times; of one that is drawn the mean."""
    if isinstance(latency, AnyCurve):
        return latency.extremes[0]
    return latency.least if isinstance(latency, TraceLatency) else latency.mean


def draws_s(latency: LatencyKind, rng: np.random.Generator) -> Iterator[float]:
    """What chance adds, task after task; all of it, unless it changes over time."""
    if isinstance(latency, ConstantCurve):
        return repeat(latency.value)
    return latency.draws_s(rng) if isinstance(latency, Drawn) else repeat(0.0)


def over_time(latency: LatencyKind, around: Around) -> Steps | None:
    """What it is over time; None where it does not change, or is drawn."""
    if isinstance(latency, ConstantCurve | Drawn):
        return None
    return latency.steps(around) if isinstance(latency, TraceLatency) else latency.steps()
