"""Several servers: whom a device is tied to, the nearest, and the least loaded as last told."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from building import build, columns

from splitsim import check_policy, load_scenario, simulate
from splitsim.errors import BadInput
from splitsim.policies.fixed import Offload, Split
from splitsim.task import DONE
from splitsim.view import Word

SERVERS = {
    "far": {"backhaul_s": 0.05},
    "edge": {"backhaul_s": 0.01},
    "twin": {"backhaul_s": 0.01},
}


def scenario(policies, servers=SERVERS, **more):
    device = {"arrivals": {"kind": "poisson", "rate_hz": 8.0}, **more}
    own = [{"name": name, **policy} for name, policy in policies.items()]
    return {
        "devices": [device],
        "servers": servers,
        "policies": own,
        "duration_s": 50.0,
        "drain_s": 60.0,
    }


def servers_of(tmp_path, policy, **more):
    """Which servers the tasks of a policy went to; the default server of build is kept first."""
    loaded = build(tmp_path, scenario=scenario({"p": policy}, **more))
    rows = simulate(loaded.points[0], "p", 0).tasks
    assert {row.status for row in rows} == {DONE}
    return [row.server for row in rows]


OFFLOAD = {"kind": "offload", "model": "net"}


def test_the_nearest_has_the_shortest_backhaul_and_the_first_of_equals_is_taken(tmp_path):
    servers = {**SERVERS, "edge": {"backhaul_s": 0.01}}
    near = servers_of(tmp_path, {**OFFLOAD, "server": "nearest"}, servers=servers)
    assert set(near) == {"edge"}


WALK = {
    "kind": "waypoints",
    "start_m": [0, 0],
    "legs": [{"to_m": [100, 0], "speed_mps": 2.0}],
}


def test_the_nearest_is_the_least_distance_away_when_the_task_is_created(tmp_path):
    """From the first corner of a triangle to the second: past the third in between."""
    servers = {
        "far": {"backhaul_s": 0.05, "position_m": [0, 10]},
        "edge": {"backhaul_s": 0.01, "position_m": [100, -5]},
        "twin": {"backhaul_s": 0.01, "position_m": [40, 30]},
    }
    policy = {**OFFLOAD, "server": "nearest"}
    loaded = build(tmp_path, scenario=scenario({"p": policy}, servers, mobility=WALK))
    rows = simulate(loaded.points[0], "p", 0).tasks
    for row in rows:
        here = min(2 * row.created_s, 100.0), 0.0
        places = {name: server["position_m"] for name, server in servers.items()}
        assert row.server == min(places, key=lambda name: math.dist(here, places[name]))
    assert [*dict.fromkeys(row.server for row in rows)] == ["far", "twin", "edge"]


@pytest.mark.parametrize("lacks", ["mobility", "place"])
def test_without_a_place_the_nearest_has_the_shortest_backhaul(tmp_path, lacks):
    servers = {name: {**server, "position_m": [50, 1]} for name, server in SERVERS.items()}
    servers["far"]["position_m"] = [0, 0]
    if lacks == "place":
        del servers["twin"]["position_m"]
    more = {"mobility": WALK} if lacks == "place" else {}
    near = servers_of(tmp_path, {**OFFLOAD, "server": "nearest"}, servers=servers, **more)
    assert set(near) == {"edge"}


PLACES = """
class Looking:
    def reset(self, options, rng):
        self.index = options.local("net")

    def choose(self, view):
        Looking.last = view.position_m, view.options.places_m
        return self.index
