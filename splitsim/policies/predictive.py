"""Policies that predict latency and energy of every option and take the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splitsim.task import Costs, Options, View, Word


def estimate(
    view: View, costs: Sequence[Costs], initial_rate_bps: float, forget_after_s: float
) -> list[tuple[float, float]]:
    """Seconds and joules a device expects of options.

    Its own backlog comes first; transfers go at the average rate of its past ones, or at
    ``initial_rate_bps`` before the first and when the last is older than ``forget_after_s``;
    a server makes a task wait as long as it last told, less the time that has passed since,
    and at least as long as the average of what it told, until that is too old as well. Without chance and competition this is exactly what happens. The radio tail is expected to
    be cut short by the device's next task.

    Args:
        view: what the device knows.
        costs: of the options asked about, for example ``view.options.costs``.
        initial_rate_bps: to be expected without an estimate.
        forget_after_s: age at which an average counts no longer.
    """
    up, down = view.uplink_bps, view.downlink_bps
    if not up > 0 or view.now_s - view.rate_at_s > forget_after_s:
        up = initial_rate_bps
    if not down > 0:
        down = initial_rate_bps
    radio, gap_s = view.options.radio, view.task_gap_s
    tail_j = radio.tail_w * (radio.tail_s if math.isnan(gap_s) else min(radio.tail_s, gap_s))
    busy_s, free_s = view.compute_backlog_s, view.uplink_backlog_bits / up
    waits = [_wait_s(word, view.now_s - word.at_s, forget_after_s) for word in view.told]
    found = []
    for head_s, far_s, send_bits, answer_bits, fixed_j, server in costs:
        ready_s = busy_s + head_s
        if server is None:
            found.append((ready_s, fixed_j))
            continue
        airtime_s = send_bits / up + answer_bits / down
        start_s = ready_s if ready_s > free_s else free_s  # noqa: FURB136 - max() costs thrice
        seconds = start_s + airtime_s + far_s + waits[server]
        found.append((seconds, fixed_j + radio.b_w * airtime_s + tail_j))
    return found


def _wait_s(word: Word, age_s: float, forget_after_s: float) -> float:
    if age_s > forget_after_s:
        return max(word.wait_s - age_s, 0.0)
    return max(word.wait_s - age_s, word.mean_s)


class Predictive:
    """Takes the option with the least weighted sum of predicted latency and energy.

    Args:
        latency_weight: cost of a second.
        energy_weight: cost of a joule.
        initial_rate_bps: rate to expect while there is no estimate.
        forget_after_s: age at which averages count no longer.
        models: the models to choose among; all by default.
    """

    def __init__(
        self,
        latency_weight: float,
        energy_weight: float,
        initial_rate_bps: float = 5e6,
        forget_after_s: float = 5.0,
        models: Sequence[str] | None = None,
    ) -> None:
        self._latency_weight = latency_weight
        self._energy_weight = energy_weight
        self._initial_rate_bps = initial_rate_bps
        self._forget_after_s = forget_after_s
        self._models = models
        self._indices: list[int] = []
        self._costs: list[Costs] = []

    def reset(self, options: Options, rng: np.random.Generator) -> None:  # noqa: ARG002
        """Leave out the options of other models, and those that can never be best."""
        unknown = sorted(set(self._models or ()) - set(options.models))
        if unknown:
            raise LookupError(f"no model {unknown[0]!r} here; there is {', '.join(options.models)}")
        wanted = options.models if self._models is None else self._models
        of_models = [n for n, option in enumerate(options) if option.model in wanted]
        self._indices = undominated([options.costs[n] for n in of_models], of_models)
        self._costs = [options.costs[n] for n in self._indices]

    def choose(self, view: View) -> int:
        """The cheapest; ties go to the first."""
        latency, energy = self._latency_weight, self._energy_weight
        predicted = estimate(view, self._costs, self._initial_rate_bps, self._forget_after_s)
        costs = [latency * seconds + energy * joules for seconds, joules in predicted]
        return self._indices[costs.index(min(costs))]


def undominated(costs: Sequence[Costs], indices: Sequence[int]) -> list[int]:
    """The indices of options that no other with the same server beats in everything.

    What is predicted never falls with any of the costs, so the others cannot be best, nor
    first among equals.
    """
    kept = []
    for n, mine in zip(indices, costs, strict=True):
        if not any(_beats(other, mine, k < n) for k, other in zip(indices, costs, strict=True)):
            kept.append(n)
    return kept


def _beats(other: Costs, mine: Costs, comes_first: bool) -> bool:
    if other.server != mine.server or any(
        a > b for a, b in zip(other[:-1], mine[:-1], strict=True)
    ):
        return False
    return comes_first or other != mine


class Fastest(Predictive):
    """The least predicted latency, unless the weights say otherwise."""

    def __init__(
        self,
        latency_weight: float = 1.0,
        energy_weight: float = 0.0,
        initial_rate_bps: float = 5e6,
        forget_after_s: float = 5.0,
        models: Sequence[str] | None = None,
    ) -> None:
        super().__init__(latency_weight, energy_weight, initial_rate_bps, forget_after_s, models)


class Frugal(Predictive):
    """The least predicted energy, unless the weights say otherwise."""

    def __init__(
        self,
        latency_weight: float = 0.0,
        energy_weight: float = 1.0,
        initial_rate_bps: float = 5e6,
        forget_after_s: float = 5.0,
        models: Sequence[str] | None = None,
    ) -> None:
        super().__init__(latency_weight, energy_weight, initial_rate_bps, forget_after_s, models)
