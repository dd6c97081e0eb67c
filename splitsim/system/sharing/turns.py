"""Turns: everybody's share of the time so far, and what a rate makes of it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from operator import mul

import numpy as np

from splitsim.steps import Steps
from splitsim.system.sharing.medium import Flow

FEW = 4  # intervals that are summed one by one
KEPT = 4096  # intervals that are remembered


class Turns:
    """The integral of 1/n, s(t), while at least one is active; and the integrals of rates over it.

    It is written down at every change. Where rates have the same steps, as those of devices at the
    same Doppler frequency, it is written down at their edges as well: the integral of such a rate
    is then a sum over its own steps, however many changes there were.
    """

    def __init__(self) -> None:
        self.share_s = 0.0  # now
        self._now_s = -1.0
        self._times_s, self._shares_s = [0.0], [0.0]  # at changes
        self._grid: tuple[float, float] | None = None  # length of a step, and of a stretch
        self._count = 1  # steps in a stretch
        self._step = self._first = 0  # the one we are in, and the first one written down
        self._edges_s: list[float] = []  # shares where steps begin
        self._widths_s: list[float] = []  # and over them

    def begin(self, now_s: float) -> bool:
        """Begin anew, if nobody was active meanwhile, so that nobody needs what was before."""
        if now_s <= self._now_s:
            return False
        self._restart(now_s, 0.0)
        self._grid = None
        return True

    def _restart(self, now_s: float, share_s: float) -> None:
        self._now_s, self.share_s = now_s, share_s
        self._times_s, self._shares_s = [now_s], [share_s]
        self._edges_s, self._widths_s, self._first = [share_s], [], self._step

    @property
    def is_long(self) -> bool:
        """Whether it is time to forget."""
        return len(self._times_s) > KEPT or len(self._edges_s) > KEPT

    def forget(self, now_s: float) -> None:
        """Begin anew, when everybody is up to date."""
        self._restart(now_s, self.share_s)

    def follow(self, rate: Steps, now_s: float) -> None:
        """Write down the edges of a rate, if it has a grid and is the first one that has."""
        if self._grid is None and rate.step_s is not None:
            self._grid = rate.step_s, rate.period_s
            self._count = round(rate.period_s / rate.step_s)
            self._first = self._step = self._step_at(now_s)
            self._edges_s, self._widths_s = [self.share_s], []

    def mark(self, flow: Flow) -> None:
        """A flow is up to date."""
        flow.since_s, flow.since_share_s, flow.since_step = self._now_s, self.share_s, self._step

    def _step_at(self, time_s: float) -> int:
        """The number of a step, as ``Steps`` finds it."""
        assert self._grid is not None
        step_s, period_s = self._grid
        k = int(time_s / period_s)
        return k * self._count + min(int(max(time_s - k * period_s, 0.0) / step_s), self._count - 1)

    def advance(self, n: int, from_s: float, to_s: float) -> None:
        """An interval is over in which n were active."""
        before_s = self.share_s
        self._now_s, self.share_s = to_s, before_s + (to_s - from_s) / n
        self._times_s.append(to_s)
        self._shares_s.append(self.share_s)
        if self._grid is not None:
            step = self._step_at(to_s)
            if step > self._step:
                self._pass_edges(step, n, from_s, before_s)
                self._step = step

    def _pass_edges(self, step: int, n: int, from_s: float, before_s: float) -> None:
        assert self._grid is not None
        (step_s, period_s), count, share_s = self._grid, self._count, self.share_s
        edges_s, widths_s = self._edges_s, self._widths_s
        last_s = edges_s[-1]
        for number in range(self._step + 1, step + 1):
            edge_s = before_s + (number // count * period_s + number % count * step_s - from_s) / n
            edge_s = min(max(edge_s, before_s), share_s)
            widths_s.append(edge_s - last_s)
            edges_s.append(edge_s)
            last_s = edge_s

    def area(self, rate: Steps, flow: Flow) -> float:
        """The integral of a rate over the share of the time since a flow was marked."""
        from_share_s, share_s = flow.since_share_s, self.share_s
        if rate.always:
            return rate.always * (share_s - from_share_s)
        k, i = divmod(flow.since_step, self._count)
        j = self._step - k * self._count
        if j >= self._count or (rate.step_s, rate.period_s) != self._grid:
            return shared(rate, *self.since(flow.since_s))
        values = rate.stretch(k).values
        if i == j:
            return values[i] * (share_s - from_share_s)
        first = flow.since_step - self._first
        last = first + j - i
        edges_s = self._edges_s
        inside: float = sum(map(mul, values[i + 1 : j], self._widths_s[first + 1 : last]))
        before = values[i] * (edges_s[first + 1] - from_share_s)
        return before + inside + values[j] * (share_s - edges_s[last])

    def since(self, time_s: float) -> tuple[list[float], list[float]]:
        """The changes since one of them, and the shares by then."""
        first = bisect_left(self._times_s, time_s)
        return self._times_s[first:], self._shares_s[first:]

    def since_share(self, share_s: float, after_s: float) -> tuple[list[float], list[float]]:
        """The same since a share was reached, which was after one of the changes."""
        times_s, shares_s = self.since(after_s)
        begin_s = float(np.interp(share_s, shares_s, times_s))
        first = bisect_left(times_s, begin_s)
        return [begin_s, *times_s[first:]], [share_s, *shares_s[first:]]


def shared(steps: Steps, times_s: Sequence[float], shares_s: Sequence[float]) -> float:
    """The integral of a rate over the share of the time, which is linear between some times."""
    if steps.always:
        return steps.always * (shares_s[-1] - shares_s[0])
    if len(times_s) <= FEW:
        areas = [steps.area(time_s) for time_s in times_s]
        return math.fsum(
            (areas[j + 1] - areas[j]) * (shares_s[j + 1] - shares_s[j]) / (end_s - times_s[j])
            for j, end_s in enumerate(times_s[1:])
            if end_s > times_s[j]
        )
    edges, values = steps.pieces(times_s[0], times_s[-1])
    at_edges_s = np.interp(edges, times_s, shares_s)
    return float(values @ (at_edges_s[1:] - at_edges_s[:-1]))
