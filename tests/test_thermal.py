"""Heat and speed: against an integration of the differential equation, and closed forms."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from building import Board, Pieces, build, columns
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from splitsim import simulate
from splitsim.errors import BadInput
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.processor import Processor
from splitsim.system.stations import Job
from splitsim.system.thermal import Heat, ThermalSpec

law = settings(derandomize=True, deadline=None, max_examples=200)
IDLE_W, COMPUTE_W = 2.0, 6.0
HOT = {
    "ambient_c": 25.0,
    "resistance_c_per_w": 8.0,  # idle 41, computing 89, throttled 59.75 degrees
    "time_constant_s": 40.0,
    "throttle_c": 70.0,
    "release_c": 62.0,
    "throttled_speed": 0.4,
}


def admitted(jobs, processor, clock):
    """Jobs of a work each, admitted at their times."""
    found = []

    def source():
        for n, (time_s, work) in enumerate(jobs):
            yield clock.at(time_s, Moment(clock, task_key(0, n)))
            found.append(processor.admit(Job(clock, task_key(0, n), work, math.inf)))

    clock.spawn(source())
    clock.run()
    return found


class Integrated:
    """The same board by numerical integration, event by event; no formula in common."""

    def __init__(self, speed, spec=HOT):
        self.spec = spec
        self.speed = speed  # times and values
        self.t, self.temperature = 0.0, spec["ambient_c"] + spec["resistance_c_per_w"] * IDLE_W
        self.slow = False
        self.slow_s = 0.0
        self.peak = self.temperature

    def step(self, until, left):
        """Go on until a time, or until so much work (None: idle) is done; what is left."""
        spec = self.spec
        at = np.searchsorted(self.speed[0], self.t, side="right") - 1
        edge = self.speed[0][at + 1] if at + 1 < len(self.speed[0]) else math.inf
        until = min(until, edge)
        pace = self.speed[1][at] * (spec["throttled_speed"] if self.slow else 1)
        pace = 0.0 if left is None else pace
        watts = IDLE_W + COMPUTE_W * pace

        def flow(_, y):
            heating = spec["ambient_c"] + spec["resistance_c_per_w"] * watts - y[0]
            return [heating / spec["time_constant_s"], pace]

        limit = spec["release_c"] if self.slow else spec["throttle_c"]

        def turn(_, y):
            return y[0] - limit

        def done(_, y):
            return y[1] - left if left is not None else -1.0

        turn.terminal = done.terminal = True
        turn.direction = -1 if self.slow else 1
        far = min(until, self.t + 1e4)
        answer = solve_ivp(
            *(flow, (self.t, far), [self.temperature, 0.0], "DOP853"),
            events=(turn, done),
            rtol=1e-11,
            atol=1e-11,
        )
        self.slow_s += self.slow * (answer.t[-1] - self.t)
        self.t, (self.temperature, did) = float(answer.t[-1]), answer.y[:, -1]
        self.peak = max(self.peak, self.temperature)
        if len(answer.t_events[0]):
            self.temperature, self.slow = limit, not self.slow
        if left is None:
            return None
        return 0.0 if len(answer.t_events[1]) else left - did

    def serve(self, jobs):
        ends = []
        for time_s, work in jobs:
            while self.t < time_s - 1e-12:
                self.step(time_s, None)
            left = work
            while left > 1e-10:
                left = self.step(math.inf, left)
            ends.append(self.t)
        return ends


@pytest.mark.parametrize("speed", [([0.0], [1.0]), ([0.0, 50, 120, 200], [1.0, 0.5, 0.0, 1.25])])
def test_ends_and_temperatures_are_those_of_the_differential_equation(speed):
    rng = stream(0, "test", "heat")
    times = np.cumsum(rng.exponential(6.0, 40)).tolist()
    works = rng.exponential(5.0, 40).tolist()
    clock, heat = Clock(), Heat(ThermalSpec(**HOT), IDLE_W, COMPUTE_W)
    jobs = admitted(zip(times, works, strict=True), Processor(clock, Steps.of(*speed), heat), clock)
    expected = Integrated(speed)
    assert [job.end_s for job in jobs] == pytest.approx(
        expected.serve(zip(times, works, strict=True)), abs=1e-6
    )
    assert heat.temperature_c == pytest.approx(expected.temperature, abs=1e-6)
    assert heat.peak_c == pytest.approx(expected.peak, abs=1e-6)
    slow_s = math.fsum(b - a for a, b in heat.throttled_s(heat.at_s))
    assert slow_s == pytest.approx(expected.slow_s, abs=1e-5)
    assert slow_s > 10
    for job in jobs:
        times_s, done_s = job.progress
        assert (times_s[0], done_s[-1]) == (job.start_s, job.work)


def boards(**watts):
    return (Board("board", idle_w=IDLE_W, compute_w=COMPUTE_W, **watts), Board("rack"))


def hot(tmp_path, rate_hz, thermal=HOT, duration_s=3000.0, **more):
    device = {"arrivals": {"kind": "poisson", "rate_hz": rate_hz}, "thermal": thermal, **more}
    loaded = build(
        tmp_path,
        scenario={"duration_s": duration_s, "devices": [device]},
        boards=boards(),
        local_s=0.5,
    )
    return simulate(loaded.points[0], "local", 0)


def test_a_board_that_never_rests_goes_to_and_fro_in_the_times_of_theory(tmp_path):
    part = hot(tmp_path, 10.0)
    (device,) = part.devices
    slow = [e for e in part.events if e.what == "throttled"][:-1]
    tau, full_c, slow_c = 40.0, 25 + 8 * 8.0, 25 + 8 * (2 + 0.4 * 6)
    heating_s = tau * math.log((full_c - 62) / (full_c - 70))
    cooling_s = tau * math.log((70 - slow_c) / (62 - slow_c))
    first_s = tau * math.log((full_c - 41) / (full_c - 70))
    created_s = part.tasks[0].created_s
    assert slow[0].start_s - created_s == pytest.approx(first_s, abs=1.0)  # it rests at first
    assert [e.end_s - e.start_s for e in slow] == pytest.approx([cooling_s] * len(slow))
    between = [b.start_s - a.end_s for a, b in pairwise(slow)]
    assert between == pytest.approx([heating_s] * len(between))
    assert device.peak_c == pytest.approx(70)
    share = cooling_s / (heating_s + cooling_s)
    pace = 1 - 0.6 * share
    ends = columns(part.tasks).head_end_s
    within = ends[(ends > 500) & (ends < 2900)]
    assert np.diff(within).mean() == pytest.approx(0.5 / pace, rel=0.01)


def test_a_board_that_stays_below_its_limit_is_as_any_other(tmp_path):
    calm = hot(tmp_path, 0.2).tasks
    other = hot(tmp_path, 0.2, thermal=None).tasks
    assert [row.head_end_s for row in calm] == pytest.approx([row.head_end_s for row in other])


def test_energy_follows_work_whatever_the_pace(tmp_path):
    part = hot(tmp_path, 1.2)
    (device,) = part.devices
    assert device.throttled_s > 100
    for row in part.tasks:
        assert row.compute_j == pytest.approx(0.5 * COMPUTE_W)
    charged = math.fsum(row.compute_j for row in part.tasks)
    assert device.board_j == pytest.approx(charged + IDLE_W * device.end_s, rel=1e-12)


def test_a_battery_gives_what_it_holds_to_a_board_that_slows_down(tmp_path):
    part = hot(tmp_path, 4.0, duration_s=600.0, battery={"capacity_j": 2000.0})
    (device,) = part.devices
    assert device.off_s is not None
    assert device.board_j == pytest.approx(2000.0, rel=1e-9)
    heat = Heat(ThermalSpec(**HOT), IDLE_W, COMPUTE_W)
    spent, time_s = 0.0, part.tasks[0].created_s
    spent += IDLE_W * time_s
    heat.rest(time_s)
    while True:  # it is never idle: the power is known at any time
        pace, turn_s = heat.speed, heat.turns_s(heat.speed)
        watts = IDLE_W + COMPUTE_W * pace
        if spent + watts * (turn_s - time_s) > 2000:
            break
        spent += watts * (turn_s - time_s)
        heat.go_on(turn_s, pace)
        time_s = turn_s
    assert device.off_s == pytest.approx(time_s + (2000 - spent) / watts, abs=1.0)
    assert all(e.end_s <= device.off_s for e in part.events if e.what == "throttled")


eighths = st.integers(1, 24).map(lambda n: Fraction(n, 8))
speeds = st.lists(
    st.tuples(eighths, st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1), Fraction(2)])),
    min_size=1,
    max_size=5,
).map(lambda pieces: Pieces([*pieces, (Fraction(1), Fraction(1))], loops=False))


@law
@given(speeds, st.lists(st.tuples(eighths, eighths), min_size=1, max_size=10))
def test_a_computation_ends_when_its_work_is_done_at_that_speed(speed, drawn):
    times = np.cumsum([float(gap) for gap, _ in drawn]).tolist()
    works = [float(work) for _, work in drawn]
    clock = Clock()
    jobs = admitted(zip(times, works, strict=True), Processor(clock, speed.steps(), None), clock)
    free = Fraction(0)
    for job, time_s, work in zip(jobs, times, works, strict=True):
        free = speed.finish(max(free, Fraction(time_s)), Fraction(work))
        assert job.end_s == pytest.approx(float(free), rel=1e-12)


def test_a_device_is_as_fast_as_its_curve_says(tmp_path):
    curve = {"kind": "steps", "times_s": [0, 30, 60], "values": [1, 0.25, 2]}
    device = {"arrivals": {"kind": "poisson", "rate_hz": 2.0}, "speed": curve}
    loaded = build(tmp_path, scenario={"devices": [device]}, local_s=0.1)
    rows = columns(simulate(loaded.points[0], "local", 0).tasks)
    took_s = rows.head_end_s - rows.head_start_s
    for from_s, to_s, expected_s in ((0, 29.9, 0.1), (30, 59.6, 0.4), (60, 99, 0.05)):
        here = (rows.head_start_s >= from_s) & (rows.head_start_s < to_s)
        assert took_s[here] == pytest.approx(expected_s)
    assert loaded.points[0].scenario.phases_s == [0, 30, 60, 100]


def test_fastest_knows_how_fast_its_device_is(tmp_path):
    """At full speed computing here is sooner, at a quarter of it the server."""
    curve = {"kind": "steps", "times_s": [0, 50], "values": [1, 0.25]}
    device = {"arrivals": {"kind": "poisson", "rate_hz": 1.0}, "speed": curve}
    scenario = {"devices": [device], "policies": [{"name": "f", "kind": "fastest"}]}
    loaded = build(tmp_path, scenario=scenario, local_s=0.1, tail_s=0.2)
    rows = simulate(loaded.points[0], "f", 0).tasks
    assert {row.server for row in rows if row.created_s < 49} == {None}
    assert {row.server for row in rows if row.created_s > 51} == {"edge"}


@pytest.mark.parametrize(
    ("device", "what"),
    [
        (
            {"thermal": {**HOT, "release_c": 75}},
            "devices.device.thermal: release_c (75) must lie between ambient_c (25) and throttle_c",
        ),
        ({"thermal": {**HOT, "throttle_c": 20}}, "throttle_c must be above ambient_c (25)"),
        (
            {"thermal": {**HOT, "release_c": 41}},
            "devices.device.thermal: idles at 41 degrees and would never cool down to release_c",
        ),
        ({"thermal": {**HOT, "throttled_speed": 1}}, "throttled_speed: must be less than 1, not 1"),
        ({"speed": 0}, "speed: must not be 0 for good; let the device leave instead"),
        (
            {"speed": {"kind": "steps", "times_s": [0, 5], "values": [1, 0]}},
            "speed: must not be 0 for good",
        ),
        (
            {"hardware": "dark", "thermal": HOT},
            "thermal: cannot get warm: hardware 'dark' has no watts in hardware.csv; add them",
        ),
    ],
)
def test_what_cannot_be_is_told(tmp_path, device, what):
    dark = Board("dark", idle_w="", compute_w="")
    with pytest.raises(BadInput) as error:
        build(tmp_path, scenario={"devices": [device]}, boards=(*boards(), dark))
    assert any(what in problem for problem in error.value.problems), error.value
