"""Servers in a scenario: rejection, outages, memory, clocks, watts, accounts and event budgets."""

import itertools
import math
import sys

import numpy as np
import pytest
import yaml
from building import Board, Net, build, columns
from test_queues import exponential, poisson
from test_stations import Queue

from splitsim import load_scenario, simulate
from splitsim.entries import Hardware
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.disciplines.board import Loading, Memory, Ramp
from splitsim.system.disciplines.meter import Meter, Power
from splitsim.system.disciplines.reactive import Site
from splitsim.system.disciplines.sharing import Sharing
from splitsim.system.server import Server, ServerSpec
from splitsim.system.stations import Job

BATCHES = {"batch": [1, 2, 4], "relative": [1.0, 1.3, 2.0]}
DISCIPLINES = {
    "fifo": {"kind": "fifo"},
    "processor_sharing": {"kind": "processor_sharing"},
    "batching": {"kind": "batching", "largest": 4, "longest_wait_s": 0.01, "table": BATCHES},
    "edf": {"kind": "edf"},
    "priority": {"kind": "priority"},
}
every_discipline = pytest.mark.parametrize("kind", DISCIPLINES)
BURSTY = {"kind": "bursty", "load": 0.4, "work_s": 0.3, "peak": 3, "burst_s": 4, "calm_s": 12}


def loaded(folder, *, rate_hz=8.0, tail_s=0.1, duration_s=60, device=None, **server):
    """The part of a few devices that offload to a server."""
    group = {"count": 4, "arrivals": poisson(rate_hz / 4), "deadline_s": 1.0, **(device or {})}
    changes = {"devices": [group], "servers": {"edge": server}, "duration_s": duration_s}
    scenario = build(folder, tail_s=tail_s, scenario=changes)
    return simulate(scenario.points[0], "offload", 3)


def adds_up(part):
    """What the server counted is what became of the rows."""
    (server,) = part.servers
    rows = [row for row in part.tasks if row.server_arrival_s is not None]
    assert server.submitted == len(rows)
    ends = server.served, server.gave_up, server.rejected, server.aborted, server.in_service
    assert server.submitted == sum(ends)
    assert server.rejected == sum(row.rejected for row in rows)
    begun = sum(row.server_start_s is not None for row in rows)
    assert server.served + server.aborted + server.in_service == begun
    assert server.served >= sum(row.server_end_s is not None for row in rows)
    return server


# Rejection, and patience.


@every_discipline
def test_a_rejected_task_learns_of_it_with_the_answer(kind, tmp_path):
    rules = {"discipline": DISCIPLINES[kind], "queue_limit": 2, "refusal_bytes": 50}
    part = loaded(tmp_path, rate_hz=25, **rules, backhaul_s=0.02)
    server = adds_up(part)
    assert server.rejected > 100
    for row in part.tasks:
        assert row.rejected == (row.status == "dropped")
        if row.rejected:
            assert row.server_start_s is row.server_end_s is row.done_s is row.correct is None
            assert row.received_bytes == 50
            assert row.left_s == pytest.approx(row.server_arrival_s + 0.02, abs=1e-9)
        else:
            assert row.status == "done"


def test_a_rejected_task_is_computed_at_home_where_the_device_would_do_so_after_a_timeout(tmp_path):
    patience = {"timeout": {"after_s": 5.0, "from": "created", "then": "local"}}
    part = loaded(tmp_path, rate_hz=20, device=patience, queue_limit=0, tail_s=0.2)
    adds_up(part)
    rejected = [row for row in part.tasks if row.rejected]
    assert len(rejected) > 100
    home = [row for row in rejected if row.status == "done"]
    assert len(home) > 0.9 * len(rejected)
    assert all(row.fallback_start_s >= row.answer_start_s for row in home)


