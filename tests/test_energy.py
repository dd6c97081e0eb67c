"""Radios that sleep, boards, servers and batteries: joules against algebra."""

from __future__ import annotations

import math

import pytest
from building import Board, Waves, build

from splitsim import load_scenario, simulate
from splitsim.entries import Radio
from splitsim.errors import BadInput
from splitsim.profiles import Tables
from splitsim.steps import Steps
from splitsim.task import DONE, DROPPED, UNFINISHED

UP_BPS = 8e5  # the net's 1e4 bytes take 0.1 s
SLEEPY = Waves(
    "sleepy",
    a_up_j_per_bit=1e-6,
    b_w=1.0,
    promotion_s=0.5,
    promotion_w=2.0,
    tail_s="0.2 1",
    tail_w="3 1",
)
BOARDS = (Board("board", idle_w=2.0, compute_w=3.0), Board("rack", idle_w=50.0, compute_w=100.0))
SEND_J = 1e-6 * 8e4 + 1.0 * 0.1


def part(folder, *, period_s=1.0, duration_s=4.0, device=None, cell=None, policy="offload", **how):
    """A frame every ``period_s`` from 0 on over 0.8 Mbit/s; head 0.02 s, tail 0.03 s."""
    arrivals = {"kind": "periodic", "period_s": period_s, "phase_s": 0.0}
    waves = how.pop("radio", SLEEPY)
    uplink = {"kind": "constant", "rate_bps": how.pop("up_bps", UP_BPS)}
    scenario = {
        "duration_s": duration_s,
        "drain_s": 10.0,
        "devices": [{"arrivals": arrivals, **(device or {})}],
        "cells": {"cell": {"radio": waves.name, "uplink": uplink, **(cell or {})}},
        **how.pop("scenario", {}),
    }
    net = {"head_s": 0.02, "tail_s": 0.03, "local_s": 0.4} | how
    loaded = build(folder, scenario=scenario, boards=BOARDS, radios=(waves,), **net)
    return simulate(loaded.points[0], policy, 0)


def test_the_worked_value_of_the_linear_radio():
    """LTE at 5.85 Mbit/s, 10,092 B: 13.8 ms and 53.2 mJ (Huang et al.'s law)."""
    lte, bits = Tables().radio("lte"), 8 * 10_092
    airtime_s = bits / 5.85e6
    assert airtime_s == pytest.approx(13.8e-3, abs=0.05e-3)
    assert lte.send_j(bits, airtime_s) == pytest.approx(53.2e-3, abs=0.05e-3)


def test_a_tail_goes_through_its_states_and_is_cut_short():
    radio = Radio("r", 0, 0, 0, 0, 0, 0, (0.2, 1.0), (3.0, 1.0), "assumed", 3.0)
    assert radio.awake_s == pytest.approx(1.2)
    found = radio.tail_j([0.0, 0.1, 0.2, 0.7, 1.2, 50.0]).tolist()
    assert found == pytest.approx([0.0, 0.3, 0.6, 1.1, 1.6, 1.6])


def test_a_sleeping_radio_wakes_up_before_it_sends(tmp_path):
    """Frames every 3 s: it sleeps each time, for the last byte was 2 s ago or more."""
    rows = part(tmp_path, period_s=3.0, duration_s=8.0).tasks
    assert [row.created_s for row in rows] == [0.0, 3.0, 6.0]
    for row in rows:
        assert row.tx_start_s == pytest.approx(row.head_end_s + 0.5)
        assert row.tx_j == pytest.approx(2.0 * 0.5 + SEND_J)
        assert row.rx_j == 0.0  # it is still awake, and the answer is empty
        assert row.done_s - row.created_s == pytest.approx(0.02 + 0.5 + 0.1 + 0.03)
    # 0.03 s until the answer, then the whole tail.
    assert [row.tail_j for row in rows] == pytest.approx([3 * 0.03 + 3 * 0.2 + 1.0] * 3)


def test_a_radio_that_is_awake_sends_at_once_and_ends_the_tail(tmp_path):
    rows = part(tmp_path, period_s=1.0, duration_s=2.5).tasks
    first, second, third = rows
    assert first.tx_start_s == pytest.approx(0.52)
    assert second.tx_start_s == pytest.approx(second.head_end_s)
    assert second.tx_j == third.tx_j == pytest.approx(SEND_J)
    # From the first's answer at 0.65 to the second's first byte at 1.02.
    assert first.tail_j == pytest.approx(3 * 0.03 + 3 * 0.2 + (0.37 - 0.2))


