"""Laws without memory as disciplines: a closed form where rates stay the same, blocks elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splitsim.system.sharing.blocks import AtOnce, Blocks, Memoryless, with_setups
from splitsim.system.sharing.medium import Flow

KEPT = 4096  # companies whose shares are remembered

Like = tuple[float, bool, bool]  # rate, is it a downlink, does it set up: who has these is alike


class WithoutMemory:
    """A discipline of a law that looks at nothing but the rates of the moment.

    Args:
        law: who gets what.
    """

    gives_one_all = False

    def __init__(self, law: Memoryless) -> None:
        self._law = law
        self._blocks = Blocks(AtOnce(law))
        self._known: dict[tuple[Like, ...], dict[Like, tuple[float, float]]] = {}
        self._shares: list[tuple[float, float]] = []  # airtime and bit/s, by flow
        self._is_steady = False

    def join(self, flow: Flow, now_s: float) -> None:
        """There is nothing to prepare."""

    def leave(self, flow: Flow, now_s: float) -> None:
        """Everybody knows already."""

    def plan(self, flows: Sequence[Flow], now_s: float) -> tuple[Flow, float]:
        """Set when each is due."""
        self._is_steady = all(flow.rate.always for flow in flows)
        if not self._is_steady:
            return self._blocks.plan(flows, now_s)
        alike = [(f.rate.always, f.is_down, f.setup_left_s > 0) for f in flows]
        shares = self._shares_of(tuple(sorted(alike)))
        self._shares = [shares[like] for like in alike]
        first, first_s = flows[0], math.inf
        for flow, (airtime, bps) in zip(flows, self._shares, strict=True):
            flow.is_last = not flow.setup_left_s > 0
            left, speed = (flow.left_bits, bps) if flow.is_last else (flow.setup_left_s, airtime)
            flow.due_s = now_s + left / speed if speed else now_s if not left else math.inf
            if flow.due_s < first_s:
                first, first_s = flow, flow.due_s
        return first, first_s

    def _shares_of(self, company: tuple[Like, ...]) -> dict[Like, tuple[float, float]]:
        if company not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            rates, is_down, sets_up = (np.array(column) for column in zip(*company, strict=True))
            airtime, bps = with_setups(sets_up, is_down, self._law, rates[None, :])
            pairs = zip(airtime[0].tolist(), bps[0].tolist(), strict=True)
            self._known[company] = dict(zip(company, pairs, strict=True))
        return self._known[company]

    def advance(self, flows: Sequence[Flow], from_s: float, to_s: float) -> None:
        """Account for an interval of the plan."""
        if not self._is_steady:
            self._blocks.advance(flows, from_s, to_s)
            return
        length_s = to_s - from_s
        for flow, (airtime, bps) in zip(flows, self._shares, strict=True):
            flow.airtime_s += airtime * length_s
            is_over = flow.due_s <= to_s
            if flow.is_last:
                flow.moving_s += length_s
                flow.left_bits = 0.0 if is_over else max(flow.left_bits - bps * length_s, 0.0)
            else:
                left_s = max(flow.setup_left_s - airtime * length_s, math.ulp(0.0))
                flow.setup_left_s = 0.0 if is_over else left_s
                flow.bits_from_s = to_s

    def settle(self, flow: Flow, now_s: float) -> None:
        """Everybody knows already."""
