"""Equal airtime: each of n active transfers has 1/n of the time, whatever its rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from splitsim.system.sharing.medium import Flow


class EqualAirtime:
    """Round robin in slots without length: at n active transfers one moves at r(t) / n.

    A transfer's end is a closed form, the time at which the integral of its own rate has grown
    by n times its bits. One in an outage keeps its turn.
    """

    def plan(self, flows: Sequence[Flow], now_s: float) -> float:
        """Set when each would be through."""
        n = len(flows)
        for flow in flows:
            flow.is_last = True
            begin_s = now_s + n * flow.setup_left_s if flow.setup_left_s else now_s
            bits = n * flow.left_bits
            flow.due_s = flow.rate.finish_s(begin_s, bits, flow.job.give_up_s) if bits else begin_s
        return math.inf

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval in which their number stays the same."""
        n, length_s = len(flows), to_s - from_s
        share_s = length_s / n
        for flow in flows:
            job, begin_s = flow.job, from_s
            job.airtime_s += share_s
            if flow.setup_left_s:
                begin_s = from_s + n * flow.setup_left_s
                if begin_s >= to_s and flow.due_s > to_s:
                    flow.setup_left_s = max(flow.setup_left_s - share_s, 0.0)
                    continue
                flow.setup_left_s, flow.bits_from_s = 0.0, begin_s
            job.moving_s += max(to_s - begin_s, 0.0)
            rate = flow.rate
            if flow.due_s <= to_s:
                flow.left_bits = 0.0
            elif rate.always:
                flow.left_bits -= rate.always * (to_s - begin_s) / n
            else:
                flow.left_bits -= (rate.area(to_s) - rate.area(begin_s)) / n
            if flow.left_bits < 0.0:
                flow.left_bits = 0.0
            if flow.zero is not None:
                job.zero_s += (flow.zero.area(to_s) - flow.zero.area(from_s)) / n
