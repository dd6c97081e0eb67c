"""From what a sensor says to cumulative joules: counters that wrap, and gauges of power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from splitsim.errors import BadInput
from splitsim.measure.meter import Source

Read = Callable[[], float]
"""Reads a sensor now."""


class Absent(BadInput):
    """This machine does not have such a sensor."""


@dataclass(frozen=True)
class Sensor:
    """A sensor that was found: where it measures, and its cumulative joules."""

    point: str
    source: Source


def together(parts: list[Source]) -> Source:
    """The sum of several."""
    return lambda at_s: sum(part(at_s) for part in parts)


class Integral:
    """Joules from a gauge of power, by the trapezoid rule."""

    def __init__(self, watts: Read) -> None:
        self._watts = watts
        self._last: tuple[float, float] | None = None  # instant, watts
        self._joules = 0.0

    def joules(self, at_s: float) -> float:
        """Joules since the first reading."""
        watts = self._watts()
        before_s, before_w = self._last or (at_s, watts)
        self._joules += (at_s - before_s) * (watts + before_w) / 2
        self._last = at_s, watts
        return self._joules


class Counter:
    """Joules from a counter of energy that starts anew at the end of its range.

    Args:
        name: of the counter, for errors.
        count: reads it.
        unit_j: joules per count.
        range_counts: where it wraps; 0 if it does not.
    """

    def __init__(self, name: str, count: Read, unit_j: float, range_counts: float = 0.0) -> None:
        self._name = name
        self._count = count
        self._unit_j = unit_j
        self._range_counts = range_counts
        self._last: float | None = None
        self._counts = 0.0

    def joules(self, _at_s: float) -> float:
        """Joules since the first reading."""
        count = self._count()
        self._counts += self._step(count - (count if self._last is None else self._last))
        self._last = count
        return self._counts * self._unit_j

    def _step(self, step: float) -> float:
        """Counts since the last reading, of which there are many per wrap."""
        if step >= 0:
            return step
        step += self._range_counts
        if not 0 <= step <= self._range_counts / 2:
            raise BadInput(f"{self._name}: the counter went back: it was reset; measure again")
        return step
