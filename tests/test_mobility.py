"""Where devices are: legs and pauses, there and back, a steady random waypoint, recorded ways."""

import math
from functools import partial

import numpy as np
import pytest
from building import agrees
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from splitsim.errors import BadInput
from splitsim.rng import stream
from splitsim.world.mobility import Mobility
from splitsim.world.recorded import read_track
from splitsim.world.wander import mean_distance_m, mean_inverse

RARE = 1e-5  # a p-value: 4.4 standard errors
SEEDS = 1500
WALK = {
    "kind": "waypoints",
    "start_m": [0, 0],
    "legs": [
        {"to_m": [30, 40], "speed_mps": 2.0, "pause_s": 5.0},
        {"to_m": [30, 0], "speed_mps": 4.0, "pause_s": 3.0},
    ],
}
WANDER = {
    "kind": "random-waypoint",
    "area_m": [[200, 100], [0, 0]],
    "speed_mps": [0.5, 3.0],
    "pause_s": 20.0,
}


def mobility(data, **changes):
    return TypeAdapter(Mobility).validate_python({**data, **changes})


def path(data, seed=0, device="device-0", **changes):
    return mobility(data, **changes).path(partial(stream, seed, "mobility", device))


def gone_m(way, times_s):
    """The length of the way between times, by its places."""
    steps = np.diff(way.position_m(np.asarray(times_s, float)), axis=0)
    return float(np.hypot(*steps.T).sum())


# Given ways.


def test_it_stays_where_it_is():
    way = path({"kind": "fixed", "position_m": [3, -4]})
    assert way.position_m(np.array([0.0, 1e6])).tolist() == [[3, -4], [3, -4]]
    assert way.top_mps == way.speed_mps.value(5.0) == 0


def test_legs_and_pauses():
    """25 s to (30, 40), 5 s there, 10 s to (30, 0), and there for good."""
    way = path(WALK)
    at_s = np.array([0, 12.5, 25, 27, 30, 35, 40, 43, 1e5])
    expected = [(0, 0), (15, 20), (30, 40), (30, 40), (30, 40), (30, 20), *[(30, 0)] * 3]
    assert way.position_m(at_s) == pytest.approx(np.array(expected), abs=1e-9)
    assert [way.speed_mps.value(t) for t in (0, 24.9, 25, 29.9, 30, 39.9, 40, 1e5)] == [
        *(2, 2, 0, 0, 4, 4, 0, 0)
    ]
    assert way.speed_mps.area(1e5) == pytest.approx(90)
    assert way.top_mps == 4


def test_there_and_back_again_and_again():
    """The same way back, with the pause in the middle and one at the far end: 83 s in all."""
    way = path(WALK, returns=True)
    there, back = np.array([0, 12.5, 25, 35]), np.array([83, 70.5, 58, 48])
    assert way.position_m(back) == pytest.approx(way.position_m(there), abs=1e-9)
    assert way.position_m(there + 830) == pytest.approx(way.position_m(there), abs=1e-6)
    assert [way.speed_mps.value(t) for t in (41, 42.9, 43.1, 52.9, 53.1, 57.9, 58.1)] == [
        *(0, 0, 4, 4, 0, 0, 2)
    ]
    assert way.speed_mps.area(830) == pytest.approx(1800)


@pytest.mark.parametrize(
    "data",
    [WALK, {**WALK, "returns": True}, WANDER, {**WANDER, "pause_s": 0.0}],
    ids=["once", "back", "random", "restless"],
)
def test_the_area_under_the_speed_is_the_distance_travelled(data):
    way = path(data)
    times_s = np.arange(0, 2000, 0.01)
    assert gone_m(way, times_s) == pytest.approx(way.speed_mps.area(times_s[-1]), rel=2e-4)
    found = [way.speed_mps.value(t) for t in np.arange(0, 2000, 7.0)]
    assert max(found) <= way.top_mps


def test_members_of_a_group_start_somewhere_in_a_disc():
    data = {"kind": "fixed", "position_m": [100, 0], "spread_m": 20}
    at = np.array([path(data, device=f"device-{n}").position_m(np.zeros(1))[0] for n in range(800)])
    away_m = np.hypot(*(at - [100, 0]).T)
    assert stats.kstest((away_m / 20) ** 2, stats.uniform.cdf).pvalue > RARE
    assert stats.kstest(np.arctan2(*(at - [100, 0]).T) / (2 * np.pi) % 1, "uniform").pvalue > RARE
    first, again, apart = (path(WALK, device=d, spread_m=9) for d in ("a", "a", "b"))
    at_s = np.array([0.0, 33.0])
    assert (first.position_m(at_s) == again.position_m(at_s)).all()
    assert (first.position_m(at_s) != apart.position_m(at_s)).all()


def test_how_far_from_a_place_it_may_be():
    assert mobility(WALK).farthest((0, 0)) == (50, (30, 40))
    assert mobility(WALK, spread_m=7).farthest((0, 0)) == (57, (30, 40))
    assert mobility(WANDER).farthest((0, 0)) == (math.hypot(200, 100), (200, 100))


# The random waypoint.


def test_mean_distance_in_a_rectangle():
    """Of a unit square 0.521405; of others by integrating over the differences."""
    assert mean_distance_m(1, 1) == pytest.approx(0.521405433, abs=1e-9)

    def weighted(y, x):
        return math.hypot(x, y) * 2 * (1 - x / 200) / 200 * 2 * (1 - y / 50) / 50

    by_hand = integrate.dblquad(weighted, 0, 200, 0, 50)[0]
    assert mean_distance_m(200, 50) == pytest.approx(by_hand, rel=1e-6)


