"""What a cell's sites lose on the way to any place: path loss, line of sight and shadowing.

All of it is a function of the place and the site, drawn for (seed, cell, site): devices at the
same place see the same, and so do both directions.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from splitsim.rng import stream
from splitsim.world.geometry import Geometry
from splitsim.world.propagation.field import Field, gudmundson, smooth
from splitsim.world.propagation.pathloss import PathLoss
from splitsim.world.propagation.tr38901 import Link, Shadow


def normal_share(values: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in values.tolist()])


class Landscape:
    """The surroundings of one site.

    A place has a line of sight where a smooth field, taken to a uniform number, is below the
    chance at its distance (TR 38.901, 7.6.3.3); the shadowing of each state has a field too.

    Args:
        place_m: the site's, shape (2,).
        link: carrier and heights.
        law: the path loss.
        shadows: with and without a line of sight.
        streams: ``streams(role)`` draws what is particular to this site.
    """

    def __init__(
        self,
        place_m: np.ndarray,
        link: Link,
        law: PathLoss,
        shadows: tuple[Shadow, Shadow],
        streams: partial[np.random.Generator],
    ) -> None:
        self._place_m, self._link, self._law, self._shadows = place_m, link, law, shadows
        self._state = Field(smooth, law.state_m, rng=streams(role="line-of-sight"))
        self._fields = [
            Field(gudmundson, shadow.correlation_m, rng=streams(role=f"shadowing-{state}"))
            for state, shadow in zip(("los", "nlos"), shadows, strict=True)
        ]

    def line_of_sight(self, places_m: np.ndarray) -> np.ndarray:
        """Whether there is one at places, shape (n, 2); shape (n,)."""
        chance = self._law.los_chance(self._flat_m(places_m))
        los = chance >= 1
        open_ = (chance > 0) & ~los
        if open_.any():
            los[open_] = normal_share(self._state.values(places_m[open_])) < chance[open_]
        return los

    def shadow_db(self, places_m: np.ndarray, los: np.ndarray) -> np.ndarray:
        """The loss beyond the path loss at places, shape (n, 2), with their state; shape (n,)."""
        found_db = np.zeros(len(places_m))
        for state, shadow, field in zip((los, ~los), self._shadows, self._fields, strict=True):
            if shadow.sigma_db and state.any():
                found_db[state] = shadow.sigma_db * field.values(places_m[state])
        return found_db

    def loss_db(self, places_m: np.ndarray) -> np.ndarray:
        """Path loss and shadowing at places, shape (n, 2); shape (n,).

        Raises:
            ValueError: one of them is farther than the path loss holds.
        """
        los, flat_m = self.line_of_sight(places_m), self._flat_m(places_m)
        far = int(flat_m.argmax())
        if flat_m[far] > self._law.reach_m(self._link)[1] * (1 + 1e-9):
            x_m, y_m = places_m[far]
            raise ValueError(
                f"({x_m:g}, {y_m:g}) is {flat_m[far]:,.0f} m from a site; {self._law.kind} holds "
                f"up to {self._law.reach_m(self._link)[1]:,.0f} m along the ground"
            )
        loss_db: np.ndarray = self._law.loss_db(flat_m, self._link, los)
        loss_db += self.shadow_db(places_m, los)
        return loss_db

    def _flat_m(self, places_m: np.ndarray) -> np.ndarray:
        away_m = places_m - self._place_m
        flat_m: np.ndarray = np.hypot(away_m[:, 0], away_m[:, 1])
        return flat_m


def landscapes(geometry: Geometry, cell: str, seed: int) -> list[Landscape]:
    """The surroundings of every site of a cell.

    Raises:
        ValueError: the geometry has no path loss.
    """
    law = geometry.path_loss
    if law is None:
        raise ValueError("there is no path_loss")
    return [
        Landscape(
            np.array(site.position_m), link, law, geometry.shadows, _streams(seed, f"{cell}/{n}")
        )
        for n, (site, link) in enumerate(zip(geometry.sites, geometry.links, strict=True))
    ]


def _streams(seed: int, name: str) -> partial[np.random.Generator]:
    return partial(stream, seed, name=name)
