"""Where a device is, as a function of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, NonNegative, Number, Positive
from splitsim.steps import Steps
from splitsim.world.recorded import Track, read_track
from splitsim.world.wander import Wander

Streams = Callable[[int], np.random.Generator]
Position = Annotated[tuple[Number, Number], Field(strict=False)]  # a list of two in a file


class Path:
    """The way of one device: its position, and the speed at which it goes there.

    Args:
        position_m: of times in seconds, shape (n,), positions in metres, shape (n, 2).
        speed_mps: its speed over time; the area under it is the distance travelled.
        top_mps: the greatest speed; 0 says that it never moves.
    """

    def __init__(
        self,
        position_m: Callable[[np.ndarray], np.ndarray],
        speed_mps: Steps,
        top_mps: float = math.inf,
    ) -> None:
        self.position_m = position_m
        self.speed_mps = speed_mps
        self.top_mps = top_mps


class Fixed(Component):
    """It stays where it is; of a group each within ``spread_m`` of there."""

    kind: Literal["fixed"]
    position_m: Position
    spread_m: NonNegative = 0.0

    def path(self, streams: Streams) -> Path:
        """Where it is; ``streams(k)`` makes the k-th generator of its draws."""
        here = np.array(self.position_m) + _shift_m(self.spread_m, streams)
        return Path(lambda times_s: np.tile(here, (len(times_s), 1)), Steps.constant(0.0), 0.0)

    def farthest(self, place_m: Position) -> tuple[float, Position]:
        """How far from a place it may be, and near where."""
        return _farthest([self.position_m], self.spread_m, place_m)


class Leg(Component):
    """A straight part of a way, and how long to wait at its end."""

    to_m: Position
    speed_mps: Positive
    pause_s: NonNegative = 0.0


class Waypoints(Component):
    """From a start over legs to the last one's end, and with ``returns`` back again, and so on.

    On the way back it waits where it waited on the way there. Of a group each starts within
    ``spread_m`` of the start, and keeps that distance from the way.
    """

    kind: Literal["waypoints"]
    start_m: Position
    legs: Annotated[Sequence[Leg], Field(min_length=1)]
    returns: bool = False
    spread_m: NonNegative = 0.0

    @model_validator(mode="after")
    def _leads_on(self) -> Self:
        for n, (here, there) in enumerate(pairwise(self._corners)):
            if here == there:
                raise ValueError(f"leg {n} ends where it begins; use the pause_s of the one before")
        return self

    def path(self, streams: Streams) -> Path:
        """Where it is; ``streams(k)`` makes the k-th generator of its draws."""
        times_s, places_m = [0.0], [self.start_m]
        for leg in self.legs:
            times_s.append(times_s[-1] + math.dist(places_m[-1], leg.to_m) / leg.speed_mps)
            places_m.append(leg.to_m)
            if leg.pause_s:
                times_s.append(times_s[-1] + leg.pause_s)
                places_m.append(leg.to_m)
        track = Track(np.array(times_s), np.array(places_m))
        return _path(track, self.returns, _shift_m(self.spread_m, streams))

    def farthest(self, place_m: Position) -> tuple[float, Position]:
        """How far from a place it may be, and near where."""
        return _farthest(self._corners, self.spread_m, place_m)

    @property
    def _corners(self) -> Sequence[Position]:
        return [self.start_m, *(leg.to_m for leg in self.legs)]


class RandomWaypoint(Component):
    """Legs to uniform places of a rectangle, each at a speed drawn evenly, with pauses between.

    It begins in its steady state, by Le Boudec and Vojnovic (INFOCOM 2005): without that, slow
    legs last ever longer, and the mean speed falls as time goes by.

    Args:
        area_m: two opposite corners.
        speed_mps: the slowest and the fastest, both above 0.
        pause_s: at each place.
    """

    kind: Literal["random-waypoint"]
    area_m: Annotated[tuple[Position, Position], Field(strict=False)]
    speed_mps: Annotated[tuple[Positive, Positive], Field(strict=False)]
    pause_s: NonNegative = 0.0

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        (left, low), (right, high) = self.area_m
        if left == right or low == high:
            raise ValueError("area_m must be two opposite corners of a rectangle; move one")
        if self.speed_mps[0] > self.speed_mps[1]:
            raise ValueError("speed_mps must be the slowest, then the fastest; swap them")
        return self

    def path(self, streams: Streams) -> Path:
        """Where it is; ``streams(k)`` makes the k-th generator of its draws."""
        corners = np.sort(np.array(self.area_m), axis=0)
        way = Wander(corners, self.speed_mps, self.pause_s, streams)
        return Path(way.position_m, way.speed_mps(), self.speed_mps[1])

    def farthest(self, place_m: Position) -> tuple[float, Position]:
        """How far from a place it may be, and near where."""
        (left, low), (right, high) = self.area_m
        return _farthest([(x, y) for x in (left, right) for y in (low, high)], 0.0, place_m)


class Recorded(Component):
    """A recorded way: a CSV file with ``time_s`` and ``x_m,y_m``, or ``lat_deg,lon_deg``.

    ``file`` is relative to the scenario file; a bare name is looked up in the ``paths/`` of your
    tables, too. Degrees become metres east and north of ``origin`` (latitude, longitude), or of
    the first row. Between rows it goes straight at an even speed; after the last it stays, or
    with ``returns`` goes back the same way, and so on. Of a group each keeps a place within
    ``spread_m`` of the recorded one.
    """

    kind: Literal["path"]
    file: str
    origin: Annotated[tuple[Number, Number], Field(strict=False)] | None = None
    returns: bool = False
    spread_m: NonNegative = 0.0

    _track: Track = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        find: Callable[[str], FilePath] = (info.context or {}).get("find_path", FilePath)
        self._track = read_track(find(self.file), self.origin)
        return self

    def path(self, streams: Streams) -> Path:
        """Where it is; ``streams(k)`` makes the k-th generator of its draws."""
        return _path(self._track, self.returns, _shift_m(self.spread_m, streams))

    def farthest(self, place_m: Position) -> tuple[float, Position]:
        """How far from a place it may be, and near where."""
        return _farthest(self._track.places_m.tolist(), self.spread_m, place_m)


def _shift_m(spread_m: float, streams: Streams) -> np.ndarray:
    """A place drawn evenly from a disc around (0, 0)."""
    if not spread_m:
        return np.zeros(2)
    share, turn = streams(0).random(2)
    angle = 2 * math.pi * turn
    return spread_m * math.sqrt(share) * np.array([math.cos(angle), math.sin(angle)])


def _farthest(
    places: Sequence[Sequence[float]], spread_m: float, place_m: Position
) -> tuple[float, Position]:
    x_m, y_m = max(places, key=lambda place: math.dist(place, place_m))
    return math.dist((x_m, y_m), place_m) + spread_m, (x_m, y_m)


def _path(track: Track, returns: bool, shift_m: np.ndarray) -> Path:
    """A way along a track, once or there and back again and again."""
    track = track.and_back() if returns else track
    times_s, places_m = track.times_s, track.places_m + shift_m
    speeds_mps = track.speeds_mps

    def position_m(at_s: np.ndarray) -> np.ndarray:
        local_s = at_s % times_s[-1] if returns else at_s
        return np.stack([np.interp(local_s, times_s, axis) for axis in places_m.T], axis=1)

    if returns:
        speed = Steps.loop(times_s[:-1], speeds_mps, times_s[-1])
    else:
        speed = Steps.of(times_s, [*speeds_mps, 0.0])
    return Path(position_m, speed, float(speeds_mps.max()))


Mobility = Annotated[
    Fixed | Waypoints | RandomWaypoint | Recorded,
    Field(discriminator="kind"),
]
