"""Curves over time: steps, ramps and columns of files, and the products of Steps."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import pairwise, takewhile

import numpy as np
import pytest
from building import Pieces, agrees, build
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from splitsim import simulate
from splitsim.component import Curve, DbCurve, ShareCurve
from splitsim.errors import BadInput
from splitsim.rng import stream
from splitsim.world.around import Around
from splitsim.world.arrivals import unit_arrivals
from splitsim.world.channel import FadingChannel

law = settings(derandomize=True, deadline=None, max_examples=200)
RAMP = {"kind": "ramp", "times_s": [0, 10, 20], "values": [1, 5, 0], "step_s": 0.5}


def curve(said, kind=Curve):
    return TypeAdapter(kind).validate_python(said)


def line_area(to_s, times_s, values):
    """The integral of straight lines between points, the last value for ever; exact."""
    total, points = Fraction(0), [*zip(map(Fraction, times_s), map(Fraction, values), strict=True)]
    points.append((max(Fraction(to_s), points[-1][0]), points[-1][1]))
    for (begin, low), (end, high) in pairwise(points):
        stop = min(end, Fraction(to_s))
        if stop > begin:
            at_stop = low + (high - low) * (stop - begin) / (end - begin)
            total += (stop - begin) * (low + at_stop) / 2
    return float(total)


def test_a_ramp_has_the_area_of_its_lines_at_every_edge_of_its_steps():
    steps = curve(RAMP).steps()
    for edge in np.arange(0, 30.25, 0.5):
        expected = line_area(float(edge), RAMP["times_s"], RAMP["values"])
        assert steps.area(float(edge)) == pytest.approx(expected, rel=1e-12)
    assert steps.value(0.1) == pytest.approx(1.1)  # the line's mean from 0 to 0.5 s
    assert steps.value(1e6) == 0


def test_the_steps_of_a_ramp_are_no_longer_than_said_and_end_where_its_lines_do():
    said = {"kind": "ramp", "times_s": [0, 0.7, 1], "values": [0, 7, 8], "step_s": 0.3}
    steps, starts = curve(said).steps(), [0.0]
    while starts[-1] < 1:
        starts.append(steps.until_s(starts[-1]))
    assert starts == pytest.approx([0, 0.7 / 3, 1.4 / 3, 0.7, 1.0])
    assert steps.until_s(2.0) == np.inf


def test_arrivals_follow_a_ramp():
    """The count of a time-changed Poisson process has mean and variance of the curve's area."""
    ramp, counts = curve(RAMP), []
    for seed in range(400):
        times = ramp.whens(unit_arrivals(stream(seed, "arrivals", "ramp")))
        counts.append(len(list(takewhile(lambda time_s: time_s <= 8, times))))
    expected = line_area(8, RAMP["times_s"], RAMP["values"])
    agrees(counts, expected, error=0.3)
    agrees((np.array(counts) - expected) ** 2, expected, error=2)


def test_a_column_of_a_file_is_a_curve(tmp_path):
    path = tmp_path / "load.csv"
    path.write_text("t,x,load\n0,1,0.2\n2.5,1,0.6\n4,1,0.1\n")
    said = {"kind": "csv", "file": str(path), "time": "t", "value": "load", "scale": 2.0}
    held, line = curve(said), curve({**said, "between": "line", "step_s": 0.25})
    assert [held.steps().value(t) for t in (0, 2.4, 2.5, 4, 99)] == [0.4, 0.4, 1.2, 0.2, 0.2]
    for edge in (0.25, 1.0, 2.5, 3.25, 4.0, 6.0):
        expected = line_area(edge, [0, 2.5, 4], [0.4, 1.2, 0.2])
        assert line.steps().area(edge) == pytest.approx(expected, rel=1e-12)
    assert pickle.loads(pickle.dumps(held)).steps().value(3) == 1.2  # noqa: S301 - our own


def test_a_first_value_holds_before_its_time_too(tmp_path):
    path = tmp_path / "late.csv"
    path.write_text("time_s,value\n3,7\n5,9\n")
    for between, at_4 in (("hold", 7), ("line", 8)):
        found = curve({"kind": "csv", "file": str(path), "between": between, "step_s": 2.0})
        assert [found.steps().value(t) for t in (0, 2.9, 4, 5, 8)] == [7, 7, at_4, 9, 9]
        assert found.turns_s == [3, 5]


