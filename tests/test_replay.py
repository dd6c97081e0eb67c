"""Replaying a trace: loop, offset, scale; and measured uplinks with their outages."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from building import build

from splitsim import simulate
from splitsim.world.around import Around
from splitsim.world.replay import TraceChannel
from splitsim.world.traces import read_trace

MEASURED = Path(os.environ.get("SPLITSIM_TRACES", Path(__file__).parents[1] / "../shared/traces"))
DRIVE = MEASURED / "mahimahi" / "ATT-LTE-driving.up"  # 1,012 s with an outage of 78 s

measured = pytest.mark.skipif(
    not DRIVE.is_file(), reason=f"no measured traces in {MEASURED}; SPLITSIM_TRACES names them"
)


def steps_of(path: Path, **how):
    channel = TraceChannel.model_validate({"kind": "trace", "file": str(path), **how})
    return channel.steps(Around(0, "device-0", "uplink"))


@pytest.fixture
def stairs(tmp_path):
    """1, 0 and 4 Mbit/s for 2, 3 and 1 s."""
    path = tmp_path / "stairs.csv"
    path.write_text("time_s,rate_bps\n0,1e6\n2,0\n5,4e6\n6,\n")
    return path


@pytest.mark.parametrize("offset_s", [0.0, 0.5, 2.0, 3.7, 5.0, 5.5])
def test_an_offset_joins_the_recording_later(stairs, offset_s):
    whole, joined = steps_of(stairs), steps_of(stairs, offset_s=offset_s)
    for time_s in np.linspace(0.0, 20.0, 101):
        expected = whole.area(offset_s + time_s) - whole.area(offset_s)
        assert joined.area(time_s) == pytest.approx(expected, abs=1e-6)


def test_scale_multiplies_and_a_stopped_trace_stays_at_zero(stairs):
    once = steps_of(stairs, scale=3.0, loop=False, offset_s=1.0)
    assert [once.value(t) for t in (0.5, 2, 4.5, 5.5, 1e5)] == [3e6, 0, 12e6, 0, 0]
    assert once.area(1e6) == pytest.approx(15e6)
    assert once.when(16e6, before_s=1e6) == np.inf


def replay(tmp_path, path: Path, duration_s: float, **net):
    """Every task that a device sends over a trace, one after the other."""
    scenario = {
        "duration_s": duration_s,
        "devices": [{"arrivals": {"kind": "closed", "think_s": 0.0}}],
        "cells": {"cell": {"uplink": {"kind": "trace", "file": str(path)}}},
    }
    spec = build(tmp_path, tail_s=0.0, scenario=scenario, **net).points[0]
    return simulate(spec, "offload", 0).tasks


@measured
def test_transfers_wait_through_a_measured_outage_and_go_on(tmp_path):
    trace = read_trace(DRIVE)
    longest = int(np.argmax(np.where(trace.rates_bps == 0, trace.durations_s, 0)))
    begin_s = float(trace.starts_s[longest])
    end_s = begin_s + float(trace.durations_s[longest])
    assert end_s - begin_s == pytest.approx(78.3, abs=0.05)
    rows = replay(tmp_path, DRIVE, trace.period_s, send_bytes=1e5)
    assert all(row.status == "done" for row in rows)
    (through,) = [row for row in rows if row.tx_start_s < begin_s and row.tx_end_s > end_s]
    assert through.airtime_s > 78
    assert through.sent_bytes == 1e5


@measured
@pytest.mark.parametrize(
    "name", ["ATT-LTE-driving.up", "ATT-LTE-driving-2016.up", "Verizon-LTE-short.up"]
)
def test_a_saturated_replay_of_a_measured_uplink_conserves_bits(tmp_path, name):
    """Three rounds of back-to-back transfers carry what the file has, to within one of them."""
    path = DRIVE.with_name(name)
    trace = read_trace(path)
    lines = len(path.read_text().split())
    rows = replay(tmp_path, path, 3 * trace.period_s, send_bytes=5e4)
    inside = [row for row in rows if row.tx_end_s <= 3 * trace.period_s]
    sent = sum(row.sent_bytes for row in inside)
    assert 0 <= 3 * 1500 * lines - sent <= 5e4 * (1 + 1e-9)
    gaps = [b.tx_start_s - a.tx_end_s for a, b in pairwise(inside)]
    assert max(gaps) < 1e-9
