"""One-way latency between a device and its cell: always the same, or drawn for every task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.rng import endless
from splitsim.world.service import LognormalService


class ConstantLatency(Component):
    """The same for every task; in a file simply the number."""

    kind: Literal["constant"] = "constant"
    value: NonNegative = 0.0

    @property
    def mean(self) -> float:
        """In seconds."""
        return self.value

    def draws_s(self, rng: np.random.Generator) -> Iterator[float]:
        """Latencies, task after task."""
        return repeat(self.value)


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


def _number_as_latency(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    if not isinstance(value, dict | Component):
        raise ValueError("must be a number, or a distribution")  # noqa: TRY004 - pydantic's way
    return value


Latency = Annotated[
    ConstantLatency | LognormalLatency | ExponentialLatency,
    Field(discriminator="kind"),
    BeforeValidator(
        _number_as_latency, json_schema_input_type=float | LognormalLatency | ExponentialLatency
    ),
]