def test_a_battery_may_be_empty_while_the_refusal_is_on_its_way(tmp_path):
    scenario = build(
        tmp_path,
        tail_s=1.0,
        boards=[Board("board"), Board("rack")],
        scenario={
            "devices": [{"count": 6, "arrivals": poisson(2), "battery": {"capacity_j": 30.0}}],
            "cells": {"cell": {"downlink": {"kind": "constant", "rate_bps": 400.0}}},
            "servers": {"edge": {"queue_limit": 0, "refusal_bytes": 100}},
        },
    )
    part = simulate(scenario.points[0], "offload", 0)
    cut = [row for row in part.tasks if row.rejected and row.status == "unfinished"]
    assert cut
    assert any(0 < row.received_bytes < 100 for row in cut)


@every_discipline
@pytest.mark.parametrize("abandoned", ["run_on", "abort"])
def test_a_timed_out_client_frees_its_place_in_the_queue_at_once(kind, abandoned, tmp_path):
    patience = {"timeout": {"after_s": 0.3, "from": "sent"}}
    rules = {"discipline": DISCIPLINES[kind], "abandoned": abandoned}
    part = loaded(tmp_path, rate_hz=25, device=patience, **rules, queue_limit=4)
    server = adds_up(part)
    assert any(row.status == "timeout" for row in part.tasks)
    assert all(row.left_s - row.server_arrival_s <= 0.3 + 1e-9 for row in part.tasks)
    assert (server.aborted > 0) == (abandoned == "abort")
    # Nobody is rejected while there is a place: those that wait, or share, at that time.
    shares = kind == "processor_sharing"
    for row in part.tasks:
        if row.rejected:
            now = row.server_arrival_s
            there = [r for r in part.tasks if r.server_arrival_s <= now < r.left_s and r is not row]
            if shares:
                assert len(there) >= 5 or abandoned == "run_on"
            else:
                waits = [r.server_start_s is None or r.server_start_s > now for r in there]
                assert sum(waits) >= 4


# Outages and speeds.


@every_discipline
def test_an_outage_loses_no_task(kind, tmp_path):
    """Those that come in it wait for its end; who gives up meanwhile is counted as such."""
    off = {"kind": "steps", "times_s": [0, 20, 30], "values": [1, 0, 2]}
    rules = {"discipline": DISCIPLINES[kind], "speed": off}
    part = loaded(tmp_path, **rules)
    adds_up(part)
    assert all(row.status == "done" for row in part.tasks)
    hit = [row for row in part.tasks if 20 < row.server_arrival_s < 30]
    assert len(hit) > 40
    assert all(row.server_end_s > 30 for row in hit)
    assert not [row for row in part.tasks if 20 < row.server_end_s < 30]
    patience = {"timeout": {"after_s": 2.0, "from": "created"}}
    part = loaded(tmp_path, **rules, device=patience, queue_limit=30)
    server = adds_up(part)
    found = {status: sum(r.status == status for r in part.tasks) for status in
             ("done", "timeout", "dropped")}  # fmt: skip
    assert sum(found.values()) == len(part.tasks)
    assert found["timeout"] > 20
    assert found["dropped"] == server.rejected


def test_a_server_that_never_comes_back_answers_nobody_and_the_run_ends(tmp_path):
    off = {"kind": "steps", "times_s": [0, 20], "values": [1, 0]}
    for kind, law in DISCIPLINES.items():
        scenario = build(
            tmp_path,
            tail_s=0.1,
            scenario={
                "duration_s": 40,
                "drain_s": 5,
                "devices": [{"arrivals": poisson(5), "deadline_s": 1.0}],
                "servers": {"edge": {"speed": off, "discipline": law, "report_every_s": 1}},
            },
        )
        part = simulate(scenario.points[0], "offload", 0)
        adds_up(part)
        late = [row.status for row in part.tasks if row.created_s > 20]
        assert set(late) == {"unfinished"}, kind
        assert part.servers[0].capacity_s == pytest.approx(20, rel=1e-9)
        assert part.servers[0].gain == (2.0 if kind == "batching" else 1.0)


