"""Steps against exact arithmetic: area and when are inverse, however the function is made."""

import math
from fractions import Fraction

import numpy as np
import pytest
from building import Pieces, at_most
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitsim.chunk import Chunk
from splitsim.steps import Steps

EPS = float(np.finfo(float).eps)

law = settings(derandomize=True, deadline=None, max_examples=300)

# Numbers of few binary digits: sums, products, and quotients by powers of two are exact in
# floating point, so that results must be equal to the last bit, at edges too.
quarters = st.integers(0, 200).map(lambda n: Fraction(n, 4))
lengths = st.integers(1, 12).map(lambda n: Fraction(n, 4))
values = st.sampled_from([Fraction(v) for v in (0, 0, 1, 2, Fraction(1, 2), 8)])
curves = st.builds(
    Pieces, st.lists(st.tuples(lengths, values), min_size=1, max_size=6), st.booleans()
)


def seconds(time_s):
    return math.inf if time_s is None else float(time_s)


@law
@given(curves, quarters)
def test_area_and_value_are_those_of_the_pieces(curve, time_s):
    steps = curve.steps()
    assert steps.area(float(time_s)) == float(curve.area(Fraction(0), time_s))
    assert steps.value(float(time_s)) == float(next(curve.walk(time_s))[2])


@law
@given(curves.filter(lambda curve: any(value for _, value in curve.pieces)), quarters)
def test_when_is_the_earliest_time_at_which_the_area_is_reached(curve, area):
    earliest = curve.finish(Fraction(0), area)
    with at_most(5):
        found = curve.steps().when(float(area))
    assert found == seconds(earliest)


@law
@given(curves, quarters)
def test_area_of_when_is_the_area_and_when_of_area_is_not_later(curve, time_s):
    steps = curve.steps()
    area = steps.area(float(time_s))
    assert steps.when(area) <= time_s
    assert steps.area(steps.when(area)) == area
    if next(curve.walk(time_s))[2] and area:
        assert steps.when(steps.area(float(time_s) + 0.25)) > time_s


@law
@given(curves, quarters, quarters, quarters)
def test_finish_is_when_of_the_area_since_a_time(curve, start_s, amount, before_s):
    expected = seconds(curve.finish(start_s, amount))
    with at_most(5):
        found = curve.steps().finish_s(float(start_s), float(amount), before_s=float(before_s))
    if expected <= before_s:
        assert found == expected
    else:
        assert found == expected or before_s < found


@law
@given(curves, quarters, quarters)
def test_when_with_a_limit_tells_what_is_before_it_and_nothing_wrong_of_later(
    curve, area, before_s
):
    expected = seconds(curve.finish(Fraction(0), area))
    found = curve.steps().when(float(area), before_s=float(before_s))
    assert found == expected if expected <= before_s else found > before_s


@law
@given(curves, quarters, quarters)
def test_mean_is_area_over_length(curve, from_s, length_s):
    length_s += Fraction(1, 4)
    mean = curve.area(from_s, from_s + length_s) / length_s
    found = curve.steps().mean(float(from_s), float(from_s + length_s))
    assert found == pytest.approx(float(mean), rel=4 * EPS)


thirds = st.integers(1, 30).map(lambda n: Fraction(n, 3))
tenths = st.integers(1, 30).map(lambda n: Fraction(n, 10))
rough = st.builds(
    Pieces, st.lists(st.tuples(tenths, thirds | st.just(Fraction(0))), min_size=1, max_size=6),
    st.booleans(),
)  # fmt: skip


