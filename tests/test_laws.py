"""The laws of the design, on every scenario and on one in which everything goes wrong."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from splitsim import load_scenario, simulate
from splitsim.accounts import Part
from splitsim.system.clock import Clock
from splitsim.task import DONE, DROPPED, STAMPS, TIMEOUT, UNFINISHED, Record

ROOT = Path(__file__).parent.parent
FILES = [*sorted((ROOT / "scenarios").glob("*.yaml")), ROOT / "tests" / "everything.yaml"]
DURATION_S = 60.0


@cache
def spec_of(path: Path, duration_s: float = DURATION_S, warmup_s: float = 2.0):
    """The last point of a scenario's sweep, shortened."""
    changes = {"duration_s": duration_s, "warmup_s": warmup_s, "seeds": 1}
    return load_scenario(path, changes).points[-1]


@cache
def part_of(path: Path, policy: str, duration_s: float = DURATION_S) -> Part:
    return simulate(spec_of(path, duration_s), policy, 0)


def cases() -> list:
    return [
        pytest.param(path, policy["name"], id=f"{path.stem}-{policy['name']}")
        for path in FILES
        for policy in yaml.safe_load(path.read_text())["policies"]
    ]


every_part = pytest.mark.parametrize(("path", "policy"), cases())


def stamps(row: Record) -> dict[str, float]:
    """The stamps that are not null, in the order of a task's life."""
    return {name: getattr(row, name) for name in STAMPS if getattr(row, name) is not None}


def group_of(spec, device: str):
    return next(g for g in spec.scenario.devices if g.name == device.rsplit("-", 1)[0])


@every_part
def test_every_task_created_ends_in_one_way(path, policy):
    part = part_of(path, policy)
    assert part.tasks
    assert {row.status for row in part.tasks} <= {DONE, TIMEOUT, DROPPED, UNFINISHED}
    for row in part.tasks:
        assert row.left_s is not None
        assert (row.done_s is not None) == (row.status == DONE) == (row.correct is not None)
        assert (row.option is None) == (row.status == DROPPED and not row.rejected)
    assert sum(device.tasks for device in part.devices) == len(part.tasks)


def test_the_hard_scenario_knows_every_end_and_both_ways_to_fall_back():
    rows = [row for p in ("offload", "random") for row in part_of(FILES[-1], p).tasks]
    assert {row.status for row in rows} == {DONE, TIMEOUT, DROPPED, UNFINISHED}
    fell_back = [row for row in rows if row.fallback_start_s is not None]
    assert any(row.tx_start_s is not None and row.tx_end_s is None for row in fell_back)
    assert any(row.server_start_s is not None for row in fell_back)
    cut = [row for row in rows if row.tx_start_s is not None and row.tx_end_s is None]
    assert any(row.sent_bytes > 0 for row in cut)


@every_part
def test_causes_come_before_effects(path, policy):
    for row in part_of(path, policy).tasks:
        times = list(stamps(row).values())
        assert all(a <= b for a, b in pairwise(times)), stamps(row)
        assert times[-1] <= row.left_s
        assert row.status != DONE or times[-1] == row.left_s


@every_part
def test_a_done_task_has_all_the_stamps_of_its_way_and_their_differences_sum(path, policy):
    local = ["created_s", "head_start_s", "head_end_s", "done_s"]
    remote = [name for name in STAMPS if not name.startswith("fallback")]
    for row in part_of(path, policy).tasks:
        if row.status != DONE:
            continue
        found = stamps(row)
        if row.fallback_end_s is not None:
            assert row.fallback_end_s == row.done_s
        else:
            on_device = row.server is None or row.exit is not None
            assert list(found) == (local if on_device else remote)
        parts = np.diff(list(found.values()))
        assert math.fsum(parts) == pytest.approx(row.done_s - row.created_s, rel=1e-12, abs=1e-9)


@every_part
def test_the_joules_of_the_rows_and_idle_power_are_the_joules_of_the_board(path, policy):
    part, spec = part_of(path, policy), spec_of(path)
    for device in part.devices:
        rows = [row for row in part.tasks if row.device == device.device]
        charged = math.fsum(row.compute_j + row.tx_j + row.rx_j + row.tail_j for row in rows)
        idle_w = spec.hardware[group_of(spec, device.device).name].idle_w
        assert device.end_s >= max(DURATION_S, *(row.left_s for row in part.tasks))
        away = device.off_s or device.leave_s
        assert device.compute_s <= on_s(device) * (1 + 1e-12) or away
        assert charged + idle_w * on_s(device) == pytest.approx(
            device.board_j, rel=1e-9, nan_ok=True
        )