def test_a_server_in_an_outage_reports_nothing(tmp_path):
    off = {"kind": "steps", "times_s": [0, 10.5, 20.5], "values": [1, 0, 1]}
    changes = {"speed": off, "report_every_s": 1.0}
    scenario = build(tmp_path, scenario={"servers": {"edge": changes}})
    spec = scenario.points[0].scenario.servers["edge"]
    clock = Clock()
    server = Server(clock, "edge", spec, 0, Hardware("rack"), {})
    clock.spawn(server.reporting(30.0))
    clock.run()
    told = [server.reported(0.5 + n, 0.0) for n in range(30)]
    assert [n for n, word in enumerate(told) if word is None] == list(range(11, 21))
    assert told[21] == (0.0, 21.0)


def test_twice_the_speed_is_half_the_work(tmp_path):
    """Arrivals that are as dense and works as long: the same rows on half the time."""
    slow = loaded(tmp_path, rate_hz=8, tail_s=0.1, queue_limit=3)
    fast = loaded(tmp_path, rate_hz=8, tail_s=0.2, queue_limit=3, speed=2.0)
    for one, other in zip(slow.tasks, fast.tasks, strict=True):
        assert one.rejected == other.rejected
        assert other.left_s == pytest.approx(one.left_s, abs=1e-9)


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8, 0.95, 1.5])
def test_a_limit_that_nobody_reaches_changes_no_row(load, tmp_path):
    """The recursion and the reactive station give the same, to the last bit, at every load."""
    rules = {"background": BURSTY, "service": exponential(True), "workers": 2}
    device = {"timeout": {"after_s": 20.0, "from": "sent"}}
    found = [
        loaded(tmp_path, rate_hz=20 * load, device=device, duration_s=40, **rules, **odd)
        for odd in ({}, {"queue_limit": 10**6})
    ]
    for one, other in zip(*(part.tasks for part in found), strict=True):
        assert vars(one) == vars(other)
    (one,), (other,) = (part.servers for part in found)
    for name in ("served", "gave_up", "in_service", "offered_s", "others_rejected"):
        assert getattr(one, name) == getattr(other, name)
    assert one.busy_s == pytest.approx(other.busy_s, rel=1e-9)


# Others' jobs are real jobs, though they cost no events.


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("law", ["poisson", "bursty", "periodic", "replay"])
def test_every_task_waits_as_if_the_others_were_jobs_with_events(law, odd, workers, tmp_path):
    """First come, first served, as a recursion and as a reactive station; to 1e-9."""
    common = {"load": 0.4, "work_s": 0.3}
    if law == "replay":
        rng = np.random.default_rng(1)
        times = np.cumsum(rng.exponential(0.7 / workers, 200)).tolist()
        pairs = zip(times, rng.exponential(0.3, 200).tolist(), strict=True)
        lines = ["arrival_s,work_s", *(f"{at!r},{work!r}" for at, work in pairs)]
        (tmp_path / "jobs.csv").write_text("\n".join(lines))
    laws = {
        "poisson": {"kind": "poisson", **common, "service": exponential(True)},
        "bursty": {**BURSTY, "service": exponential(True)},
        "periodic": {"kind": "periodic", **common},
        "replay": {"kind": "replay", "file": "jobs.csv"},
    }
    rules = {"background": laws[law], "workers": workers, "service": exponential(True)}
    part = loaded(
        tmp_path,
        rate_hz=workers,
        tail_s=0.5,
        duration_s=400,
        **rules,
        **({"queue_limit": 10**6} if odd else {}),
    )
    rows = columns(part.tasks, "server_arrival_s", "server_start_s", "server_end_s")
    jobs = others(laws[law], tmp_path, workers, rows.server_arrival_s.max())
    served = rows.server_end_s - rows.server_start_s
    limits = itertools.repeat(math.inf)
    queue = Queue(list(zip(rows.server_arrival_s, served, limits)), workers, jobs)  # noqa: B905
    found = np.array([row.start for row in queue.rows])
    assert len(jobs) > 100 * workers
    assert np.abs(found - rows.server_start_s).max() < 1e-9
    assert (rows.server_start_s > rows.server_arrival_s + 1e-6).mean() > 0.1


