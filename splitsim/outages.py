"""Outages: when a server, a cell or a back-haul is down."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.errors import BadInput
from splitsim.steps import Steps


class Outage(Component):
    """Nothing works from a time until another."""

    from_s: NonNegative
    to_s: Positive

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_s <= self.from_s:
            raise ValueError(f"ends at {self.to_s:g} s, must be after from_s ({self.from_s:g})")
        return self


def _one_after_another(outages: Sequence[Outage]) -> Sequence[Outage]:
    for one, next_ in pairwise(outages):
        if next_.from_s < one.to_s:
            raise BadInput(
                f"the one from {next_.from_s:g} s begins before that from {one.from_s:g} s is over "
                f"({one.to_s:g} s); list them in order, or make them one"
            )
    return outages


Outages = Annotated[Sequence[Outage], AfterValidator(_one_after_another)]


def mask(outages: Sequence[Outage]) -> Steps:
    """0 in the outages, 1 elsewhere: what a rate or a speed is to be multiplied by."""
    edges = {0.0: 1.0}
    for outage in outages:
        edges[outage.from_s], edges[outage.to_s] = 0.0, 1.0
    return Steps.of(list(edges), list(edges.values())) if outages else Steps.constant(1.0)


def held_s(outages: Sequence[Outage], time_s: float) -> float:
    """How long something that comes at a time has to wait until no outage is in its way."""
    end_s = time_s
    for outage in outages[max(bisect_right(outages, time_s, key=_begin) - 1, 0) :]:
        if not outage.from_s <= end_s < outage.to_s:
            break
        end_s = outage.to_s
    return end_s - time_s


def through_s(outages: Sequence[Outage], time_s: float) -> float:
    """The latest time, up to a given one, at which no outage was in the way."""
    for outage in reversed(outages):
        if outage.from_s <= time_s < outage.to_s:
            time_s = math.nextafter(outage.from_s, -math.inf)
    return time_s


def _begin(outage: Outage) -> float:
    return outage.from_s
