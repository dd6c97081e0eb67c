"""A check that users run on a policy of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from splitsim.entries import Radio
from splitsim.policies.base import Policy
from splitsim.task import DONE, Demand, Mixture, Option, Record
from splitsim.view import Options, View, Word

RADIO = Radio("radio", 4e-7, 5e-8, 1.3, 1.3, 0.3, 1.2, (10.0,), (1.1,), "assumed", 3.0)


def check_policy(policy: Policy, *, views: int = 1000) -> None:
    """Put a policy through views it may meet, and through its own past.

    It must give the index of an option every time, the same ones again after a ``reset`` with
    an equal generator, and take any Record in ``learn`` if it has that method.

    Args:
        policy: an instance of your class.
        views: how many to try.

    Raises:
        AssertionError: what is wrong.
    """
    options = _options()
    first, again = (_choices(policy, options, views) for _ in range(2))
    assert first == again, "after reset with an equal generator the choices differ"


def _choices(policy: Policy, options: Options, views: int) -> list[int]:
    policy.reset(options, np.random.default_rng(1))
    learn = getattr(policy, "learn", lambda _: None)
    choices = []
    for view in _views(options, views):
        choice = policy.choose(view)
        assert _is_index(choice, options), (
            f"choose gave {choice!r}, not an index from 0 to {len(options) - 1}"
        )
        choices.append(int(choice))
        learn(_record(view, options[choice]))
    return choices


def _is_index(choice: object, options: Options) -> bool:
    return isinstance(choice, int | np.integer) and bool(0 <= choice < len(options))


def _options() -> Options:
    """Two models, three cuts, two servers; half of the small one's samples may end early."""
    found = []
    for model in ("small", "large"):
        for cut, layer in enumerate(("input", "middle")):
            demand = Demand(0.01 * cut, 4e4 / (1 + cut), 0.02, 100.0, 0.8)
            found += [Option(model, cut, layer, server, demand) for server in ("edge", "cloud")]
        found.append(Option(model, 2, "output", None, Demand(0.2, correct=0.8)))
    ended = Option("small", 1, "middle", None, Demand(0.012, correct=0.7), exit="middle")
    mean = Demand(0.011, 1e4, 0.01, 50.0, 0.75)
    ways = Mixture((ended, found[2]), (0.5, 0.5), np.array([0, 1]))
    found.append(replace(found[2], mean=mean, threshold=0.9, mixture=ways))
    return Options(
        found,
        servers=("edge", "cloud"),
        latency_s=0.01,
        backhaul_s=(0.0, 0.03),
        compute_w=5.0,
        radio=RADIO,
    )


def _views(options: Options, count: int) -> Iterator[View]:
    """The first as a device has it that knows nothing yet, the others at random."""
    rng = np.random.default_rng(2)
    nothing = Word(0.0, -math.inf, 0.0)
    yield View(
        options,
        0.0,
        math.inf,
        0.0,
        0.0,
        math.nan,
        math.nan,
        -math.inf,
        math.inf,
        1.0,
        0.0,
        math.inf,
        0,
        (nothing,) * 2,
    )
    for n in range(1, count):
        now_s = 0.5 * n
        busy_s, gap_s, age_s = rng.exponential((0.05, 0.5, 2.0)).tolist()
        up, down = rng.exponential(3e6, 2).tolist()
        told = tuple(Word(wait, now_s - age_s, wait) for wait in rng.exponential(0.1, 2).tolist())
        yield View(
            options,
            now_s,
            0.3,
            busy_s,
            1e5 * busy_s,
            up,
            down,
            now_s - age_s,
            gap_s,
            float(gap_s > RADIO.awake_s),
            gap_s,
            1e4 / n,
            n % 3,
            told,
        )


def _record(view: View, option: Option) -> Record:
    record = Record()
    record.status, record.option, record.server = DONE, option.label, option.server
    record.created_s, record.done_s, record.left_s = view.now_s, view.now_s + 0.1, view.now_s + 0.1
    return record
