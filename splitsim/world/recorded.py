"""A recorded way: times and places, read from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from splitsim.csvtable import Table

EARTH_M = 6_371_008.8  # mean radius


class Track(NamedTuple):
    """Places at times; straight and at an even speed between them.

    Attributes:
        times_s: n times, rising, the first one 0.
        places_m: shape (n, 2).
    """

    times_s: np.ndarray
    places_m: np.ndarray

    @property
    def speeds_mps(self) -> np.ndarray:
        """Between the places, shape (n - 1,)."""
        gone_m = np.diff(self.places_m, axis=0)
        speeds: np.ndarray = np.hypot(gone_m[:, 0], gone_m[:, 1]) / np.diff(self.times_s)
        return speeds

    def and_back(self) -> Track:
        """There and back; a wait at the far end is not made twice."""
        last = len(self.times_s)
        while last > 2 and (self.places_m[last - 1] == self.places_m[last - 2]).all():
            last -= 1
        there_s, back_s = self.times_s, np.diff(self.times_s[:last])[::-1]
        return Track(
            np.concatenate([there_s, there_s[-1] + np.cumsum(back_s)]),
            np.concatenate([self.places_m, self.places_m[: last - 1][::-1]]),
        )


def read_track(path: Path, origin: tuple[float, float] | None = None) -> Track:
    """Read a CSV file with ``time_s`` and ``x_m,y_m``, or ``lat_deg,lon_deg``.

    Degrees are projected around the origin: x = R cos(lat0) (lon - lon0), y = R (lat - lat0),
    which is off by less than 0.1 % within 10 km.

    Args:
        path: of the file.
        origin: latitude and longitude of (0, 0); the first row's by default.

    Raises:
        BadInput: with a line for every mistake in it.
    """
    with Table(path) as table:
        metres = "x_m" in table.header or "lat_deg" not in table.header
        axes = ("x_m", "y_m") if metres else ("lat_deg", "lon_deg")
        table.check_columns("time_s", *axes)
        columns = [[_number(table, row, key) for row in table.rows] for key in ("time_s", *axes)]
        for row, before, time_s in zip(table.rows[1:], columns[0], columns[0][1:], strict=False):
            if time_s <= before:
                table.wrong(row, "time_s", f"must be more than {before:g}, the row before")
        if len(table.rows) < 2:
            table.problems.append(f"{path}: needs two rows or more to lead somewhere")
    times_s, *places = np.array(columns)
    places_m = np.stack(places, axis=1)
    return Track(times_s - times_s[0], places_m if metres else _flat(places_m, origin))


def _number(table: Table, row: dict[str, str], key: str) -> float:
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    limit = {"lat_deg": 90, "lon_deg": 360}.get(key, math.inf)
    if not abs(value) <= limit or math.isinf(value):
        table.wrong(
            row, key, "must be a number" if math.isinf(limit) else f"must be within {limit} degrees"
        )
    return value


def _flat(degrees: np.ndarray, origin: tuple[float, float] | None) -> np.ndarray:
    """Metres east and north of an origin."""
    centre = degrees[0] if origin is None else np.array(origin)
    north_m, east_m = (np.radians(degrees - centre) * EARTH_M).T
    return np.stack([math.cos(math.radians(centre[0])) * east_m, north_m], axis=1)
