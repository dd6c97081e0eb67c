"""Policies that predict latency and energy of every option and take the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splitsim.task import Options, View


def estimate(view: View, initial_rate_bps: float, forget_after_s: float) -> Estimate:
    """Seconds and joules a device expects of each option, arrays with a member per option.

    Its own backlog comes first; transfers go at the average rate of its past ones, or at
    ``initial_rate_bps`` before the first and when the last is older than ``forget_after_s``;
    a server makes a task wait as long as it last told, less the time that has passed since.
    Without chance and competition this is exactly what happens. The radio tail is expected to
    be cut short by the device's next task.
    """
    up_s_per_bit, down_s_per_bit = _pace(view, initial_rate_bps, forget_after_s)
    return (
        _seconds(view, up_s_per_bit, down_s_per_bit),
        _joules(view, up_s_per_bit, down_s_per_bit),
    )


def _pace(view: View, initial_rate_bps: float, forget_after_s: float) -> tuple[float, float]:
    """Seconds per bit to expect of the uplink and the downlink; an average may also be zero."""
    up, down = view.uplink_bps, view.downlink_bps
    if not up > 0 or view.now_s - view.rate_at_s > forget_after_s:
        up = initial_rate_bps
    return 1 / up, 1 / (down if down > 0 else initial_rate_bps)


def _seconds(view: View, up_s_per_bit: float, down_s_per_bit: float) -> np.ndarray:
    options = view.options
    seconds = (
        options.fixed_s + options.send_bits * up_s_per_bit + options.answer_bits * down_s_per_bit
    )
    if view.compute_backlog_s:
        seconds += view.compute_backlog_s
    if view.uplink_backlog_bits:
        free_s = view.uplink_backlog_bits * up_s_per_bit
        ready_s = options.head_s + view.compute_backlog_s
        seconds += options.sends * np.maximum(free_s - ready_s, 0.0)
    waits = [wait - (view.now_s - at) for wait, at in view.told]
    if max(waits, default=0.0) > 0:
        seconds += np.maximum([*waits, 0.0], 0.0)[options.server]
    return seconds


def _joules(view: View, up_s_per_bit: float, down_s_per_bit: float) -> np.ndarray:
    options, radio = view.options, view.options.radio
    tail_s = radio.tail_s if math.isnan(view.task_gap_s) else min(radio.tail_s, view.task_gap_s)
    airtime_s = options.send_bits * up_s_per_bit + options.answer_bits * down_s_per_bit
    joules = options.fixed_j + radio.b_w * airtime_s
    return joules + options.sends * (radio.tail_w * tail_s)


Estimate = tuple[np.ndarray, np.ndarray]


class Predictive:
    """Takes the option with the least weighted sum of predicted latency and energy.

    Args:
        latency_weight: cost of a second.
        energy_weight: cost of a joule.
        initial_rate_bps: rate to expect while there is no estimate.
        forget_after_s: age at which the estimated rate counts no longer.
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
        self._barred = np.zeros(0)

    def reset(self, options: Options, rng: np.random.Generator) -> None:  # noqa: ARG002
        """Bar the options of other models."""
        unknown = set(self._models or ()) - set(options.models)
        if unknown:
            have = ", ".join(options.models)
            raise LookupError(f"no model {', '.join(sorted(unknown))!r} here; there is {have}")
        wanted = options.models if self._models is None else self._models
        self._barred = np.array([0.0 if o.model in wanted else math.inf for o in options])

    def choose(self, view: View) -> int:
        """The cheapest; ties go to the first."""
        pace = _pace(view, self._initial_rate_bps, self._forget_after_s)
        cost = self._barred
        if self._latency_weight:
            cost = cost + self._latency_weight * _seconds(view, *pace)
        if self._energy_weight:
            cost = cost + self._energy_weight * _joules(view, *pace)
        return int(cost.argmin())


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