@every_part
def test_a_battery_gives_what_it_holds_and_no_more(path, policy):
    part, spec = part_of(path, policy), spec_of(path)
    for device in part.devices:
        battery = group_of(spec, device.device).battery
        if battery is None:
            assert device.off_s is None
        elif device.off_s is None:
            assert device.board_j < battery.capacity_j
        else:
            assert device.board_j == pytest.approx(battery.capacity_j, rel=1e-9)
            rows = [row for row in part.tasks if row.device == device.device]
            late = {row.status for row in rows if row.created_s >= device.off_s}
            assert late <= {DROPPED}
            assert all(max(stamps(row).values()) <= device.off_s for row in rows if row.option)


@every_part
def test_a_servers_joules_are_those_of_its_workers_idling_and_computing(path, policy):
    part, spec = part_of(path, policy), spec_of(path)
    for server in part.servers:
        hardware = spec.server_hardware[server.server]
        idle_j = server.workers * hardware.idle_w * server.end_s
        assert 0 <= server.busy_s <= server.workers * server.end_s * (1 + 1e-12)
        expected_j = idle_j + hardware.compute_w * server.busy_s
        assert server.board_j == pytest.approx(expected_j, rel=1e-12, nan_ok=True)
        ends = server.served, server.gave_up, server.rejected, server.aborted, server.in_service
        assert server.submitted == sum(ends)
        there = [r for r in part.tasks if r.server == server.server and r.server_arrival_s]
        on = {d.device for d in part.devices if d.off_s is None}
        if {row.device for row in there} <= on:
            assert server.submitted == len(there)
            assert server.rejected == sum(row.rejected for row in there)
        in_turn = server.discipline not in ("processor_sharing", "batching")
        if spec.scenario.servers[server.server].background is None and in_turn:
            ran = [r for r in part.tasks if r.server == server.server and r.server_end_s]
            within_s = math.fsum(r.server_end_s - r.server_start_s for r in ran)
            assert within_s <= server.busy_s + 1e-9


def on_s(device) -> float:
    """How long it was there and on."""
    ends = [device.end_s, device.off_s, device.leave_s]
    return max(min(end for end in ends if end is not None) - device.join_s, 0.0)


def head_j(spec, row: Record, watts: float) -> float:
    """A table may have the joules of a head, longer by its luck; else its power is the board's."""
    lasted_s = row.head_end_s - row.head_start_s
    options = spec.options[group_of(spec, row.device).name]
    chosen = next(o for o in options if (o.label, o.server) == (row.option, row.server))
    demand = chosen.taken(row.sample).mean
    if demand.energy_j is None:
        return watts * lasted_s
    return demand.energy_j * (lasted_s / demand.head_s if demand.head_s else 1.0)


@every_part
def test_compute_and_radio_joules_follow_from_the_stamps(path, policy):
    part, spec = part_of(path, policy), spec_of(path)
    for row in part.tasks:
        if row.status != DONE:
            continue
        group = group_of(spec, row.device)
        radio, cell = spec.radios[group.cell], spec.scenario.cells[group.cell]
        is_shared = cell.sharing.kind != "dedicated"
        if row.head_end_s is not None or row.head_start_s is None:
            watts, compute_j = spec.hardware[group.name].compute_w, 0.0
            if row.head_end_s is not None:
                compute_j += head_j(spec, row, watts)
            if row.fallback_end_s is not None:
                compute_j += watts * (row.fallback_end_s - row.fallback_start_s)
            if group.thermal is None:  # it draws less while it is slow: tests/test_thermal.py
                assert row.compute_j == pytest.approx(compute_j, rel=1e-9, abs=1e-9, nan_ok=True)
        if row.tx_end_s is not None and is_shared:
            assert row.airtime_s <= row.tx_end_s - row.tx_start_s + 1e-9
        elif row.tx_end_s is not None:
            assert row.airtime_s == pytest.approx(row.tx_end_s - row.tx_start_s, abs=1e-9)
        promotion_j = (0.0, radio.promotion_j)
        tx_j = radio.a_up_j_per_bit * 8 * row.sent_bytes + radio.b_w * row.airtime_s
        assert any(row.tx_j == pytest.approx(tx_j + j, rel=1e-9, abs=1e-12) for j in promotion_j)
        if row.answer_start_s is not None and row.fallback_end_s is None and not is_shared:
            heard_s = row.done_s - cell.expected_latency_s - row.answer_start_s
            rx_j = radio.a_down_j_per_bit * 8 * row.received_bytes + radio.b_w * heard_s
            assert any(row.rx_j == pytest.approx(rx_j + j, rel=1e-9, abs=1e-9) for j in promotion_j)