@law
@given(rough, st.integers(0, 2000).map(lambda n: Fraction(n, 10)))
def test_area_and_when_are_inverse_to_rounding(curve, time_s):
    steps = curve.steps()
    area = steps.area(float(time_s))
    exact = curve.area(Fraction(0), time_s)
    # A rounding of half an ulp per sum of pieces and per chunk, up to 2,000 of them.
    assert area == pytest.approx(float(exact), rel=2000 * EPS, abs=100 * EPS * float(time_s))
    assert steps.area(steps.when(area)) == pytest.approx(area, rel=50 * EPS)


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(10, 3), Fraction(10**7, 3)])
@pytest.mark.parametrize("loop", [0, 1, 10, 1000, 333_333])
def test_an_amount_that_ends_where_a_zero_block_begins_does_not_wait_for_its_end(rate, loop):
    """On for 1.5 s, off for 1.5 s; up to 1e6 s. Seven ways into the same edge."""
    curve = Pieces([(Fraction(3, 2), rate), (Fraction(3, 2), Fraction(0))], loops=True)
    steps = curve.steps()
    edge = 3 * loop + Fraction(3, 2)
    for n in range(2, 15):
        start = edge - Fraction(n, 10)
        amount = curve.area(start, edge)
        found = steps.when(steps.area(float(start)) + float(amount))
        assert found == pytest.approx(float(edge), rel=4 * EPS), (n, "when")
        found = steps.finish_s(float(start), float(amount))
        assert found == pytest.approx(float(edge), rel=4 * EPS), (n, "finish_s")


@pytest.mark.parametrize("rate", [0.1, 1 / 3, 1e7 / 3])
def test_the_end_of_a_period_is_reached_before_a_zero_block_that_opens_the_next(rate):
    """The edge is also the edge of two chunks."""
    steps = Steps.loop([0.0, 0.7], [0.0, rate], 1.0)
    for k in (0, 1, 7, 1000, 100_000):
        amount = rate * 0.1
        end = steps.finish_s(k + 0.9, amount)
        assert end == pytest.approx(k + 1, rel=4 * EPS)
        assert steps.when(steps.area(k + 0.9) + amount) == pytest.approx(k + 1, rel=4 * EPS)


def test_transfers_one_after_the_other_take_the_time_their_sum_takes_over_many_outages():
    """Random sizes; the ends never fall behind what the area allows."""
    rng = np.random.default_rng(7)
    steps = Steps.loop([0.0, 0.4, 0.9], [1e6 / 7, 0.0, 3e6 / 7], 1.3)
    end, total = 0.0, 0.0
    for bits in rng.uniform(1e3, 1e6, 2000):
        end = steps.finish_s(end, bits)
        total += bits
        # Each end is a time near 1e4 s, rounded: it moves the next by a rate times its ulp.
        assert steps.area(end) == pytest.approx(total, abs=2000 * 1e4 * EPS * 3e6 / 7)


def test_a_zero_block_of_no_area_is_left_at_once_when_nothing_is_asked():
    steps = Steps.of([0.0, 2.0], [0.0, 1.0])
    assert steps.when(0.0) == 0.0
    assert steps.finish_s(1.0, 0.0) == 1.0
    assert steps.when(1e-9) == pytest.approx(2.0 + 1e-9, rel=2 * EPS)


def test_a_zero_rate_is_never_through():
    with at_most(2):
        assert Steps.constant(0.0).when(1.0) == math.inf
        assert Steps.constant(0.0).finish_s(3.0, 1.0) == math.inf


def test_a_rate_that_has_ended_is_never_through():
    steps = Steps.of([0.0, 1.0], [1e-9, 0.0])
    with at_most(2):
        assert steps.when(1.0) == math.inf
    assert steps.when(1e-9) == 1.0
    assert steps.area(1e6) == 1e-9


def test_an_amount_too_small_to_change_the_area_does_not_divide_by_a_zero_rate():
    steps = Steps.of([0.0, 100.0, 200.0], [1e15, 0.0, 1e15])
    assert 150.0 <= steps.finish_s(150.0, 1.0) <= 200.0 + 1e-9


@given(st.floats(1e-3, 1e9), st.floats(0, 1e6), st.floats(0, 1e9))
@example(3.0, 1e6, 1e-3)
@law
def test_constant(value, time_s, amount):
    steps = Steps.constant(value)
    assert steps.value(time_s) == value
    assert steps.area(time_s) == pytest.approx(value * time_s, rel=EPS)
    assert steps.when(amount) == pytest.approx(amount / value, rel=EPS)
    assert steps.finish_s(time_s, amount) == pytest.approx(time_s + amount / value, rel=2 * EPS)