def test_an_answer_after_a_long_wait_wakes_the_radio_up_again(tmp_path):
    (row,) = part(tmp_path, period_s=9.0, tail_s=2.0, answer_bytes=10.0).tasks
    assert row.rx_j == pytest.approx(1.0, rel=1e-6)
    assert row.answer_start_s - row.server_end_s == pytest.approx(0.5)


def test_frames_meanwhile_wait_for_the_same_promotion(tmp_path):
    """Three frames within one promotion: one wakes it up, all send after it, in order."""
    rows = part(tmp_path, period_s=0.1, duration_s=0.25).tasks
    assert [row.tx_start_s for row in rows] == pytest.approx([0.52, 0.62, 0.72])
    assert [row.tx_j for row in rows] == pytest.approx([1.0 + SEND_J, SEND_J, SEND_J])


def test_who_gives_up_while_the_radio_wakes_up_has_paid_for_it(tmp_path):
    timeout = {"timeout": {"after_s": 0.3, "from": "created"}}
    (row,) = part(tmp_path, period_s=9.0, device=timeout).tasks
    assert row.tx_start_s is None
    assert row.sent_bytes == 0
    assert row.tx_j == pytest.approx(1.0)


def test_a_transfer_cut_in_an_outage_draws_the_power_of_rate_zero(tmp_path):
    """Half of it sent, then 0.25 s of nothing until it gives up; then 0.18 s of tail."""
    radio = Waves("picky", a_up_j_per_bit=1e-6, b_w=1.0, zero_w=0.2, tail_s=1, tail_w=0.4)
    outage = {"kind": "steps", "times_s": [0, 0.07, 5], "values": [UP_BPS, 0, UP_BPS]}
    timeout = {"timeout": {"after_s": 0.32, "from": "created"}}
    how = {"radio": radio, "up_bps": outage, "device": timeout}
    found = part(tmp_path, period_s=9.0, duration_s=0.5, **how)
    (row,) = found.tasks
    assert row.airtime_s == pytest.approx(0.3)
    assert row.sent_bytes == pytest.approx(5e3)
    assert row.tx_j == pytest.approx(1e-6 * 4e4 + 1.0 * 0.05 + 0.2 * 0.25)
    assert row.tail_j == pytest.approx(0.4 * 0.18)
    (board,) = found.devices
    assert board.board_j == pytest.approx(2.0 * 0.5 + row.compute_j + row.tx_j + row.tail_j)


def test_times_of_rate_zero_are_found_in_looped_steps():
    zero = Steps.loop([0.0, 1.0, 1.5], [3.0, 0.0, 2.0], 2.0).is_zero()
    assert zero.area(1.25) == pytest.approx(0.25)
    assert zero.area(201.25) == pytest.approx(50.25)


def test_a_server_draws_for_tasks_and_background_on_every_worker(tmp_path):
    background = {"kind": "poisson", "load": 0.5, "work_s": 0.1}
    how = {"scenario": {"servers": {"edge": {"workers": 2, "background": background}}}}
    idle, busy = (part(tmp_path, duration_s=400.0, **h).servers[0] for h in ({}, how))
    assert idle.idle_j == pytest.approx(50.0 * idle.end_s)
    assert idle.compute_j == pytest.approx(100.0 * 0.03 * 400)
    assert busy.idle_j == pytest.approx(2 * 50.0 * busy.end_s)
    # Poisson: of 4,000 jobs expected, give or take 5 standard deviations.
    assert busy.busy_s == pytest.approx(0.03 * 400 + 400.0, abs=5 * 0.1 * math.sqrt(4000))
    assert busy.board_j == pytest.approx(busy.idle_j + 100.0 * busy.busy_s)


def test_a_battery_that_dies_ends_the_device_and_counts_its_tasks(tmp_path):
    """Local computing: 2 W idle and 3 W for 0.4 s of every second, 3.2 J a second; 10 J."""
    found = part(tmp_path, duration_s=6.0, device={"battery": {"capacity_j": 10.0}}, policy="local")
    (board,) = found.devices
    # 9.6 J after three seconds; the fourth frame then draws 5 W.
    assert board.off_s == pytest.approx(3 + 0.4 / 5)
    assert [row.status for row in found.tasks] == [DONE] * 3 + [UNFINISHED] + [DROPPED] * 2
    dying = found.tasks[3]
    assert dying.left_s == board.off_s
    assert dying.head_start_s == 3.0
    assert dying.head_end_s is None
    assert dying.compute_j == pytest.approx(3 * 0.08)
    assert board.board_j == pytest.approx(10.0, rel=1e-12)
    assert board.tasks == 6


