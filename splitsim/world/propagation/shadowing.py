"""Shadowing that a scenario gives, in place of the path loss model's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, NonNegative, Positive
from splitsim.world.propagation.tr38901 import Shadow


class NoShadowing(Component):
    """Nothing stands in the way."""

    kind: Literal["none"]

    @property
    def shadows(self) -> tuple[Shadow, Shadow]:
        """With and without a line of sight."""
        return Shadow(0.0, 1.0), Shadow(0.0, 1.0)


class LogNormal(Component):
    """Log-normal, with autocorrelation exp(-d / correlation_m) (Gudmundson 1991)."""

    kind: Literal["lognormal"]
    sigma_db: NonNegative
    correlation_m: Positive

    @property
    def shadows(self) -> tuple[Shadow, Shadow]:
        """With and without a line of sight: the same, but for the draw."""
        shadow = Shadow(self.sigma_db, self.correlation_m)
        return shadow, shadow


Shadowing = Annotated[NoShadowing | LogNormal, Field(discriminator="kind")]
