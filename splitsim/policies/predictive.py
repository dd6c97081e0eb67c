"""Policies that predict latency and energy of every option and take the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from splitsim.task import Costs, Options, View, Word


def estimate(
    view: View, costs: Sequence[Costs], initial_rate_bps: float, forget_after_s: float
) -> list[tuple[float, float]]:
    """Seconds and joules a device expects of options.

    Its own backlog comes first; transfers go at the average rate of its past ones, or at
    ``initial_rate_bps`` before the first and when the last is older than ``forget_after_s``;
    a server makes a task wait as long as it last told, less the time that has passed since,
    and at least as long as the average of what it told, until that is too old as well.
    Without chance and competition this is exactly what happens.

    Args:
        view: what the device knows.
        costs: of the options asked about, for example ``view.options.costs``.
        initial_rate_bps: to be expected without an estimate.
        forget_after_s: age at which an average counts no longer.
    """
    outlook = _outlook(view, initial_rate_bps, forget_after_s)
    seconds, joules = _seconds(view, costs, outlook), _joules(view, costs, outlook)
    return list(zip(seconds, joules, strict=True))


class _Outlook(NamedTuple):
    """What a device expects of the network and the servers."""

    uplink_bps: float
    downlink_bps: float
    waits_s: Sequence[float]  # at each server


def _outlook(view: View, initial_rate_bps: float, forget_after_s: float) -> _Outlook:
    up, down = view.uplink_bps, view.downlink_bps
    if not up > 0 or view.now_s - view.rate_at_s > forget_after_s:
        up = initial_rate_bps
    waits = [_wait_s(word, view.now_s - word.at_s, forget_after_s) for word in view.told]
    return _Outlook(up, down if down > 0 else initial_rate_bps, waits)


def _wait_s(word: Word, age_s: float, forget_after_s: float) -> float:
    drained_s = word.wait_s - age_s
    return max(drained_s, word.mean_s if age_s <= forget_after_s else 0.0)


def _seconds(view: View, costs: Sequence[Costs], outlook: _Outlook) -> list[float]:
    up, down, waits = outlook
    busy_s, free_s = view.compute_backlog_s, view.uplink_backlog_bits / up
    home_s = view.options.latency_s
    return [
        busy_s + head_s
        if server is None
        else (ready_s if (ready_s := busy_s + head_s) > free_s else free_s)
        + send_bits / up
        + far_s
        + waits[server]
        + answer_bits / down
        + home_s
        for head_s, send_bits, far_s, answer_bits, _, server in costs
    ]


def _joules(view: View, costs: Sequence[Costs], outlook: _Outlook) -> list[float]:
    """The radio falls silent twice: until the answer comes, and until the next task is sent."""
    up, down, waits = outlook
    radio, gap_s = view.options.radio, view.task_gap_s
    found = []
    for _, send_bits, far_s, answer_bits, joules, server in costs:
        if server is not None:
            airtime_s = send_bits / up + answer_bits / down
            until_answer_s = far_s + waits[server]
            until_next_s = max(gap_s - airtime_s - until_answer_s, 0.0)
            tail_s = min(until_answer_s, radio.tail_s) + min(until_next_s, radio.tail_s)
            joules = joules + radio.b_w * airtime_s + radio.tail_w * tail_s  # noqa: PLW2901
        found.append(joules)
    return found


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
        if min(latency_weight, energy_weight) < 0 or latency_weight + energy_weight == 0:
            raise ValueError("latency_weight and energy_weight must be >= 0, one of them above")
        if not (initial_rate_bps > 0 and forget_after_s >= 0):
            raise ValueError("initial_rate_bps must be > 0 and forget_after_s >= 0")
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
        outlook = _outlook(view, self._initial_rate_bps, self._forget_after_s)
        if not self._energy_weight:
            costs = _seconds(view, self._costs, outlook)
        else:
            seconds = _seconds(view, self._costs, outlook)
            joules = _joules(view, self._costs, outlook)
            costs = [self._weigh(*pair) for pair in zip(seconds, joules, strict=True)]
        return self._indices[costs.index(min(costs))]

    def _weigh(self, seconds: float, joules: float) -> float:
        return self._latency_weight * seconds + self._energy_weight * joules


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