@pytest.mark.parametrize("capacity_j", [0.3, 1.0, 1.1, 1.17, 1.25, 1.3, 2.0, 3.1, 3.55, 4.9])
def test_a_battery_gives_what_it_holds_wherever_it_ends(tmp_path, capacity_j):
    """In a head, a promotion, a transfer, a tail, an answer, or idling."""
    found = part(
        tmp_path,
        period_s=1.3,
        duration_s=6.0,
        device={"battery": {"capacity_j": capacity_j}},
        answer_bytes=2e4,
        scenario={"drain_s": 0.0},
        cell={
            "latency_s": 0.01,
            "downlink": {"kind": "constant", "rate_bps": 1e6},
        },
    )
    (board,) = found.devices
    assert board.off_s is not None
    assert board.board_j == pytest.approx(capacity_j, rel=1e-9)
    charged = math.fsum(r.compute_j + r.tx_j + r.rx_j + r.tail_j for r in found.tasks)
    assert charged + 2.0 * board.off_s == pytest.approx(capacity_j, rel=1e-9)
    assert {row.status for row in found.tasks if row.created_s > board.off_s} == {DROPPED}
    assert all(row.left_s <= board.off_s for row in found.tasks if row.status == UNFINISHED)


def test_a_closed_loop_ends_with_its_battery(tmp_path):
    device = {"arrivals": {"kind": "closed", "think_s": 0.1}, "battery": {"capacity_j": 20.0}}
    found = part(tmp_path, duration_s=60.0, device=device, policy="local")
    assert [row.status for row in found.tasks[-1:]] != [DONE]
    assert found.tasks[-1].created_s < 10


def test_a_policy_sees_what_is_left(tmp_path):
    policy = {"name": "watch", "kind": "test_energy:Watcher"}
    part(
        tmp_path,
        duration_s=4.0,
        device={"battery": {"capacity_j": 100.0}},
        policy="watch",
        scenario={"policies": [policy]},
    )
    assert Watcher.seen == pytest.approx([100.0 - 3.2 * n for n in range(4)])


class Watcher:
    """Computes locally and writes down the battery."""

    seen: list[float]

    def reset(self, options, rng):
        type(self).seen = []
        self.local = options.local("net")

    def choose(self, view):
        self.seen.append(view.battery_j)
        return self.local


def without_watts(folder, **scenario):
    boards = (Board("board", idle_w="", compute_w=""), Board("rack"))
    return build(folder, boards=boards, scenario={"duration_s": 5.0, **scenario})


def test_a_hardware_without_watts_gives_a_run_without_energy_that_says_so(tmp_path):
    loaded = without_watts(tmp_path)
    assert any("'board' has no watts in hardware.csv" in line for line in loaded.warnings)
    found = simulate(loaded.points[0], "local", 0)
    assert all(math.isnan(row.compute_j) for row in found.tasks)
    assert math.isnan(found.devices[0].board_j)
    assert found.tasks[0].status == DONE


def test_without_watts_nothing_can_run_on_a_battery_or_weigh_energy(tmp_path):
    with pytest.raises(BadInput, match=r"battery: cannot run down: hardware 'board' has no watts"):
        without_watts(tmp_path, devices=[{"battery": {"capacity_j": 5.0}}])
    with pytest.raises(BadInput, match=r"energy cannot be weighed: hardware.csv has no watts"):
        without_watts(tmp_path, policies=[{"name": "frugal", "kind": "frugal"}])


@pytest.mark.parametrize(
    ("radio", "column"),
    [
        (Waves("silent", tail_s="1 2", tail_w="3"), "tail_w"),
        (Waves("silent", tail_s="1;2", tail_w="3 4"), "tail_s"),
        (Waves("silent", b_w=-1), "b_w"),
        (Waves("silent", promotion_s=math.nan), "promotion_s"),
    ],
)
def test_a_radio_without_its_parameters_is_one_clear_error(tmp_path, radio, column):
    with pytest.raises(BadInput, match=rf"radios.csv:2: {column}: must be"):
        build(tmp_path, radios=(radio,))


def test_a_radio_table_without_a_column_says_which(tmp_path):
    build(tmp_path)
    radios = tmp_path / "tables" / "radios.csv"
    radios.write_text(radios.read_text().replace("promotion_s", "promotion"))
    with pytest.raises(BadInput, match=r"radios.csv:1: there is no column promotion_s"):
        load_scenario(tmp_path / "scenario.yaml")