def test_mean_inverse_speed():
    assert mean_inverse(1, math.e) == pytest.approx(1 / (math.e - 1))
    assert mean_inverse(2, 2) == 0.5


@pytest.fixture(scope="module")
def wanderers():
    return [path(WANDER, seed) for seed in range(SEEDS)]


@pytest.mark.parametrize("time_s", [0.0, 60.0, 1500.0])
def test_it_is_in_its_steady_state_from_the_beginning(wanderers, time_s):
    """Share of pauses and mean speed by renewal: E[distance] / (E[distance] E[1 / v] + pause)."""
    speeds = np.array([way.speed_mps.value(time_s) for way in wanderers])
    mean_m = mean_distance_m(200, 100)
    leg_s = mean_m * mean_inverse(0.5, 3.0)
    agrees(speeds == 0, 20 / (20 + leg_s), error=0.02)
    agrees(speeds, mean_m / (leg_s + 20), error=0.05)
    moving = np.log(speeds[speeds > 0] / 0.5) / math.log(6)  # density 1 / v: even in its logarithm
    assert stats.kstest(moving, stats.uniform.cdf).pvalue > RARE


def test_places_are_spread_as_later_on(wanderers):
    """More often in the middle than at the rim, at the beginning as after many legs."""
    first, later = (
        np.array([way.position_m(np.array([t]))[0] for way in wanderers]) for t in (0.0, 3000.0)
    )
    for axis in (0, 1):
        assert stats.ks_2samp(first[:, axis], later[:, axis]).pvalue > RARE
        assert stats.kstest(later[:, axis] / [200, 100][axis], "uniform").pvalue < RARE
    agrees(first.mean(axis=1), 75, error=2)
    assert (first >= 0).all()
    assert (first <= [200, 100]).all()


def test_places_and_speeds_do_not_depend_on_what_was_asked_before():
    one, other = path(WANDER, 3), path(WANDER, 3)
    times_s = np.linspace(0, 5000, 400)
    late = one.speed_mps.value(4321.0)
    assert (one.position_m(times_s) == other.position_m(times_s)).all()
    assert late == other.speed_mps.value(4321.0)
    assert (path(WANDER, 4).position_m(times_s) != one.position_m(times_s)).any()


# Recorded ways.


def written(folder, text):
    file = folder / "way.csv"
    file.write_text(text)
    return file


def test_a_recorded_way_in_metres(tmp_path):
    file = written(tmp_path, "time_s,x_m,y_m,note\n100,0,0,a\n110,30,40,b\n115,30,40,c\n")
    way = path({"kind": "path", "file": str(file)})
    at_s = np.array([0.0, 5.0, 12.0, 99.0])
    expected = np.array([(0, 0), (15, 20), (30, 40), (30, 40)])
    assert way.position_m(at_s) == pytest.approx(expected)
    assert [way.speed_mps.value(t) for t in (3, 12, 50)] == [5, 0, 0]
    back = path({"kind": "path", "file": str(file), "returns": True})
    assert back.position_m(np.array([20.0, 25.0, 30.0])) == pytest.approx(
        np.array([(15, 20), (0, 0), (15, 20)])
    )


def test_a_recorded_way_in_degrees(tmp_path):
    """A minute of latitude is a nautical mile (1,852 m; on the mean sphere 1,853.25)."""
    text = "time_s,lat_deg,lon_deg\n0,60,10\n60,60.0166666667,10\n120,60.0166666667,10.0333333333\n"
    track = read_track(written(tmp_path, text))
    assert track.places_m[1] == pytest.approx([0, 1853.25], abs=0.01)
    assert track.places_m[2] == pytest.approx([1853.25, 1853.25], abs=0.01)  # cos 60 = 1/2
    moved = read_track(written(tmp_path, text), (60.0166666667, 10.0))
    assert moved.places_m[0] == pytest.approx([0, -1853.25], abs=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time_s,x_m\n0,1\n", ["way.csv:1: there is no column y_m"]),
        ("time_s,x_m,y_m\n0,1,2\n", ["needs two rows or more"]),
        (
            "time_s,x_m,y_m\n0,1,2\n0,1,x\n",
            ["way.csv:3: y_m: must be a number, not 'x'", "way.csv:3: time_s: must be more than 0"],
        ),
        ("time_s,lat_deg,lon_deg\n0,1,2\n1,91,0\n", ["lat_deg: must be within 90 degrees"]),
    ],
)
def test_what_is_wrong_with_a_recorded_way_is_said(tmp_path, text, expected):
    with pytest.raises(BadInput) as told:
        read_track(written(tmp_path, text))
    assert len(told.value.problems) == len(expected)
    for line, part in zip(told.value.problems, expected, strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({**WALK, "legs": [{"to_m": [0, 0], "speed_mps": 1}]}, "leg 0 ends where it begins"),
        ({**WANDER, "area_m": [[0, 0], [0, 5]]}, "opposite corners"),
        ({**WANDER, "speed_mps": [3, 1]}, "swap them"),
    ],
)
def test_ways_that_lead_nowhere(data, expected):
    with pytest.raises(ValidationError, match=expected):
        mobility(data)