def others(law, folder, workers, until_s):
    context = {"find_file": lambda name: folder / name}
    spec = ServerSpec.model_validate({"hardware": "x", "background": law}, context=context)
    streams = (stream(3, f"background-{what}", "edge") for what in ("times", "works"))
    jobs = spec.background.jobs(*streams, workers)
    return list(itertools.takewhile(lambda job: job[0] <= until_s, jobs))


@every_discipline
def test_others_take_the_time_they_bring(kind, tmp_path):
    rules = {"discipline": DISCIPLINES[kind], "workers": 2}
    law = {"kind": "poisson", "load": 0.5, "work_s": 0.2}
    part = loaded(tmp_path, rate_hz=0.01, **rules, background=law, duration_s=2000)
    (server,) = part.servers
    assert server.busy_s == pytest.approx(0.5 * 2 * 2000, rel=0.05)
    assert server.background_s == pytest.approx(0.5 * 2 * 2000)


# Slowdown, clocks, memory, watts.


def test_others_slow_a_server_down_by_the_load_they_bring(tmp_path):
    slowdown = {"utilisation": [0.2, 0.6], "factor": [1.0, 3.0]}
    load = {"kind": "steps", "times_s": [0, 50], "values": [0.1, 0.4]}
    law = {"kind": "poisson", "load": load, "work_s": 0.1}
    part = loaded(tmp_path, rate_hz=0.4, duration_s=100, background=law, slowdown=slowdown)
    for row in part.tasks:
        took = row.server_end_s - row.server_start_s
        if not row.server_start_s < 50 < row.server_end_s:
            assert took == pytest.approx(0.1 if row.server_start_s < 50 else 0.2, rel=1e-6)


def by_small_steps(ramp, warm, busy, work_s, step_s=1e-5):
    """Seconds until the work is done, and the utilisation then; Euler's method."""
    now, done = 0.0, 0.0
    while done < work_s:
        done += step_s * (ramp.idle_speed + (1 - ramp.idle_speed) * warm)
        warm += step_s * (busy - warm) / ramp.time_s
        now += step_s
    return now, warm


