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
        self.step = 0  # the number of the one we are in
        self.now_s = -1.0  # when somebody was last active
        self._times_s, self._shares_s = [0.0], [0.0]  # at changes
        self._grid: tuple[float | None, float] = None, math.inf  # lengths of step and stretch
        self._count = 1  # steps in a stretch
        self._stretch, self._begun = 0, 0  # the stretch we are in, and its first step
        self._edge_s = math.inf  # when the next step begins
        self._first = 0  # the first step written down
        self._edges_s: list[float] = []  # shares where steps begin
        self._widths_s: list[float] = []  # and over them

    def begin(self, now_s: float) -> None:
        """Begin anew: nobody was active, so nobody needs what was before."""
        self._restart(now_s, 0.0)
        self._grid, self._edge_s = (None, math.inf), math.inf

    def forget(self, now_s: float) -> None:
        """Begin anew, when everybody is up to date."""
        self._restart(now_s, self.share_s)

    def _restart(self, now_s: float, share_s: float) -> None:
        self.now_s, self.share_s = now_s, share_s
        self._times_s, self._shares_s = [now_s], [share_s]
        self._edges_s, self._widths_s, self._first = [share_s], [], self.step

    @property
    def is_long(self) -> bool:
        """Whether it is time to forget."""
        return len(self._times_s) > KEPT or len(self._edges_s) > KEPT

    def follow(self, rate: Steps, now_s: float) -> bool:
        """Whether edges are those of a rate; those of the first one that has a grid are kept."""
        if rate.step_s is None:
            return False
        if self._grid[0] is None:
            step_s, period_s = self._grid = rate.step_s, rate.period_s
            self._count = round(period_s / step_s)
            self._stretch = int(now_s / period_s)
            local_s = max(now_s - self._stretch * period_s, 0.0)
            self._begun = self._stretch * self._count
            self._first = self.step = self._begun + min(int(local_s / step_s), self._count - 1)
            self._edges_s, self._widths_s = [self.share_s], []
            self._set_edge(step_s)
        return (rate.step_s, rate.period_s) == self._grid

    def _set_edge(self, step_s: float) -> None:
        local, begin_s = self.step - self._begun + 1, self._stretch * self._grid[1]
        if local == self._count:
            local, begin_s = 0, (self._stretch + 1) * self._grid[1]
        self._edge_s = begin_s + local * step_s

    def advance(self, n: int, from_s: float, to_s: float) -> None:
        """An interval is over in which n were active."""
        before_s = self.share_s
        self.now_s, self.share_s = to_s, before_s + (to_s - from_s) / n
        self._times_s.append(to_s)
        self._shares_s.append(self.share_s)
        while self._edge_s <= to_s:
            edge_s = max(before_s + (self._edge_s - from_s) / n, before_s)
            self._widths_s.append(edge_s - self._edges_s[-1])
            self._edges_s.append(edge_s)
            self._pass_edge()

    def _pass_edge(self) -> None:
        self.step += 1
        if self.step == self._begun + self._count:
            self._stretch, self._begun = self._stretch + 1, self.step
        if self._grid[0] is not None:
            self._set_edge(self._grid[0])

    def area(self, rate: Steps, flow: Flow) -> float:
        """The integral of a rate over the share of the time since a flow was up to date."""
        from_share_s, share_s, step = flow.since_share_s, self.share_s, flow.since_step
        if rate.always:
            return rate.always * (share_s - from_share_s)
        i, j = step - self._begun, self.step - self._begun
        if not flow.on_grid or i < 0:
            return shared(rate, *self.since(flow.since_s))
        k = self._stretch
        values = (rate.held.get(k) or rate.stretch(k)).values
        if i == j:
            return values[i] * (share_s - from_share_s)
        first, last, edges_s = step - self._first + 1, self.step - self._first, self._edges_s
        ends = values[i] * (edges_s[first] - from_share_s) + values[j] * (share_s - edges_s[last])
        if first == last:
            return ends
        inside: float = sum(map(mul, values[i + 1 : j], self._widths_s[first:last]))
        return ends + inside

    def bound(self, flow: Flow, amount: float) -> tuple[float, float]:
        """What its rate does not exceed from now on for a while, and until when."""
        rate = flow.rate
        if not flow.on_grid:
            return rate.bound(self.now_s, amount)
        k = self._stretch
        chunk = rate.held.get(k) or rate.stretch(k)
        peak, end_s = chunk.bound(self.step - self._begun, amount)
        return peak, k * rate.period_s + end_s

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
