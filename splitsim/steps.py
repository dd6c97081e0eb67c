"""A piecewise-constant function of time: the one object for everything that varies.

Rate, mean SNR, background load, server speed. ``area`` and ``when`` are each other's inverse,
so that a transfer's end and a time-changed Poisson process are closed forms:
a transfer of ``bits`` that starts at ``t`` ends at ``when(area(t) + bits)``.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from splitsim.chunk import Chunk

# Areas are sums of rounded products; a target missed by this relative amount is met. Without
# it a transfer that ends exactly where an outage begins could wait until the outage is over.
SLACK = 1e-14
KEPT = 2  # chunks held at a time: the one in use and its neighbour; others are made again


class Steps:
    """A piecewise-constant, non-negative function of time on [0, inf).

    Args:
        chunk: ``chunk(k)`` makes the k-th stretch, the same at every call.
        period_s: length of every stretch; inf when there is only one.
        step_s: of every step in all stretches, where it is always the same.
    """

    __slots__ = ("_bases", "_chunk", "always", "held", "period_s", "step_s")

    def __init__(
        self, chunk: Callable[[int], Chunk], period_s: float, step_s: float | None = None
    ) -> None:
        self._chunk = chunk
        self.period_s = period_s
        self.step_s = step_s
        self.held: dict[int, Chunk] = {}  # of the stretches, for who is in a hurry
        self._bases = [0.0]  # area up to the beginning of chunk k
        self.always = 0.0  # the value, where it is known to be always the same

    @classmethod
    def constant(cls, value: float) -> Steps:
        """The same value for ever."""
        steps = cls.of([0.0], [value])
        steps.always = value
        return steps

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
        k, local = self._place(time_s)
        chunk = self.stretch(k)
        return chunk.values[bisect_right(chunk.starts, local) - 1]

    def area(self, time_s: float) -> float:
        """The integral from 0 to a time."""
        k, local = self._place(time_s)
        return self._base(k) + self.stretch(k).area(local)

    def when(self, area: float, before_s: float = math.inf) -> float:
        """The earliest time at which the integral reaches ``area``.

        Args:
            area: the integral asked for, >= 0.
            before_s: do not look beyond; a later time may be given as inf.
        """
        slack = SLACK * area
        k = max(bisect_left(self._bases, area - slack) - 1, 0)
        while self._base(k + 1) < area - slack:
            k += 1
            if k * self.period_s > before_s or self.period_s == math.inf:
                return math.inf
        start = k * self.period_s if k else 0.0
        return start + self.stretch(k).when(area - self._bases[k], slack)

    def areas(self, times_s: np.ndarray) -> np.ndarray:
        """``area`` at each of some rising times, shape (n,)."""
        found = np.empty(len(times_s))
        done = 0
        while done < len(times_s):
            k, _ = self._place(times_s[done])
            end_s = (k + 1) * self.period_s
            stop = max(int(np.searchsorted(times_s, end_s)), done + 1)
            local = np.maximum(times_s[done:stop] - k * self.period_s, 0.0) if k else times_s[:stop]
            found[done:stop] = self._base(k) + self.stretch(k).until(local)
            done = stop
        return found

    def whens(self, areas: np.ndarray) -> np.ndarray:
        """``when`` of each of some rising areas, all of which are reached, shape (n,)."""
        found = np.empty(len(areas))
        slack = SLACK * areas
        wanted = areas - slack
        done, k = 0, max(bisect_left(self._bases, wanted[0]) - 1, 0)
        while done < len(areas):
            stop = int(np.searchsorted(wanted, self._base(k + 1), side="right"))
            start = k * self.period_s if k else 0.0
            rest = areas[done:stop] - self._bases[k]
            found[done:stop] = start + self.stretch(k).whens(rest, slack[done:stop])
            done, k = stop, k + 1
        return found

    def peak(self, time_s: float) -> float:
        """The largest value in the stretches that have begun by a time."""
        return max(max(self.stretch(k).values) for k in range(self._place(time_s)[0] + 1))

    def finish_s(self, start_s: float, amount: float, before_s: float = math.inf) -> float:
        """When ``amount`` has come together since a time: ``when(area(start_s) + amount)``.

        Args:
            start_s: from when on.
            amount: >= 0.
            before_s: do not look beyond; a later time may be given as inf.
        """
        if self.always:
            return start_s + amount / self.always
        k = int(start_s / self.period_s)
        local = max(start_s - k * self.period_s, 0.0) if k else start_s
        chunk = self.held.get(k) or self.stretch(k)
        i = chunk.index(local)
        value, areas = chunk.values[i], chunk.areas
        target = (areas[i] + value * (local - chunk.starts[i]) if value else areas[i]) + amount
        if not amount:
            return start_s
        if value and target <= areas[i + 1]:
            return start_s + amount / value
        if target <= areas[-1]:
            slack = SLACK * (target + k * areas[-1] if k else target)
            return start_s - local + chunk.when(target, slack, i + 1)
        return max(self.when(self._base(k) + target, before_s), start_s)

    def is_zero(self) -> Steps:
        """1 where this function is zero, 0 elsewhere."""
        return self.through(lambda values: values == 0)

    def times(self, factor: float) -> Steps:
        """This function times a factor."""
        if factor == 1:
            return self
        steps = self.through(lambda values: factor * values)
        steps.always = factor * self.always
        return steps

    def product(self, other: Steps) -> Steps:
        """This function times another, exact: with the edges of both."""
        if other.always:
            return self.times(other.always)
        if self.always:
            return other.times(self.always)
        if self.period_s == math.inf != other.period_s:
            return other.product(self)
        return Steps(lambda k: self._times_chunk(k, other), self.period_s)

    def until_s(self, time_s: float) -> float:
        """How long the value of a time holds at the least; after that time."""
        k, local = self._place(time_s)
        chunk = self.stretch(k)
        i = bisect_right(chunk.starts, local)
        end_s = chunk.starts[i] if i < len(chunk.starts) else chunk.length_s
        return max(time_s - local + end_s, math.nextafter(time_s, math.inf))

    def _times_chunk(self, k: int, other: Steps) -> Chunk:
        of, begin = self.stretch(k), k * self.period_s if k else 0.0
        edges = [begin, *other._edges(begin, begin + of.length_s)]
        factors = np.array([other.value(edge) for edge in edges])
        starts, values = np.asarray(of.starts), np.asarray(of.values)
        if len(edges) == 1:
            return (
                of if factors[0] == 1 else Chunk(starts, factors * values, of.length_s, of.step_s)
            )
        cuts = np.array(edges) - begin
        merged = np.union1d(starts, cuts)
        held = values[np.searchsorted(starts, merged, side="right") - 1]
        factor = factors[np.searchsorted(cuts, merged, side="right") - 1]
        return Chunk(merged, held * factor, of.length_s)

    def _edges(self, from_s: float, to_s: float) -> Iterator[float]:
        """Where steps begin between two times."""
        k = int(from_s / self.period_s)
        while (begin := k * self.period_s if k else 0.0) < to_s:
            yield from (begin + s for s in self.stretch(k).starts if from_s < begin + s < to_s)
            if self.period_s == math.inf:
                return
            k += 1

    def through(self, law: Callable[[np.ndarray], np.ndarray]) -> Steps:
        """What a law makes of the values."""
        if self.always:
            return Steps.constant(float(law(np.array([self.always]))[0]))

        def chunk(k: int) -> Chunk:
            of = self.stretch(k)
            return Chunk(np.asarray(of.starts), law(np.asarray(of.values)), of.length_s, of.step_s)

        return Steps(chunk, self.period_s, self.step_s)

    def mean(self, from_s: float, to_s: float) -> float:
        """The average over an interval."""
        return (self.area(to_s) - self.area(from_s)) / (to_s - from_s)

    def bound(self, time_s: float, amount: float = math.inf) -> tuple[float, float]:
        """A value that is not exceeded between a time and another, within the same stretch.

        Args:
            time_s: from when on.
            amount: if it may come together soon, a bound for a short while will do.
        """
        if self.always:
            return self.always, math.inf
        k, local = self._place(time_s)
        chunk = self.stretch(k)
        peak, end_s = chunk.bound(chunk.index(local), amount)
        return peak, max(time_s - local + end_s, time_s)

    def pieces(self, from_s: float, to_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The steps of an interval.

        Returns:
            Edges, rising from ``from_s`` to ``to_s``, shape (n + 1,), and the values between
            them, shape (n,).
        """
        if self.always or to_s <= from_s:
            return np.array([from_s, to_s]), np.array([self.value(from_s)])
        k, local = self._place(from_s)
        begin_s = k * self.period_s if k else 0.0
        if to_s - begin_s < self.period_s:
            return self.stretch(k).pieces(begin_s, local, from_s, to_s)
        starts, values = [], []
        while True:
            chunk = self.stretch(k)
            starts.append(np.asarray(chunk.starts) + (k * self.period_s if k else 0.0))
            values.append(np.asarray(chunk.values))
            k += 1
            if k * self.period_s >= to_s:
                break
        begin = np.concatenate(starts)
        first = max(int(begin.searchsorted(from_s, side="right")) - 1, 0)
        last = max(int(begin.searchsorted(to_s)), first + 1)
        edges = np.append(begin[first:last], to_s)
        edges[0] = from_s
        return edges, np.concatenate(values)[first:last]

    def _place(self, time_s: float) -> tuple[int, float]:
        """The chunk a time falls into, and the time since that began."""
        k = int(time_s / self.period_s)
        # Rounding may put a time just before the chunk it falls into.
        return k, max(time_s - k * self.period_s, 0.0) if k else time_s

    def _base(self, k: int) -> float:
        """The area up to the beginning of chunk k."""
        bases = self._bases
        while len(bases) <= k:
            bases.append(bases[-1] + self.stretch(len(bases) - 1).areas[-1])
        return bases[k]

    def stretch(self, k: int) -> Chunk:
        """The k-th stretch."""
        held = self.held
        chunk = held.get(k)
        if chunk is None:
            while len(held) >= KEPT:
                del held[next(iter(held))]
            chunk = held[k] = self._chunk(k)
        return chunk