@pytest.mark.parametrize("warm", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("busy", [0.3, 1.0])
@pytest.mark.parametrize("work_s", [0.02, 0.5, 2.0])
def test_the_ramp_is_its_differential_equation(warm, busy, work_s):
    ramp = Ramp(idle_speed=0.3, time_s=0.4)
    lasts_s, after = by_small_steps(ramp, warm, busy, work_s)
    assert ramp.lasts_s(warm, busy, work_s) == pytest.approx(lasts_s, abs=3e-5)
    assert ramp.later(warm, busy, lasts_s) == pytest.approx(after, abs=1e-4)
    exact_s = ramp.lasts_s(warm, busy, work_s)
    assert ramp.done_s(warm, busy, exact_s) == pytest.approx(work_s, rel=1e-12)


@pytest.mark.parametrize("kind", ["fifo", "processor_sharing"])
def test_clocks_rise_with_load_and_fall_without(kind, tmp_path):
    """Alone a task finds the clocks low; in a crowd they are high: shorter, as was measured."""
    ramp = {"idle_speed": 0.3, "time_s": 0.5}
    took = {}
    for rate_hz in (0.05, 8.0):
        device = {"count": 1, "arrivals": {"kind": "periodic", "period_s": 1 / rate_hz}}
        part = loaded(tmp_path, device=device, tail_s=0.1, duration_s=200, ramp=ramp,
                      discipline=DISCIPLINES[kind])  # fmt: skip
        took[rate_hz] = part.tasks[-1].server_end_s - part.tasks[-1].server_start_s
    law = Ramp(**ramp)
    assert took[0.05] == pytest.approx(law.lasts_s(0.0, 1.0, 0.1), rel=1e-9)
    assert took[8.0] < 0.55 * took[0.05]
    # A cycle that repeats itself: the utilisation after it is that before it.
    warm = 0.5
    for _ in range(500):
        busy_s = law.lasts_s(warm, 1.0, 0.1)
        warm = law.later(law.later(warm, 1.0, busy_s), 0.0, 1 / 8 - busy_s)
    assert took[8.0] == pytest.approx(law.lasts_s(warm, 1.0, 0.1), rel=1e-9)


def test_the_least_recently_used_model_makes_room():
    loading = Loading(load_s={"a": 1.0, "b": 2.0, "c": 4.0})
    memory = Memory(loading, {"a": 3.0, "b": 3.0, "c": 5.0}, 9.0)
    assert [memory.need_s(model) for model in "ababcaab"] == [1, 2, 0, 0, 4, 1, 0, 2]
    assert memory.loads == 5


@every_discipline
def test_a_task_waits_for_its_model_to_be_loaded(kind, tmp_path):
    """Two models of which one fits: loaded anew each time; with room for both, once each."""
    found = {}
    for room_bytes in (5e6, 9e6):
        scenario = sized(tmp_path, kind, room_bytes)
        part = simulate(scenario.points[0], "turns", 0)
        adds_up(part)
        took = [row.server_end_s - row.server_start_s for row in part.tasks]
        found[room_bytes] = [round(t, 6) for t in took]
        assert part.servers[0].loads == sum(t > 0.5 for t in took)
    assert found[5e6] == [0.52] * len(found[5e6])
    assert found[9e6] == [0.52, 0.52] + [0.02] * (len(found[9e6]) - 2)


TURNS = """
class Turns:
    def reset(self, options, rng):
        self.far = [n for n, o in enumerate(options) if o.server]
        self.turn = 0
    def choose(self, view):
        self.turn += 1
        return self.far[self.turn % len(self.far)]
"""


def sized(folder, kind, room_bytes):
    """A scenario with two models of 4 MB each, used in turns."""
    (folder / "turns.py").write_text(TURNS)
    changes = {
        "devices": [{"arrivals": {"kind": "periodic", "period_s": 10.0}, "deadline_s": 99.0}],
        "policies": [{"name": "turns", "kind": "turns:Turns"}],
    }
    nets = [Net("one"), Net("two")]
    build(folder, nets=nets, scenario=changes)
    for net in nets:
        path = folder / "tables" / "models" / f"{net.name}.csv"
        first, *rows = path.read_text().splitlines()
        sizes = ("0,4000000", "4000000,0")
        lines = [f"{row},{size}" for row, size in zip(rows, sizes, strict=True)]
        path.write_text("\n".join([f"{first},head_bytes,tail_bytes", *lines]) + "\n")
    text = (folder / "scenario.yaml").read_text()
    rules = {
        "discipline": DISCIPLINES[kind],
        "loading": {"load_s": 0.5, "memory_bytes": room_bytes},
    }
    data = yaml.safe_load(text)
    data["servers"] = {"edge": {"hardware": "rack", **rules}}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(data))
    return load_scenario(folder / "scenario.yaml")


FURCIFER = {"utilisation": [0.56, 0.79, 0.91], "w": [197, 249, 268]}


def test_power_is_read_off_the_table_window_by_window():
    power, meter = (
        Power.model_validate({**FURCIFER, "window_s": 2.0}),
        Meter(Steps.constant(1.0), 2.0),
    )
    meter.add(0.5, 1.5)  # a quarter of the first window of two workers
    meter.add(2.0, 5.0)
    meter.add(3.0, 4.0)  # three quarters of the second
    expected = 2 * (np.interp([0.25, 0.75, 0.5], [0, 0.56, 0.79, 0.91], [80, 197, 249, 268]))
    found_j = meter.energy_j(power, 2, 80.0, 5.0)
    assert found_j == pytest.approx(2 * expected[0] + 2 * expected[1] + 1 * expected[2])
    assert meter.busy_s == 5.0


