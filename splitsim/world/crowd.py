"""Background devices: they send without tasks, and do nothing but load a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Count, Curve, Positive
from splitsim.world.arrivals import unit_arrivals
from splitsim.world.channel import Channel
from splitsim.world.service import ConstantService, Sizes


class PoissonCrowd(Component):
    """``count`` devices, each with transfers of mean ``transfer_bytes`` at Poisson times.

    ``rate_hz`` is that of one device. Their channels are those of the cell, each drawn for itself,
    or ``channel``.
    """

    kind: Literal["poisson"]
    count: Count = 1
    rate_hz: Curve
    transfer_bytes: Positive
    sizes: Sizes = ConstantService()
    direction: Literal["uplink", "downlink"] = "uplink"
    channel: Channel | None = None

    def transfers(
        self, times: np.random.Generator, sizes: np.random.Generator
    ) -> Iterator[tuple[float, float]]:
        """Pairs of arrival time in seconds and bytes, rising in time, without end."""
        factors = self.sizes.factors(sizes)
        works = (self.transfer_bytes * factor for factor in factors)
        return zip(self.rate_hz.whens(unit_arrivals(times)), works)  # noqa: B905 - neither ends


Crowd = Annotated[PoissonCrowd, Field(discriminator="kind")]
