"""Latencies, back-hauls and losses that change over time, drawn up by hand or recorded."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from building import Board, Net, Waves, build, columns
from test_predictions import QUIET, Always

from splitsim import simulate
from splitsim.component import CsvCurve, RampCurve, StepCurve
from splitsim.errors import BadInput
from splitsim.outages import Outage, held_s
from splitsim.task import DONE, TIMEOUT, Record
from splitsim.world.around import Around
from splitsim.world.beside import TraceLatency, TraceLoss
from splitsim.world.latency import shortest_s

MEASURED = Path(os.environ.get("SPLITSIM_TRACES", Path(__file__).parents[2] / "shared/traces"))
UP_BPS, DOWN_BPS = 8e6, 4e6
AIR = {"kind": "steps", "times_s": [0, 20, 40.5, 70], "values": [0.03, 0.2, 0.0, 0.05]}
BACK = {"kind": "steps", "times_s": [0, 31, 66], "values": [0.02, 0.09, 0.4]}
OUTAGES = [{"from_s": 24.9, "to_s": 26}, {"from_s": 66, "to_s": 67.5}]
RADIO = Waves("waves", 4e-7, 5e-8, 1.2, 0.5, 0.04, 0.7, "0.1 0.4", "1.1 0.2")


def steps_of(curve):
    return StepCurve.model_validate(curve).steps()


def part_of(tmp_path, cell, server=None, device=None, seed=0, policy="offload", **more):
    device = {"arrivals": {"kind": "poisson", "rate_hz": 15.0}, **(device or {})}
    wire = {
        "uplink": {"kind": "constant", "rate_bps": UP_BPS},
        "downlink": {"kind": "constant", "rate_bps": DOWN_BPS},
    }
    scenario = {
        "devices": [device],
        "cells": {"cell": {**wire, **cell}},
        "servers": {"edge": server or {}},
        **more,
    }
    net = {"send_bytes": 1e4, "answer_bytes": 500, "tail_s": 0.01}
    loaded = build(tmp_path, scenario=scenario, radios=(Waves(), RADIO), **net)
    return simulate(loaded.points[0], policy, seed)


def rows_of(*args, **more):
    return columns(part_of(*args, **more).tasks)


@pytest.mark.parametrize("sharing", ["dedicated", "airtime"])
@pytest.mark.parametrize("changing", ["air", "backhaul", "both"])
def test_a_message_takes_what_latency_and_backhaul_are_when_it_gets_there(
    tmp_path, changing, sharing
):
    cell = {"latency_s": 0.04 if changing == "backhaul" else AIR, "sharing": {"kind": sharing}}
    server = {"backhaul_s": 0.07 if changing == "air" else BACK, "backhaul_outages": OUTAGES}
    rows = rows_of(tmp_path, cell, server)
    assert (rows.status == DONE).all()
    assert len(rows.status) > 1300
    air = steps_of(AIR if changing != "backhaul" else {**AIR, "values": [0.04] * 4})
    back = steps_of(BACK if changing != "air" else {**BACK, "values": [0.07] * 3})
    outages = [Outage(**outage) for outage in OUTAGES]

    def across_s(time_s):
        entered_s = time_s + held_s(outages, time_s)
        return entered_s + back.value(entered_s)

    there = [across_s(t + air.value(t)) for t in rows.tx_end_s]
    assert rows.server_arrival_s == pytest.approx(there, abs=1e-9)
    back_s = rows.answer_start_s - np.array([across_s(t) for t in rows.server_end_s])
    assert back_s.min() > -1e-9  # at the cell, perhaps behind other answers
    assert np.mean(back_s < 1e-9) > 0.5
    ends = rows.answer_start_s + 8 * 500 / DOWN_BPS
    home = np.array([t + air.value(t) for t in ends])
    assert rows.done_s == pytest.approx(home, abs=1e-9)


CELLS = {
    "dedicated": {},
    "tcp": {"transport": {"kind": "reliable", "tcp": {"initial_window_bytes": 2000}}},
    "shared": {"sharing": {"kind": "airtime", "half_duplex": True}, "setup_s": 0.002},
    "lossy": {"transport": {"kind": "reliable", "loss": 0.2}},
}


def flat(value):
    return {"kind": "steps", "times_s": [0, 33], "values": [value, value]}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("patience", [None, {"after_s": 0.3, "from": "sent", "then": "local"}])
def test_curves_that_do_not_change_are_as_good_as_numbers(tmp_path, cell, patience):
    device = {"count": 3, "timeout": patience, "max_in_flight": 6}
    part = {
        "cell": CELLS[cell] | {"radio": "waves", "latency_s": 0.04},
        "server": {"backhaul_s": 0.03, "report_every_s": 0.5},
        "device": {key: value for key, value in device.items() if value is not None},
    }
    given = part_of(tmp_path, **part, policy="fastest", **FASTEST)
    part["cell"] |= {"latency_s": flat(0.04)}
    part["server"] |= {"backhaul_s": flat(0.03)}
    if cell == "lossy":
        part["cell"] |= {"transport": {"kind": "reliable", "loss": flat(0.2)}}
    drawn = part_of(tmp_path, **part, policy="fastest", **FASTEST)
    assert len(given.tasks) == len(drawn.tasks) > 1000
    one, other = columns(given.tasks), columns(drawn.tasks)
    for name in (column.name for column in fields(Record)):
        a, b = getattr(one, name), getattr(other, name)
        if a.dtype == float:
            assert a == pytest.approx(b, rel=1e-9, abs=1e-9, nan_ok=True)
        else:
            assert (a == b).all()


FASTEST = {
    "policies": [{"name": "fastest", "kind": "fastest"}],
    "duration_s": 40.0,
    "drain_s": 30.0,
}


def test_who_waits_for_a_message_on_its_way_may_give_up(tmp_path):
    """From the last bit sent: also while it crosses the air."""
    air = {"kind": "steps", "times_s": [0, 30, 60], "values": [0.02, 5.0, 0.02]}
    device = {"timeout": {"after_s": 1.0, "from": "sent"}}
    rows = rows_of(tmp_path, {"latency_s": air}, device=device)
    slow = (rows.tx_end_s >= 30) & (rows.tx_end_s < 60)
    assert (rows.status[slow] == TIMEOUT).all()
    assert rows.left_s[slow] == pytest.approx(rows.tx_end_s[slow] + 1.0, abs=1e-9)
    assert np.isnan(rows.server_arrival_s[slow]).all()
    assert (rows.status[~slow & (rows.tx_end_s < 29)] == DONE).all()
    assert (rows.status[rows.tx_end_s > 60] == DONE).all()


def test_a_battery_or_leaving_ends_tasks_on_their_way(tmp_path):
    device = {"leave_s": {"kind": "together", "at_s": 50.0}}
    part = part_of(tmp_path, {"latency_s": {**AIR, "values": [3.0, 2.0, 4.0, 1.0]}}, device=device)
    rows = columns(part.tasks)
    assert set(rows.status) == {DONE, "unfinished"}
    assert rows.left_s[rows.status == "unfinished"] == pytest.approx(50.0)
    assert np.nanmax(rows.left_s) == 50.0
    assert sum(rows.compute_j + rows.tx_j + rows.rx_j + rows.tail_j) == pytest.approx(
        part.devices[0].board_j - part.devices[0].idle_j
    )


def test_a_window_of_tcp_waits_for_the_round_trip_of_its_time(tmp_path):
    tcp = {"kind": "reliable", "tcp": {"initial_window_bytes": 4000}}
    cell = {"latency_s": {**AIR, "times_s": [0, 20, 40, 70]}, "transport": tcp}
    device = {"arrivals": {"kind": "periodic", "period_s": 1.5, "phase_s": 0.75}}
    rows = rows_of(tmp_path, cell, {"backhaul_s": 0.01}, device)
    air = steps_of({**AIR, "times_s": [0, 20, 40, 70]})
    # 4 kB take 4 ms and go out in windows of 4 and 6 kB, a round trip apart.
    expected = [max(2 * (air.value(t) + 0.01), 0.004) + 0.006 for t in rows.tx_start_s]
    assert rows.tx_end_s - rows.tx_start_s == pytest.approx(expected, abs=1e-9)


def test_reports_come_as_late_as_messages_do(tmp_path):
    from splitsim.component import ConstantCurve
    from splitsim.system.distance import Distance
    from splitsim.system.server import ServerSpec

    moving = Distance(
        steps_of(AIR), 0.03, ServerSpec.model_validate({"hardware": "rack", "backhaul_s": BACK})
    )
    assert moving.one_way_s(10.0) == pytest.approx(0.03 + 0.02)
    assert moving.one_way_s(30.9) == pytest.approx(0.2 + 0.09)  # it crosses the air first
    still = ServerSpec(hardware="rack", backhaul_s=ConstantCurve(value=0.1))
    assert Distance(None, 0.25, still).one_way_s(5.0) == 0.25 + 0.1
    behind = Distance(None, 0.25, ServerSpec.model_validate({"hardware": "r", "backhaul_s": BACK}))
    assert behind.one_way_s(30.9) == pytest.approx(0.25 + 0.09)


@pytest.mark.parametrize("index", range(12))
def test_predictions_go_by_what_was_at_the_beginning(tmp_path, index, monkeypatch):
    """Before the first change this is what happens; later they do not know better."""
    monkeypatch.syspath_prepend(str(tmp_path.parent))
    changes = {"kind": "steps", "times_s": [0, 10], "values": [0.011, 0.2]}
    loss = {"kind": "reliable", "loss": {"kind": "steps", "times_s": [0, 10], "values": [0.2, 0]}}
    cell = QUIET["cells"]["cell"] | {"latency_s": changes, "transport": loss}
    servers = {"edge": {"backhaul_s": changes}, "cloud": {"hardware": "rack", "backhaul_s": 0.03}}
    policy = QUIET["policies"][0] | {"index": index}
    scenario = QUIET | {"cells": {"cell": cell}, "servers": servers, "policies": [policy]}
    nets = (Net("one", [0.0, 0.03, 0.09], [4e4, 9e3, 1e3], [0.05, 0.03, 0.01], answer_bytes=400),)
    nets += (Net("two", [0.0, 0.01], [4e4, 5e3], [0.04, 0.035], answer_bytes=100, top1=0.9),)
    waves = Waves("waves", 4e-7, 5e-8, 1.2, None, 0.0, 0.0, 0.3, 0.9)
    boards = (Board("board", slow=2.0), Board("rack", slow=0.5))
    loaded = build(tmp_path, nets=nets, radios=(waves,), boards=boards, scenario=scenario)
    # The loss of the beginning is in the rate that a device sees for itself.
    rows = simulate(loaded.points[0], "always", 0).tasks
    assert len(rows) == 20
    told = list(zip(rows, Always.predicted, strict=True))
    for row, (seconds, joules) in told[1:9]:
        assert row.done_s - row.created_s == pytest.approx(seconds, rel=1e-9)
        assert row.compute_j + row.tx_j + row.rx_j + row.tail_j == pytest.approx(joules, rel=1e-9)
    for row, (seconds, _) in told[10:]:
        late_s = row.done_s - row.created_s - seconds
        assert (late_s > 0.1) if row.server else (abs(late_s) < 1e-9)


def test_a_change_of_what_lies_between_makes_phases_and_is_told_in_the_time_line(tmp_path):
    scenario = {
        "cells": {"cell": {"latency_s": AIR, "transport": {"kind": "reliable", "loss": flat(0.1)}}},
        "servers": {"edge": {"backhaul_s": BACK}},
    }
    found = build(tmp_path, scenario=scenario).points[0].scenario
    assert found.phases_s == [0, 20, 31, 33, 40.5, 66, 70, 100]
    told = {(event.where, event.what) for event in found.events}
    assert ("cells.cell", "latency_s") in told
    assert ("cells.cell", "transport.loss") in told
    assert ("servers.edge", "backhaul_s") in told


# Losses


LOSS = {"kind": "steps", "times_s": [0, 25, 50], "values": [0.1, 0.5, 0.0]}


@pytest.mark.parametrize("sharing", ["dedicated", "airtime"])
@pytest.mark.parametrize("charge_j", [None, 300.0])
def test_lost_bits_are_sent_again_and_cost_time_and_joules(tmp_path, sharing, charge_j):
    cell = {
        "radio": "waves",
        "transport": {"kind": "reliable", "loss": LOSS},
        "sharing": {"kind": sharing},
    }
    device = {"battery": {"capacity_j": charge_j}} if charge_j else None
    part = part_of(tmp_path, cell, device=device)
    rows, loss = columns(part.tasks), steps_of(LOSS)
    arriving = loss.through(lambda lost: UP_BPS * (1 - lost))
    sent = np.isfinite(rows.tx_end_s)
    assert sent.sum() > 500
    for start, end in zip(rows.tx_start_s[sent], rows.tx_end_s[sent], strict=True):
        assert arriving.area(end) - arriving.area(start) == pytest.approx(8e4, rel=1e-9)
    attempts = np.array([1 / (1 - loss.value(t)) for t in rows.tx_start_s[sent]])
    on_air_j = 4e-7 * 8e4 * attempts + 1.2 * rows.airtime_s[sent]
    woken_j = rows.tx_j[sent] - on_air_j  # a promotion, or none
    near = np.minimum(np.abs(woken_j), np.abs(woken_j - 0.04 * 0.7))
    assert near.max() < 1e-9
    (board,) = part.devices
    spent_j = sum(rows.compute_j + rows.tx_j + rows.rx_j + rows.tail_j)
    assert spent_j + board.idle_j == pytest.approx(board.board_j, rel=1e-9)
    if charge_j:
        assert board.board_j == pytest.approx(charge_j, rel=1e-9)


# Recordings

DRIVE = "t,mbps,rtt_ms,lost\n0,4,-,-\n2,8,60,1\n5,2,,-\n6,6,200,4\n9,3,-,100\n10,,,\n"
HELD_S = [(0, 0.03), (2, 0.03), (5, 0.03), (6, 0.1), (9, 0.1)]
READ = {"time": "t", "rate": "mbps", "rate_unit_bps": 1e6}
RTT = {"kind": "trace", "rtt": "rtt_ms", "rtt_unit_s": 1e-3, **READ}
LOST = {"kind": "trace", "loss": "lost", "loss_unit": 0.01, **READ}


@pytest.fixture
def drive(tmp_path):
    path = tmp_path / "drive.csv"
    path.write_text(DRIVE)
    return path


def around(device="device-0", seed=0):
    return Around(seed, device, "uplink")


def test_half_the_recorded_round_trip_is_replayed_and_the_last_value_holds(drive):
    latency = TraceLatency.model_validate({**RTT, "file": str(drive)})
    steps = latency.steps(around())
    for lap in (0, 10, 70):
        for time_s, value_s in HELD_S:
            assert steps.value(lap + time_s + 0.5) == pytest.approx(value_s)
    assert latency.mean == pytest.approx(0.6 * 0.03 + 0.4 * 0.1)
    assert shortest_s(latency) == pytest.approx(0.03)
    later = TraceLatency.model_validate({**RTT, "file": str(drive), "offset_s": 5, "scale": 2.0})
    assert [later.steps(around()).value(t) for t in (0.5, 1.5, 4.5, 5.5)] == pytest.approx(
        [0.06, 0.2, 0.2, 0.06]
    )
    part = TraceLatency.model_validate({**RTT, "file": str(drive), "from_s": 5, "to_s": 7})
    assert part.steps(around()).mean(0, 2) == pytest.approx(0.065)


def test_recorded_losses_are_replayed_and_never_total(drive):
    loss = TraceLoss.model_validate({**LOST, "file": str(drive)})
    steps = loss.steps(around())
    assert [steps.value(t) for t in (1, 3, 5.5, 7, 9.5, 11)] == pytest.approx(
        [0.01, 0.01, 0.01, 0.04, 1.0, 0.01]
    )
    from splitsim.steps import Steps
    from splitsim.system.transport import Reliable

    transport = Reliable(loss=loss)
    goodput = transport.goodput(Steps.constant(1e6), around())
    assert goodput.value(7) == pytest.approx(0.96e6)
    assert goodput.value(9.5) == pytest.approx(1e4)
    attempts = transport.more_attempts(around())
    assert attempts.value(7) * transport.attempts == pytest.approx(1 / 0.96)


@pytest.mark.parametrize("place", [{}, {"offset": "drawn"}, {"segment_s": 2.5}, {"offset_s": 4}])
def test_rate_latency_and_loss_of_a_device_are_at_the_same_place(tmp_path, drive, place):
    """Each task's rate tells where in the recording its device is, and so must the latency."""
    replay = {"file": drive.name, **place}
    lossy = {"kind": "reliable", "loss": {**LOST, **replay}}
    cell = {"uplink": {"kind": "trace", **READ, **replay}, "latency_s": {**RTT, **replay}}
    device = {"count": 3, "arrivals": {"kind": "periodic", "period_s": 0.9, "phase_s": 0.5}}
    loaded = build(
        tmp_path,
        scenario={"cells": {"cell": cell}, "devices": [device], "duration_s": 40},
        send_bytes=10,
    )
    assert loaded.warnings == []
    tasks = columns(simulate(loaded.points[0], "offload", 3).tasks)
    speed_bps = 80 / (tasks.tx_end_s - tasks.tx_start_s)
    latency_s = tasks.server_arrival_s - tasks.tx_end_s
    by_rate = {4: 0.03, 8: 0.03, 2: 0.03, 6: 0.1, 3: 0.1}
    found = [by_rate.get(round(mbps, 6)) for mbps in speed_bps / 1e6]
    known = np.array([value is not None for value in found])  # else it spans an edge
    assert known.mean() > 0.99
    expected = np.array([math.nan if value is None else value for value in found])
    assert latency_s[known] == pytest.approx(expected[known], abs=1e-6)
    cell["transport"] = lossy
    other = build(tmp_path, scenario={"cells": {"cell": cell}, "devices": [device]}, send_bytes=10)
    assert other.warnings == []
    slower = columns(simulate(other.points[0], "offload", 3).tasks)
    goodputs = 80 / (slower.tx_end_s - slower.tx_start_s) / 1e6
    possible = [4 * 0.99, 8 * 0.99, 2 * 0.99, 6 * 0.96, 3 * 0.01]
    near = np.min(np.abs(goodputs[:, None] / np.array(possible) - 1), axis=1)
    assert np.mean(near < 1e-6) > 0.97


