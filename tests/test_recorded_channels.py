"""Channels that replay recordings: places in them, several files, and what is told of them."""

from __future__ import annotations

import math
import tracemalloc
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import build
from pydantic import ValidationError

from splitsim import simulate
from splitsim.notes import notes
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.replay import TraceChannel


@pytest.fixture
def stairs(tmp_path: Path) -> Path:
    """1, 0, 4 and 2 Mbit/s for 2, 3, 1 and 4 s."""
    return csv(tmp_path / "stairs.csv", "0,1e6\n2,0\n5,4e6\n6,2e6\n10,\n")


def csv(path: Path, rows: str, column: str = "rate_bps") -> Path:
    path.write_text(f"time_s,{column}\n{rows}")
    return path


def long(path: Path, steps: int = 20_000) -> Path:
    rates = np.random.default_rng(7).integers(0, 20_000, steps)
    return csv(path, "".join(f"{n / 100},{1000 * rate}\n" for n, rate in enumerate(rates)))


def channel(*files: Path, **how: Any) -> TraceChannel:
    names = [str(path) for path in files]
    which = {"file": names[0]} if len(names) == 1 else {"files": names}
    return TraceChannel.model_validate({"kind": "trace", **which, **how})


def around(device: str = "device-0", seed: int = 0, way: str = "uplink") -> Around:
    return Around(seed, device, way)


def rates(steps: Steps, until_s: float, step_s: float = 0.25) -> list[float]:
    """Values in the middle of small steps."""
    return [steps.value(time_s + step_s / 2) for time_s in np.arange(0, until_s, step_s)]


# Places


def test_a_drawn_offset_joins_anywhere_and_goes_around(stairs: Path) -> None:
    drawn, whole = channel(stairs, offset="drawn"), channel(stairs).steps(around())
    for seed in range(20):
        steps = drawn.steps(around(seed=seed))
        offset_s = 10 * float(around(seed=seed).common("replay-offset").random())
        for time_s in np.linspace(0, 37, 75):
            expected = whole.area(offset_s + time_s) - whole.area(offset_s)
            assert steps.area(time_s) == pytest.approx(expected, abs=1e-3)
        bits = steps.area(12.3)
        assert steps.when(bits) == pytest.approx(12.3) or steps.value(12.3) == 0


def test_drawn_offsets_are_uniform_and_independent(stairs: Path) -> None:
    """Mean rate at time 0 over devices and seeds is that of the recording; so is its spread."""
    drawn = channel(stairs, offset="drawn")
    values = [
        drawn.steps(around(f"device-{n}", seed)).value(0.0) for n in range(40) for seed in range(25)
    ]
    variance = (2 * 1 + 1 * 16 + 4 * 4) / 10 * 1e12 - 1.4e6**2
    assert np.mean(values) == pytest.approx(1.4e6, abs=4.5 * math.sqrt(variance / len(values)))
    assert np.var(values) == pytest.approx(variance, rel=0.15)


def test_a_drawn_offset_is_a_matter_of_seed_and_device_alone(stairs: Path) -> None:
    drawn = channel(stairs, offset="drawn")
    first = rates(drawn.steps(around("car-3", 5)), 30)
    assert rates(drawn.steps(around("car-3", 5)), 30) == first
    assert rates(drawn.steps(around("car-4", 5)), 30) != first
    assert rates(drawn.steps(around("car-3", 6)), 30) != first
    other_way = rates(drawn.steps(around("car-3", 5, "downlink")), 30)
    assert other_way == first, "both directions of a device are at the same place"


