"""When devices join and leave: all of a group together, one after the other, or at random."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.rng import stream


class Together(Component):
    """All members at one time; in a file simply the number."""

    kind: Literal["together"] = "together"
    at_s: NonNegative

    def time_s(self, member: int, rng: np.random.Generator) -> float:
        """When it happens to a member."""
        return self.at_s

    def bounds_s(self, member: int) -> tuple[float, float]:
        """Between which times it happens to a member."""
        return self.at_s, self.at_s


class OneByOne(Component):
    """The first member at ``first_s``, each further one ``every_s`` later."""

    kind: Literal["one-by-one"]
    first_s: NonNegative
    every_s: Positive

    def time_s(self, member: int, rng: np.random.Generator) -> float:
        """When it happens to a member."""
        return self.first_s + member * self.every_s

    def bounds_s(self, member: int) -> tuple[float, float]:
        """Between which times it happens to a member."""
        at_s = self.first_s + member * self.every_s
        return at_s, at_s


class Uniform(Component):
    """Each member at a time of its own, uniform between two times."""

    kind: Literal["uniform"]
    from_s: NonNegative
    to_s: Positive

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_s <= self.from_s:
            raise ValueError(f"to_s must be more than from_s ({self.from_s:g}), not {self.to_s:g}")
        return self

    def time_s(self, member: int, rng: np.random.Generator) -> float:
        """When it happens to a member."""
        return self.from_s + (self.to_s - self.from_s) * rng.random()

    def bounds_s(self, member: int) -> tuple[float, float]:
        """Between which times it happens to a member."""
        return self.from_s, self.to_s


def when_s(times: Times | None, what: str, seed: int, device: str, without_s: float) -> float:
    """When something happens to a device, whose name ends with its number in its group."""
    if times is None:
        return without_s
    return times.time_s(int(device.rpartition("-")[2]), stream(seed, what, device))


def _number_as_time(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "together", "at_s": value}
    if not isinstance(value, dict | Component):
        raise ValueError("must be a number, or a way to spread it over the members")  # noqa: TRY004
    return value


# When something happens to each member of a group: a number, or a way to spread it.
Times = Annotated[
    Together | OneByOne | Uniform,
    Field(discriminator="kind"),
    BeforeValidator(_number_as_time, json_schema_input_type=float | Together | OneByOne | Uniform),
]
