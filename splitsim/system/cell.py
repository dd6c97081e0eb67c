"""A cell: how devices share its spectrum, its channels, its latency and its radio."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, NonNegative
from splitsim.steps import Steps
from splitsim.system.clock import Clock
from splitsim.system.stations import Link
from splitsim.world.channel import Channel


class Dedicated(Component):
    """Every device has its channels for itself."""

    kind: Literal["dedicated"] = "dedicated"

    def link(self, clock: Clock, rate: Steps) -> Link:
        """The link of one device in one direction."""
        return Link(clock, rate)


class CellSpec(Component):
    """A cell in the scenario file; ``latency_s`` is one way, between device and cell."""

    sharing: Annotated[Dedicated, Field(discriminator="kind")] = Dedicated()
    radio: str
    latency_s: NonNegative = 0.0
    uplink: Channel
    downlink: Channel
