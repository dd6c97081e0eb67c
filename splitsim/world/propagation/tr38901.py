"""TR 38.901 (V16): path loss, chance of a line of sight and shadowing, as published.

Tables 7.4.1-1 (path loss), 7.4.2-1 (line of sight), 7.5-6 (correlation of shadowing) and
7.6.3.1-2 (correlation of the state). Distances in metres, ``flat_m`` along the ground and
``direct_m`` through the air; frequencies in GHz inside, as there; c = 3.0e8 m/s, as there.
Arrays in, arrays out, of the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

Array = np.ndarray
LIGHT_MPS = 3.0e8
CARRIER_HZ = (0.5e9, 100e9)


class Link(NamedTuple):
    """What a path loss depends on beside the distance: the carrier and two heights."""

    carrier_hz: float
    site_m: float
    device_m: float

    @property
    def rise_m(self) -> float:
        """By how much one end is above the other."""
        return abs(self.site_m - self.device_m)

    def direct_m(self, flat_m: Array) -> Array:
        """The distance through the air."""
        direct_m: Array = np.hypot(flat_m, self.rise_m)
        return direct_m

    def flat_m(self, direct_m: float) -> float:
        """The distance along the ground, 0 where it is less than the difference of heights."""
        return math.sqrt(max(direct_m**2 - self.rise_m**2, 0.0))

    @property
    def carrier_db(self) -> float:
        """20 log10 of the carrier in GHz."""
        return 20 * math.log10(self.carrier_hz / 1e9)

    @property
    def break_m(self) -> float:
        """Where the reflection from a ground 1 m up begins to cancel the direct path."""
        return 4 * (self.site_m - 1) * (self.device_m - 1) * self.carrier_hz / LIGHT_MPS


class Shadow(NamedTuple):
    """Log-normal shadowing: its deviation, and where its correlation has fallen to 1/e."""

    sigma_db: float
    correlation_m: float


Law = Callable[[Array, Link], Array]  # dB, of the distance along the ground


@dataclass(frozen=True)
class Environment:
    """One of the standard's environments.

    Attributes:
        los_db: path loss with a line of sight.
        nlos_db: and without one, before the larger of both is taken.
        los_chance: of the distance along the ground.
        shadows: with and without a line of sight.
        state_m: correlation distance of the state.
        distance_m: for which it holds.
        direct: that distance is through the air.
        site_m: height of a site; None if the standard does not fix one.
        usual_m: height of a site of which nothing is said.
        device_m: heights of devices for which it holds.
    """

    los_db: Law
    nlos_db: Law
    los_chance: Callable[[Array], Array]
    shadows: tuple[Shadow, Shadow]
    state_m: float
    distance_m: tuple[float, float]
    direct: bool
    site_m: float | None
    usual_m: float
    device_m: tuple[float, float]


def _two_slopes(start_db: float, slope: float, beyond: float) -> Law:
    """A slope per decade up to the break, and 40 dB after it."""

    def los_db(flat_m: Array, link: Link) -> Array:
        log_m = np.log10(link.direct_m(flat_m))
        before = slope * log_m
        after = 40 * log_m - beyond * math.log10(link.break_m**2 + link.rise_m**2)
        loss_db: Array = (
            start_db + link.carrier_db + np.where(flat_m <= link.break_m, before, after)
        )
        return loss_db

    return los_db


def _one_slope(start_db: float, slope: float, carrier: float, per_m: float = 0.0) -> Law:
    """Slopes per decade of distance and of frequency, and one per metre of the device's height."""

    def loss_db(flat_m: Array, link: Link) -> Array:
        log_m = np.log10(link.direct_m(flat_m))
        fixed_db = start_db + carrier * link.carrier_db / 20 - per_m * (link.device_m - 1.5)
        loss: Array = fixed_db + slope * log_m
        return loss

    return loss_db


def _street(reach_m: float) -> Callable[[Array], Array]:
    """The chance of a line of sight outdoors, to devices below 13 m."""

    def chance(flat_m: Array) -> Array:
        near = 18 / np.maximum(flat_m, 18)
        found: Array = near + np.exp(-flat_m / reach_m) * (1 - near)
        return found

    return chance


def _office(
    certain_m: float, near_m: float, break_m: float, far: float, far_m: float
) -> Callable[[Array], Array]:
    """The chance of a line of sight in an office: certain, then two exponentials."""

    def chance(flat_m: Array) -> Array:
        near = np.exp(-np.maximum(flat_m - certain_m, 0) / near_m)
        found: Array = np.where(flat_m < break_m, near, far * np.exp(-(flat_m - break_m) / far_m))
        return found

    return chance


UMI = Environment(
    los_db=_two_slopes(32.4, 21, 9.5),
    nlos_db=_one_slope(22.4, 35.3, 21.3, 0.3),
    los_chance=_street(36),
    shadows=(Shadow(4, 10), Shadow(7.82, 13)),
    state_m=50,
    distance_m=(10, 5000),
    direct=False,
    site_m=10,
    usual_m=10,
    device_m=(1.5, 22.5),
)
# Above 13 m the standard draws the height of what reflects, and has more lines of sight.
UMA = Environment(
    los_db=_two_slopes(28.0, 22, 9),
    nlos_db=_one_slope(13.54, 39.08, 20, 0.6),
    los_chance=_street(63),
    shadows=(Shadow(4, 37), Shadow(6, 50)),
    state_m=50,
    distance_m=(10, 5000),
    direct=False,
    site_m=25,
    usual_m=25,
    device_m=(1.5, 13),
)
INH = Environment(
    los_db=_one_slope(32.4, 17.3, 20),
    nlos_db=_one_slope(17.3, 38.3, 24.9),
    los_chance=_office(1.2, 4.7, 6.5, 0.32, 32.6),
    shadows=(Shadow(3, 10), Shadow(8.03, 6)),
    state_m=10,
    distance_m=(1, 150),
    direct=True,
    site_m=None,
    usual_m=3,
    device_m=(0, math.inf),
)
ENVIRONMENTS = {
    "umi": UMI,
    "uma": UMA,
    "inh": INH,
    "inh-open": replace(INH, los_chance=_office(5, 70.8, 49, 0.54, 211.7)),
}
