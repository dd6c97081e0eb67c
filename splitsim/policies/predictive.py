"""Policies that predict latency and energy of every option and take the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splitsim.view import Options, View, Ways, Word

SLOWEST = 1e-6  # a device that stands still for a while is not predicted beyond
ROUNDING = 1e-9  # of a mean over samples
DOWN_S = 1e9  # what is expected of a server that is down; not inf, which others would not survive


def estimate(view: View, initial_rate_bps: float, forget_after_s: float) -> Estimate:
    """Seconds and joules a device expects of each option, arrays with an entry per option.

    Its own backlog comes first; transfers go at the average rate of its past ones, or at
    ``initial_rate_bps`` before the first and when the last is older than ``forget_after_s``;
    a server makes a task wait as long as it last told, less the time that has passed since,
    and at least as long as the average of what it told, until that is too old as well.
    Without chance and competition this is exactly what happens; of an option with exits, the
    mean over the samples.
    """
    outlook = _outlook(view, initial_rate_bps, forget_after_s)
    promotions = _promotions(view, outlook)
    mean = view.options.mean
    return mean(_seconds(view, outlook, promotions)), mean(_joules(view, outlook, promotions))


Estimate = tuple[np.ndarray, np.ndarray]


def _outlook(view: View, initial_rate_bps: float, forget_after_s: float) -> np.ndarray:
    """What the law of the options is applied to: 1, seconds per bit up and down, waits."""
    up, down = view.uplink_bps, view.downlink_bps
    if not up > 0 or view.now_s - view.rate_at_s > forget_after_s:
        up = initial_rate_bps
    if not down > 0:
        down = initial_rate_bps
    return np.array([1.0, 1 / up, 1 / down, *waits_s(view, forget_after_s)])


def waits_s(view: View, forget_after_s: float) -> list[float]:
    """How long each server is expected to make a task wait.

    What it told is old: the time that has passed since is taken off, down to the average of what
    it told, until that is too old as well; one that never told anything is taken for idle. So a
    server that was busy is asked again. One that reports and has fallen silent is taken for down.
    """
    now_s = view.now_s
    return [
        DOWN_S if now_s - max(word.at_s, 0.0) > after_s else _wait_s(word, now_s, forget_after_s)
        for word, after_s in zip(view.told, view.options.silent_after_s, strict=True)
    ]


def _wait_s(word: Word, now_s: float, forget_after_s: float) -> float:
    age_s = now_s - word.at_s
    drained_s = word.wait_s - age_s
    if age_s > forget_after_s or drained_s > word.mean_s:
        return drained_s if drained_s > 0 else 0.0
    return word.mean_s


def _seconds(view: View, outlook: np.ndarray, promotions: np.ndarray | float) -> np.ndarray:
    """Of every way that an option comes down to."""
    ways, busy_s, head_s = view.options.ways, view.compute_backlog_s, view.options.ways.head_s
    seconds: np.ndarray = ways.law_s @ outlook
    if view.speed != 1:
        slowness = 1 / max(view.speed, SLOWEST)
        seconds += (slowness - 1) * head_s
        busy_s, head_s = slowness * busy_s, slowness * head_s
    if busy_s:
        seconds += busy_s
    if ways.has_pauses:
        seconds += ways.pauses_s(outlook[1], outlook[2])
    if view.uplink_backlog_bits:
        free_s = view.uplink_backlog_bits * outlook[1]
        seconds += ways.sends * np.maximum(free_s - busy_s - head_s, 0.0)
    if view.options.radio.promotion_s:
        seconds += view.options.radio.promotion_s * promotions
    return seconds


def _promotions(view: View, outlook: np.ndarray, borne: float = 1.0) -> np.ndarray | float:
    """How often the radio must wake up for each way: before it sends, and for the answer.

    Args:
        view: what is known.
        outlook: what is expected.
        borne: the share that this task bears of the first one, which serves later ones as well.
    """
    ways, radio = view.options.ways, view.options.radio
    if not radio.promotion_s:
        return 0.0
    awake_s = view.tail_left_s + view.uplink_backlog_bits * outlook[1]
    soon = view.compute_backlog_s + ways.longest_head_s <= awake_s
    if soon and ways.longest_far_s + max(outlook[3:], default=0.0) <= radio.awake_s:
        return 0.0  # as most often: it is awake whatever is chosen
    sending = (view.compute_backlog_s + ways.head_s > awake_s) | (awake_s == 0)
    answered = _until_answer_s(ways, outlook) > radio.awake_s
    promotions: np.ndarray = ways.sends * (borne * sending + answered)
    return promotions


def _until_answer_s(ways: Ways, outlook: np.ndarray) -> np.ndarray:
    """From the last bit sent to the first of the answer."""
    until_answer_s: np.ndarray = ways.far_s + np.append(outlook[3:], 0.0)[ways.server]
    return until_answer_s


def _joules(view: View, outlook: np.ndarray, promotions: np.ndarray | float) -> np.ndarray:
    """What the board will draw, up to the next task, because of this choice.

    A radio that sends may have to wake up. It falls silent twice, until the answer comes and
    until the next task is sent, and draws its tail in both; if nothing is sent, the tail that
    is running goes on.
    """
    ways, radio = view.options.ways, view.options.radio
    airtime_s = ways.send_bits * outlook[1] + ways.answer_bits * outlook[2] + ways.setup_s
    joules: np.ndarray = ways.fixed_j + radio.b_w * airtime_s
    if ways.has_pauses:
        pauses_s = ways.pauses_s(outlook[1], outlook[2])
        joules += radio.zero_w * pauses_s
        airtime_s += pauses_s
    if radio.promotion_s:
        airtime_s += radio.promotion_s * promotions
        joules += radio.promotion_j * promotions
    if any(radio.tail_w):
        silent_s = np.maximum(view.task_gap_s - airtime_s, 0.0)
        until_answer_s = _until_answer_s(ways, outlook) + ways.answer_ahead_s
        until_answer_s = np.minimum(until_answer_s, silent_s)
        tails_j = radio.tail_j(until_answer_s) + radio.tail_j(silent_s - until_answer_s)
        joules += np.where(ways.sends, tails_j, _going_on_j(view))
    return joules


def _going_on_j(view: View) -> float:
    """What the running tail will draw until the next task, if nothing is sent."""
    radio = view.options.radio
    gone_s = radio.awake_s - view.tail_left_s
    return float(radio.tail_j(gone_s + view.task_gap_s) - radio.tail_j(gone_s))


class Predictive:
    """Takes the option with the least weighted sum of predicted latency and energy.

    With its default weights it is the policy ``fastest``. Waking up the radio is shared by the
    tasks expected before it sleeps again.

    Args:
        latency_weight: cost of a second.
        energy_weight: cost of a joule.
        initial_rate_bps: rate to expect while there is no estimate.
        forget_after_s: age at which averages count no longer.
        models: the models to choose among; all by default.
        min_correct: least expected share of right answers of the options to choose among. Without
            it exits are judged by time and energy alone: the threshold that most tasks meet wins.
    """

    def __init__(
        self,
        latency_weight: float = 1.0,
        energy_weight: float = 0.0,
        initial_rate_bps: float = 5e6,
        forget_after_s: float = 5.0,
        models: Sequence[str] | None = None,
        min_correct: float = 0.0,
    ) -> None:
        if min(latency_weight, energy_weight) < 0 or latency_weight + energy_weight == 0:
            raise ValueError("latency_weight and energy_weight must be >= 0, one of them above")
        if models is not None and not models:
            raise ValueError("models must not be empty; leave it out to choose among all")
        if not (initial_rate_bps > 0 and forget_after_s >= 0):
            raise ValueError("initial_rate_bps must be > 0 and forget_after_s >= 0")
        if not 0 <= min_correct <= 1:
            raise ValueError(f"min_correct must be a share from 0 to 1, not {min_correct}")
        self._latency_weight = latency_weight
        self._energy_weight = energy_weight
        self._initial_rate_bps = initial_rate_bps
        self._forget_after_s = forget_after_s
        self._models = models
        self._min_correct = min_correct
        self._barred: np.ndarray | None = None

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        """Bar the options of other models, and those that are wrong too often."""
        unknown = sorted(set(self._models or ()) - set(options.models))
        if unknown:
            raise LookupError(
                f"no model {unknown[0]!r} here; there are {', '.join(options.models)}"
            )
        if self._energy_weight and not np.isfinite(options.fixed_j).all():
            raise LookupError(
                "energy cannot be weighed: hardware.csv has no watts for a device; add them, or "
                "energy_weight: 0 (with latency_weight above)"
            )
        named = self._models or options.models
        barred = np.array([option.model not in named for option in options])
        best = float(options.correct[~barred].max(initial=0.0))
        barred |= options.correct < self._min_correct - ROUNDING
        if barred.all():
            raise LookupError(
                f"no option is right in min_correct {self._min_correct:g} of all tasks; the best "
                f"is in {best:.4g}"
            )
        self._barred = np.where(barred, math.inf, 0.0) if barred.any() else None

    def choose(self, view: View) -> int:
        """The cheapest; ties go to the first."""
        outlook = _outlook(view, self._initial_rate_bps, self._forget_after_s)
        # A promotion serves all tasks until the radio sleeps again, so each bears its share.
        # Weighed in full, nobody would ever pay it: a radio that never sends is never awake.
        promotions = _promotions(view, outlook, view.long_gaps)
        cost = _seconds(view, outlook, promotions)
        if self._energy_weight:
            joules = _joules(view, outlook, promotions)
            cost = self._latency_weight * cost + self._energy_weight * joules
        cost = view.options.mean(cost)
        if self._barred is not None:
            cost = cost + self._barred
        return int(cost.argmin())


class Frugal(Predictive):
    """The least predicted energy, unless the weights say otherwise."""

    def __init__(
        self,
        latency_weight: float = 0.0,
        energy_weight: float = 1.0,
        initial_rate_bps: float = 5e6,
        forget_after_s: float = 5.0,
        models: Sequence[str] | None = None,
        min_correct: float = 0.0,
    ) -> None:
        super().__init__(
            latency_weight, energy_weight, initial_rate_bps, forget_after_s, models, min_correct
        )
