"""What a device predicts, against what happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from building import Board, Net, Waves, build

from splitsim import check_policy, load_scenario, simulate
from splitsim.policies.fixed import Local, Offload, Random, Split
from splitsim.policies.predictive import Predictive, estimate
from splitsim.view import Options, View

ROOT = Path(__file__).parent.parent
RATE_BPS = 2e6
QUIET = {
    "duration_s": 20.0,
    "devices": [{"arrivals": {"kind": "periodic", "period_s": 1.0, "phase_s": 0.5}}],
    "cells": {
        "cell": {
            "radio": "waves",
            "latency_s": 0.01,
            "uplink": {"kind": "constant", "rate_bps": RATE_BPS},
            "downlink": {"kind": "constant", "rate_bps": RATE_BPS},
        }
    },
    "servers": {"edge": {"backhaul_s": 0.005}, "cloud": {"hardware": "rack", "backhaul_s": 0.03}},
    "policies": [{"name": "always", "kind": "test_predictions:Always", "index": 0}],
}
NETS = (
    Net("one", [0.0, 0.03, 0.09], [4e4, 9e3, 1e3], [0.05, 0.03, 0.01], answer_bytes=400),
    Net("two", [0.0, 0.01], [4e4, 5e3], [0.04, 0.035], answer_bytes=100, top1=0.9),
)
WAVES = Waves("waves", a_up_j_per_bit=4e-7, a_down_j_per_bit=5e-8, b_w=1.2, tail_s=0.3, tail_w=0.9)
SLEEPY = replace(WAVES, promotion_s=0.04, promotion_w=0.7, tail_s="0.1 0.4", tail_w="1.1 0.2")
NERVOUS = replace(SLEEPY, tail_s="0.01 0.02")  # falls asleep before the answer comes
AWAKE = replace(SLEEPY, tail_s="0.1 2")
RADIOS = {"plain": WAVES, "sleepy": SLEEPY, "nervous": NERVOUS, "awake": AWAKE}


class Always:
    """The same option for every task, writing down what it was expected to cost."""

    predicted: list[tuple[float, float]]

    def __init__(self, index: int) -> None:
        self.index = index

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        self.options = options
        type(self).predicted = []

    def choose(self, view: View) -> int:
        self.predicted.append(tuple(a[self.index] for a in estimate(view, RATE_BPS, 10.0)))
        return self.index


@pytest.fixture
def quiet(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path.parent))

    def quiet(index, radio=WAVES, **cell):
        cells = {"cell": QUIET["cells"]["cell"] | cell}
        return build(
            tmp_path,
            nets=NETS,
            radios=(radio,),
            boards=(Board("board", slow=2.0), Board("rack", slow=0.5)),
            scenario=QUIET
            | {"cells": cells, "policies": [QUIET["policies"][0] | {"index": index}]},
        )

    return quiet


@pytest.mark.parametrize("radio", RADIOS)
@pytest.mark.parametrize("index", range(12))
def test_without_chance_and_company_every_option_costs_what_was_predicted(quiet, index, radio):
    spec = quiet(index, RADIOS[radio]).points[0]
    assert len(spec.options["device"]) == 12
    rows = simulate(spec, "always", 0).tasks
    assert {row.option for row in rows} == {spec.options["device"][index].label}
    assert len(rows) == 20
    # The first prediction knows no gap to the next task, the last task has none after it.
    for row, (seconds, joules) in list(zip(rows, Always.predicted, strict=True))[1:-1]:
        assert row.done_s - row.created_s == pytest.approx(seconds, rel=1e-12)
        assert row.compute_j + row.tx_j + row.rx_j + row.tail_j == pytest.approx(joules, rel=1e-12)


TCP = {"kind": "reliable", "tcp": {"initial_window_bytes": 2000}}
FRESH = {"kind": "reliable", "tcp": {"initial_window_bytes": 150, "fresh": True}}
COSTS = {
    "setup": {"setup_s": 0.015},
    "setup beside": {"setup_s": {"uplink": 0.02, "downlink": 0.01}, "setup_occupies_medium": False},
    "overheads": {"overhead_bytes": 60, "byte_overhead": 1.04, "grant_delay_s": 0.012},
    "tcp": {"transport": TCP},
    "all": {"transport": FRESH, "setup_s": 0.004, "overhead_bytes": 40, "grant_delay_s": 0.01},
    "airtime": {"sharing": {"kind": "airtime"}, "setup_s": 0.004, "transport": TCP},
    "equal rate": {"sharing": {"kind": "equal_rate", "half_duplex": True}, "setup_s": 0.01},
    "fair": {"sharing": {"kind": "proportional_fair"}, "transport": FRESH, "grant_delay_s": 0.01},
}


@pytest.mark.parametrize("radio", ["plain", "awake"])
@pytest.mark.parametrize("costs", COSTS)
def test_what_transfers_cost_beside_their_bits_is_predicted_too(quiet, costs, radio):
    for index in range(0, 12, 2 if radio == "plain" else 3):
        loaded = quiet(index, replace(RADIOS[radio], zero_w=0.5), **COSTS[costs])
        rows = simulate(loaded.points[0], "always", 0).tasks
        for row, (seconds, joules) in list(zip(rows, Always.predicted, strict=True))[1:-1]:
            spent_j = row.compute_j + row.tx_j + row.rx_j + row.tail_j
            assert row.done_s - row.created_s == pytest.approx(seconds, rel=1e-9)
            assert spent_j == pytest.approx(joules, rel=1e-9)


@pytest.mark.parametrize("policy", ["fastest", "frugal"])
def test_the_predictive_policies_take_the_best_option_there_is(quiet, policy):
    costs = []
    for index in range(12):
        rows = simulate(quiet(index).points[0], "always", 0).tasks[1:-1]
        seconds = np.mean([row.done_s - row.created_s for row in rows])
        joules = np.mean([row.compute_j + row.tx_j + row.rx_j + row.tail_j for row in rows])
        costs.append(seconds if policy == "fastest" else joules)
    spec = quiet(0).points[0]
    chosen = spec.scenario.policies[0].model_copy(update={"name": "best", "kind": policy})
    object.__setattr__(chosen, "__pydantic_extra__", {"initial_rate_bps": RATE_BPS})
    scenario = spec.scenario.model_copy(update={"policies": [chosen]})
    rows = simulate(type(spec)(**{**vars(spec), "scenario": scenario}), "best", 0).tasks[1:]
    best = spec.options["device"][int(np.argmin(costs))]
    assert {(row.option, row.server) for row in rows} == {(best.label, best.server)}


@pytest.mark.parametrize(("period_s", "chosen"), [(0.45, "split"), (0.55, "local")])
def test_a_promotion_is_shared_by_the_tasks_it_serves(tmp_path, period_s, chosen):
    """A tail of 0.5 s: frames a little closer together keep the radio awake, others never do."""
    arrivals = {"kind": "periodic", "period_s": period_s, "phase_s": 0.1}
    spec = build(
        tmp_path,
        nets=(Net("net", [0.0, 0.01], [4e6, 1e3], [0.02, 0.01], local_s=0.2),),
        radios=(replace(WAVES, promotion_s=0.3, promotion_w=1.0, tail_s=0.5),),
        scenario={
            "duration_s": 30.0,
            "devices": [{"arrivals": arrivals}],
            "cells": {"cell": {"radio": "waves"}},
            "policies": [{"name": "fastest", "kind": "fastest", "initial_rate_bps": 1e9}],
        },
    ).points[0]
    rows = simulate(spec, "fastest", 0).tasks[3:]
    assert {row.option.split(":")[0] for row in rows} == {chosen}


def test_an_estimate_is_made_of_past_transfers_and_forgotten(tmp_path):
    """A device whose uplink fades away learns it; and tries again after a while."""
    rate = {"kind": "steps", "times_s": [0, 20], "values": [5e6, 1e4]}
    net = {"head_s": 0.0, "send_bytes": 1e4, "tail_s": 0.01, "local_s": 0.5}
    scenario = {
        "duration_s": 60.0,
        "devices": [{"arrivals": {"kind": "periodic", "period_s": 1.0}}],
        "cells": {"cell": {"uplink": {"kind": "constant", "rate_bps": rate}}},
        "policies": [{"name": "fastest", "kind": "fastest", "forget_after_s": 10.0}],
    }
    rows = simulate(build(tmp_path, scenario=scenario, **net).points[0], "fastest", 0).tasks
    before = [row for row in rows if row.created_s < 19]
    after = [row for row in rows if row.created_s > 21]
    assert {row.server for row in before} == {"edge"}
    tried = sum(row.server == "edge" for row in after)
    assert 0 < tried < len(after) / 2


def test_weights_and_models_of_a_predictive_policy(tmp_path):
    path = tmp_path / "weights.yaml"
    data = yaml.safe_load((ROOT / "scenarios" / "quickstart.yaml").read_text())
    data["policies"] = [
        {"name": "a", "kind": "frugal", "latency_weight": 1.0, "energy_weight": 0.0},
        {"name": "b", "kind": "fastest"},
        {"name": "c", "kind": "fastest", "models": ["resnet152"]},
    ]
    path.write_text(yaml.safe_dump(data))
    spec = load_scenario(path, {"duration_s": 40}).points[0]
    choices = {p: [row.option for row in simulate(spec, p, 0).tasks] for p in "abc"}
    assert choices["a"] == choices["b"]
    assert all(option.endswith("resnet152") or "resnet152/" in option for option in choices["c"])


@pytest.mark.parametrize(
    "policy",
    [Local("large"), Offload("small"), Split("large", "middle", "cloud"), Random(), Predictive()],
    ids=lambda policy: type(policy).__name__,
)
def test_our_policies_pass_the_check_that_users_run(policy):
    check_policy(policy)


@pytest.mark.parametrize(
    ("choose", "complaint"),
    [
        (lambda view: -1, "choose gave -1"),
        (lambda view: 0.0, "choose gave 0.0"),
        (lambda view: None, "choose gave None"),
        (lambda view: int(np.random.default_rng().integers(2)), "choices differ"),
    ],
)
def test_the_check_finds_what_is_wrong(choose, complaint):
    policy = Random()
    policy.choose = choose
    with pytest.raises(AssertionError, match=complaint):
        check_policy(policy)


def test_a_device_refuses_an_index_that_is_none(tmp_path):
    spec = build(
        tmp_path,
        scenario={"policies": [{"name": "a", "kind": "test_predictions:Always", "index": -1}]},
    ).points[0]
    with pytest.raises(ValueError, match="policy chose -1: must be an index from 0 to 1"):
        simulate(spec, "a", 0)


def test_a_closed_loop_that_takes_no_time_is_refused(tmp_path):
    devices = [{"arrivals": {"kind": "closed", "think_s": 0.0}}]
    spec = build(tmp_path, tail_s=0.0, scenario={"devices": devices}).points[0]
    with pytest.raises(RuntimeError, match="take no time at all"):
        simulate(spec, "local", 0)