def test_a_recording_at_two_places_is_warned_of(tmp_path, drive):
    cell = {
        "uplink": {"kind": "trace", **READ, "file": drive.name, "offset": "drawn"},
        "latency_s": {**RTT, "file": drive.name},
    }
    (warning,) = build(tmp_path, scenario={"cells": {"cell": cell}}).warnings
    assert "cells.cell.latency_s: replays the recording of the rate, but from another" in warning


def test_other_devices_leave_a_devices_replay_alone(drive):
    drawn = TraceLatency.model_validate({**RTT, "file": str(drive), "offset": "drawn"})
    one, other = (drawn.steps(around(f"device-{n}")) for n in (0, 1))
    again = drawn.steps(around("device-0"))
    times_s = np.linspace(0.1, 30, 200)
    assert [one.value(t) for t in times_s] == [again.value(t) for t in times_s]
    assert [one.value(t) for t in times_s] != [other.value(t) for t in times_s]


def test_a_round_trip_in_the_wrong_unit_is_warned_of(tmp_path, drive):
    cell = {"latency_s": {**RTT, "file": drive.name, "rtt_unit_s": 1.0}}
    (warning,) = build(tmp_path, scenario={"cells": {"cell": cell}}).warnings
    assert "its round trips are 116 s on average; a column in ms has the unit 0.001" in warning