def test_windows_of_a_long_recording_are_seamless(tmp_path: Path) -> None:
    path = long(tmp_path / "long.csv")
    whole, steps = channel(path).steps(around()), channel(path, offset="drawn").steps(around())
    offset_s = 200 * float(around().common("replay-offset").random())
    rng = np.random.default_rng(1)
    for time_s in np.sort(rng.uniform(0, 900, 300)):
        bits = whole.area(offset_s + time_s) - whole.area(offset_s)
        assert steps.area(time_s) == pytest.approx(bits, rel=1e-9, abs=1)
        amount = float(rng.uniform(1e3, 1e8))
        end_s = whole.finish_s(offset_s + time_s, amount) - offset_s
        assert steps.finish_s(time_s, amount) == pytest.approx(end_s, abs=1e-6)


def test_devices_that_replay_the_same_share_its_arrays(tmp_path: Path) -> None:
    fixed = channel(long(tmp_path / "long.csv"), offset_s=3)
    drawn = channel(tmp_path / "long.csv", offset="drawn")
    fixed.steps(around()).value(1.0)
    for chosen, each_bytes in ((fixed, 3e3), (drawn, 150e3)):  # arrays of all: 480 kB
        tracemalloc.start()
        steps = [chosen.steps(around(f"device-{n}")) for n in range(50)]
        assert all(s.finish_s(1.0, 1e7) > 1 for s in steps)
        held_bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held_bytes < 50 * each_bytes


def test_segments_of_one_group_are_distinct(tmp_path: Path) -> None:
    path = csv(tmp_path / "steps.csv", "".join(f"{n},{(n + 1) * 1e6}\n" for n in range(12)))
    parts = channel(path, segment_s=2)
    assert parts.segments == 6
    orders = set()
    for seed in range(8):
        firsts = [parts.steps(around(f"car-{n}", seed)).value(0.5) for n in range(6)]
        assert sorted(firsts) == [1e6, 3e6, 5e6, 7e6, 9e6, 11e6]
        orders.add(tuple(firsts))
    assert len(orders) == 8
    steps = parts.steps(around("car-2"))
    first = steps.value(0.5)
    assert rates(steps, 6, 1.0) == [first, first + 1e6] * 3, "each loops in its own"
    assert steps.value(0.5) == parts.steps(around("car-2", way="downlink")).value(0.5)
    again = [parts.steps(around(f"car-{n}")).value(0.5) for n in range(6, 12)]
    assert sorted(again) == [1e6, 3e6, 5e6, 7e6, 9e6, 11e6]
    stopped = channel(path, segment_s=2, loop=False, offset_s=0.5)
    assert stopped.length_s == 1.5
    assert stopped.steps(around()).value(1.6) == 0


def test_a_segment_may_be_an_outage(tmp_path: Path) -> None:
    path = csv(tmp_path / "out.csv", "0,0\n10,3e6\n20,\n")
    found = []
    for seed in range(10):
        steps = channel(path, segment_s=10).steps(around(seed=seed))
        found.append(steps.finish_s(0.0, 3e6))
        drawn = channel(path, segment_s=10, offset="drawn").steps(around(seed=seed))
        assert drawn.finish_s(0.0, 3e6) == found[-1]
    assert set(found) == {1.0, math.inf}


def test_a_stretch_a_scale_and_a_coarser_grid(stairs: Path) -> None:
    steps = channel(stairs, from_s=1, to_s=7, resample_s=2, scale=2.0).steps(around())
    assert rates(steps, 12, 2.0) == [1e6, 0, 6e6, 1e6, 0, 6e6]
    dropped = channel(stairs, from_s=5).steps(around())
    assert rates(dropped, 5, 1.0) == [4e6, 2e6, 2e6, 2e6, 2e6]


# Several files


