"""A random waypoint without end: legs made as far as somebody asks, the same at every time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from splitsim.chunk import Chunk
from splitsim.steps import Steps

LEGS = 64  # drawn at a time
PERIOD_S = 600.0  # of speeds made at a time


class Wander:
    """Legs between uniform places of a rectangle.

    Args:
        area_m: its lower and its upper corner, shape (2, 2).
        speed_mps: the slowest and the fastest.
        pause_s: at each place.
        streams: ``streams(0)`` draws the beginning, ``streams(k)`` the k-th legs.
    """

    def __init__(
        self,
        area_m: np.ndarray,
        speed_mps: tuple[float, float],
        pause_s: float,
        streams: Callable[[int], np.random.Generator],
    ) -> None:
        self._area_m, self._speed_mps, self._pause_s = area_m, speed_mps, pause_s
        self._streams = streams
        self._drawn = 0
        lengths_s, self._places_m, self._speeds_mps = self._beginning(streams(0))
        self._times_s = np.append(0.0, np.cumsum(lengths_s))

    def position_m(self, times_s: np.ndarray) -> np.ndarray:
        """Where it is at times, shape (n,); shape (n, 2)."""
        self._reach(float(times_s.max(initial=0.0)))
        axes = [np.interp(times_s, self._times_s, axis) for axis in self._places_m.T]
        return np.stack(axes, axis=1)

    def speed_mps(self) -> Steps:
        """How fast it goes, over time."""
        return Steps(self._chunk, PERIOD_S)

    def _chunk(self, k: int) -> Chunk:
        begin_s, end_s = k * PERIOD_S, (k + 1) * PERIOD_S
        self._reach(end_s)
        first = int(np.searchsorted(self._times_s, begin_s, side="right")) - 1
        last = int(np.searchsorted(self._times_s, end_s))
        starts_s = np.maximum(self._times_s[first:last] - begin_s, 0.0)
        return Chunk(starts_s, self._speeds_mps[first:last], PERIOD_S)

    def _reach(self, time_s: float) -> None:
        while self._times_s[-1] <= time_s:
            self._drawn += 1
            self._more(self._streams(self._drawn))

    def _more(self, rng: np.random.Generator) -> None:
        """The next legs, each with the pause behind it, if there are pauses."""
        targets_m = rng.uniform(self._area_m[0], self._area_m[1], (LEGS, 2))
        speeds_mps = rng.uniform(*self._speed_mps, LEGS)
        starts_m = np.concatenate([self._places_m[-1:], targets_m[:-1]])
        legs_s = np.hypot(*(targets_m - starts_m).T) / speeds_mps
        rows = 2 if self._pause_s else 1
        lengths_s = np.stack([legs_s, np.full(LEGS, self._pause_s)], axis=1)[:, :rows].ravel()
        speeds_mps = np.stack([speeds_mps, np.zeros(LEGS)], axis=1)[:, :rows].ravel()
        times_s = self._times_s[-1] + np.cumsum(lengths_s)
        self._times_s = np.concatenate([self._times_s, times_s])
        self._places_m = np.concatenate([self._places_m, np.repeat(targets_m, rows, axis=0)])
        self._speeds_mps = np.concatenate([self._speeds_mps, speeds_mps])

    def _beginning(self, rng: np.random.Generator) -> tuple[list[float], np.ndarray, np.ndarray]:
        """What is left of a leg and its pause: lengths, places and speeds, in the steady state.

        Seen at a random moment it pauses with the share of time that pauses have, anywhere and
        for any part of the pause; or it is anywhere on a leg, drawn with a chance proportional to
        its length, at a speed v with density proportional to 1 / v.
        """
        slow_mps, fast_mps = self._speed_mps
        mean_m = mean_distance_m(*(self._area_m[1] - self._area_m[0]).tolist())
        leg_s = mean_m * mean_inverse(slow_mps, fast_mps)
        if rng.random() * (self._pause_s + leg_s) < self._pause_s:
            place_m = rng.uniform(self._area_m[0], self._area_m[1])
            left_s = self._pause_s * (1 - rng.random())
            return [left_s], np.stack([place_m, place_m]), np.zeros(1)
        start_m, target_m = self._long(rng)
        speed_mps = slow_mps * (fast_mps / slow_mps) ** rng.random()
        place_m = start_m + rng.random() * (target_m - start_m)
        left_s = math.dist(place_m, target_m) / speed_mps
        if not self._pause_s:
            return [left_s], np.stack([place_m, target_m]), np.array([speed_mps])
        places_m = np.stack([place_m, target_m, target_m])
        return [left_s, self._pause_s], places_m, np.array([speed_mps, 0.0])

    def _long(self, rng: np.random.Generator) -> np.ndarray:
        """Both ends of a leg, drawn with a chance proportional to its length."""
        longest_m = math.dist(*self._area_m)
        while True:
            ends_m: np.ndarray = rng.uniform(self._area_m[0], self._area_m[1], (2, 2))
            if rng.random() * longest_m < math.dist(*ends_m):
                return ends_m


def mean_inverse(slow: float, fast: float) -> float:
    """The mean of 1 / v for v even between two."""
    return math.log(fast / slow) / (fast - slow) if fast > slow else 1 / slow


def mean_distance_m(a_m: float, b_m: float) -> float:
    """Between two uniform places of a rectangle with these sides (Ghosh 1951)."""
    d_m = math.hypot(a_m, b_m)
    logs = b_m**2 / a_m * math.log((a_m + d_m) / b_m) + a_m**2 / b_m * math.log((b_m + d_m) / a_m)
    cubes = a_m**3 / b_m**2 + b_m**3 / a_m**2
    return (cubes + d_m * (3 - (a_m / b_m) ** 2 - (b_m / a_m) ** 2) + 2.5 * logs) / 15
