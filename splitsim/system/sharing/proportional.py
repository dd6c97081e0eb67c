"""Proportional fairness: each block goes to whose rate is best against what it got so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from splitsim.system.sharing.blocks import Grid, Shares, integral
from splitsim.system.sharing.medium import Flow

TINY_BPS = 1e-300  # an average that has died away

Amounts = dict[tuple[int, bool], float]  # by rank


class ProportionalFair:
    """The scheduler of Tse (Viswanath, Tse and Laroia, IEEE Trans. IT 48(6), 2002).

    In each block of a common grid the transfer with the largest r_i / R_i has the medium, where
    r_i is its rate at the beginning of the block and R_i the average of what it got, over
    ``window_s`` with exponential weights, for as long as its device is active. If it is through
    before, the rest of the block goes to the next; who comes within a block waits for its end,
    unless the medium is free.

    Args:
        block_s: length of a block.
        window_s: over which averages are taken.
    """

    def __init__(self, block_s: float, window_s: float) -> None:
        self._block_s = block_s
        self._weight = min(block_s / window_s, 1.0)
        self._block = -1  # in which we are
        self._served: Flow | None = None  # in it
        self._got: Amounts = {}  # bits in it
        self._averages: Amounts = {}  # bit/s, as they were before it
        # Of the plan, by its blocks: when they begin, who is served, averages, bits by then.
        self._first = 0
        self._starts = np.zeros(1)
        self._winners = [0]
        self._before = self._sums = np.zeros((1, 0))
        self._bits = np.zeros(0)  # of everybody since it began
        self._known_s = self._planned_s = 0.0  # until when somebody was active
        self._came: set[tuple[int, bool]] = set()  # when the plan was made

    def shares(self, flows: Sequence[Flow], from_s: float, to_s: float) -> tuple[Grid, Shares]:
        """The winners of all blocks of an interval, if the flows stay the same."""
        first = self._block_of(from_s)
        starts = self._block_s * np.arange(first, self._block_of(to_s) + 1)
        starts = starts[(starts < to_s) | (starts == starts[0])]
        grid = Grid.of(flows, from_s, to_s, starts[1:])
        steps = grid.edges[:-1].searchsorted(np.maximum(starts, from_s))
        self._forget(from_s)
        self._take_over(flows, grid.rates[0] / len(flows), first, is_new=from_s == starts[0])
        self._starts = starts
        return grid, self._plan(flows, grid, steps)

    def _plan(self, flows: Sequence[Flow], grid: Grid, steps: np.ndarray) -> Shares:
        may = np.array([not flow.setup_left_s > 0 for flow in flows])
        n, share = len(flows), float(may.mean())
        lengths = np.diff(grid.edges)[:, None]
        alone = integral(share * lengths * grid.rates)
        ends = np.append(steps[1:], len(lengths))
        self._choose(flows, grid.rates[steps], alone[ends] - alone[steps], may)
        owner = np.repeat(self._winners, ends - steps)[:, None] == np.arange(n)
        airtime = np.where(may, share * owner, 1 / n)
        bps = np.where(may, share * owner * grid.rates, 0.0)
        self._sums = integral(lengths * bps)[steps]
        return Shares(airtime, bps)

    def _block_of(self, time_s: float) -> int:
        k = int(time_s / self._block_s)
        if k * self._block_s > time_s:
            return k - 1
        return k + 1 if (k + 1) * self._block_s <= time_s else k

    def _forget(self, now_s: float) -> None:
        """Those who come at the same time have equal shares; after a time without any, nothing."""
        if now_s > self._known_s:
            self._served, self._averages = None, {}
        if now_s > self._planned_s:
            self._came.clear()
        for rank in self._came:
            self._averages.pop(rank, None)
        self._known_s = self._planned_s = now_s

    def _take_over(
        self, flows: Sequence[Flow], first_bps: np.ndarray, block: int, *, is_new: bool
    ) -> None:
        """Keep what is known of the active; who comes is taken to have had its equal share."""
        if block != self._block:  # the last plan ended with a block
            for rank, bps in self._averages.items():
                got_bps = self._got.get(rank, 0.0) / self._block_s
                self._averages[rank] = bps + self._weight * (got_bps - bps)
        if is_new or block != self._block:
            self._served, self._got = None, {}
        self._block = self._first = block
        shares = zip(flows, first_bps.tolist(), strict=True)
        self._came |= {flow.rank for flow in flows} - self._averages.keys()
        self._averages = {f.rank: self._averages.get(f.rank, bps) for f, bps in shares}
        self._got = {flow.rank: self._got.get(flow.rank, 0.0) for flow in flows}
        self._bits = np.zeros(len(flows))

    def _choose(
        self, flows: Sequence[Flow], rates: np.ndarray, alone: np.ndarray, may: np.ndarray
    ) -> None:
        """Block by block.

        Args:
            flows: the active ones.
            rates: at the beginning of every block, shape (blocks, flows).
            alone: bits of each in the whole block if it is served, same shape.
            may: who does not set up, shape (flows,).
        """
        averages, got = (np.array([*now.values()]) for now in (self._averages, self._got))
        fixed = [n for n, flow in enumerate(flows) if flow is self._served and may[n]]
        self._before, self._winners = np.empty_like(rates), []
        for b, rate in enumerate(rates):
            self._before[b] = averages
            metric = np.where(may, rate / np.maximum(averages, TINY_BPS), -1.0)
            winner = int(metric.argmax()) if b or not fixed else fixed[0]
            self._winners.append(winner)
            got[winner] += alone[b, winner]
            averages = averages + self._weight * (got / self._block_s - averages)
            got = np.zeros_like(got)
        self._served = flows[self._winners[0]]

    def advance(self, flows: Sequence[Flow], to_s: float, bits: np.ndarray) -> None:
        """Remember averages, and what everybody got in the block that we are in."""
        b = max(int(self._starts.searchsorted(to_s, side="right")) - 1, 0)
        self._known_s, self._bits = to_s, self._bits + bits
        if self._first + b == self._block:
            for flow, more in zip(flows, bits.tolist(), strict=True):
                self._got[flow.rank] += more
            return
        ranks = [flow.rank for flow in flows]
        self._block, self._served = self._first + b, flows[self._winners[b]]
        self._averages = dict(zip(ranks, self._before[b].tolist(), strict=True))
        self._got = dict(zip(ranks, (self._bits - self._sums[b]).tolist(), strict=True))
