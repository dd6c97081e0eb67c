"""The kinds of sharing that a scenario file may ask for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.system.sharing.airtime import EqualAirtime
from splitsim.system.sharing.blocks import Blocks, EqualRate
from splitsim.system.sharing.contention import Contention
from splitsim.system.sharing.medium import Discipline
from splitsim.system.sharing.proportional import ProportionalFair
from splitsim.system.sharing.steady import WithoutMemory
from splitsim.world.dcf import Wlan


class DedicatedSharing(Component):
    """Every device has its channels for itself."""

    kind: Literal["dedicated"] = "dedicated"

    @property
    def is_half_duplex(self) -> bool:
        """Whether both directions are one medium."""
        return False

    def discipline(self) -> Discipline | None:
        """None: nobody competes."""
        return None


class AirtimeSharing(Component):
    """Active transfers have the medium for equally long: 1/n of their rate each.

    ``half_duplex``: both directions of all devices are one medium, not one each.
    """

    kind: Literal["airtime"]
    half_duplex: bool = False

    @property
    def is_half_duplex(self) -> bool:
        """Whether both directions are one medium."""
        return self.half_duplex

    def discipline(self) -> Discipline:
        """A running one."""
        return EqualAirtime()


class EqualRateSharing(Component):
    """Active transfers move at the same rate; who is below ``min_rate_bps`` waits meanwhile."""

    kind: Literal["equal_rate"]
    min_rate_bps: NonNegative = 0.0
    half_duplex: bool = False

    @property
    def is_half_duplex(self) -> bool:
        """Whether both directions are one medium."""
        return self.half_duplex

    def discipline(self) -> Discipline:
        """A running one."""
        return WithoutMemory(EqualRate(self.min_rate_bps))


class ProportionalFairSharing(Component):
    """Each block of ``block_s`` goes to the best rate relative to its average over ``window_s``."""

    kind: Literal["proportional_fair"]
    block_s: Positive = 1e-3
    window_s: Positive = 0.1
    half_duplex: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window_s < self.block_s:
            raise ValueError(f"window_s must be at least block_s ({self.block_s:g})")
        return self

    @property
    def is_half_duplex(self) -> bool:
        """Whether both directions are one medium."""
        return self.half_duplex

    def discipline(self) -> Discipline:
        """A running one."""
        return Blocks(ProportionalFair(self.block_s, self.window_s))


class WifiSharing(Wlan):
    """Stations contend; channels are PHY rates, and both directions one medium."""

    kind: Literal["wifi"]

    @property
    def is_half_duplex(self) -> bool:
        """Whether both directions are one medium."""
        return True

    def discipline(self) -> Discipline:
        """A running one."""
        return WithoutMemory(Contention(self))


Sharing = Annotated[
    DedicatedSharing | AirtimeSharing | EqualRateSharing | ProportionalFairSharing | WifiSharing,
    Field(discriminator="kind"),
]