@every_part
def test_promotions_and_tails_are_what_the_radios_activity_makes_them(path, policy):
    part, spec = part_of(path, policy), spec_of(path)
    for device in part.devices:
        group = group_of(spec, device.device)
        radio, cell = spec.radios[group.cell], spec.scenario.cells[group.cell]
        rows = [row for row in part.tasks if row.device == device.device]
        if cell.sharing.kind != "dedicated":
            continue  # its airtime is not in the stamps: tests/test_cells.py looks into it
        if (
            device.off_s is not None
            or device.leave_s is not None
            or any(
                r.answer_start_s is not None
                and (r.status != DONE or r.fallback_start_s is not None)
                for r in rows
            )
        ):
            continue  # an answer that was cut: its end is not among the stamps
        active = [
            (r.tx_start_s, r.tx_start_s + r.airtime_s) for r in rows if r.tx_start_s is not None
        ]
        active += [
            (r.answer_start_s, r.done_s - cell.expected_latency_s)
            for r in rows
            if r.answer_start_s is not None
        ]
        # Who gave up while the radio woke up has paid for it, and no more.
        woken = [
            r.head_end_s + radio.promotion_s for r in rows if r.tx_start_s is None and r.tx_j > 0
        ]
        active += [(at_s, at_s) for at_s in woken]
        promotions, tails_j, until_s = 0, 0.0, -math.inf
        for start_s, end_s in [*sorted(active), (device.end_s, device.end_s)]:
            asleep = start_s - radio.promotion_s > until_s + radio.awake_s + 1e-9
            woke = asleep and radio.promotion_s > 0 and (start_s, end_s) in active
            promotions += woke
            silent_s = start_s - woke * radio.promotion_s - until_s
            if 0 < silent_s < math.inf:
                tails_j += float(radio.tail_j(silent_s))
            until_s = max(until_s, end_s)
        assert math.fsum(row.tail_j for row in rows) == pytest.approx(tails_j, rel=1e-6, abs=1e-6)
        spent_j = math.fsum(row.tx_j + row.rx_j for row in rows)
        bits_j = 8 * math.fsum(
            radio.a_up_j_per_bit * r.sent_bytes + radio.a_down_j_per_bit * r.received_bytes
            for r in rows
        )
        on_air_s = math.fsum(end_s - start_s for start_s, end_s in active)
        expected_j = bits_j + radio.b_w * on_air_s + promotions * radio.promotion_j
        assert spent_j == pytest.approx(expected_j, rel=1e-6, abs=1e-6)


def same(one: Record, other: Record, but: tuple[str, ...] = ()) -> bool:
    names = [field.name for field in fields(Record) if field.name not in but]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    # Joules of boards without watts are NaN, which is unlike itself.
    return all(a == b or (a != a and b != b) for a, b in pairs)


@every_part
def test_the_same_seed_gives_the_same_rows_and_another_does_not(path, policy):
    first, again = part_of(path, policy), simulate(spec_of(path), policy, 0)
    assert len(first.tasks) == len(again.tasks)
    assert all(map(same, first.tasks, again.tasks))
    other = simulate(spec_of(path, 10.0), policy, 1)
    if (path.stem, policy) == ("closed-loop-camera", "local"):
        return  # a closed loop on the device alone, without noise: nothing is left to chance
    lives = [[(row.created_s, row.left_s) for row in part.tasks[:20]] for part in (first, other)]
    assert lives[0] != lives[1]


