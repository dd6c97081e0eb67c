"""Changing conditions in whole runs: outages, devices that come and go, and phases."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
from building import BOARDS, Waves, at_most, build, columns

from splitsim import load_scenario, run, simulate
from splitsim.errors import BadInput
from splitsim.outages import Outage, held_s, mask, through_s
from splitsim.report.page import write_report
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.task import DONE, TIMEOUT, UNFINISHED

OUTAGES = [{"from_s": 20, "to_s": 30}, {"from_s": 30, "to_s": 34}, {"from_s": 60, "to_s": 61}]
FAST = {"kind": "constant", "rate_bps": 8e6}  # a picture of the net takes 10 ms


def poisson(rate_hz, **more):
    return {"arrivals": {"kind": "poisson", "rate_hz": rate_hz}, **more}


def rows_of(tmp_path, policy="offload", scenario=None, **net):
    loaded = build(tmp_path, scenario=scenario, **net)
    return columns(simulate(loaded.points[0], policy, 0).tasks)


def spans(outages=OUTAGES):
    return [Outage(**outage) for outage in outages]


def test_outages_as_functions_of_time():
    steps = mask(spans())
    assert [steps.value(t) for t in (0, 19.9, 20, 30, 33.9, 34, 60.5, 61)] == [
        *(1, 1, 0, 0, 0, 1, 0, 1)
    ]
    # Two that follow each other at once are one.
    assert [held_s(spans(), t) for t in (19, 20, 29, 31, 34, 60.25)] == [0, 14, 5, 3, 0, 0.75]
    assert [through_s(spans(), t) for t in (19, 25, 32, 34)] == pytest.approx([19, 20, 20, 34])
    assert through_s(spans(), 32) < 20
    assert mask([]).value(5) == 1
    assert held_s([], 5) == 0


def test_a_transfer_spans_an_outage_of_its_cell_and_others_do_not_see_it(tmp_path):
    cells = {
        "cell": {"uplink": FAST, "outages": OUTAGES},
        "other": {"uplink": FAST, "radio": "silent"},
    }
    devices = [poisson(5.0), poisson(5.0, name="far", cell="other")]
    rows = rows_of(tmp_path, scenario={"cells": cells, "devices": devices}, send_bytes=1e4)
    down = mask(spans())
    here = rows.device == "device-0"
    assert (rows.status == DONE).all()
    for start, end in zip(rows.tx_start_s[here], rows.tx_end_s[here], strict=True):
        assert down.area(end) - down.area(start) == pytest.approx(0.01, abs=1e-9)
    assert np.ptp((rows.tx_end_s - rows.tx_start_s)[~here]) < 1e-9


def test_before_the_first_outage_nothing_is_changed(tmp_path):
    fading = {
        "kind": "fading",
        "bandwidth_hz": 2e6,
        "snr": {"kind": "constant", "mean_db": 5},
        "fading": {"kind": "rayleigh", "doppler_hz": 5},
        "rate": {"kind": "shannon", "efficiency": 0.4, "cap_bps_hz": 2.0},
    }
    cell = {"uplink": fading}
    base = {"devices": [poisson(5.0)], "cells": {"cell": cell}}
    hit = {"devices": [poisson(5.0)], "cells": {"cell": {**cell, "outages": OUTAGES}}}
    one, other = (rows_of(tmp_path, scenario=scenario) for scenario in (base, hit))
    early = one.tx_end_s < 20
    assert other.tx_end_s[early] == pytest.approx(one.tx_end_s[early], rel=1e-12)
    assert (other.tx_end_s >= one.tx_end_s - 1e-9).all()


@pytest.mark.parametrize("kind", ["fifo", "processor_sharing", "edf"])
@pytest.mark.parametrize("speed", [1.0, {"kind": "steps", "times_s": [0, 50], "values": [1, 2]}])
def test_work_stands_still_in_an_outage_of_a_server_and_no_task_is_lost(tmp_path, kind, speed):
    server = {"outages": OUTAGES, "speed": speed, "discipline": {"kind": kind}}
    device = poisson(2.0, deadline_s=1.0)
    scenario = {"devices": [device], "servers": {"edge": server}}
    rows = rows_of(tmp_path, scenario=scenario, tail_s=0.2)
    assert (rows.status == DONE).all()
    fast = mask(spans()).product(Steps.of([0.0, 50.0], [1.0, 1.0 if speed == 1.0 else 2.0]))
    if kind != "processor_sharing":
        for start, end in zip(rows.server_start_s, rows.server_end_s, strict=True):
            assert fast.area(end) - fast.area(start) == pytest.approx(0.2, abs=1e-9)
    met = (rows.server_arrival_s < 34) & (rows.server_arrival_s > 20)
    assert (rows.server_end_s[met] > 34).all()


@pytest.mark.parametrize("backhaul_s", [0.0, 0.25])
def test_what_comes_to_a_backhaul_in_an_outage_waits_on_either_side(tmp_path, backhaul_s):
    server = {"backhaul_s": backhaul_s, "backhaul_outages": OUTAGES}
    cell = {"uplink": FAST, "latency_s": 0.05}
    scenario = {
        "devices": [poisson(30.0)],
        "cells": {"cell": cell},
        "servers": {"edge": server},
    }
    rows = rows_of(tmp_path, scenario=scenario, tail_s=0.02)
    assert (rows.status == DONE).all()
    entered = rows.tx_end_s + 0.05
    held = np.array([held_s(spans(), t) for t in entered])
    assert rows.server_arrival_s == pytest.approx(entered + held + backhaul_s, abs=1e-9)
    back = np.array([held_s(spans(), t) for t in rows.server_end_s])
    assert rows.answer_start_s == pytest.approx(rows.server_end_s + back + backhaul_s, abs=1e-9)
    assert (held > 0).any()
    if backhaul_s:  # an answer may meet an outage that its request did not
        assert ((back > 0) & (held == 0)).any()


def test_who_waits_for_a_backhaul_may_give_up_and_no_task_is_lost(tmp_path):
    server = {"backhaul_s": 0.25, "backhaul_outages": OUTAGES}
    device = poisson(5.0, timeout={"after_s": 1.0, "from": "sent"})
    scenario = {
        "devices": [device],
        "cells": {"cell": {"uplink": FAST}},
        "servers": {"edge": server},
    }
    rows = rows_of(tmp_path, scenario=scenario)
    gave_up = rows.status == TIMEOUT
    assert (gave_up | (rows.status == DONE)).all()
    assert rows.left_s[gave_up] == pytest.approx(rows.tx_end_s[gave_up] + 1.0, abs=1e-9)
    long = (rows.tx_end_s >= 20) & (rows.tx_end_s < 33)
    assert gave_up[long].all()
    assert not gave_up[(rows.tx_end_s > 34.1) & (rows.tx_end_s < 58)].any()


LISTENING = """
seen = []