@pytest.mark.parametrize("loops", [3, 100_000])
def test_huge_times(loops):
    """At 1e6 s a double resolves 1e-10 s; bases are sums with a rounding for every period."""
    curve = Pieces(
        [(Fraction(33, 10), Fraction(1, 3)), (Fraction(5, 2), Fraction(0)),
         (Fraction(21, 5), Fraction(7, 3))], loops=True,
    )  # fmt: skip
    steps, period = curve.steps(), curve.period_s
    time_s = loops * period + Fraction(77, 10)
    exact = loops * curve.area(Fraction(0), period) + curve.area(Fraction(0), Fraction(77, 10))
    area = steps.area(float(time_s))
    assert area == pytest.approx(float(exact), rel=(loops + 10) * EPS)
    assert steps.when(area) == pytest.approx(float(time_s), rel=10 * EPS)
    end = time_s + Fraction(3)  # spans the end of the period and comes back to its first piece
    found = steps.finish_s(float(time_s), float(curve.area(time_s, end)))
    # Areas near 1e6 of relative rounding EPS over the lowest rate met, 1/3.
    assert found == pytest.approx(float(end), abs=4 * EPS * float(exact) * 3 + 2 * EPS * float(end))


class Wild:
    """Chunks that are different from each other, and counted."""

    def __init__(self):
        self.made = []

    def __call__(self, k):
        self.made.append(k)
        rng = np.random.default_rng([5, k])
        values = rng.exponential(size=8) * (rng.random(8) < 0.7)
        return Chunk(np.sort(np.append(0.0, rng.uniform(0, 2, 7))), values, 2.0)


@settings(law, max_examples=100)
@given(st.lists(st.floats(0, 60), min_size=1, max_size=20))
def test_chunks_dropped_and_made_again_give_the_same(times):
    """Back and forth through thirty chunks: every answer is that of a fresh object."""
    wandering = Steps(Wild(), 2.0)
    for time_s in times:
        fresh = Steps(Wild(), 2.0)
        area = fresh.area(time_s)
        assert wandering.value(time_s) == fresh.value(time_s)
        assert wandering.area(time_s) == area
        assert wandering.when(area) == Steps(Wild(), 2.0).when(area)
        assert wandering.finish_s(time_s, 1.0) == fresh.finish_s(time_s, 1.0)


def test_chunks_are_dropped():
    wild = Wild()
    steps = Steps(wild, 2.0)
    for time_s in np.arange(0, 200, 0.5):
        steps.area(time_s)
    assert len(wild.made) == 100, "going forward each is made once"
    steps.area(1.0)
    assert len(wild.made) == 101, "the first one had been dropped"


@pytest.mark.parametrize("step_s", [0.25, 1 / 160, 0.1])
def test_steps_of_equal_length_give_what_steps_of_any_length_give(step_s):
    """The short cut to the step a time falls into, at edges and between them."""
    rng = np.random.default_rng(3)
    rates = rng.exponential(size=64) * (rng.random(64) < 0.7)
    starts, length_s = step_s * np.arange(64), 64 * step_s
    short, plain = (Chunk(starts, rates, length_s, step) for step in (step_s, None))
    fast, slow = (Steps(lambda _, c=chunk: c, length_s) for chunk in (short, plain))
    edges = step_s * np.arange(256)
    for time_s in [*edges.tolist(), *(length_s * rng.uniform(0, 4, 256)).tolist()]:
        assert fast.value(time_s) == slow.value(time_s)
        # A time within an ulp of an edge may count as before or behind it.
        assert fast.area(time_s) == pytest.approx(slow.area(time_s), rel=8 * EPS)
        for amount in (0.0, 0.3 * step_s, length_s):
            found = fast.finish_s(time_s, amount)
            assert found == pytest.approx(slow.finish_s(time_s, amount), rel=1e-12)


