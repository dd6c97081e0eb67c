"""Where the sites of a cell stand, and how much of what is sent arrives somewhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from splitsim.component import Component, Positive
from splitsim.world.mobility import Position


class Site(Component):
    """A base station or access point."""

    position_m: Position
    height_m: Positive = 10.0


class Geometry(Component):
    """The sites of a cell and the law of propagation around them."""

    carrier_hz: Positive
    sites: Annotated[Sequence[Site], Field(min_length=1)]
