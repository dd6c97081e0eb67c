"""Recursive stations against event-driven and brute-force ones that share no code with them."""

import itertools
import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import simpy
from building import Pieces
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitsim.steps import Steps
from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.stations import Fifo, Job, Link, Transfer, travel

law = settings(derandomize=True, deadline=None, max_examples=400)

# Quarters add up exactly, so that ties are ties and results must be equal to the last bit.
# Few different values: many ties, of arrivals, ends and patience.
gaps = st.integers(0, 6).map(lambda n: n / 4)
works = st.integers(0, 12).map(lambda n: n / 4)
patience = st.integers(-1, 16).map(lambda n: n / 4) | st.just(math.inf)
arriving = st.lists(st.tuples(gaps, works, patience), max_size=25)


def jobs_of(drawn):
    """(arrival, work, give-up time) from gaps, works and patiences."""
    arrivals = np.cumsum([gap for gap, _, _ in drawn]).tolist()
    return [(t, w, t + p) for t, (_, w, p) in zip(arrivals, drawn, strict=True)]


def submitted(jobs, make, station, clock):
    """Submit jobs at their arrival times; what the station said, and when the owner went on."""
    seen = []

    def source():
        for n, (arrival, work, give_up) in enumerate(jobs):
            yield clock.at(arrival, Moment(clock, task_key(0, n)))
            job = make(clock, task_key(0, n), work, give_up)
            owner = SimpleNamespace(job=job, went_on=None)
            seen.append(owner)
            station.submit(job)
            clock.spawn(wait(owner))

    def wait(owner):
        yield owner.job
        owner.went_on = clock.now

    clock.spawn(source())
    clock.run()
    return seen


@dataclass(eq=False)
class Row:
    arrival: float
    work: float
    give_up: float
    ours: bool = True
    start: float | None = None
    end: float | None = None
    went_on: float | None = None
    started: simpy.Event | None = None


class Queue:
    """A list of waiting jobs, workers that take the first, and jobs that run out of patience.

    Nothing is known in advance: every arrival, end and give-up is an event of its own. At the
    same time patience runs out first, then others' jobs arrive, then ours, and workers start.
    """

    def __init__(self, jobs, workers, others=()):
        self.env = simpy.Environment()
        self.idle = workers
        self.waiting = deque()
        self.busy_s = 0.0
        self.rows = [Row(a, w, g) for a, w, g in jobs]
        foreign = [Row(a, w, math.inf, ours=False) for a, w in others]
        # The sort is stable: others come first at the same time.
        for row in sorted(foreign + self.rows, key=lambda row: row.arrival):
            self.env.process(self.arrive(row))
        self.env.run()

    def arrive(self, row):
        yield self.env.timeout(row.arrival)
        row.started = self.env.event()
        self.waiting.append(row)
        self.serve()
        if row.started.triggered:
            return
        if row.give_up < math.inf:
            yield self.env.timeout(max(row.give_up - self.env.now, 0)) | row.started
            if not row.started.triggered and row in self.waiting:
                self.waiting.remove(row)
                row.went_on = self.env.now

    def serve(self):
        """Send away whose patience is over; the others go to idle workers in order."""
        now = self.env.now
        for row in [row for row in self.waiting if row.give_up <= now]:
            self.waiting.remove(row)
            row.went_on = max(row.give_up, row.arrival)
        while self.idle and self.waiting:
            row = self.waiting.popleft()
            row.started.succeed()
            self.idle -= 1
            self.env.process(self.work(row))

    def work(self, row):
        row.start = self.env.now
        yield self.env.timeout(row.work)
        row.end = self.env.now
        row.went_on = min(row.end, row.give_up)
        self.busy_s += (row.end - row.start) * row.ours
        self.idle += 1
        self.serve()


