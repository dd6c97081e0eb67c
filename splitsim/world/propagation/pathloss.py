"""Path loss: what a signal loses over a distance, with a line of sight and without one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Number, Positive
from splitsim.world.propagation.tr38901 import (
    CARRIER_HZ,
    ENVIRONMENTS,
    Environment,
    Link,
    Shadow,
)

VACUUM_MPS = 299_792_458.0


class LogDistance(Component):
    """PL = reference_db + 10 exponent log10(d / reference_m), d through the air.

    Without ``reference_db`` it is that of free space, 20 log10(4 pi reference_m f / c). Nearer
    than ``reference_m`` the loss is that at ``reference_m``. There is always a line of sight, and
    no shadowing unless it is given.
    """

    kind: Literal["log-distance"]
    exponent: Positive
    reference_m: Positive = 1.0
    reference_db: Number | None = None

    @property
    def usual_m(self) -> float:
        """Height of a site of which nothing is said."""
        return 10.0

    @property
    def shadows(self) -> tuple[Shadow, Shadow]:
        """Shadowing with and without a line of sight: none."""
        return Shadow(0.0, 1.0), Shadow(0.0, 1.0)

    @property
    def state_m(self) -> float:
        """Correlation distance of the line of sight, which is always there."""
        return 1.0

    def misfits(self, link: Link) -> Iterator[str]:
        """What it does not hold for: nothing."""
        yield from ()

    def reach_m(self, link: Link) -> tuple[float, float]:
        """The distances along the ground for which it holds."""
        return link.flat_m(self.reference_m), math.inf

    def los_chance(self, flat_m: np.ndarray) -> np.ndarray:
        """The chance of a line of sight at distances along the ground, shape (n,)."""
        return np.ones_like(flat_m)

    def loss_db(self, flat_m: np.ndarray, link: Link, los: np.ndarray) -> np.ndarray:
        """The loss at distances along the ground, shape (n,)."""
        start_db = self.reference_db
        if start_db is None:
            waves = self.reference_m * link.carrier_hz / VACUUM_MPS
            start_db = 20 * math.log10(4 * math.pi * waves)
        ratios = np.maximum(link.direct_m(flat_m) / self.reference_m, 1.0)
        loss_db: np.ndarray = start_db + 10 * self.exponent * np.log10(ratios)
        return loss_db


class Standard(Component):
    """An environment of TR 38.901: a street canyon, a town seen from roofs, an office.

    Nearer than its range (10 m along the ground outdoors, 1 m through the air in offices) the
    loss is that at the range's beginning; farther is an error.
    """

    kind: Literal["umi", "uma", "inh", "inh-open"]
    line_of_sight: Literal["drawn", "always", "never"] = "drawn"

    @property
    def usual_m(self) -> float:
        """Height of a site of which nothing is said."""
        return self._law.usual_m

    @property
    def shadows(self) -> tuple[Shadow, Shadow]:
        """Shadowing with and without a line of sight."""
        return self._law.shadows

    @property
    def state_m(self) -> float:
        """Correlation distance of the line of sight."""
        return self._law.state_m

    def misfits(self, link: Link) -> Iterator[str]:
        """What it does not hold for, each in a line."""
        low_hz, high_hz = CARRIER_HZ
        low_m, high_m = self._law.device_m
        if not low_hz <= link.carrier_hz <= high_hz:
            said = f"{low_hz / 1e9:g}e9 to {high_hz / 1e9:g}e9"
            yield f"carrier_hz must be {said} for {self.kind}, not {link.carrier_hz:g}"
        if self._law.site_m not in (None, link.site_m):
            what = f"sites must be {self._law.site_m:g} m high for {self.kind}"
            yield f"{what}, not {link.site_m:g}; log-distance takes any"
        if not low_m <= link.device_m <= high_m:
            said = f"{low_m:g} to {high_m:g} m"
            yield f"device_height_m must be {said} for {self.kind}, not {link.device_m:g}"

    def reach_m(self, link: Link) -> tuple[float, float]:
        """The distances along the ground for which it holds."""
        near_m, far_m = self._law.distance_m
        return (link.flat_m(near_m), link.flat_m(far_m)) if self._law.direct else (near_m, far_m)

    def los_chance(self, flat_m: np.ndarray) -> np.ndarray:
        """The chance of a line of sight at distances along the ground, shape (n,)."""
        if self.line_of_sight != "drawn":
            return np.full_like(flat_m, self.line_of_sight == "always")
        return self._law.los_chance(flat_m)

    def loss_db(self, flat_m: np.ndarray, link: Link, los: np.ndarray) -> np.ndarray:
        """The loss at distances along the ground, shape (n,).

        Args:
            flat_m: the distances, at most the far end of ``reach_m``.
            link: carrier and heights.
            los: where there is a line of sight, shape (n,).
        """
        held_m = np.maximum(flat_m, self.reach_m(link)[0])
        free_db = self._law.los_db(held_m, link)
        hidden_db = np.maximum(free_db, self._law.nlos_db(held_m, link))
        return np.where(los, free_db, hidden_db)

    @property
    def _law(self) -> Environment:
        return ENVIRONMENTS[self.kind]


PathLoss = Annotated[LogDistance | Standard, Field(discriminator="kind")]