def test_decibels_may_be_negative_and_lines_between_them_are_straight():
    times_s = np.array([[0.0, 5.0], [10.0, 40.0]])
    ramp = curve({"kind": "ramp", "times_s": [0, 10], "values": [20, -10]}, DbCurve)
    assert ramp.db(times_s).tolist() == [[20, 5], [-10, -10]]
    steps = curve({"kind": "steps", "times_s": [0, 10], "values": [20, -10]}, DbCurve)
    assert steps.db(times_s).tolist() == [[20, 20], [-10, -10]]
    assert curve(-3, DbCurve).db(times_s).tolist() == [[-3, -3], [-3, -3]]


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        (-1, Curve, "must be 0 or more"),
        ({**RAMP, "values": [1, 5, -1]}, Curve, "its values must be 0 or more, not -1"),
        (1.0, ShareCurve, "must be less than 1"),
        ({**RAMP, "values": [0, 1.5, 0]}, ShareCurve, "its values must be less than 1, not 1.5"),
        (300, DbCurve, "must be 200 or less"),
        ({**RAMP, "times_s": [0, 10]}, Curve, "2 times_s but 3 values"),
        ({**RAMP, "times_s": [0, 10, 10]}, Curve, "times_s must begin with 0 and rise"),
        ({**RAMP, "step_s": 1e-9}, Curve, "more than 1,000,000 steps; give a longer step_s"),
    ],
)
def test_what_is_no_curve_is_told(said, kind, what):
    with pytest.raises(ValidationError, match=what):
        curve(said, kind)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("time_s,value\n0,1\n2,x\n", ":3: value: must be a number"),
        ("time_s,value\n0,1\n2,3\n2,4\n", ":4: time_s: must be more than 2, the row before"),
        ("time_s,load\n0,1\n", ":1: there is no column value; there are time_s, load"),
        ("time_s,value\n", "has no rows; add one"),
        (None, "cannot be read as CSV: No such file"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path, text, what):
    if text is not None:
        (tmp_path / "load.csv").write_text(text)
    load = {"kind": "csv", "file": "load.csv"}
    changes = {"servers": {"edge": {"background": {"kind": "poisson", "work_s": 1, "load": load}}}}
    with pytest.raises(BadInput) as error:
        build(tmp_path, scenario=changes)
    assert any(what in problem for problem in error.value.problems), error.value


def test_a_file_beside_the_scenario_drives_its_arrivals(tmp_path):
    (tmp_path / "rate.csv").write_text("time_s,value\n0,0\n50,40\n60,0\n")
    rate = {"kind": "csv", "file": "rate.csv"}
    device = {"arrivals": {"kind": "poisson", "rate_hz": rate}}
    loaded = build(tmp_path, scenario={"devices": [device]})
    assert tmp_path.resolve() / "rate.csv" in loaded.files
    rows = simulate(loaded.points[0], "local", 0).tasks
    assert len(rows) > 300
    assert all(50 <= row.created_s < 60 for row in rows)


eighths = st.integers(1, 24).map(lambda n: Fraction(n, 8))
values = st.integers(0, 5).map(Fraction)
functions = st.builds(
    Pieces, st.lists(st.tuples(eighths, values), min_size=1, max_size=5), st.booleans()
)


@law
@given(functions, functions, st.lists(eighths, min_size=1, max_size=8))
def test_a_product_is_the_product_at_every_time(one, other, gaps):
    found = one.steps().product(other.steps())
    at = Fraction(1, 16)
    for gap in gaps:
        at += gap
        expected = next(one.walk(at))[2] * next(other.walk(at))[2]
        assert found.value(float(at)) == float(expected)


@law
@given(functions, functions, eighths)
def test_a_product_has_the_area_of_the_product(one, other, to_s):
    """Eighths and whole numbers: everything is exact, merged edges included."""
    found = one.steps().product(other.steps())
    area, at = Fraction(0), Fraction(0)
    while at < to_s:
        ends = [next(f.walk(at))[1] for f in (one, other)]
        end = min([to_s, *(e for e in ends if e is not None)])
        area += next(one.walk(at))[2] * next(other.walk(at))[2] * (end - at)
        at = end
    assert found.area(float(to_s)) == float(area)


def test_where_nothing_is_changed_a_product_is_the_same_to_the_bit():
    """Outages leave a channel alone before and behind them."""
    gaps = stream(0, "test", "product").random(50)
    noisy = curve({"kind": "steps", "times_s": [0, *np.cumsum(gaps)], "values": [1.1] * 51}).steps()
    mask = curve({"kind": "steps", "times_s": [0, 3, 4], "values": [1, 0, 1]}).steps()
    found = noisy.product(mask)
    assert [found.value(t) for t in (0.5, 2.999, 3.0, 3.999, 4.0)] == [1.1, 1.1, 0, 0, 1.1]


@pytest.mark.parametrize("fading", [{"kind": "none"}, {"kind": "rayleigh", "doppler_hz": 7.0}])
def test_a_mean_snr_may_be_a_curve_in_db(fading):
    """It changes where the curve does, or with the next gain: here every 4.5 ms."""
    keys = {"kind": "fading", "bandwidth_hz": 1e6, "fading": fading, "rate": {"kind": "shannon"}}
    around = Around(0, "device-0", "uplink")

    def snrs(mean_db):
        snr = {"kind": "constant", "mean_db": mean_db}
        return FadingChannel.model_validate({**keys, "snr": snr}).snrs(around)

    curve = {"kind": "steps", "times_s": [0, 10.35, 20], "values": [10.0, -20.0, 0.0]}
    changing, steady = snrs(curve), snrs(0.0)
    for time_s, ratio in [(3, 10), (10.3499, 10), (10.356, 0.01), (19.9999, 0.01), (20.006, 1)]:
        assert changing.value(time_s) == pytest.approx(ratio * steady.value(time_s), rel=1e-9)
    ramp = snrs({"kind": "ramp", "times_s": [0, 100], "values": [0.0, 20.0]})
    assert ramp.value(50.05) == pytest.approx(10 * steady.value(50.05), rel=0.005)