def compare(seen, station, queue, tolerance):
    for owner, row in zip(seen, queue.rows, strict=True):
        job = owner.job
        assert (job.start_s is None) == (row.start is None)
        if row.start is not None:
            assert job.start_s == pytest.approx(row.start, abs=tolerance)
        through = row.end is not None and row.end <= row.give_up
        assert job.gave_up == (not through)
        assert (job.end_s is not None) == through
        if through:
            assert job.end_s == pytest.approx(row.end, abs=tolerance)
        assert owner.went_on == pytest.approx(row.went_on, abs=tolerance)
    assert station.busy_s == pytest.approx(queue.busy_s, abs=tolerance * max(len(seen), 1))
    assert station.offered_s == pytest.approx(sum(row.work for row in queue.rows), rel=1e-12)


@law
@given(arriving, st.integers(1, 4))
@example([(0.0, 1.0, math.inf), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0)], 1)
def test_fifo_equals_a_queue_of_events_with_ties(drawn, workers):
    jobs = jobs_of(drawn)
    clock = Clock()
    station = Fifo(clock, workers)
    seen = submitted(jobs, Job, station, clock)
    compare(seen, station, Queue(jobs, workers), tolerance=0)


@law
@given(arriving, st.lists(st.tuples(gaps, works), max_size=25), st.integers(1, 4))
def test_fifo_with_background_folded_in_equals_a_queue_with_the_background_as_jobs(
    drawn, others, workers
):
    jobs = jobs_of(drawn)
    times = np.cumsum([gap for gap, _ in others]).tolist()
    background = [(t, w) for t, (_, w) in zip(times, others, strict=True)]
    clock = Clock()
    station = Fifo(clock, workers, iter([*background, (math.inf, 0.0)]))
    seen = submitted(jobs, Job, station, clock)
    compare(seen, station, Queue(jobs, workers, background), tolerance=0)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("load", [0.5, 1.5])
def test_fifo_equals_a_queue_of_events_over_a_long_time(workers, load):
    """Sums of some thousand random floats: equal to 1e-9, and no ties."""
    rng = np.random.default_rng([workers, int(10 * load)])
    arrivals = np.cumsum(rng.exponential(1 / (load * workers), 3000))
    works = rng.exponential(size=3000)
    limits = arrivals + rng.exponential(4.0, 3000)
    jobs = list(zip(arrivals.tolist(), works.tolist(), limits.tolist(), strict=True))
    others = np.cumsum(rng.exponential(10 / workers, 300))
    background = list(zip(others.tolist(), rng.exponential(size=300).tolist(), strict=True))
    clock = Clock()
    station = Fifo(clock, workers, iter([*background, (math.inf, 0.0)]))
    seen = submitted(jobs, Job, station, clock)
    queue = Queue(jobs, workers, background)
    compare(seen, station, queue, tolerance=1e-9)
    gone = sum(row.start is None for row in queue.rows)
    cut = sum(row.start is not None and row.end > row.give_up for row in queue.rows)
    assert min(gone, cut) > 10, "patience must run out in the queue and at the worker"


@law
@given(arriving, st.integers(1, 3))
def test_a_station_tells_how_long_the_next_job_would_wait(drawn, workers):
    jobs = jobs_of(drawn)
    clock = Clock()
    station = Fifo(clock, workers)
    told = []

    class Asking:
        def submit(self, job):
            told.append(station.wait_s())
            return station.submit(job)

    seen = submitted(jobs, Job, Asking(), clock)
    for owner, wait_s, (arrival, _, give_up) in zip(seen, told, jobs, strict=True):
        if owner.job.start_s is None:
            assert arrival + wait_s >= give_up
        else:
            assert owner.job.start_s == arrival + wait_s


def test_jobs_of_the_same_time_are_served_in_the_order_of_their_keys_whoever_was_first_to_ask():
    clock = Clock()
    station = Fifo(clock)
    served = []

    def client(key):
        yield clock.at(1.0, Moment(clock, key))
        job = station.submit(Job(clock, key, 1.0, math.inf))
        served.append((job.start_s, key))

    for key in (task_key(1, 0), task_key(0, 1), task_key(0, 0)):
        clock.spawn(client(key))
    clock.run()
    assert served == [(1.0, task_key(0, 0)), (2.0, task_key(0, 1)), (3.0, task_key(1, 0))]


