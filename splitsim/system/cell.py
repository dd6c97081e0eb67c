"""A cell: how devices share its spectrum, its channels, its latency and its radio."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, NonNegative, Share
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


class Reliable(Component):
    """Lost packets are sent again until they arrive: loss costs time and energy.

    A packet takes 1 / (1 - loss) attempts on average, and every transfer that many times its
    bits; the chance in it, and waiting for acknowledgements, are left out.
    """

    kind: Literal["reliable"] = "reliable"
    loss: Share = 0.0

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which new bits arrive."""
        return rate.times(1 - self.loss)

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1 / (1 - self.loss)

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return 0.0


class Unreliable(Component):
    """Lost packets stay lost: loss costs accuracy, as the outcomes at that loss say."""

    kind: Literal["unreliable"]
    loss: Share = 0.0

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which bits are sent."""
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return self.loss


class CellSpec(Component):
    """A cell in the scenario file; ``latency_s`` is one way, between device and cell."""

    sharing: Annotated[Dedicated, Field(discriminator="kind")] = Dedicated()
    transport: Annotated[Reliable | Unreliable, Field(discriminator="kind")] = Reliable()
    radio: str
    latency_s: NonNegative = 0.0
    uplink: Channel
    downlink: Channel