def test_files_are_played_whole_in_drawn_orders(tmp_path: Path) -> None:
    files = [
        csv(tmp_path / f"{n}.csv", f"0,{n}e6\n1,0\n{length},\n")
        for n, length in ((1, 2), (2, 3), (3, 5))
    ]
    several = channel(*files)
    orders = []
    for seed in range(12):
        steps = several.steps(around(seed=seed))
        firsts: list[float] = []
        time_s = 0.0
        for _ in range(6):
            firsts.append(steps.value(time_s + 0.5) / 1e6)
            time_s += {1: 2, 2: 3, 3: 5}[int(firsts[-1])]
        assert time_s == 20
        assert sorted(firsts[:3]) == sorted(firsts[3:]) == [1, 2, 3]
        assert steps.area(20) == pytest.approx(12e6)
        orders.append(tuple(firsts))
    assert len(set(orders)) > 6
    assert any(order[:3] != order[3:] for order in orders), "each round has its own order"
    once = channel(*files, loop=False, offset_s=1)
    assert once.length_s == 9
    assert once.steps(around()).area(1e6) <= 6e6
    assert once.steps(around()).when(7e6, before_s=1e9) == math.inf
    joined = channel(*files, offset="drawn").steps(around())
    assert joined.area(1000) == pytest.approx(600e6, rel=0.01)


def test_seeds_and_devices_vary_where_something_is_drawn(stairs: Path) -> None:
    assert channel(stairs).conditional
    assert channel(stairs, offset_s=3, scale=2.0, resample_s=1).conditional
    for how in ({"offset": "drawn"}, {"segment_s": 5}):
        assert not channel(stairs, **how).conditional
    assert not channel(stairs, stairs).conditional
    one = [rates(channel(stairs).steps(around(f"d-{n}", n)), 20) for n in range(3)]
    assert one[0] == one[1] == one[2]


# Against packets


def packets(opportunities_ms: Sequence[int], jobs: Sequence[tuple[int, int]]) -> list[int]:
    """When jobs (ms, bytes) end that queue for opportunities of 1500 B, one by one, looped."""
    ends, queue, sent = [], list(jobs), 0
    period_ms, ahead = opportunities_ms[-1], 0
    while queue:
        for time in opportunities_ms:
            room = 1500
            while room and queue and queue[0][0] < ahead + time:
                moved = min(room, queue[0][1] - sent)
                room, sent = room - moved, sent + moved
                if sent == queue[0][1]:
                    ends.append(ahead + time)
                    queue.pop(0)
                    sent = 0
        ahead += period_ms
    return ends


@pytest.mark.parametrize("seed", range(5))
def test_a_mahimahi_replay_equals_packets_one_by_one(tmp_path: Path, seed: int) -> None:
    """Every transfer ends in the millisecond in which its last packet leaves."""
    rng = np.random.default_rng(seed)
    active = np.repeat(rng.random(80) < 0.7, 50)  # of 4 s, in stretches of 50 ms
    times_ms = np.sort(rng.choice(np.flatnonzero(active) + 1, 2500)).tolist()
    path = tmp_path / "a.up"
    path.write_text("".join(f"{time_ms}\n" for time_ms in times_ms))
    arrivals_ms = np.sort(rng.integers(0, 20_000, 150)).tolist()
    jobs = list(zip(arrivals_ms, rng.integers(1, 60_000, 150).tolist(), strict=True))
    steps, free_s = channel(path).steps(around()), 0.0
    for (arrival_ms, size), end_ms in zip(jobs, packets(times_ms, jobs), strict=True):
        free_s = steps.finish_s(max(free_s, arrival_ms / 1e3), 8 * size)
        assert math.ceil(free_s * 1e3 - 1e-6) == end_ms


