"""Cells in whole simulations: accounts, energy, costs of transfers, latencies, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from building import Board, Waves, agrees, build, columns

from splitsim import simulate
from splitsim.costs import Costs, SlowStart
from splitsim.errors import BadInput
from splitsim.steps import Steps
from splitsim.system.clock import Clock, task_key
from splitsim.system.stations import Link, Transfer
from splitsim.task import DONE, TIMEOUT

BOARDS = (Board("board", idle_w=2.0, compute_w=3.0), Board("rack"))
RADIO = Waves(
    "waves",
    a_up_j_per_bit=4e-7,
    a_down_j_per_bit=5e-8,
    b_w=1.2,
    zero_w=0.5,
    promotion_s=0.04,
    promotion_w=0.7,
    tail_s="0.1 0.4",
    tail_w="1.1 0.2",
)
FADING = {
    "kind": "fading",
    "bandwidth_hz": 2e6,
    "snr": {"kind": "constant", "mean_db": 10},
    "fading": {"kind": "rayleigh", "doppler_hz": 5},
    "rate": {"kind": "shannon"},
}
CROWD = {"kind": "poisson", "count": 2, "rate_hz": 1.0, "transfer_bytes": 2e4}
SHARINGS = [
    {"kind": "airtime"},
    {"kind": "airtime", "half_duplex": True},
    {"kind": "equal_rate", "min_rate_bps": 1e6},
    {"kind": "proportional_fair", "block_s": 0.002},
    {"kind": "wifi"},
]
every_sharing = pytest.mark.parametrize(
    "sharing", SHARINGS, ids=lambda s: "-".join(map(str, s.values()))
)


def busy(folder, sharing, *, policy="offload", device=None, cell=None, **scenario):
    """Five impatient devices and two in the background on a cell that is nearly full."""
    device = {
        "count": 5,
        "arrivals": {"kind": "poisson", "rate_hz": 3.0},
        "timeout": {"after_s": 0.7, "from": "created"},
    } | (device or {})
    whole = {
        "duration_s": 30.0,
        "drain_s": 5.0,
        "devices": [device],
        "cells": {
            "cell": {
                "sharing": sharing,
                "radio": "waves",
                "latency_s": 0.01,
                "uplink": FADING,
                "downlink": FADING,
                "background": CROWD,
            }
            | (cell or {})
        },
    } | scenario
    loaded = build(
        folder,
        scenario=whole,
        boards=BOARDS,
        radios=(RADIO,),
        head_s=0.01,
        send_bytes=4e4,
        tail_s=0.005,
        local_s=0.1,
        answer_bytes=5e3,
    )
    return simulate(loaded.points[0], policy, 0)


@every_sharing
def test_bits_and_airtime_are_conserved(tmp_path, sharing):
    part = busy(tmp_path, sharing, cell={"overhead_bytes": 50, "setup_s": 0.001})
    up, down = part.cells
    assert (up.direction, down.direction, up.links) == ("uplink", "downlink", 5)
    rows = part.tasks
    assert {row.status for row in rows} == {DONE, TIMEOUT}
    sent, received = (
        math.fsum(8 * getattr(r, n) for r in rows) for n in ("sent_bytes", "received_bytes")
    )
    assert up.bits == pytest.approx(sent, rel=1e-9)
    assert down.bits == pytest.approx(received, rel=1e-9)
    assert up.airtime_s == pytest.approx(math.fsum(row.airtime_s for row in rows), rel=1e-9)
    used = up.airtime_s + up.background_airtime_s
    if up.busy_s == down.busy_s:
        used += down.airtime_s
    assert used == pytest.approx(up.busy_s, rel=1e-9)
    assert up.cut == sum(row.tx_start_s is not None and row.tx_end_s is None for row in rows) > 0
    assert up.background_transfers > 40
    assert up.background_bits > 40 * 8 * 2e4
    assert 0.3 < up.load == up.busy_s / 30.0


@every_sharing
def test_rows_and_idle_power_are_the_joules_of_the_board(tmp_path, sharing):
    part = busy(tmp_path, sharing)
    for device in part.devices:
        rows = [row for row in part.tasks if row.device == device.device]
        charged = math.fsum(r.compute_j + r.tx_j + r.rx_j + r.tail_j for r in rows)
        assert charged + 2.0 * device.end_s == pytest.approx(device.board_j, rel=1e-9)
        woken = 0.04 * 0.7
        for row in rows:
            most = 4e-7 * 8 * row.sent_bytes + 1.2 * row.airtime_s
            assert row.tx_j <= most + woken + 1e-12
            assert row.tx_j >= 4e-7 * 8 * row.sent_bytes + 0.5 * row.airtime_s - 1e-12


@every_sharing
def test_a_battery_in_a_shared_cell_gives_what_it_holds(tmp_path, sharing):
    for capacity_j in (11.0, 23.4):
        part = busy(tmp_path, sharing, device={"battery": {"capacity_j": capacity_j}})
        for device in part.devices:
            assert device.off_s is not None
            assert device.board_j == pytest.approx(capacity_j, rel=1e-9)
            rows = [row for row in part.tasks if row.device == device.device]
            charged = math.fsum(r.compute_j + r.tx_j + r.rx_j + r.tail_j for r in rows)
            assert charged + 2.0 * device.off_s == pytest.approx(capacity_j, rel=1e-9)
        up, _ = part.cells
        # Who has died keeps his place on the medium until his next event.
        charged_bits = math.fsum(8 * row.sent_bytes for row in part.tasks)
        assert charged_bits <= up.bits <= 1.1 * charged_bits


def test_background_devices_and_other_cells(tmp_path):
    """They slow their own cell down and leave the other one alone."""
    others = {"name": "other", "cell": "calm", "arrivals": {"kind": "poisson", "rate_hz": 3.0}}
    found = {}
    for name, crowd in (("without", None), ("with", CROWD | {"count": 12, "rate_hz": 2.0})):
        mine = {"count": 2, "arrivals": {"kind": "poisson", "rate_hz": 3.0}}
        cell = {"sharing": {"kind": "airtime"}, "radio": "waves", "uplink": FADING}
        full = {key: value for key, value in (cell | {"background": crowd}).items() if value}
        loaded = build(
            tmp_path,
            scenario={
                "duration_s": 30.0,
                "devices": [mine, others],
                "cells": {"cell": full, "calm": cell},
            },
            radios=(RADIO,),
        )
        found[name] = simulate(loaded.points[0], "offload", 0).tasks
    rows = [{(r.device, r.task): r.tx_end_s for r in found[name]} for name in ("without", "with")]
    later = np.array([rows[1][key] - rows[0][key] for key in rows[0] if key[0] != "other-0"])
    assert all(rows[0][key] == rows[1][key] for key in rows[0] if key[0] == "other-0")
    assert later.mean() > 0.02


def test_every_policy_meets_the_same_background_and_latencies(tmp_path):
    drawn = {"kind": "lognormal", "mean_s": 0.02, "cv": 0.5}
    parts = [
        busy(tmp_path, {"kind": "airtime"}, policy=policy, cell={"latency_s": drawn})
        for policy in ("local", "offload")
    ]
    assert parts[0].cells[0].background_bits > 0
    assert parts[0].cells[0].transfers == 0
    # The crowd's transfers are the same; how many end before the last task does is not.
    sent = [part.cells[0].background_bits / part.cells[0].background_transfers for part in parts]
    assert sent == pytest.approx([1.6e5, 1.6e5])


@pytest.mark.parametrize(
    ("latency", "variance"),
    [
        ({"kind": "lognormal", "mean_s": 0.02, "cv": 0.6}, (0.6 * 0.02) ** 2),
        ({"kind": "exponential", "mean_s": 0.03, "least_s": 0.01}, 0.02**2),
    ],
)
def test_latencies_are_drawn_with_their_mean_and_variance_in_both_directions(
    tmp_path, latency, variance
):
    scenario = {
        "duration_s": 400.0,
        "devices": [{"count": 20, "arrivals": {"kind": "periodic", "period_s": 1.0}}],
        "cells": {"cell": {"latency_s": latency}},
    }
    loaded = build(tmp_path, scenario=scenario)
    rows = simulate(loaded.points[0], "offload", 0).tasks
    names = [f"device-{n}" for n in range(20)]
    for way in ("up", "down"):
        means, variances = [], []
        for name in names:
            mine = columns([row for row in rows if row.device == name])
            taken = (
                mine.server_arrival_s - mine.tx_end_s
                if way == "up"
                else mine.done_s - mine.answer_start_s
            )
            means.append(taken.mean())
            variances.append(taken.var(ddof=1))
        agrees(means, latency["mean_s"], error=3e-4)
        agrees(variances, variance, error=0.1 * variance)


def test_the_measured_wlan_is_a_set_up_and_a_rate(tmp_path):
    """About 15.5 ms and 0.5 ms per kB."""
    for kilobytes in (1.0, 10.0, 44.0):
        cell = {
            "setup_s": {"uplink": 0.0155},
            "uplink": {"kind": "constant", "rate_bps": 16e6},
        }
        loaded = build(tmp_path, scenario={"cells": {"cell": cell}}, send_bytes=1000 * kilobytes)
        for row in simulate(loaded.points[0], "offload", 0).tasks[:5]:
            lasted_s = row.tx_end_s - row.tx_start_s
            assert lasted_s == pytest.approx(0.0155 + 0.0005 * kilobytes, rel=1e-9)
            assert row.airtime_s == pytest.approx(lasted_s)


def test_overheads_are_sent_and_counted(tmp_path):
    cell = {
        "overhead_bytes": 100,
        "byte_overhead": 1.1,
        "uplink": {"kind": "constant", "rate_bps": 8e5},
    }
    loaded = build(tmp_path, scenario={"cells": {"cell": cell}}, send_bytes=1e4)
    row = simulate(loaded.points[0], "offload", 0).tasks[0]
    assert row.sent_bytes == pytest.approx(11_100)
    assert row.tx_end_s - row.tx_start_s == pytest.approx(0.111)


def test_a_grant_is_waited_for_where_the_buffer_was_empty():
    clock = Clock()
    link = Link(clock, Steps.constant(1.0), Costs(grant_s=0.5))
    jobs = [Transfer(clock, task_key(0, n), 2.0, 100.0, 0.0, at) for n, at in enumerate((1, 2, 9))]
    starts = [link.submit(job).start_s for job in jobs]
    assert starts == [1.5, 3.5, 9.5]


@pytest.mark.parametrize(
    ("kilobytes", "rounds"), [(10, 1), (14.6, 1), (14.7, 2), (43.8, 2), (45, 3), (103, 4)]
)
def test_slow_start_takes_round_trips(kilobytes, rounds):
    """10 kB fit into one, 45 kB need three; a fresh connection costs one more."""
    for is_fresh in (False, True):
        clock = Clock()
        link = Link(clock, Steps.constant(1e12), Costs(slow_start=SlowStart(8 * 14_600, is_fresh)))
        job = Transfer(clock, task_key(0, 0), 8e3 * kilobytes, 100.0)
        job.rtt_s = 0.1
        link.submit(job)
        assert job.end_s == pytest.approx((rounds - 1 + is_fresh) * 0.1, abs=1e-6)
        assert job.pause_s == pytest.approx((rounds - 1) * 0.1, abs=1e-6)
        assert job.airtime_s < 1e-6


def test_slow_start_pauses_no_more_once_a_window_lasts_a_round_trip():
    """At 10 bit/s and a round trip of 1 s windows of 4, 8 bits pause; 16 and more do not."""
    clock = Clock()
    link = Link(clock, Steps.constant(10.0), Costs(slow_start=SlowStart(4.0)))
    job = Transfer(clock, task_key(0, 0), 100.0, 1e3)
    job.rtt_s = 1.0
    link.submit(job)
    assert job.pause_s == pytest.approx(0.6 + 0.2)
    assert job.end_s == pytest.approx(10.0 + 0.8)
    assert link.sent(job, 1.5).bits == pytest.approx(4 + 5)
    assert link.sent(job, 0.9).pause_s == pytest.approx(0.5)


def test_slow_start_is_cut_in_a_pause():
    clock = Clock()
    link = Link(clock, Steps.constant(10.0), Costs(slow_start=SlowStart(4.0)))
    job = Transfer(clock, task_key(0, 0), 100.0, 0.7)
    job.rtt_s = 1.0
    link.submit(job)
    assert (job.end_s, job.over_s, job.sent_bits) == (None, 0.7, 4.0)
    assert (job.airtime_s, job.pause_s) == pytest.approx((0.4, 0.3))


LOSSY = {"kind": "reliable", "loss": 0.1}
NO_WINDOW = {"kind": "reliable", "tcp": {"initial_window_bytes": 0}}
MISTAKES = [
    ({"background": CROWD}, "background: a dedicated cell is not shared"),
    ({"sharing": {"kind": "proportional_fair", "block_s": 1, "window_s": 0.1}}, "window_s must be"),
    ({"sharing": {"kind": "equal_rate", "min_rate_bps": -1}}, "min_rate_bps: must be 0 or more"),
    ({"sharing": {"kind": "wifi", "cw_min": 31, "cw_max": 15}}, "cw_max must be at least cw_min"),
    ({"sharing": {"kind": "wifi", "half_duplex": True}}, "half_duplex: unknown key"),
    ({"sharing": {"kind": "air"}}, "there is no kind 'air'"),
    (
        {"sharing": {"kind": "wifi"}, "transport": LOSSY},
        "leave out loss",
    ),
    ({"setup_s": "x"}, "setup_s: must be"),
    ({"setup_s": -1.0}, "setup_s"),
    ({"latency_s": -1.0}, "latency_s: must be 0 or more"),
    ({"latency_s": {"kind": "exponential", "mean_s": 1, "least_s": 2}}, "least_s must be at most"),
    ({"byte_overhead": 0.9}, "byte_overhead: must be 1 or more"),
    ({"transport": {"kind": "unreliable", "tcp": {}}}, "tcp: unknown key"),
    (
        {"transport": NO_WINDOW},
        "must be more than 0",
    ),
]


@pytest.mark.parametrize(("cell", "complaint"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes_in_a_cell_are_told_with_their_remedy(tmp_path, cell, complaint):
    with pytest.raises(BadInput, match=complaint):
        build(tmp_path, scenario={"cells": {"cell": cell}})


def test_an_analogue_transport_shares_no_half_duplex_medium_and_has_no_bytes_beside(tmp_path):
    symbols = FADING | {"rate": {"kind": "symbols"}}
    cell = {
        "transport": {"kind": "analogue"},
        "uplink": symbols,
        "sharing": {"kind": "airtime", "half_duplex": True},
        "overhead_bytes": 40,
    }
    with pytest.raises(BadInput) as told:
        build(tmp_path, scenario={"cells": {"cell": cell}})
    text = str(told.value)
    assert "cannot share one medium; leave out half_duplex" in text
    assert "overhead_bytes: symbols carry no bytes" in text