"""


def test_a_policy_sees_the_devices_place_where_servers_have_one(tmp_path):
    (tmp_path / "looking.py").write_text(PLACES)
    policy = {"kind": "looking:Looking"}
    for server, place_m in (({"position_m": [3.0, 4.0]}, (3.0, 4.0)), ({}, None)):
        servers = {"edge": server}
        loaded = build(tmp_path, scenario=scenario({"p": policy}, servers, mobility=WALK))
        last = simulate(loaded.points[0], "p", 0).tasks[-1]
        position_m, places_m = sys.modules["looking"].Looking.last
        assert places_m == (place_m,)
        assert position_m == (place_m and pytest.approx((2 * last.created_s, 0.0)))


def test_a_server_may_be_called_nearest(tmp_path):
    servers = {"edge": {"backhaul_s": 0.01}, "nearest": {"backhaul_s": 1.0}}
    assert set(servers_of(tmp_path, {**OFFLOAD, "server": "nearest"}, servers=servers)) == {
        "nearest"
    }


def test_a_device_with_a_server_sends_to_no_other(tmp_path):
    for kind in (OFFLOAD, {"kind": "random"}, {**OFFLOAD, "server": "least_loaded"}):
        found = servers_of(tmp_path, kind, server="twin")
        assert set(found) - {None} == {"twin"}


def test_a_policy_that_names_another_server_is_told_before_it_runs(tmp_path):
    with pytest.raises(BadInput) as error:
        build(
            tmp_path,
            scenario=scenario({"p": {**OFFLOAD, "server": "edge"}}, server="twin"),
        )
    (problem,) = error.value.problems
    assert "policies.p: no server 'edge' for 'net'; there are twin" in problem


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput) as error:
        build(tmp_path, scenario=scenario({"p": OFFLOAD}, server="twim"))
    (problem,) = error.value.problems
    assert "devices.device.server: no server 'twim'; there are far, edge, twin" in problem
    assert "(did you mean 'twin'?)" in problem


def test_the_least_loaded_is_the_one_that_told_of_the_shortest_wait():
    class Options(list):
        servers = ("a", "b", "c")
        server = np.array([0, 1, 2])
        silent_after_s = (math.inf, math.inf, math.inf)

    class View:
        options = Options()
        now_s = 100.0
        told = (Word(0.4, 99.9, 0.1), Word(0.2, 99.9, 0.0), Word(0.9, 99.0, 0.0))

    policy = Split("net", 0, "least_loaded")
    policy._ways = [0, 1, 2]
    # Waits of 0.3, 0.1 and, drained since, 0 seconds are left.
    assert policy.choose(View) == 2
    View.told = (Word(0.4, 99.9, 0.1), Word(0.2, 99.9, 0.0), Word(0.0, -math.inf, 0.0))
    assert policy.choose(View) == 2  # one that never told is taken for idle
    View.told = (Word(0.0, 99.9, 0.0),) * 3
    assert policy.choose(View) == 0
    Options.silent_after_s = (0.05, 2.0, 2.0)
    assert policy.choose(View) == 1  # the first should have reported by now


@pytest.mark.parametrize("policy", [{**OFFLOAD, "server": "least_loaded"}, {"kind": "fastest"}])
@pytest.mark.parametrize("what", ["outages", "backhaul_outages"])
def test_a_server_that_reports_is_left_when_it_falls_silent(tmp_path, what, policy):
    """Three reports missed are 0.3 s; once it reports again it is taken again."""
    outage = [{"from_s": 20, "to_s": 35}]
    servers = {"edge": {"report_every_s": 0.1, what: outage}, "twin": {"backhaul_s": 0.01}}
    said = scenario({"p": policy}, servers=servers)
    loaded = build(tmp_path, scenario=said, local_s=9.0)
    rows = columns(simulate(loaded.points[0], "p", 0).tasks)
    down = (rows.created_s > 20.4) & (rows.created_s < 35)
    assert np.all(rows.server[down] == "twin")
    assert np.mean(rows.server[rows.created_s > 37] == "edge") > 0.9


def test_it_spreads_the_load_where_a_fixed_choice_would_jam(tmp_path):
    """Two servers of load 0.6 each, or one of 1.2: the least loaded waits less than a coin."""
    servers = {"edge": {"report_every_s": 0.05}, "twin": {"report_every_s": 0.05}}
    policies = {
        "least": {**OFFLOAD, "server": "least_loaded"},
        "random": {"kind": "random"},
        "one": {**OFFLOAD, "server": "edge"},
    }
    said = scenario(policies, servers=servers, arrivals={"kind": "poisson", "rate_hz": 6.0})
    loaded = build(tmp_path, scenario=said, tail_s=0.2, local_s=1e-6)
    waits = {}
    for policy in policies:
        rows = columns(simulate(loaded.points[0], policy, 0).tasks)
        waits[policy] = np.nanmean(rows.server_start_s - rows.server_arrival_s)
        counts = [int(np.sum(rows.server == name)) for name in servers]
        assert policy != "least" or min(counts) > 0.4 * sum(counts)
    # Random sends but two thirds of its tasks, at load 0.4 each, and still waits longer.
    assert waits["least"] < waits["random"] < waits["one"] / 5


@pytest.mark.parametrize("every_s", [None, 0.1])
def test_a_server_that_was_busy_is_asked_again(tmp_path, every_s):
    """Others block a server for a while; without reports only answers can tell that."""
    background = {
        "kind": "poisson",
        "load": {"kind": "steps", "times_s": [0, 10, 14], "values": [0, 2.5, 0]},
        "work_s": 0.5,
    }
    servers = {"edge": {"background": background, "report_every_s": every_s}, "twin": {}}
    said = scenario({"p": {**OFFLOAD, "server": "least_loaded"}}, servers=servers)
    loaded = build(tmp_path, scenario=said, tail_s=0.1)
    rows = columns(simulate(loaded.points[0], "p", 0).tasks)
    blocked = (rows.created_s > 12) & (rows.created_s < 15)
    late = rows.created_s > 40
    assert every_s is None or np.mean(rows.server[blocked] == "twin") > 0.9
    assert np.mean(rows.server[late] == "edge") > (0.1 if every_s is None else 0.4)


@pytest.mark.parametrize("server", ["nearest", "least_loaded", "cloud"])
def test_they_are_policies(server):
    check_policy(Offload("small", server))
    check_policy(Split("small", "middle", server))


def test_the_shipped_scenario_of_edge_and_cloud_takes_them():
    own = [
        {"name": name, "kind": "split", "model": "resnet152-bottlefit12", "cut": 1, "server": name}
        for name in ("nearest", "least_loaded")
    ]
    loaded = load_scenario(
        "scenarios/edge-and-cloud.yaml", {"policies": own, "duration_s": 60, "warmup_s": 2}
    )
    rows = simulate(loaded.points[-1], "nearest", 0).tasks
    assert {row.server for row in rows} == {"edge"}
    rows = simulate(loaded.points[-1], "least_loaded", 0).tasks
    assert {row.server for row in rows} == {"edge", "cloud"}
