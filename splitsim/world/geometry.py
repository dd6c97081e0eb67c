"""Where the sites of a cell stand, and the law of propagation around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from splitsim.component import Component, Positive
from splitsim.errors import BadInput
from splitsim.world.mobility import Mobility, Position
from splitsim.world.propagation.handover import Handover
from splitsim.world.propagation.pathloss import PathLoss
from splitsim.world.propagation.shadowing import Shadowing
from splitsim.world.propagation.tr38901 import Link, Shadow


class Site(Component):
    """A base station or access point; without a height it is the path loss's usual one."""

    position_m: Position
    height_m: Positive | None = None


class Geometry(Component):
    """The sites of a cell and the law of propagation around them.

    Devices are served by one site at a time; ``handover`` says when by another. Without
    ``shadowing`` it is the path loss's own.
    """

    carrier_hz: Positive
    sites: Annotated[Sequence[Site], Field(min_length=1)]
    device_height_m: Positive = 1.5
    path_loss: PathLoss | None = None
    shadowing: Shadowing | None = None
    handover: Handover = Handover()

    @model_validator(mode="after")
    def _holds(self) -> Self:
        law = self.path_loss
        found = dict.fromkeys(
            misfit for link in self.links for misfit in (law.misfits(link) if law else ())
        )
        if found:
            raise BadInput(*found)
        return self

    @property
    def links(self) -> Sequence[Link]:
        """Carrier and heights of the link to each site."""
        usual_m = self.path_loss.usual_m if self.path_loss else 10.0
        return [
            Link(self.carrier_hz, site.height_m or usual_m, self.device_height_m)
            for site in self.sites
        ]

    @property
    def shadows(self) -> tuple[Shadow, Shadow]:
        """Shadowing with and without a line of sight."""
        law = self.shadowing or self.path_loss
        return law.shadows if law else (Shadow(0.0, 1.0), Shadow(0.0, 1.0))

    def beyond(self, mobility: Mobility) -> Iterator[str]:
        """How devices come farther from a site than the path loss holds, each in a line."""
        for n, (site, link) in enumerate(zip(self.sites, self.links, strict=True)):
            far_m, (x_m, y_m) = mobility.farthest(site.position_m)
            if self.path_loss and far_m > self.path_loss.reach_m(link)[1]:
                reach_m = self.path_loss.reach_m(link)[1]
                yield (
                    f"comes {far_m:,.0f} m from site {n} at ({x_m:g}, {y_m:g}); "
                    f"{self.path_loss.kind} holds up to {reach_m:,.0f} m along the ground"
                )
