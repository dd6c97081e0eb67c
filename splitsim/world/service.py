"""How long a computation takes against its table: one common factor per task, or a whole run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Positive
from splitsim.rng import endless


class ConstantService(Component):
    """Always as the table says."""

    kind: Literal["constant"] = "constant"

    def factors(self, rng: np.random.Generator) -> Iterator[float]:
        """Factors, task after task."""
        return itertools.repeat(1.0)


class LognormalService(Component):
    """Log-normal of mean 1 and coefficient of variation ``cv``."""

    kind: Literal["lognormal"]
    cv: Positive

    def factors(self, rng: np.random.Generator) -> Iterator[float]:
        """Factors, task after task: exp(s z - s^2 / 2) with s^2 = ln(1 + cv^2)."""
        variance = math.log1p(self.cv**2)
        sigma = math.sqrt(variance)
        return endless(lambda n: np.exp(sigma * rng.standard_normal(n) - variance / 2))


class ExponentialService(Component):
    """Exponential of mean 1."""

    kind: Literal["exponential"]

    def factors(self, rng: np.random.Generator) -> Iterator[float]:
        """Factors, task after task."""
        return endless(rng.standard_exponential)


class RecordedService(Component):
    """As in one of the whole runs that ``splitsim profile`` recorded, drawn for each task."""

    kind: Literal["recorded"]

    def factors(self, rng: np.random.Generator) -> Iterator[float]:
        """Places among the runs, from 0 to 1: which run it is, and how long, options know."""
        return endless(rng.random)


# Factors that need no table of runs: of sizes, or of others' work.
Sizes = Annotated[
    ConstantService | LognormalService | ExponentialService, Field(discriminator="kind")
]
Service = Annotated[
    ConstantService | LognormalService | ExponentialService | RecordedService,
    Field(discriminator="kind"),
]