def test_at_any_moment_a_replay_is_within_a_packet_of_the_emulator(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    times_ms = np.sort(rng.choice(np.arange(1, 5000), 3000, replace=False)).tolist()
    path = tmp_path / "a.up"
    path.write_text("".join(f"{time_ms}\n" for time_ms in times_ms))
    steps = channel(path).steps(around())
    for from_s, to_s in np.sort(rng.uniform(0, 4.9, (300, 2)), axis=1):
        left = bisect_left(times_ms, to_s * 1e3) - bisect_left(times_ms, from_s * 1e3)
        assert abs(steps.area(to_s) - steps.area(from_s) - 12_000 * left) <= 12_000 * (1 + 1e-9)


# Outages


@pytest.mark.parametrize(
    ("start_s", "bits", "end_s"),
    [
        (1.0, 3e6, 5.5),  # spans an outage
        (2.0, 4e6, 6.0),  # starts with one, ends at an edge
        (3.5, 1e6, 5.25),  # starts in one
        (0.0, 2e6, 2.0),  # ends exactly where it begins
        (4.9999, 4e6, 6.0),
        (6.0, 8e6, 10.0),  # ends with the recording
        (8.0, 6e6 + 1, 12.0 + 3 + 0.25e-6),
        (1.0, 140e6 + 1e6, 102.0),  # rounds later, at the beginning of an outage
    ],
)
@pytest.mark.parametrize("how", [{}, {"segment_s": 10}])
def test_transfers_through_and_around_outages(
    stairs: Path, how: Any, start_s: float, bits: float, end_s: float
) -> None:
    assert channel(stairs, **how).steps(around()).finish_s(start_s, bits) == pytest.approx(
        end_s, abs=1e-9
    )


@pytest.mark.parametrize("offset_s", [0.0, 0.5, 2.0, 3.3, 5.0, 6.0])
def test_windows_of_two_steps_see_the_same_outages(stairs: Path, offset_s: float) -> None:
    from splitsim.world.windows import windows

    (trace,) = channel(stairs)._traces
    whole = channel(stairs).steps(around())
    steps = windows(lambda _: trace, offset_s, 1.7)
    for start_s in np.linspace(0, 25, 51):
        for bits in (1.0, 1e6, 2e6, 4e6, 20e6):
            end_s = whole.finish_s(offset_s + start_s, bits) - offset_s
            assert steps.finish_s(start_s, bits) == pytest.approx(end_s, abs=1e-6)


# What is told


def problems_of(*files: Path, **how: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        channel(*files, **how)
    (error,) = caught.value.errors()
    return list(error["ctx"]["error"].problems)


def test_keys_that_do_not_go_together(stairs: Path) -> None:
    assert problems_of(stairs, offset="drawn", offset_s=2, loop=False, from_s=3, to_s=2) == [
        "to_s 2 must be more than from_s (3)",
        "offset: drawn draws where to join; remove offset_s",
        "offset: drawn joins anywhere, so that it must loop; remove loop: false",
    ]
    assert problems_of(stairs, stairs, segment_s=2) == [
        "segment_s cuts one recording; give file, or remove it"
    ]
    assert problems_of(stairs, files=[str(stairs)]) == [
        "needs a file, or files; name one of the two"
    ]


def test_places_that_a_recording_does_not_have(stairs: Path) -> None:
    assert problems_of(stairs, offset_s=10) == ["offset_s 10 is beyond the trace's 10 s"]
    assert problems_of(stairs, segment_s=3, offset_s=3) == [
        "offset_s 3 is beyond the segment's 3 s"
    ]
    assert problems_of(stairs, segment_s=11) == ["segment_s 11 is more than the trace's 10 s"]
    assert problems_of(stairs, from_s=10) == [f"from_s 10 is beyond the 10 s of {stairs}"]
    assert problems_of(stairs, to_s=11) == [f"to_s 11 is beyond the 10 s of {stairs}"]
    assert problems_of(stairs, from_s=2, to_s=5) == [
        f"{stairs} has a rate of zero all the time from from_s to to_s"
    ]


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    good = csv(tmp_path / "a.csv", "0,1\n1,2\n")
    bad = csv(tmp_path / "b.csv", "0,1\n1,x\n")
    found = problems_of(good, bad, tmp_path / "c.csv", bad)
    assert [text.split(";")[0] for text in found] == [
        f"{bad}:3: the rate 'x' is not a finite number",
        f"{tmp_path / 'c.csv'}: no such file",
    ]


def loaded(folder: Path, count: int = 1, way: str = "uplink", **how: Any) -> Any:
    scenario = {
        "devices": [{"count": count}],
        "cells": {"cell": {way: {"kind": "trace", **how}}},
        "seeds": 2,
    }
    return build(folder, scenario=scenario)


def test_a_downlink_that_drives_an_uplink_is_warned_of(tmp_path: Path) -> None:
    csv(tmp_path / "drive.csv", "0,1e6\n1,2e6\n", "downlink_bps")
    (found,) = loaded(tmp_path, file="drive.csv").warnings
    assert found.endswith(
        "cells.cell.uplink: the uplink replays what was measured on the downlink (drive.csv); "
        "rates of the two are not alike: take one of the uplink"
    )
    assert "scenario.yaml:" in found
    assert loaded(tmp_path, way="downlink", file="drive.csv").warnings == []
    (tmp_path / "drive.up").write_text("1\n2\n")
    assert loaded(tmp_path, file="drive.up").warnings == []
    assert (
        "what was measured on the uplink"
        in loaded(tmp_path, way="downlink", file="drive.up").warnings[0]
    )


def test_what_is_odd_about_a_trace_is_told_with_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "drive.txt").write_text("0 1000\n1 2000\n")
    two = {"file": "drive.txt", "format": "two-column"}
    (unit,) = loaded(tmp_path, **two).warnings
    assert "the unit of its rates is not told: taken for Mbit/s they give a mean of 1.5 G" in unit
    assert loaded(tmp_path, **two, rate_unit_bps=1e3).warnings == []
    assert (
        "1.5 kbit/s, which few links have" in loaded(tmp_path, **two, rate_unit_bps=1.0).warnings[0]
    )


def test_more_devices_than_segments_are_warned_of(tmp_path: Path) -> None:
    csv(tmp_path / "drive.csv", "0,1e6\n5,2e6\n12,\n")
    assert loaded(tmp_path, 3, file="drive.csv", segment_s=4).warnings == []
    (found,) = loaded(tmp_path, 4, file="drive.csv", segment_s=4).warnings
    assert "has 3 segments of 4 s, and device is 4 devices: some replay the same" in found


def test_intervals_over_seeds_that_replay_the_same_are_said_to_be_conditional(
    tmp_path: Path,
) -> None:
    from splitsim import run
    from splitsim.results import Results

    csv(tmp_path / "drive.csv", "0,1e6\n5,2e6\n12,\n")
    row = {"seeds": 2, "tasks": 1, "energy_mean_j": 1.0, "server_energy_mean_j": 1.0}
    row |= {
        "device_load": 0,
        "uplink_load": 0,
        "server_load": 0,
        "devices_off": 0,
        "stable": True,
        "throttled": 0,
    }
    for more, told in (({}, True), ({"offset": "drawn"}, False)):
        scenario = loaded(tmp_path, file="drive.csv", **more)
        out = tmp_path / f"out-{told}"
        run(scenario, out, jobs=1)
        replayed = Results(out).manifest["replayed"]
        assert replayed == (["drive.csv"] if told else [])
        found = notes([row], [], replayed)
        assert [("conditional" in text) for text in found] == ([True] if told else [])
        assert notes([row | {"seeds": 1}], [], replayed) == []


def test_a_run_with_drawn_places_repeats_itself_and_differs_by_seed(tmp_path: Path) -> None:
    long(tmp_path / "drive.csv", 2000)
    spec = loaded(tmp_path, 2, file="drive.csv", offset="drawn").points[0]
    first, again, other = (simulate(spec, "offload", seed).tasks for seed in (0, 0, 1))
    assert [row.tx_end_s for row in first] == [row.tx_end_s for row in again]
    assert [row.tx_end_s for row in first] != [row.tx_end_s for row in other]
    more = loaded(tmp_path, 3, file="drive.csv", offset="drawn").points[0]
    kept = [row.tx_end_s for row in simulate(more, "offload", 0).tasks if row.device != "device-2"]
    assert kept == [row.tx_end_s for row in simulate(spec, "offload", 0).tasks]