class Listening:
    def reset(self, options, rng):
        self.index = options.local("net")

    def choose(self, view):
        seen.append((view.now_s, view.told[0].at_s))
        return self.index
"""


def test_no_report_comes_through_a_backhaul_that_is_down(tmp_path):
    (tmp_path / "listening.py").write_text(LISTENING)
    server = {"report_every_s": 0.5, "backhaul_s": 0.25, "backhaul_outages": OUTAGES[:1]}
    scenario = {
        "devices": [poisson(5.0)],
        "servers": {"edge": server},
        "drain_s": 5.0,
        "policies": [{"name": "own", "kind": "listening:Listening"}],
    }
    loaded = build(tmp_path, scenario=scenario)
    simulate(loaded.points[0], "own", 0)
    seen = sys.modules["listening"].seen
    assert len(seen) > 300
    for now_s, at_s in seen:
        sent_s = now_s - 0.25
        newest = 19.5 if 20 <= sent_s < 30 else math.floor(sent_s / 0.5) * 0.5
        assert at_s == (newest if sent_s >= 0 else -math.inf)


COMING = {
    "join_s": {"kind": "uniform", "from_s": 10, "to_s": 30},
    "leave_s": {"kind": "one-by-one", "first_s": 40, "every_s": 12.5},
}


def coming(tmp_path, policy="offload", seed=0, **more):
    """Three devices that come and go, over a slow radio that sleeps and a busy server."""
    device = poisson(3.0, count=3, **COMING)
    slow = {"kind": "constant", "rate_bps": 4e5}
    scenario = {
        "devices": [{**device, **more}],
        "cells": {"cell": {"uplink": slow, "downlink": slow, "radio": "radio"}},
    }
    radio = Waves("radio", 1e-6, 1e-7, 0.5, None, 0.1, 1.0, 2.0, 0.3)
    loaded = build(
        *(tmp_path,),
        scenario=scenario,
        radios=(radio,),
        head_s=0.1,
        tail_s=0.2,
        send_bytes=1e4,
        answer_bytes=2e3,
    )
    return loaded, simulate(loaded.points[0], policy, seed)


@pytest.mark.parametrize("policy", ["local", "offload"])
def test_a_device_works_and_draws_from_when_it_joins_until_it_leaves(tmp_path, policy):
    _, part = coming(tmp_path, policy)
    idle_w = next(board for board in BOARDS if board.name == "board").idle_w
    for n, device in enumerate(part.devices):
        drawn = stream(0, "join", device.device).random()
        assert device.join_s == pytest.approx(10 + 20 * drawn)
        assert device.leave_s == 40 + 12.5 * n
        rows = [row for row in part.tasks if row.device == device.device]
        assert [row.task for row in rows] == list(range(len(rows)))
        assert all(device.join_s <= row.created_s < device.leave_s for row in rows)
        assert all(row.left_s <= device.leave_s for row in rows)
        assert {row.status for row in rows} <= {DONE, UNFINISHED}
        cut = [row for row in rows if row.status == UNFINISHED]
        assert all(row.left_s == device.leave_s for row in cut)
        charged = math.fsum(row.compute_j + row.tx_j + row.rx_j + row.tail_j for row in rows)
        assert device.idle_j == pytest.approx(idle_w * (device.leave_s - device.join_s))
        assert charged + device.idle_j == pytest.approx(device.board_j, rel=1e-12)
        if policy == "local":  # nothing is computed behind the end
            busy = [
                min(row.head_end_s or math.inf, device.leave_s) - row.head_start_s
                for row in rows
                if row.head_start_s is not None
            ]
            assert device.compute_j == pytest.approx(3.0 * math.fsum(busy), rel=1e-9)
    assert any(row.status == UNFINISHED for row in part.tasks)


def test_a_device_that_leaves_ends_as_with_an_empty_battery(tmp_path):
    """One mechanism: a battery that would be empty then gives the same rows and joules."""
    for policy in ("local", "offload"):
        _, leaving = coming(tmp_path, policy, join_s=None, count=1)
        (device,) = leaving.devices
        battery = {"capacity_j": device.board_j}
        _, tired = coming(tmp_path, policy, join_s=None, count=1, leave_s=None, battery=battery)
        off_s = tired.devices[0].off_s
        assert off_s == pytest.approx(device.leave_s, rel=1e-9)
        by_task = {row.task: row for row in tired.tasks}
        for row in leaving.tasks:
            same = by_task[row.task]
            assert same.status == row.status
            for name in ("left_s", "compute_j", "tx_j", "rx_j", "tail_j", "sent_bytes"):
                assert getattr(same, name) == pytest.approx(getattr(row, name), rel=1e-6, abs=1e-6)


def test_who_comes_later_leaves_the_worlds_of_others_alone(tmp_path):
    _, all_three = coming(tmp_path, "local")
    _, first_two = coming(tmp_path, "local", count=2)
    for device in ("device-0", "device-1"):
        one, other = (
            [(r.created_s, r.head_end_s) for r in part.tasks if r.device == device]
            for part in (all_three, first_two)
        )
        assert one == other


def test_a_closed_loop_begins_when_its_device_joins(tmp_path):
    loop = {"arrivals": {"kind": "closed", "think_s": 0.5}, "join_s": 12.0, "leave_s": 20.0}
    rows = rows_of(tmp_path, "local", scenario={"devices": [loop]}, local_s=0.25)
    assert rows.created_s[0] == 12.5
    assert np.diff(rows.created_s) == pytest.approx(0.75)
    assert rows.created_s.max() < 20


PHASED = {
    "duration_s": 90.0,
    "warmup_s": 10.0,
    "seeds": 2,
    "devices": [
        {
            "arrivals": {
                "kind": "poisson",
                "rate_hz": {"kind": "steps", "times_s": [0, 30, 60], "values": [5, 20, 5]},
            },
            "deadline_s": 0.2,
        }
    ],
    "cells": {"cell": {"outages": [{"from_s": 70, "to_s": 75}]}},
}


def test_phases_lie_between_changes_and_all_tasks_count(tmp_path):
    loaded = build(tmp_path, scenario=PHASED, tail_s=0.06, local_s=0.08)
    scenario = loaded.points[0].scenario
    assert scenario.phases_s == [0, 30, 60, 70, 75, 90]
    assert scenario.counted_s == 0
    (warning,) = loaded.warnings
    assert "warmup_s: is not used: conditions change, or devices move" in warning
    results = run(loaded, tmp_path / "r", jobs=1)
    tasks = results.tasks
    offload = results.summary.set_index("policy").loc["offload"]
    assert offload["tasks"] == (tasks["policy"] == "offload").sum()
    phases = pd.read_csv(results.folder / "phases.csv")
    assert len(phases) == 2 * 5
    for _, phase in phases.iterrows():
        here = tasks[(tasks["policy"] == phase["policy"])]
        here = here[(here["created_s"] >= phase["from_s"]) & (here["created_s"] < phase["to_s"])]
        assert phase["tasks"] == len(here)
        latency_s = (here["done_s"] - here["created_s"]).dropna()
        assert phase["latency_mean_s"] == pytest.approx(latency_s.mean(), rel=1e-9)
    growth = phases[phases["policy"] == "local"]["stable"].tolist()
    assert growth[0]
    assert not growth[1]  # 20 Hz of 80 ms


def test_a_steady_run_has_no_phases(tmp_path):
    loaded = build(tmp_path, scenario={"warmup_s": 10.0})
    scenario = loaded.points[0].scenario
    assert not scenario.is_terminating
    assert scenario.counted_s == 10
    results = run(loaded, tmp_path / "r", jobs=1)
    assert results.phases.empty
    assert not (results.folder / "phases.csv").exists()


def test_many_changes_and_those_of_a_file_make_ten_equal_phases(tmp_path):
    times = [float(t) for t in range(0, 90, 3)]
    many = {"kind": "steps", "times_s": times, "values": [1.0] * len(times)}
    loaded = build(tmp_path, scenario={"devices": [poisson(many)]})
    assert loaded.points[0].scenario.phases_s == [10.0 * n for n in range(11)]
    (tmp_path / "rate.csv").write_text("time_s,value\n0,1\n33,2\n")
    loaded = build(tmp_path, scenario={"devices": [poisson({"kind": "csv", "file": "rate.csv"})]})
    assert loaded.points[0].scenario.phases_s == [10.0 * n for n in range(11)]


def test_what_changes_is_told_in_words(tmp_path):
    ramp = {"kind": "ramp", "times_s": [0, 50], "values": [1, 2]}
    scenario = {
        "devices": [poisson(ramp, leave_s=80.0)],
        "servers": {
            "edge": {
                "backhaul_outages": [{"from_s": 95, "to_s": 300}],
                "outages": [{"from_s": 7, "to_s": 8}],
                "speed": {"kind": "steps", "times_s": [0, 40, 150], "values": [1, 0, 1]},
            }
        },
    }
    loaded = build(tmp_path, scenario=scenario)
    assert [tuple(event) for event in loaded.points[0].scenario.events] == [
        ("devices.device", "arrivals.rate_hz", "1 to 2", 0.0, 50.0, False),
        ("devices.device", "arrivals.rate_hz", "2", 50.0, 100.0, False),
        ("servers.edge", "outage", "", 7.0, 8.0, True),
        ("servers.edge", "backhaul outage", "", 95.0, 100.0, True),
        ("servers.edge", "speed", "1", 0.0, 40.0, False),
        ("servers.edge", "speed", "0", 40.0, 100.0, True),
    ]
    results = run(loaded, tmp_path / "r", jobs=1)
    events = results.events
    assert set(events["what"]) == {"there"}
    assert (events["end_s"] == 80).all()
    page = write_report(results).read_text(encoding="utf-8")
    for words in ("edge, backhaul outage", "edge, speed", "device, arrivals.rate_hz", "1 to 2"):
        assert words in page
    assert "device-0, there" in page
    assert "Phase by phase" in page


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (
            {"cells": {"cell": {"outages": [{"from_s": 5, "to_s": 4}]}}},
            "cells.cell.outages.0: ends at 4 s, must be after from_s (5)",
        ),
        (
            {"servers": {"edge": {"backhaul_outages": [OUTAGES[0], {"from_s": 25, "to_s": 40}]}}},
            "the one from 25 s begins before that from 20 s is over (30 s); list them in order",
        ),
        (
            {"drain_s": 5, "cells": {"cell": {"outages": [{"from_s": 105, "to_s": 140}]}}},
            "cells.cell.outages.0.from_s: a change at 105 s comes after the end (105 s); "
            "let it come earlier, or the run longer",
        ),
        (
            {"devices": [poisson({"kind": "steps", "times_s": [0, 300], "values": [1, 2]})]},
            "devices.device.arrivals.rate_hz.times_s: a change at 300 s comes after the end (100",
        ),
        ({"devices": [poisson(1, join_s=100)]}, "devices.device.join_s: a change at 100 s comes"),
        (
            {"drain_s": 5, "devices": [poisson(1, leave_s=500)]},
            "devices.device.leave_s: a change at 500 s comes",
        ),
        (
            {"devices": [poisson(1, join_s=50, leave_s=50)]},
            "leave_s: device-0 may leave at 50 s, before it has joined (50 s); let it leave later",
        ),
        (
            {
                "devices": [
                    poisson(
                        1,
                        count=3,
                        join_s={"kind": "one-by-one", "first_s": 0, "every_s": 30},
                        leave_s=55,
                    )
                ]
            },
            "leave_s: device-2 may leave at 55 s, before it has joined (60 s)",
        ),
        (
            {"devices": [poisson(1, join_s={"kind": "uniform", "from_s": 9, "to_s": 3})]},
            "to_s must be more than from_s (9), not 3",
        ),
        (
            {"devices": [poisson(1, join_s="soon")]},
            "devices.device.join_s: must be a number, or a way to spread it over the members",
        ),
    ],
)
def test_changes_that_cannot_be_are_told(tmp_path, changes, what):
    with pytest.raises(BadInput) as error:
        build(tmp_path, scenario=changes)
    assert any(what in problem for problem in error.value.problems), error.value


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (
            {"devices": [{"deadline_s": {"kind": "ramp", "times_s": [0, 1], "values": [1, 2]}}]},
            "devices.device.deadline_s",
        ),
        (
            {"servers": {"edge": {"workers": {"kind": "steps", "times_s": [0], "values": [1]}}}},
            "servers.edge.workers",
        ),
        ({"duration_s": {"kind": "csv", "file": "x.csv"}}, "duration_s"),
    ],
)
def test_what_cannot_change_is_told_with_what_can(tmp_path, changes, path):
    with pytest.raises(BadInput) as error:
        build(tmp_path, scenario=changes)
    (problem,) = error.value.problems
    assert f"{path}: cannot change over time, must be a" in problem
    for can in ("devices.*.arrivals.rate_hz", "devices.*.speed", "servers.*.background.load"):
        assert can in problem


def test_who_shortens_a_run_by_hand_is_warned_of_what_does_not_happen(tmp_path):
    build(tmp_path, scenario=PHASED)
    loaded = load_scenario(tmp_path / "scenario.yaml", {"duration_s": 20.0, "drain_s": 0.0})
    assert len(loaded.warnings) == 2
    assert all("comes after the end (20 s): it does not happen" in w for w in loaded.warnings)
    assert loaded.points[0].scenario.counted_s == 10


def test_an_outage_without_end_does_not_hang(tmp_path):
    outages = [{"from_s": 20, "to_s": 1e12}]
    with at_most(20):
        rows = rows_of(tmp_path, scenario={"drain_s": 5, "cells": {"cell": {"outages": outages}}})
    late = rows.created_s >= 20
    assert (rows.status[late] == UNFINISHED).all()


@pytest.mark.parametrize(
    ("mobility", "phases"),
    [
        ({"kind": "fixed", "position_m": [0, 0]}, 0),
        ({"kind": "random-waypoint", "area_m": [[0, 0], [9, 9]], "speed_mps": [1, 2]}, 10),
    ],
)
def test_a_run_in_which_devices_move_has_equal_phases(tmp_path, mobility, phases):
    scenario = build(tmp_path, scenario={"devices": [{"mobility": mobility}]}).points[0].scenario
    assert scenario.is_terminating == bool(phases)
    assert len(scenario.phases_s) == (phases and phases + 1)
