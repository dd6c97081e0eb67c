"""Equal airtime: each of n active transfers has 1/n of the time, whatever its rate."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from splitsim.steps import Steps
from splitsim.system.sharing.medium import Flow

FEW = 4  # intervals that are summed one by one
KEPT = 4096  # intervals that are remembered


class EqualAirtime:
    """Round robin in slots without length: at n active transfers one moves at r(t) / n.

    A transfer's end is a closed form, the time at which the integral of its own rate has grown
    by n times its bits. One in an outage keeps its turn.

    A change costs no look at every rate. What is written down is each one's share of the time so
    far, s(t), the integral of 1 / n; a flow is brought up to date, by the integral of r ds, only
    where the peak of its rate would let it be the first to end.
    """

    def __init__(self) -> None:
        self._times_s = [0.0]
        self._shares_s = [0.0]  # at these times
        self._dated: list[Flow] = []

    def plan(self, flows: Sequence[Flow], now_s: float) -> float:
        """Set when the first will be through, and perhaps some others."""
        for flow in self._dated:
            flow.due_s = math.inf
        self._dated, n, first_s = [], len(flows), math.inf
        if len(self._times_s) > KEPT:
            self._forget(flows, now_s)
        share_s = self._shares_s[-1]
        leasts_s = []
        for flow in flows:
            if flow.bound_until_s <= now_s or flow.least_share_s < 0:
                self._bound(flow, now_s)
            least_s = now_s + n * (flow.least_share_s - share_s)
            leasts_s.append(min(flow.bound_until_s, least_s))
        while (least_s := min(leasts_s)) < first_s:
            at = leasts_s.index(least_s)
            flow = flows[at]
            if flow.since_s < now_s:
                self.settle(flow, now_s)
                least_s = now_s + n * (flow.least_share_s - share_s)
                leasts_s[at] = min(least_s, flow.bound_until_s)
                continue
            leasts_s[at] = math.inf
            begin_s = now_s + n * flow.setup_left_s
            flow.due_s = flow.rate.finish_s(begin_s, n * flow.left_bits, flow.limit_s)
            first_s = min(first_s, flow.due_s)
            self._dated.append(flow)
        return math.inf

    def _bound(self, flow: Flow, now_s: float) -> None:
        """Learn what its rate does not exceed for a while."""
        self.settle(flow, now_s)
        if flow.bound_until_s <= now_s:
            flow.bound_bps, flow.bound_until_s = flow.rate.bound(now_s)
        self._set_least(flow)

    def _set_least(self, flow: Flow) -> None:
        """Which share of the time it needs at least, up to its end."""
        alone_s = flow.left_bits / flow.bound_bps if flow.bound_bps else math.inf
        flow.least_share_s = self._shares_s[-1] + flow.setup_left_s + alone_s

    def _forget(self, flows: Sequence[Flow], now_s: float) -> None:
        for flow in flows:
            self.settle(flow, now_s)
        self._times_s, self._shares_s = [now_s], self._shares_s[-1:]

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval in which their number stays the same."""
        if from_s > self._times_s[-1]:  # nobody was active, so nobody needs what was before
            self._times_s, self._shares_s = [from_s], self._shares_s[-1:]
        self._shares_s.append(self._shares_s[-1] + (to_s - from_s) / len(flows))
        self._times_s.append(to_s)

    def settle(self, flow: Flow, now_s: float) -> None:
        """Bring a flow up to date."""
        if now_s <= flow.since_s:
            return
        first = bisect_left(self._times_s, flow.since_s)
        times_s, shares_s = self._times_s[first:], self._shares_s[first:]
        flow.since_s = now_s
        flow.airtime_s += shares_s[-1] - shares_s[0]
        if flow.zero is not None:
            flow.zero_s += _shared(flow.zero, times_s, shares_s)
        if flow.setup_left_s:
            over_s = shares_s[0] + flow.setup_left_s
            if over_s >= shares_s[-1] and flow.due_s > now_s:
                flow.setup_left_s = over_s - shares_s[-1]
                return
            begin_s = float(np.interp(over_s, shares_s, times_s))
            first = bisect_left(times_s, begin_s)
            times_s, shares_s = [begin_s, *times_s[first:]], [over_s, *shares_s[first:]]
            flow.setup_left_s, flow.bits_from_s = 0.0, begin_s
        flow.moving_s += now_s - times_s[0]
        left_bits = flow.left_bits - _shared(flow.rate, times_s, shares_s)
        flow.left_bits = left_bits if left_bits > 0 and flow.due_s > now_s else 0.0
        self._set_least(flow)


def _shared(steps: Steps, times_s: Sequence[float], shares_s: Sequence[float]) -> float:
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