@every_part
def test_a_longer_run_begins_with_the_shorter_one(path, policy):
    """Rows that ended before the shorter run did, radio tail included, are the same."""
    short, long = part_of(path, policy), part_of(path, policy, 2 * DURATION_S)
    spec = spec_of(path)
    by_task = {(row.device, row.task): row for row in long.tasks}
    settled = 0
    for row in short.tasks:
        tail_s = spec.radios[group_of(spec, row.device).cell].awake_s
        assert (row.device, row.task) in by_task
        if row.left_s + tail_s < DURATION_S:
            settled += 1
            assert same(row, by_task[row.device, row.task])
    assert settled > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_policy_meets_the_same_arrivals(path):
    spec = spec_of(path)
    open_loop = {group.name for group in spec.scenario.devices if not group.arrivals.closed}
    created = [
        sorted(
            (row.device, row.created_s)
            for row in part_of(path, policy.name).tasks
            if row.device.rsplit("-", 1)[0] in open_loop
        )
        for policy in spec.scenario.policies
    ]
    assert all(times == created[0] for times in created)


def test_every_policy_meets_the_same_noise():
    """The factor of a task's head is the same, whatever is computed."""
    spec = spec_of(ROOT / "scenarios" / "replay-lte.yaml")
    options = {option.label: option for option in spec.options["car"]}
    factors = [
        {
            row.task: (row.head_end_s - row.head_start_s) / options[row.option].head_s
            for row in simulate(spec, policy, 0).tasks
            if row.head_end_s is not None
        }
        for policy in ("local", "split", "offload")
    ]
    for task in set.intersection(*(set(f) for f in factors)):
        values = [f[task] for f in factors]
        assert values == pytest.approx([values[0]] * 3, rel=1e-9)
    assert np.std(list(factors[0].values())) > 0.01


def world_of(part: Part, devices: set[str]) -> list[tuple]:
    """What a fixed policy's rows say before the server comes into play."""
    names = ("device", "task", "created_s", "head_start_s", "head_end_s", "tx_start_s", "tx_end_s")
    rows = [tuple(getattr(row, name) for name in names) for row in part.tasks]
    return sorted(row for row in rows if row[0] in devices)


def test_other_devices_and_their_order_leave_a_devices_world_alone(tmp_path):
    text = (ROOT / "scenarios" / "quickstart.yaml").read_text()
    data = yaml.safe_load(text)
    group = data["devices"][0]
    group["count"] = 2
    other = dict(group, name="other", count=3)
    parts = []
    for n, devices in enumerate(([group], [group, other], [other, group], [dict(group, count=4)])):
        path = tmp_path / f"{n}.yaml"
        path.write_text(yaml.safe_dump(dict(data, devices=devices)))
        parts.append(simulate(load_scenario(path, {"duration_s": 40}).points[0], "split", 0))
    worlds = [world_of(part, {"nano-0", "nano-1"}) for part in parts]
    assert worlds[0]
    assert all(world == worlds[0] for world in worlds)


def test_more_bandwidth_never_ends_a_transmission_later(tmp_path):
    """On a dedicated link with open arrivals; and no task, with one device and no timeout."""
    data = yaml.safe_load((ROOT / "scenarios" / "replay-lte.yaml").read_text())
    del data["devices"][0]["timeout"], data["devices"][0]["max_in_flight"]
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(data))
    found = []
    for scale in (0.5, 0.7, 1.0, 3.0):
        changes = {"cells.lte.uplink.scale": scale, "drain_s": 1e4}
        rows = simulate(
            load_scenario(tmp_path / "wide.yaml", changes).points[0], "offload", 0
        ).tasks
        found.append(np.array([(row.tx_end_s, row.done_s) for row in rows]))
    for slower, faster in pairwise(found):
        assert np.all(faster <= slower + 1e-9)
        assert np.mean(faster) < np.mean(slower)


@every_part
def test_a_task_costs_at_most_seven_events_and_three_more_for_a_shared_transfer(
    path, policy, monkeypatch
):
    steps = 0
    step = Clock.step

    def counted(clock: Clock) -> None:
        nonlocal steps
        steps += 1
        step(clock)

    monkeypatch.setattr(Clock, "step", counted)
    part = simulate(spec_of(path, 20.0), policy, 0)
    shared = [row for row in part.cells if row.busy_s is not None]
    transfers = sum(row.transfers + row.background_transfers for row in shared)
    others = sum(row.background_transfers for row in shared)
    reports = sum(
        spec_of(path).scenario.duration_s / s.report_every_s
        for s in spec_of(path).scenario.servers.values()
        if s.report_every_s
    )
    # Of a background transfer the arrival and the end are events as well.
    assert steps <= 7 * len(part.tasks) + 3 * transfers + 2 * others + reports
