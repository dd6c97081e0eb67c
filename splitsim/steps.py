"""A piecewise-constant function of time: the one object for everything that varies.

Rate, mean SNR, background load, server speed. ``area`` and ``when`` are each other's inverse,
so that a transfer's end and a time-changed Poisson process are closed forms:
a transfer of ``bits`` that starts at ``t`` ends at ``when(area(t) + bits)``.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Areas are sums of rounded products; a target missed by this relative amount is met. Without
# it a transfer that ends exactly where an outage begins could wait until the outage is over.
SLACK = 1e-14
KEPT = 2  # chunks held at a time: the one in use and its neighbour; others are made again


def _floats(array: np.ndarray) -> Sequence[float]:
    """A view whose members are Python floats: bisect is twice as fast on them."""
    view: Any = np.ascontiguousarray(array, float)
    return memoryview(view)


class Chunk:
    """One stretch of a Steps, in time relative to its own beginning.

    ``values[i]`` holds from ``starts[i]`` to ``starts[i + 1]``, the last to ``length_s``;
    ``areas[i]`` is the integral up to ``starts[i]`` and ``area`` that of the whole chunk.
    """

    __slots__ = ("area", "areas", "length_s", "starts", "values")

    def __init__(self, starts: np.ndarray, values: np.ndarray, length_s: float) -> None:
        lengths = np.diff(starts, append=length_s)
        # An endless last step of zero has no area; inf * 0 would be NaN.
        parts = np.multiply(values, lengths, out=np.zeros_like(values), where=values != 0)
        sums = np.cumsum(parts)
        areas = np.empty_like(sums)
        areas[0] = 0.0
        areas[1:] = sums[:-1]
        self.starts: Sequence[float] = _floats(starts)
        self.values: Sequence[float] = _floats(values)
        self.areas: Sequence[float] = _floats(areas)
        self.area = float(sums[-1])
        self.length_s = length_s

    def when(self, target: float) -> float:
        """The earliest local time at which the area reaches ``target`` (inf: never)."""
        i = bisect_left(self.areas, target - SLACK * target)
        if i < len(self.areas) and self.areas[i] <= target:
            return self.starts[i]
        i -= 1
        value = self.values[i]
        end = self.starts[i + 1] if i + 1 < len(self.starts) else self.length_s
        return min(self.starts[i] + (target - self.areas[i]) / value, end) if value > 0 else end


class Steps:
    """A piecewise-constant, non-negative function of time on [0, inf).

    Args:
        chunk: ``chunk(k)`` makes the k-th stretch, the same at every call.
        period_s: length of every stretch; inf when there is only one.
    """

    __slots__ = ("_bases", "_chunk", "_held", "period_s")

    def __init__(self, chunk: Callable[[int], Chunk], period_s: float) -> None:
        self._chunk = chunk
        self.period_s = period_s
        self._held: dict[int, Chunk] = {}
        self._bases = [0.0]  # area up to the beginning of chunk k

    @classmethod
    def constant(cls, value: float) -> Steps:
        """The same value for ever."""
        return cls.of([0.0], [value])

    @classmethod
    def of(
        cls, starts: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray
    ) -> Steps:
        """``values[i]`` from ``starts[i]`` on (``starts[0]`` is 0); the last one for ever."""
        return cls.loop(starts, values, math.inf)

    @classmethod
    def loop(
        cls,
        starts: Sequence[float] | np.ndarray,
        values: Sequence[float] | np.ndarray,
        period_s: float,
    ) -> Steps:
        """The same steps again and again, every ``period_s`` seconds."""
        only = Chunk(np.asarray(starts, float), np.asarray(values, float), period_s)
        return cls(lambda _: only, period_s)

    def value(self, time_s: float) -> float:
        """The value at a time (right-continuous)."""
        _, chunk, local = self._at(time_s)
        return chunk.values[bisect_right(chunk.starts, local) - 1]

    def area(self, time_s: float) -> float:
        """The integral from 0 to a time."""
        k, chunk, local = self._at(time_s)
        i = bisect_right(chunk.starts, local) - 1
        value = chunk.values[i]
        part = value * (local - chunk.starts[i]) if value else 0.0
        return self._bases[k] + (chunk.areas[i] + part)

    def when(self, area: float, before_s: float = math.inf) -> float:
        """The earliest time at which the integral reaches ``area``.

        Args:
            area: the integral asked for, >= 0.
            before_s: give up here; a later time, or none, is given as inf.
        """
        k = bisect_left(self._bases, area - SLACK * area) - 1
        k = max(k, 0)
        while self._end(k) < area - SLACK * area:
            k += 1
            if k * self.period_s > before_s:
                return math.inf
        time_s = self._start(k) + self._get(k).when(area - self._bases[k])
        return time_s if time_s <= before_s else math.inf

    def mean(self, from_s: float, to_s: float) -> float:
        """The average over an interval."""
        return (self.area(to_s) - self.area(from_s)) / (to_s - from_s)

    def _at(self, time_s: float) -> tuple[int, Chunk, float]:
        k = int(time_s / self.period_s)
        # Rounding may put a time just before the chunk it falls into.
        return k, self._get(k), max(time_s - self._start(k), 0.0)

    def _start(self, k: int) -> float:
        return k * self.period_s if k else 0.0

    def _end(self, k: int) -> float:
        """The area at the end of chunk k."""
        while len(self._bases) <= k + 1:
            last = len(self._bases) - 1
            self._bases.append(self._bases[last] + self._get(last).area)
        return self._bases[k + 1]

    def _get(self, k: int) -> Chunk:
        try:
            return self._held[k]
        except KeyError:
            return self._make(k)

    def _make(self, k: int) -> Chunk:
        while len(self._held) >= KEPT:
            del self._held[next(iter(self._held))]
        chunk = self._held[k] = self._chunk(k)
        while len(self._bases) <= k:
            self._end(len(self._bases) - 1)
        return chunk
