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
    options, radio = view.options, view.options.radio
    uplink_bps, downlink_bps = view.uplink_bps, view.downlink_bps
    if not uplink_bps > 0 or view.rate_age_s > forget_after_s:
        uplink_bps = initial_rate_bps
    if not downlink_bps > 0:
        downlink_bps = initial_rate_bps
    ready_s = options.head_s + view.compute_backlog_s
    airtime_s = options.send_bits / uplink_bps
    answer_s = options.answer_bits / downlink_bps
    if view.uplink_backlog_bits:
        free_s = options.sends * (view.uplink_backlog_bits / uplink_bps)
        ready_s = np.maximum(ready_s, free_s)
    seconds = ready_s + airtime_s + answer_s + options.remote_s
    waits = [wait - age for wait, age in zip(view.server_wait_s, view.server_age_s, strict=True)]
    if max(waits, default=0.0) > 0:
        seconds += np.maximum([*waits, 0.0], 0.0)[options.server]
    tail_s = radio.tail_s if math.isnan(view.task_gap_s) else min(radio.tail_s, view.task_gap_s)
    joules = options.fixed_j + radio.b_w * (airtime_s + answer_s)
    joules += options.sends * (radio.tail_w * tail_s)
    return seconds, joules


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
        seconds, joules = estimate(view, self._initial_rate_bps, self._forget_after_s)
        cost = self._latency_weight * seconds + self._energy_weight * joules + self._barred
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
