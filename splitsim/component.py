"""What every part of a scenario file is made of: frozen models, checked numbers, curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from splitsim.steps import Steps

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
# Names become parts of file names and of dotted paths.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


class Component(BaseModel):
    """A part of a scenario file: frozen, and strict about its keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ConstantCurve(Component):
    """A value that does not change; in a file simply the number."""

    kind: Literal["constant"] = "constant"
    value: NonNegative

    def steps(self) -> Steps:
        """The curve as a function of time."""
        return Steps.constant(self.value)

    def whens(self, chunks: Iterable[np.ndarray]) -> Iterator[float]:
        """When the integral of the curve reaches each of some rising values."""
        for areas in chunks:
            yield from (areas / self.value).tolist() if self.value else [math.inf] * len(areas)


class StepCurve(Component):
    """``values[i]`` holds from ``times_s[i]`` on, the last one for ever."""

    kind: Literal["steps"]
    times_s: Annotated[Sequence[NonNegative], Field(min_length=1)]
    values: Annotated[Sequence[NonNegative], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.times_s) != len(self.values):
            raise ValueError(f"{len(self.times_s)} times_s but {len(self.values)} values")
        if self.times_s[0] != 0 or any(b <= a for a, b in pairwise(self.times_s)):
            raise ValueError("times_s must begin with 0 and rise")
        return self

    def steps(self) -> Steps:
        """The curve as a function of time."""
        return Steps.of(self.times_s, self.values)

    def whens(self, chunks: Iterable[np.ndarray]) -> Iterator[float]:
        """When the integral of the curve reaches each of some rising values."""
        steps = self.steps()
        return (steps.when(area) for areas in chunks for area in areas.tolist())


def _number_as_curve(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    if not isinstance(value, dict | Component):
        raise ValueError("must be a number, or a curve over time")  # noqa: TRY004 - pydantic's way
    return value


# A parameter that may change over time: a number, or a curve.
Curve = Annotated[
    ConstantCurve | StepCurve,
    Field(discriminator="kind"),
    BeforeValidator(_number_as_curve, json_schema_input_type=float | ConstantCurve | StepCurve),
]
