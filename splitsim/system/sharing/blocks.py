"""Disciplines by blocks: between changes, NumPy over the steps of everybody's rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from splitsim.system.sharing.medium import Flow

LEAST_S, MOST_S = 1e-4, 30.0  # that a plan looks ahead at first
DOUBLINGS = 4  # of that, before it is left to the next plan
SLACK = 1e-13  # of a part; sums of rounded products must not wait for an outage to end


class Grid(NamedTuple):
    """The steps of several rates, merged; ``rates`` has shape (steps, flows)."""

    edges: np.ndarray
    rates: np.ndarray

    @classmethod
    def of(
        cls, flows: Sequence[Flow], from_s: float, to_s: float, more: np.ndarray | None = None
    ) -> Grid:
        """The steps of an interval, divided at some more times."""
        pieces = [flow.rate.pieces(from_s, to_s) for flow in flows]
        all_edges = [edges for edges, _ in pieces]
        if more is not None:
            all_edges.append(more[(more > from_s) & (more < to_s)])
        edges = all_edges[0] if len(all_edges) == 1 else np.unique(np.concatenate(all_edges))
        columns = [v[e.searchsorted(edges[:-1], side="right") - 1] for e, v in pieces]
        return cls(edges, np.stack(columns, axis=1))


class Shares(NamedTuple):
    """What everybody gets in every step; both of shape (steps, flows)."""

    airtime: np.ndarray  # share of the medium's time
    bps: np.ndarray


class Law(Protocol):
    """Who gets what."""

    def shares(self, flows: Sequence[Flow], from_s: float, to_s: float) -> tuple[Grid, Shares]:
        """Shares of an interval, if the flows stay the same."""

    def advance(self, flows: Sequence[Flow], to_s: float, bits: np.ndarray) -> None:
        """The flows have sent some bits until a time of the interval."""


class Memoryless(Protocol):
    """A law that looks at nothing but the rates of the moment."""

    def at(self, rates: np.ndarray, is_down: np.ndarray) -> Shares:
        """Shares where some flows have these rates, shape (steps, flows)."""


class Blocks:
    """A discipline that plans ahead step by step.

    While k of n active transfers set up, each of them has 1/n of the time, and the law divides
    the rest among the others.

    Args:
        law: who gets what.
    """

    gives_one_all = False

    def __init__(self, law: Law) -> None:
        self._law = law
        self._ahead_s = 0.01
        self._began_s = 0.0
        self._grid = Grid(np.zeros(1), np.zeros((0, 0)))
        self._shares = Shares(np.zeros((0, 0)), np.zeros((0, 0)))
        self._airtime_s = self._bits = np.zeros((1, 0))  # up to every edge

    def join(self, flow: Flow, now_s: float) -> None:
        """There is nothing to prepare."""

    def leave(self, flow: Flow, now_s: float) -> None:
        """Everybody knows already."""

    def plan(self, flows: Sequence[Flow], now_s: float) -> tuple[Flow, float]:
        """Look ahead until somebody is through or gives up, or for long enough."""
        limit_s = min(flow.limit_s for flow in flows)
        until_s, expected_s = now_s, self._expected_s(now_s)
        for n in range(DOUBLINGS):
            until_s = min(now_s + expected_s * 2**n, limit_s)
            self._look(flows, now_s, until_s)
            due_s = self._due_s(flows).tolist()
            if until_s == limit_s or min(due_s) < math.inf:
                break
        self._began_s, self._ahead_s = now_s, expected_s
        for flow, time_s in zip(flows, due_s, strict=True):
            flow.due_s, flow.is_last = time_s, not flow.setup_left_s > 0
        first = due_s.index(min(due_s))
        return flows[first], min(due_s[first], until_s)

    def _expected_s(self, now_s: float) -> float:
        """When the next change may come, as a guess from the last one; it changes no result."""
        since_s = now_s - self._began_s
        guess_s = 2 * since_s if since_s > 0 else self._ahead_s
        return min(max(guess_s, LEAST_S), MOST_S)

    def _look(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        self._grid, self._shares = self._law.shares(flows, from_s, max(to_s, from_s))
        lengths = np.diff(self._grid.edges)[:, None]
        self._airtime_s = integral(lengths * self._shares.airtime)
        self._bits = integral(lengths * self._shares.bps)

    def _due_s(self, flows: Sequence[Flow]) -> np.ndarray:
        """When the set-up or the part of each is over; inf: not in this plan."""
        is_setting_up = np.array([flow.setup_left_s > 0 for flow in flows])
        parts = [f.setup_left_s if f.setup_left_s > 0 else f.left_bits for f in flows]
        wanted = np.array(parts)
        sums = np.where(is_setting_up, self._airtime_s, self._bits)
        speeds = np.where(is_setting_up, self._shares.airtime, self._shares.bps)
        enough = sums >= wanted * (1 - SLACK)
        last = enough.argmax(axis=0)
        columns = np.arange(len(flows))
        step = np.maximum(last - 1, 0)
        missing = np.maximum(wanted - sums[step, columns], 0.0)
        speed = speeds[step, columns] if len(speeds) else np.zeros(len(flows))
        edges = self._grid.edges
        lasts_s = np.zeros(len(flows))
        np.divide(missing, speed, out=lasts_s, where=speed > 0)
        due_s: np.ndarray = np.minimum(edges[step] + lasts_s, edges[last])
        due_s[~enough[last, columns]] = math.inf
        return due_s

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval of the plan."""
        (air_0, bits_0), (air_1, bits_1) = self._sums(from_s), self._sums(to_s)
        airtime_s, bits = air_1 - air_0, bits_1 - bits_0
        zeros = self._zeros_s(flows, from_s, to_s)
        for n, flow in enumerate(flows):
            flow.airtime_s += float(airtime_s[n])
            flow.zero_s += float(zeros[n])
            if flow.setup_left_s > 0:
                is_over = flow.due_s <= to_s
                left_s = max(flow.setup_left_s - float(airtime_s[n]), math.ulp(0.0))
                flow.setup_left_s = 0.0 if is_over else left_s
                flow.bits_from_s = to_s
            else:
                flow.moving_s += to_s - from_s
                is_over = flow.due_s <= to_s
                flow.left_bits = 0.0 if is_over else max(flow.left_bits - float(bits[n]), 0.0)
        self._law.advance(flows, to_s, bits)

    def settle(self, flow: Flow, now_s: float) -> None:
        """Everybody knows already."""

    def _zeros_s(self, flows: Sequence[Flow], from_s: float, to_s: float) -> np.ndarray:
        """Airtime of each in which its rate was zero."""
        if not any(flow.zero for flow in flows):
            return np.zeros(len(flows))
        edges = np.clip(self._grid.edges, from_s, to_s)
        in_vain = self._shares.airtime * (self._grid.rates == 0)
        found: np.ndarray = integral(np.diff(edges)[:, None] * in_vain)[-1]
        return found

    def _sums(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        edges = self._grid.edges
        step = min(max(int(edges.searchsorted(time_s, side="right")) - 1, 0), len(edges) - 2)
        part_s = time_s - edges[step]
        airtime_s = self._airtime_s[step] + part_s * self._shares.airtime[step]
        return airtime_s, self._bits[step] + part_s * self._shares.bps[step]


def integral(parts: np.ndarray) -> np.ndarray:
    """Sums of the parts before every row and behind the last."""
    sums = np.zeros((len(parts) + 1, parts.shape[1]))
    np.cumsum(parts, axis=0, out=sums[1:])
    return sums


def with_setups(
    busy: np.ndarray, is_down: np.ndarray, law: Memoryless, rates: np.ndarray
) -> Shares:
    """A law for those who are not busy setting up, in the time that the others leave."""
    n, k = len(busy), int(busy.sum())
    if not k:
        return law.at(rates, is_down)
    airtime, bps = np.zeros_like(rates), np.zeros_like(rates)
    airtime[:, busy] = 1 / n
    if k < n:
        rest = law.at(rates[:, ~busy], is_down[~busy])
        airtime[:, ~busy] = rest.airtime * (n - k) / n
        bps[:, ~busy] = rest.bps * (n - k) / n
    return Shares(airtime, bps)


class AtOnce:
    """A law without memory, applied step by step."""

    def __init__(self, law: Memoryless) -> None:
        self._law = law

    def shares(self, flows: Sequence[Flow], from_s: float, to_s: float) -> tuple[Grid, Shares]:
        """Shares of an interval, if the flows stay the same."""
        grid = Grid.of(flows, from_s, to_s)
        busy = np.array([flow.setup_left_s > 0 for flow in flows])
        is_down = np.array([flow.is_down for flow in flows])
        return grid, with_setups(busy, is_down, self._law, grid.rates)

    def advance(self, flows: Sequence[Flow], to_s: float, bits: np.ndarray) -> None:
        """There is nothing to remember."""


class EqualRate:
    """All active stations move at the same rate, 1 / sum(1 / r_i).

    The time goes where the rate is low. A station whose rate is below ``min_rate_bps``, or zero,
    waits without stalling the others; where all are, those with any rate share among themselves.
    """

    def __init__(self, min_rate_bps: float) -> None:
        self._min_rate_bps = min_rate_bps

    def at(self, rates: np.ndarray, is_down: np.ndarray) -> Shares:
        """Shares by the rates of the moment; directions are alike."""
        del is_down
        served = (rates > 0) & (rates >= self._min_rate_bps)
        nobody = ~served.any(axis=1)
        served[nobody] = rates[nobody] > 0
        per_bit = np.zeros_like(rates)
        np.divide(1.0, rates, out=per_bit, where=served)
        sums = per_bit.sum(axis=1, keepdims=True)
        common = np.zeros_like(sums)
        np.divide(1.0, sums, out=common, where=sums > 0)
        # Where nobody can send, everybody waits for as long.
        airtime = np.where(sums > 0, common * per_bit, 1 / rates.shape[1])
        return Shares(airtime, np.where(served, common, 0.0))
