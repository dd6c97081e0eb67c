"""Equal airtime: each of n active transfers has 1/n of the time, whatever its rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from splitsim.system.sharing.medium import Flow


class EqualAirtime:
    """Round robin in slots without length: at n active transfers one moves at r(t) / n.

    A transfer's end is a closed form, the time at which the integral of its own rate has grown
    by n times its bits. One in an outage keeps its turn. Only those are asked for it whose rate's
    peak would let them be first.
    """

    def __init__(self) -> None:
        self._dated: list[Flow] = []

    def plan(self, flows: Sequence[Flow], now_s: float) -> float:
        """Set when the first will be through, and perhaps some others."""
        for flow in self._dated:
            flow.due_s = math.inf
        n, first_s = len(flows), math.inf
        leasts = []
        for flow in flows:
            until_s = flow.bound_until_s
            if until_s <= now_s or flow.setup_left_s or not flow.bound_bps:
                leasts.append(self._least_s(flow, now_s, n))
                continue
            least_s = now_s + n * flow.left_bits / flow.bound_bps
            leasts.append(least_s if least_s < until_s else until_s)
        dated = self._dated = []
        while True:
            least_s = min(leasts)
            if least_s >= first_s:
                return math.inf
            at = leasts.index(least_s)
            leasts[at], flow = math.inf, flows[at]
            begin_s = now_s + n * flow.setup_left_s
            flow.due_s = flow.rate.finish_s(begin_s, n * flow.left_bits, flow.limit_s)
            first_s = min(first_s, flow.due_s)
            dated.append(flow)

    def _least_s(self, flow: Flow, now_s: float, n: int) -> float:
        """When it is through at the earliest."""
        if flow.bound_until_s <= now_s:
            flow.bound_bps, flow.bound_until_s = flow.rate.peak(now_s)
        until_s = flow.bound_until_s
        if flow.setup_left_s or not flow.bound_bps:
            return now_s if flow.setup_left_s else until_s
        least_s = now_s + n * flow.left_bits / flow.bound_bps
        return min(until_s, least_s)

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval in which their number stays the same."""
        n, length_s = len(flows), to_s - from_s
        share_s = length_s / n
        for flow in flows:
            flow.airtime_s += share_s
            if flow.setup_left_s or flow.zero is not None:
                self._advance(flow, from_s, to_s, n)
                continue
            flow.moving_s += length_s
            if to_s <= flow.until_s:
                left_bits = flow.left_bits - flow.bps * share_s
            else:
                left_bits = flow.left_bits - _bits(flow, from_s, to_s) / n
            flow.left_bits = max(0.0, left_bits)
        for flow in self._dated:
            if flow.due_s <= to_s:
                flow.left_bits = flow.setup_left_s = 0.0

    def _advance(self, flow: Flow, from_s: float, to_s: float, n: int) -> None:
        """With a set-up, or where times of rate zero matter."""
        if flow.zero is not None:
            flow.zero_s += (flow.zero.area(to_s) - flow.zero.area(from_s)) / n
        if flow.setup_left_s:
            begin_s = from_s + n * flow.setup_left_s
            if begin_s >= to_s and flow.due_s > to_s:
                flow.setup_left_s = max(flow.setup_left_s - (to_s - from_s) / n, 0.0)
                return
            flow.setup_left_s, flow.bits_from_s, from_s = 0.0, begin_s, begin_s
        flow.moving_s += max(to_s - from_s, 0.0)
        flow.left_bits = max(flow.left_bits - _bits(flow, from_s, to_s) / n, 0.0)


def _bits(flow: Flow, from_s: float, to_s: float) -> float:
    """What it would have sent alone: the area of its rate, step by step."""
    bits = 0.0
    while from_s < to_s:
        if flow.until_s <= from_s:
            flow.bps, flow.until_s = flow.rate.step(from_s)
        end_s = min(to_s, flow.until_s)
        bits += flow.bps * (end_s - from_s)
        from_s = end_s
    return bits
