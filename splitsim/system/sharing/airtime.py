"""Equal airtime: each of n active transfers has 1/n of the time, whatever its rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappop, heappush
from operator import attrgetter

from splitsim.system.sharing.medium import Flow
from splitsim.system.sharing.turns import Turns, shared

_due_s = attrgetter("due_s")


class EqualAirtime:
    """Round robin in slots without length: at n active transfers one moves at r(t) / n.

    A transfer's end is a closed form, the time at which the integral of its own rate has grown
    by n times its bits. One in an outage keeps its turn.

    A change costs no look at everybody. What a transfer still needs at the least, as a share of
    the time and by the peak of its rate, is the same whoever comes and goes. The one that needs
    the least of all is brought up to date, by the integral of r ds over the shares so far, until
    it is known who will be the first to end.
    """

    gives_one_all = True

    def __init__(self) -> None:
        self._turns = Turns()
        self._heap: list[tuple[float, tuple[int, bool], Flow]] = []  # by least share
        self._dated: list[Flow] = []  # whose end is known, and who are not in the heap
        self._came: list[Flow] = []  # since the last plan
        self._first: Flow | None = None  # in the last plan
        self._first_s = -math.inf  # before which nobody ends, unless somebody leaves or comes
        self._bounded_s = math.inf  # until when all bounds hold

    def join(self, flow: Flow, now_s: float) -> None:
        """Let a flow compete."""
        turns = self._turns
        if now_s > turns.now_s:
            turns.begin(now_s)
            self._heap, self._dated, self._came, self._bounded_s = [], [], [], math.inf
            self._first_s = -math.inf
        flow.on_grid = turns.follow(flow.rate, now_s)
        flow.since_s, flow.since_share_s, flow.since_step = now_s, turns.share_s, turns.step
        self._bound(flow, len(self._heap) + len(self._dated) + 1, now_s)
        self._came.append(flow)

    def leave(self, flow: Flow, now_s: float) -> None:
        """Let a flow go, up to date."""
        self.settle(flow, now_s)
        flow.least_share_s = math.inf
        self._first_s = -math.inf

    def plan(self, flows: Sequence[Flow], now_s: float) -> tuple[Flow, float]:
        """Date those who could be the first to end, and perhaps some others.

        Who comes only puts off the others' ends: if it cannot be the first itself, all else can
        wait until the first one's end as it was known before.
        """
        self._undate()
        if now_s < self._first_s and not self._is_overtaken(len(flows), now_s):
            return flows[0], self._first_s
        if self._turns.is_long:
            self._forget(flows, now_s)
        if self._bounded_s <= now_s:
            self._bound_again(flows, now_s)
        first, first_s = self._date_first(flows, now_s)
        if self._bounded_s < first_s:
            self._date_unbounded(flows, first_s, now_s)
            first = min(self._dated, key=_due_s, default=first)
            first_s = first.due_s
        self._first, self._first_s, self._came = first, first_s, []
        return first, first_s

    def _is_overtaken(self, n: int, now_s: float) -> bool:
        """Whether somebody came who may be through before the one who was to be the first."""
        for flow in self._came:
            low_s = now_s + n * (flow.least_share_s - self._turns.share_s)
            if low_s < self._first_s or flow.bound_until_s < self._first_s:
                return True
        self._came = []
        return False

    def _undate(self) -> None:
        for flow in self._dated:
            flow.due_s = math.inf
            if flow.least_share_s < math.inf:
                heappush(self._heap, (flow.least_share_s, flow.rank, flow))
        self._dated = []

    def _date_first(self, flows: Sequence[Flow], now_s: float) -> tuple[Flow, float]:
        """Look at those who need the least until no other can be the first."""
        heap, n, share_s = self._heap, len(flows), self._turns.share_s
        first, first_s = flows[0], math.inf
        likely = self._first if n > 1 else first
        while heap:
            least_share_s, _, flow = heap[0]
            is_stale = least_share_s != flow.least_share_s  # it has left, or was bounded again
            if not is_stale and now_s + n * (least_share_s - share_s) >= first_s:
                break
            heappop(heap)
            if is_stale:
                continue
            if flow.since_s < now_s and flow is not likely:
                self._bound(flow, n, now_s)
            else:
                self._date(flow, n, now_s)
                if flow.due_s < first_s:
                    first, first_s = flow, flow.due_s
        return first, first_s

    def _date_unbounded(self, flows: Sequence[Flow], first_s: float, now_s: float) -> None:
        """Whose bound does not hold for long enough is dated; it will be looked at again."""
        for flow in flows:
            if flow.bound_until_s < first_s and flow.due_s == math.inf:
                self._date(flow, len(flows), now_s)
                flow.least_share_s = self._turns.share_s

    def _date(self, flow: Flow, n: int, now_s: float) -> None:
        """Learn when it will be through."""
        self.settle(flow, now_s)
        begin_s = now_s + n * flow.setup_left_s
        flow.due_s = flow.rate.finish_s(begin_s, n * flow.left_bits, flow.limit_s)
        self._dated.append(flow)

    def _bound(self, flow: Flow, n: int, now_s: float) -> None:
        """Learn which share of the time it needs at the least, up to its end, among n."""
        if flow.since_s < now_s:
            self.settle(flow, now_s)
        bound_bps, until_s = self._turns.bound(flow, n * flow.left_bits)
        flow.bound_until_s = until_s
        if until_s < self._bounded_s:
            self._bounded_s = until_s
        alone_s = flow.left_bits / bound_bps if bound_bps else math.inf
        flow.least_share_s = least_share_s = self._turns.share_s + flow.setup_left_s + alone_s
        heappush(self._heap, (least_share_s, flow.rank, flow))

    def _bound_again(self, flows: Sequence[Flow], now_s: float) -> None:
        """Renew the bounds that hold no longer."""
        self._bounded_s = math.inf
        for flow in flows:
            if flow.bound_until_s <= now_s:
                self._bound(flow, len(flows), now_s)
            elif flow.bound_until_s < self._bounded_s:
                self._bounded_s = flow.bound_until_s

    def _forget(self, flows: Sequence[Flow], now_s: float) -> None:
        for flow in flows:
            self.settle(flow, now_s)
        self._turns.forget(now_s)

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval in which their number stays the same."""
        self._turns.advance(len(flows), from_s, to_s)

    def settle(self, flow: Flow, now_s: float) -> None:
        """Bring a flow up to date."""
        turns, from_s = self._turns, flow.since_s
        if now_s <= from_s:
            return
        flow.airtime_s += turns.share_s - flow.since_share_s
        if flow.zero is not None:
            flow.zero_s += turns.area(flow.zero, flow)
        if flow.setup_left_s:
            self._settle_setup(flow, now_s)
        else:
            flow.moving_s += now_s - from_s
            flow.left_bits -= turns.area(flow.rate, flow)
        if flow.left_bits < 0 or flow.due_s <= now_s:
            flow.left_bits = 0.0
        flow.since_s, flow.since_share_s, flow.since_step = now_s, turns.share_s, turns.step

    def _settle_setup(self, flow: Flow, now_s: float) -> None:
        """The set-up of a flow goes on, or is over and bits have gone since."""
        turns = self._turns
        over_s = flow.since_share_s + flow.setup_left_s
        flow.setup_left_s = max(over_s - turns.share_s, 0.0) if flow.due_s > now_s else 0.0
        if not flow.setup_left_s:
            times_s, shares_s = turns.since_share(over_s, flow.since_s)
            flow.bits_from_s = times_s[0]
            flow.moving_s += now_s - times_s[0]
            flow.left_bits -= shared(flow.rate, times_s, shares_s)