@every_discipline
def test_a_server_with_a_table_of_watts_draws_them_by_its_utilisation(kind, tmp_path):
    part = loaded(tmp_path, discipline=DISCIPLINES[kind], power={**FURCIFER, "window_s": 0.5})
    (server,) = part.servers
    curve = Power.model_validate(FURCIFER)
    busy = np.zeros(math.ceil(server.end_s / 0.5))
    spans = {(row.server_start_s, row.server_end_s) for row in part.tasks}
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    for n in range(len(busy)):
        low, high = 0.5 * n, min(0.5 * (n + 1), server.end_s)
        busy[n] = sum(max(min(e, high) - max(s, low), 0) for s, e in merged) / (high - low)
    lengths = np.diff(np.append(0.5 * np.arange(len(busy)), server.end_s))
    expected_j = float(np.sum(curve.watts(busy, 2.0) * lengths))  # a rack idles at 2 W
    assert server.board_j == pytest.approx(expected_j, rel=1e-6)
    assert server.idle_j == pytest.approx(2.0 * server.end_s)


# What it costs to simulate.


@pytest.mark.parametrize(
    ("kind", "most"),
    [("fifo", 1), ("odd fifo", 2), ("edf", 2), ("priority", 2), ("batching", 3),
     ("processor_sharing", 3)],
)  # fmt: skip
@pytest.mark.parametrize("load", [0.5, 0.95, 1.5])
def test_the_event_budget_of_a_station(kind, most, load, monkeypatch):
    """Events per task beyond the one of its coming; others' jobs cost none where nobody waits."""
    steps = count_steps(monkeypatch)
    tasks = 1500
    station, clock = station_of(kind)
    feed(station, clock, load, tasks)
    assert steps[0] - 1 - tasks <= most * tasks  # the last step finds nothing


def station_of(kind, **rules):
    clock = Clock()
    if kind == "odd fifo":
        rules["queue_limit"] = 10**9
    law = DISCIPLINES[kind.removeprefix("odd ")]
    spec = ServerSpec.model_validate({"hardware": "x", "discipline": law})
    return spec.discipline.station(clock, Site(**rules)), clock


def feed(station, clock, load, tasks, patience_s=1e9):
    """Tasks of mean work one, all the same distance in time apart on average."""
    rng = np.random.default_rng(8)
    arrivals = np.cumsum(rng.exponential(1 / load, tasks)).tolist()
    works = rng.exponential(size=tasks).tolist()

    def source():
        for n, (arrival, work) in enumerate(zip(arrivals, works, strict=True)):
            yield clock.at(arrival, Moment(clock, task_key(0, n)))
            job = Job(clock, task_key(0, n), work, arrival + patience_s)
            job.group, job.deadline_s = ("net", 0), arrival + 2.0
            station.submit(job)

    clock.spawn(source())
    clock.run()


def count_steps(monkeypatch):
    steps, step = [0], Clock.step

    def counted(clock):
        steps[0] += 1
        step(clock)

    monkeypatch.setattr(Clock, "step", counted)
    return steps


@pytest.mark.parametrize("kind", ["fifo", "odd fifo", "edf", "batching", "processor_sharing"])
def test_twenty_thousand_waiting_jobs_cost_no_more_each_than_an_empty_queue(kind):
    """Counted in calls, which a busy machine does not change; within a factor of three."""
    calls = {}
    for name, load, tasks, patience_s in (
        ("empty", 0.05, 1000, 1e9),
        ("full", 1e6, 20_000, 1e9),
        ("impatient", 1e6, 5000, 50.0),
    ):
        station, clock = station_of(kind)
        counter = itertools.count()
        sys.setprofile(lambda *_, counter=counter: next(counter))
        try:
            feed(station, clock, load, tasks, patience_s)
        finally:
            sys.setprofile(None)
        calls[name] = next(counter) / tasks
    assert calls["full"] <= 3 * calls["empty"]
    assert calls["impatient"] <= 3 * calls["empty"]


def test_others_cost_no_events_where_no_task_is_there(monkeypatch):
    steps = count_steps(monkeypatch)
    far = ((0.01 * n, 0.005) for n in itertools.count())
    clock = Clock()
    station = Sharing(clock, Site(background=far))

    def source():
        yield clock.at(100.0, Moment(clock, 2))
        station.submit(Job(clock, 2, 0.001, math.inf))

    clock.spawn(source())
    clock.run()
    assert steps[0] < 10
    assert station.busy_until_s(100.0) == pytest.approx(50.0, rel=1e-3)