# Links. Rates are powers of two and times quarters: every sum and quotient is exact.

lengths = st.integers(1, 10).map(lambda n: Fraction(n, 4))
rates = st.sampled_from([Fraction(0), Fraction(0), Fraction(1), Fraction(2), Fraction(4)])
curves = st.builds(
    Pieces, st.lists(st.tuples(lengths, rates), min_size=1, max_size=5), st.booleans()
)
bits = st.integers(0, 32).map(lambda n: n / 4)
limits = st.integers(-1, 60).map(lambda n: n / 4)
sending = st.lists(st.tuples(gaps, bits, limits), max_size=12)


def sent_by_hand(curve, jobs):
    """First come, first served, walking through the pieces of the rate."""
    free, rows = Fraction(0), []
    for job in jobs:
        arrival, amount, limit = map(Fraction, job)
        start = max(free, arrival)
        row = SimpleNamespace(start=None, end=None, sent=0, airtime=0, went_on=None)
        rows.append(row)
        if start >= limit:
            row.went_on = max(limit, arrival)
            continue
        end = curve.finish(start, amount)
        row.start = start
        if end is not None and end <= limit:
            row.end = row.went_on = free = end
            row.sent = amount
        else:
            row.went_on = free = limit
            row.sent = curve.area(start, limit)
        row.airtime = free - start
    return rows


def compare_transfers(seen, rows, near):
    for owner, row in zip(seen, rows, strict=True):
        job = owner.job
        for found, expected in (
            (job.start_s, row.start),
            (job.end_s, row.end),
            (job.sent_bits, row.sent),
            (job.airtime_s, row.airtime),
            (owner.went_on, row.went_on),
        ):
            assert (found is None) == (expected is None)
            assert found is None or near(found, float(expected))
        assert job.gave_up == (row.end is None)


@law
@given(curves, sending)
@example(  # ends where an outage begins; begins in one; is cut in one
    Pieces([(Fraction(1), Fraction(1)), (Fraction(1), Fraction(0))], loops=True),
    [(0.0, 1.0, 60.0), (1.5, 0.5, 60.0), (0.0, 4.0, 2.0)],
)
def test_link_equals_walking_through_the_pieces_of_the_rate(curve, drawn):
    jobs = jobs_of(drawn)
    clock = Clock()
    link = Link(clock, curve.steps())
    seen = submitted(jobs, Transfer, link, clock)
    rows = sent_by_hand(curve, jobs)
    compare_transfers(seen, rows, lambda found, expected: found == expected)
    assert link.airtime_s == sum(row.airtime for row in rows)


@pytest.mark.parametrize(("start_s", "curves_tried"), [(0, 60), (10**6, 12)])
def test_link_equals_walking_with_rates_and_times_that_are_not_exact_in_floating_point(
    start_s, curves_tried
):
    """Tenths and thirds, near 0 and near 1e6 s; some transfers end where the rate falls to 0."""
    rng = np.random.default_rng(11)
    ended_at_edges = 0
    for _ in range(curves_tried):
        pieces = [
            (Fraction(int(n), 10), Fraction(int(v), 3))
            for n, v in zip(rng.integers(1, 20, 5), rng.integers(1, 30, 5), strict=True)
        ]
        pieces[rng.integers(5)] = (pieces[0][0], Fraction(0))
        curve = Pieces(pieces, loops=True)
        now = free = start_s // curve.period_s * curve.period_s
        jobs = []
        for _ in range(6):
            now += Fraction(int(rng.integers(0, 30)), 10)
            start = max(now, free)
            edges = [
                begin
                for (_, end, fast), (begin, _, slow) in pairs(curve.walk(start), 12)
                if fast and not slow
            ]
            at_edge = rng.random() < 0.5
            amount = (
                curve.area(start, edges[0])
                if at_edge
                else curve.area(start, start + Fraction(int(rng.integers(1, 99)), 70))
            )
            free = curve.finish(start, amount)
            ended_at_edges += bool(at_edge and amount)
            jobs.append((now, amount, Fraction(2 * 10**6)))
        clock = Clock()
        rough = [tuple(map(float, job)) for job in jobs]
        seen = submitted(rough, Transfer, Link(clock, curve.steps()), clock)
        # A double near 1e6 resolves 1.2e-10 s, and six transfers follow each other; the rate
        # after an edge may be 29 times lower than that before it.
        near = 1e-9 if start_s == 0 else 6 * 29 * 2.4e-10
        compare_transfers(
            seen, sent_by_hand(curve, jobs), lambda a, b, near=near: abs(a - b) <= near
        )
    assert ended_at_edges > 2 * curves_tried