def test_intervals_are_conditional_on_recorded_fading_and_round_trips_too(tmp_path, drive):
    from splitsim.folder import _replayed

    (tmp_path / "walk.fad").write_text(" ".join(["0", "-3", "2"] * 40))
    fading = {
        "kind": "fading",
        "bandwidth_hz": 1e6,
        "snr": {"kind": "constant", "mean_db": 5},
        "fading": {"kind": "recorded", "file": "walk.fad", "offset": "fixed"},
        "rate": {"kind": "shannon"},
    }
    cell = {"uplink": fading, "latency_s": {**RTT, "file": drive.name}}
    assert _replayed(build(tmp_path, scenario={"cells": {"cell": cell}})) == [
        "drive.csv",
        "walk.fad",
    ]
    fading["fading"].pop("offset")  # drawn
    cell["latency_s"]["offset"] = "drawn"
    assert _replayed(build(tmp_path, scenario={"cells": {"cell": cell}})) == []


@pytest.mark.skipif(
    not MEASURED.is_dir(), reason="no measured traces: set SPLITSIM_TRACES to their folder"
)
def test_measured_round_trips():
    """A 5G drive in which one row in some was pinged, and a log that tells one value all along."""
    drive = MEASURED / "ucc-5g" / "download_driving_B_2020.01.16_12.10.03.csv"
    how = {"kind": "trace", "format": "g-nettrack", "file": str(drive)}
    latency = TraceLatency.model_validate(how)
    # Of equal times the last row counts, so that some pings are overwritten by none.
    assert latency.mean == pytest.approx(0.033, abs=0.0003)
    steps = latency.steps(around())
    _, values_s = steps.pieces(0.0, 386.0)
    assert set(values_s.round(5).tolist()) == {0.033, 0.0335}
    assert steps.value(0.5) == steps.value(386.5)  # again from the beginning
    bus = {"kind": "trace", "format": "sabre"}
    bus["file"] = str(MEASURED / "ghent-4g" / "report_bus_0001.json")
    assert TraceLatency.model_validate(bus).mean == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ({"latency_s": {**AIR, "values": [0, 1, -1, 0]}}, "latency_s: its values must be 0 or"),
        ({"latency_s": "x"}, "latency_s: must be a number, or a curve over time, not 'x'"),
        ({"latency_s": {"kind": "stepz"}}, r"no kind 'stepz' \(did you mean 'steps'\?\)"),
        ({"transport": {"kind": "reliable", "loss": {**LOSS, "values": [0, 1, 0]}}}, "less than 1"),
        ({"transport": {"kind": "reliable", "loss": 1.0}}, "loss: must be less than 1"),
        (
            {"transport": {"kind": "unreliable", "loss": LOSS}},
            "loss: cannot change over time, must be a number; what can change: .*latency_s",
        ),
        ({"sharing": {"kind": "wifi"}, "transport": {"kind": "reliable", "loss": LOSS}}, "leave o"),
        ({"latency_s": {**RTT, "file": "drive.csv", "loop": False}}, "remove loop: false"),
        ({"latency_s": {**RTT, "file": "drive.csv", "rtt": None}}, "drive.csv: holds no rtt_s; na"),
        ({"latency_s": {**RTT, "file": "drive.csv", "rtt": "ms"}}, "no columns are called 'ms'"),
        ({"latency_s": {**RTT, "file": "drive.csv", "rtt_unit_s": 0}}, "must be more than 0"),
        (
            {"transport": {"kind": "reliable", "loss": {**LOST, "file": "drive.csv", "scale": 2}}},
            "scale 2 makes more losses than there are packets",
        ),
        (
            {"transport": {"kind": "reliable", "loss": {**LOST, "file": "x", "loss_unit": 1}}},
            "x: no such file",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_mistakes_are_told_with_their_remedy(tmp_path, drive, cell, complaint):
    with pytest.raises(BadInput, match=complaint) as told:
        build(tmp_path, scenario={"cells": {"cell": cell}})
    assert len(told.value.problems) == 1


def test_a_change_after_the_end_and_too_little_patience_are_told(tmp_path):
    late = {"kind": "steps", "times_s": [0, 900], "values": [0.1, 0.2]}
    scenario = {"servers": {"edge": {"backhaul_s": late}}, "duration_s": 100, "drain_s": 10}
    with pytest.raises(BadInput, match="times_s: a change at 900 s comes after the end"):
        build(tmp_path, scenario=scenario)
    timeout = {"after_s": 0.1, "from": "sent"}
    rising = {"kind": "steps", "times_s": [0, 50], "values": [0.05, 0.3]}
    scenario = {"servers": {"edge": {"backhaul_s": rising}}, "devices": [{"timeout": timeout}]}
    build(tmp_path, scenario=scenario)  # at first it is patient enough
    scenario["cells"] = {"cell": {"latency_s": {**rising, "values": [0.2, 0.07]}}}
    with pytest.raises(BadInput, match=r"one-way latency \(0.12 s\)"):
        build(tmp_path, scenario=scenario)


@pytest.mark.parametrize("kind", [RampCurve, CsvCurve])
def test_the_first_value_of_a_line_is_where_it_begins(tmp_path, kind):
    (tmp_path / "c.csv").write_text("time_s,value\n0,0.2\n10,1.2\n")
    curve = (
        CsvCurve(kind="csv", file=str(tmp_path / "c.csv"), between="line")
        if kind is CsvCurve
        else RampCurve(kind="ramp", times_s=[0, 10], values=[0.2, 1.2])
    )
    assert curve.first == 0.2