@law
@given(curves, st.lists(quarters, min_size=2, max_size=10))
def test_area_and_when_never_fall(curve, times):
    steps = curve.steps()
    times = sorted(map(float, times))
    areas = [steps.area(time_s) for time_s in times]
    assert areas == sorted(areas)
    if any(areas):
        ends = [steps.when(area) for area in areas]
        assert ends == sorted(ends)


@law
@given(curves | rough, st.lists(st.integers(0, 700).map(lambda n: n / 10), min_size=1), st.data())
def test_arrays_of_times_and_areas_give_what_each_one_gives(curve, times, data):
    """To the last bit, whatever chunks they lie in; the times and areas must rise."""
    one, other = curve.steps(), curve.steps()
    times = sorted(times)
    areas = [one.area(time_s) for time_s in times]
    assert other.areas(np.array(times)).tolist() == areas
    share = data.draw(st.floats(0, 1))
    reached = [share * areas[-1], *(area for area in areas if area >= share * areas[-1])]
    assert other.whens(np.array(reached)).tolist() == [one.when(area) for area in reached]


def test_arrays_over_chunks_that_differ():
    one, other = (Steps(Wild(), 2.0) for _ in range(2))
    times = np.linspace(0, 99, 1234)
    assert other.areas(times).tolist() == [one.area(t) for t in times]
    areas = np.linspace(0, one.area(99.0), 1234)
    assert other.whens(areas).tolist() == [one.when(area) for area in areas]


def test_arrays_over_steps_of_equal_length():
    rng = np.random.default_rng(4)
    chunks = [Chunk(0.1 * np.arange(64), rng.exponential(size=64), 6.4, 0.1) for _ in range(4)]
    steps = Steps(lambda k: chunks[k], 6.4)
    times = np.sort(rng.uniform(0, 25, 500))
    assert steps.areas(times).tolist() == [steps.area(t) for t in times]


@law
@given(curves, quarters, quarters)
def test_pieces_of_an_interval_are_those_walked_through(curve, one, other):
    from_s, to_s = sorted((one, other))
    edges, found = curve.steps().pieces(float(from_s), float(to_s))
    assert (edges[0], edges[-1]) == (from_s, to_s)
    assert (np.diff(edges) >= 0).all()
    assert len(found) == len(edges) - 1
    area = sum(v * (b - a) for v, a, b in zip(found, edges, edges[1:], strict=False))
    assert area == float(curve.area(from_s, to_s))
    for value, begin, end in zip(found, edges, edges[1:], strict=False):
        if end > begin:
            assert value == curve.steps().value((begin + end) / 2)


@law
@given(curves, quarters)
def test_a_law_goes_through_every_value_and_the_peak_is_the_largest_so_far(curve, time_s):
    steps = curve.steps()
    value = steps.value(float(time_s))
    assert steps.through(lambda values: values**2 + 1).value(float(time_s)) == value**2 + 1
    assert steps.peak(float(time_s)) == max(float(value) for _, value in curve.pieces)


@law
@given(curves, quarters)
def test_a_bound_is_not_exceeded_as_long_as_it_says(curve, time_s):
    bound_to, until_s = curve.steps().bound(float(time_s))
    assert until_s >= time_s
    for begin, _, value in curve.walk(time_s):
        if begin >= min(until_s, float(time_s) + 50):
            break
        assert value <= bound_to


def test_a_bound_for_a_while_is_closer_and_holds_until_enough_has_come_together():
    rng = np.random.default_rng(1)
    steps = Steps.loop(0.1 * np.arange(1000), rng.exponential(size=1000), 100.0)
    for time_s in rng.uniform(0, 90, 50).tolist():
        for amount in (0.0, 0.3, 1.0, 3.0):
            peak, until_s = steps.bound(time_s, amount)
            edges, values = steps.pieces(time_s, until_s - 1e-9)
            assert values.max() == peak <= steps.bound(time_s)[0]
            assert steps.finish_s(time_s, amount) <= until_s
            assert len(edges) <= 66