def pairs(pieces, count):
    return itertools.pairwise(itertools.islice(pieces, count))


def test_sent_bits_of_everybody_are_the_area_of_the_rate_while_the_link_is_busy():
    rng = np.random.default_rng(2)
    steps = Steps.loop([0.0, 0.3, 1.1], [1e6, 0.0, 3e5], 1.7)
    arrivals = np.cumsum(rng.exponential(0.5, 400))
    amounts = rng.exponential(2e5, 400)
    limits = arrivals + rng.exponential(3.0, 400)
    clock = Clock()
    link = Link(clock, steps)
    jobs = list(zip(arrivals.tolist(), amounts.tolist(), limits.tolist(), strict=True))
    seen = submitted(jobs, Transfer, link, clock)
    started = [owner.job for owner in seen if owner.job.start_s is not None]
    ends = [job.start_s + job.airtime_s for job in started]
    for job, end in zip(started, ends, strict=True):
        moved = steps.area(end) - steps.area(job.start_s)
        assert job.sent_bits == pytest.approx(moved, abs=1e-9 * steps.area(end) + 1e-6)
        assert job.sent_bits <= job.work
    starts = [job.start_s for job in started]
    assert all(start >= end - 1e-12 for start, end in zip(starts[1:], ends, strict=False))
    assert link.airtime_s == pytest.approx(math.fsum(j.airtime_s for j in started), rel=1e-12)


# Delays behind a station, and delays alone.


@law
@given(st.integers(0, 20), works, st.integers(0, 8), st.integers(-4, 40))
def test_travel_and_a_delay_behind_a_station_end_after_it_or_when_patience_does(
    now, work, after, limit
):
    now, after, limit = now / 4, after / 4, limit / 4
    clock = Clock()
    went_on = {}

    def owner(name, submit, **delay):
        yield clock.at(now, Moment(clock, 5))
        job = Job(clock, 5, work, limit, **delay)
        yield submit(job)
        went_on[name] = clock.now, job.gave_up

    clock.spawn(owner("travel", travel))
    clock.spawn(owner("station", Fifo(clock).submit, after_s=after))
    clock.run()
    end = now + work
    assert went_on["travel"] == (end, False) if end <= limit else (max(limit, now), True)
    arrived = now < limit and end <= limit and end + after <= limit
    assert went_on["station"] == (
        (end + after, False) if arrived else (max(limit, now), True)
    )  # fmt: skip


def test_a_delay_behind_a_link_does_not_keep_the_link():
    clock = Clock()
    link = Link(clock, Steps.constant(1.0))

    def make(*job):
        return Transfer(*job, after_s=5.0)

    seen = submitted([(0.0, 1.0, 9.0), (0.0, 1.0, 6.5)], make, link, clock)
    first, second = (owner.job for owner in seen)
    assert (first.start_s, first.end_s, first.gave_up) == (0.0, 1.0, False)
    assert (second.start_s, second.end_s, second.gave_up) == (1.0, 2.0, True)
    assert [owner.went_on for owner in seen] == [6.0, 6.5]
    assert second.sent_bits == 1.0, "what was sent was sent, though its owner lost patience"
