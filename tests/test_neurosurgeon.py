"""Neurosurgeon's question: the rate from which on sending beats computing, against algebra."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest

from splitsim import load_scenario, simulate
from splitsim.scenario import Spec

PATH = Path(__file__).parent.parent / "scenarios" / "neurosurgeon-vgg16.yaml"
FIXED = ("local", "offload", "pool4", "pool5")


@cache
def spec_at(rate_bps: float) -> Spec:
    changes = {"cells.wlan.uplink.rate_bps": rate_bps, "duration_s": 6.0, "warmup_s": 0.0}
    (spec,) = load_scenario(PATH, changes | {"sweep": {}}).points
    return spec


def latency_s(spec: Spec, policy: str) -> float:
    """Of the last task; nothing is random and nobody waits."""
    row = simulate(spec, policy, 0).tasks[-1]
    return row.done_s - row.created_s


def crossing_bps(policy: str, low_bps: float = 1e6, high_bps: float = 1e9) -> float:
    """By bisection of the simulation: below it local computing is faster, above it the policy."""
    local_s = latency_s(spec_at(low_bps), "local")
    assert latency_s(spec_at(low_bps), policy) > local_s > latency_s(spec_at(high_bps), policy)
    while high_bps / low_bps > 1 + 1e-9:
        middle_bps = math.sqrt(low_bps * high_bps)
        if latency_s(spec_at(middle_bps), policy) > local_s:
            low_bps = middle_bps
        else:
            high_bps = middle_bps
    return high_bps


def algebra_bps(spec: Spec, layer: str) -> float:
    """local = head + two latencies + tail + answer + bits / rate, solved for the rate."""
    options = {option.layer: option for option in spec.options["camera"]}
    local, remote = (options[name].demand(0) for name in ("output", layer))
    cell = spec.scenario.cells["wlan"]
    answer_s = 8 * remote.answer_bytes / 50e6
    fixed_s = remote.head_s + 2 * cell.expected_latency_s + remote.tail_s + answer_s
    return 8 * remote.send_bytes / (local.head_s - fixed_s)


@pytest.mark.parametrize(
    ("policy", "layer"), [("offload", "input"), ("pool4", "pool4"), ("pool5", "pool5")]
)
def test_the_crossing_rate_is_that_of_the_algebra(policy, layer):
    expected_bps = algebra_bps(spec_at(1e6), layer)
    assert crossing_bps(policy) == pytest.approx(expected_bps, rel=1e-6)


def test_raw_vgg16_is_sent_whole_or_not_at_all():
    """No split beats both ways at any rate of the sweep, and the fastest policy knows it."""
    for spec in load_scenario(PATH, {"duration_s": 10.0}).points:
        latencies_s = {policy: latency_s(spec, policy) for policy in FIXED}
        best = min(latencies_s, key=latencies_s.__getitem__)
        assert best in {"local", "offload"}
        assert latency_s(spec, "fastest") == pytest.approx(latencies_s[best], rel=1e-9)


def test_the_fastest_way_changes_at_the_crossing():
    crossing = algebra_bps(spec_at(1e6), "input")
    for rate_bps, expected in ((0.999 * crossing, "local"), (1.001 * crossing, "offload")):
        (*_, row) = simulate(spec_at(rate_bps), "fastest", 0).tasks
        assert row.option == f"{expected}:vgg16-tx2"
