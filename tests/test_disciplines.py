"""Reactive stations against slow ones that search whole lists and share no code with them."""

import csv
import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from building import Pieces
from hypothesis import example, given
from hypothesis import strategies as st
from test_stations import Queue, arriving, compare, gaps, jobs_of, law, submitted, works

from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.disciplines.batching import Batching, BatchingDiscipline, BatchTable
from splitsim.system.disciplines.ordered import EdfDiscipline, Ordered, PriorityDiscipline
from splitsim.system.disciplines.reactive import Site
from splitsim.system.disciplines.sharing import Sharing
from splitsim.system.stations import Fifo, Job

ALWAYS = Pieces([(Fraction(1), Fraction(1))], loops=True)
BY = {
    "deadline": (EdfDiscipline(kind="edf"), lambda row: row.deadline),
    "class": (PriorityDiscipline(kind="priority"), lambda row: -row.priority),
}


@dataclass(eq=False)
class Row:
    """A job, and in the end what became of it."""

    arrival: float
    work: float
    give_up: float = math.inf
    deadline: float = math.inf
    priority: int = 0
    group: tuple[str, int] | None = None
    ours: bool = True
    start: float | None = None
    end: float | None = None
    left: float | None = None  # its owner went on, by patience or rejection
    rejected: bool = False
    aborted: bool = False

    def job(self, clock, key, work, give_up):
        job = Job(clock, key, work, give_up)
        job.deadline_s, job.priority, job.group = self.deadline, self.priority, self.group
        return job


def played(rows, station, clock):
    """Submit rows as jobs at their arrivals; the jobs, and when their owners went on."""
    ours = [row for row in rows if row.ours]
    make = iter(ours)
    jobs = [(row.arrival, row.work, row.give_up) for row in ours]
    return submitted(jobs, lambda *job: next(make).job(*job), station, clock)


def agree(seen, rows, near=1e-9):
    """Every job began, ended and was given up as the slow station says."""
    ours = [row for row in rows if row.ours]
    for owner, row in zip(seen, ours, strict=True):
        job, through = owner.job, row.end is not None and row.end <= row.give_up
        through = through and not row.aborted
        assert job.rejected == row.rejected
        assert (job.start_s is None) == (row.start is None)
        assert row.start is None or abs(job.start_s - float(row.start)) <= near
        assert (job.end_s is not None) == through
        assert not through or abs(job.end_s - float(row.end)) <= near
        went_on = row.end if through else row.arrival if row.rejected else row.give_up
        assert abs(owner.went_on - max(float(went_on), row.arrival)) <= near


def add_up(station, rows, end_s):
    """The station's account is what became of the rows, one by one."""
    ours = [row for row in rows if row.ours]
    counts = station.counts(end_s)
    over = [r for r in ours if r.end is not None and r.end <= end_s]
    assert counts.submitted == len(ours)
    assert counts.rejected == sum(row.rejected for row in ours)
    assert counts.gave_up == sum(row.start is None and not row.rejected for row in ours)
    assert counts.aborted == sum(row.aborted for row in over)
    assert counts.served == len(over) - counts.aborted
    assert counts.submitted == sum(counts[1:])


def in_order(rows):
    """By arrival, others first."""
    return sorted(rows, key=lambda row: (row.arrival, row.ours))


def served_by_hand(rows, workers, rank, curve=ALWAYS, limit=math.inf, aborts=False):
    """One event after the other: patience, ends, others' arrivals, ours; nothing is remembered."""
    coming, waiting, busy = in_order(rows), [], []

    def begin(row, now):
        row.start = now
        end = curve.finish(Fraction(now), Fraction(row.work))
        row.end = math.inf if end is None else end
        if aborts and row.ours and row.end > row.give_up:
            row.end, row.aborted = row.give_up, True
        busy.append(row)

    while coming or waiting or busy:
        lapse = min((row.give_up for row in waiting), default=math.inf)
        end = min((row.end for row in busy), default=math.inf)
        arrival = coming[0].arrival if coming else math.inf
        now = min(lapse, end, arrival)
        if now == math.inf:
            break
        if lapse == now:
            waiting.remove(next(row for row in waiting if row.give_up == now))
        elif end == now:
            busy.remove(next(row for row in busy if row.end == now))
            for first in sorted(waiting, key=rank)[:1]:
                waiting.remove(first)
                begin(first, now)
        else:
            row = coming.pop(0)
            row.rejected = len(busy) == workers and len(waiting) >= limit and row.give_up > now
            if len(busy) < workers and row.give_up > now:
                begin(row, now)
            elif not row.rejected and row.give_up > now:
                waiting.append(row)


def shared_by_hand(rows, workers, curve=ALWAYS, limit=math.inf, aborts=False):
    """Everybody's remaining work goes down together, from event to event."""
    coming, here, now = in_order(rows), {}, Fraction(0)
    while coming or here:
        share = Fraction(min(workers, len(here)), max(len(here), 1))
        least = min(here.values(), default=None)
        end = None if least is None else curve.finish(now, least / share)
        end = math.inf if end is None else end
        lapse = min((r.give_up for r in here if aborts and r.ours), default=math.inf)
        then = min(end, lapse, coming[0].arrival if coming else math.inf)
        if then == math.inf:
            break
        done, now = curve.area(now, Fraction(then)) * share, Fraction(then)
        here = {row: left - done for row, left in here.items()}
        if end == then:
            for row in [row for row, left in here.items() if left == 0]:
                row.end = then
                del here[row]
        elif lapse == then:
            row = next(row for row in here if row.give_up == then)
            row.end, row.aborted = then, True
            del here[row]
        else:
            row = coming.pop(0)
            if row.give_up <= then:
                pass
            elif len(here) >= workers + limit:
                row.rejected = True
            else:
                row.start = row.arrival
                here[row] = Fraction(row.work)


def random_rows(rng, count, load, *, patience=math.inf, others=0):
    """Jobs of mean work one; some others' among them; no ties."""

    def arrivals(number, share):
        return np.cumsum(rng.exponential(1 / share, number)).tolist()

    rows = [
        Row(
            at,
            float(rng.exponential()),
            at + float(rng.exponential(patience)) if patience < math.inf else math.inf,
            at + float(rng.exponential(5.0)),
            int(rng.integers(3)),
            ("net", int(rng.integers(2))),
        )
        for at in arrivals(count, load)
    ]
    far = [
        Row(at, float(rng.exponential()), ours=False)
        for at in (arrivals(others, load * others / count) if others else [])
    ]
    return rows + far


def background(rows):
    return iter([(row.arrival, row.work) for row in rows if not row.ours])


def curve_of(rng):
    """A speed that varies, with outages."""
    pieces = [(Fraction(int(n), 7), Fraction(int(v), 3)) for n, v in rng.integers(1, 9, (5, 2))]
    pieces[2] = (pieces[2][0] * 3, Fraction(0))
    return Pieces(pieces, loops=True)


# First come, first served: the reactive station is the recursion.


@law
@given(arriving, st.lists(st.tuples(gaps, works), max_size=25), st.integers(1, 4))
@example([(0.0, 1.0, math.inf), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0)], [], 1)
def test_fifo_as_a_reactive_station_equals_a_queue_of_events_with_ties(drawn, others, workers):
    jobs = jobs_of(drawn)
    times = np.cumsum([gap for gap, _ in others]).tolist()
    far = [(t, w) for t, (_, w) in zip(times, others, strict=True)]
    clock = Clock()
    station = Ordered(clock, Site(workers=workers, background=iter(far)), lambda _: 0)
    seen = submitted(jobs, Job, station, clock)
    station.counts(1e6)
    compare(seen, station, Queue(jobs, workers, far), tolerance=0)


# By deadline and by class.


@pytest.mark.parametrize("aborts", [False, True])
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("workers", [1, 3])
def test_who_waits_goes_by_rank_as_a_search_of_the_whole_queue_finds(by, workers, aborts):
    discipline, rank = BY[by]
    for seed in range(12):
        rng = np.random.default_rng([seed, workers])
        rows = random_rows(rng, 150, 1.1 * workers, patience=6.0, others=40)
        curve = ALWAYS if seed % 3 else curve_of(rng)
        limit = math.inf if seed % 2 else 3
        site = Site(
            workers=workers,
            background=background(rows),
            speed=curve.steps(),
            queue_limit=limit,
            abandoned="abort" if aborts else "run_on",
        )
        served_by_hand(rows, workers, rank, curve, limit, aborts)
        clock = Clock()
        station = discipline.station(clock, site)
        seen = played(rows, station, clock)
        agree(seen, rows)
        add_up(station, rows, clock.now + 1e-6)
        assert sum(row.start is None for row in rows) > 5
        if limit < math.inf:
            assert any(row.rejected for row in rows)


def test_the_deadline_goes_first_where_order_alone_decides_the_worst_lateness():
    """Jackson 1955: of all orders of jobs that are all there, none has a smaller worst lateness."""
    import itertools

    rng = np.random.default_rng(3)
    for _ in range(20):
        works = rng.exponential(size=6)
        deadlines = rng.exponential(3.0, 6)
        best = min(
            max(np.cumsum(works[list(order)]) - deadlines[list(order)])
            for order in itertools.permutations(range(6))
        )
        clock = Clock()
        station = EdfDiscipline(kind="edf").station(clock, Site())
        first = Row(0.0, 1.0, deadline=-1.0)  # keeps the worker until all are there
        rows = [
            first,
            *(Row(0.5, w, deadline=1 + d) for w, d in zip(works, deadlines, strict=True)),
        ]
        seen = played(rows, station, clock)
        lateness = [owner.job.end_s - row.deadline for owner, row in zip(seen, rows, strict=True)]
        assert max(lateness[1:]) == pytest.approx(best, abs=1e-9)


# Processor sharing.


@pytest.mark.parametrize("aborts", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_processor_sharing_equals_everybodys_work_going_down_together(workers, aborts):
    for seed in range(8):
        rng = np.random.default_rng([seed, workers, 7])
        rows = random_rows(rng, 60, 0.9 * workers, patience=8.0, others=20)
        curve = ALWAYS if seed % 2 else curve_of(rng)
        limit = math.inf if seed % 3 else 2
        shared_by_hand(rows, workers, curve, limit, aborts)
        clock = Clock()
        site = Site(
            workers=workers,
            background=background(rows),
            speed=curve.steps(),
            queue_limit=limit,
            abandoned="abort" if aborts else "run_on",
        )
        station = Sharing(clock, site)
        seen = played(rows, station, clock)
        agree(seen, rows)
        add_up(station, rows, clock.now + 1e-6)
        assert any(r.ours and r.end is not None and r.end > r.give_up for r in rows) or aborts


def test_equal_jobs_that_share_end_together_and_one_alone_takes_its_work():
    clock = Clock()
    rows = [Row(0.0, 1.0), Row(0.0, 1.0), Row(0.0, 1.0), Row(5.0, 0.25), Row(6.0, 0.0)]
    seen = played(rows, Sharing(clock, Site()), clock)
    assert [owner.job.end_s for owner in seen] == [3.0, 3.0, 3.0, 5.25, 6.0]


# Batching.


def batching(largest, longest_wait_s=0.0, *, relative=None, **tables):
    sizes = list(range(1, largest + 1))
    table = {"batch": sizes, "relative": relative or [1 + 0.25 * (n - 1) for n in sizes]}
    law = {"kind": "batching", "largest": largest, "longest_wait_s": longest_wait_s}
    return BatchingDiscipline.model_validate({**law, "table": table, "tables": tables})


A, B = ("a", 0), ("b", 2)


def test_batches_by_hand():
    """Batches of up to three wait half a second; 1, 1.25, 1.5 seconds, twice that for b."""
    rows = [
        Row(0.0, 1.0, group=A),  # alone, waits for others until 0.5
        Row(0.75, 1.0, group=A),  # ready at 1.25, the worker at 1.5; with the next two
        Row(1.0, 2.0, group=B),  # ready at 1.5, but came after the one above
        Row(1.25, 1.0, group=A),
        Row(1.5, 2.0, group=B),
        Row(2.0, 1.0, group=A),  # too late for the second batch
        Row(2.0, 1.0, group=A, give_up=2.5),
        Row(9.0, 1.0, group=A),  # three at once: nobody waits
        Row(9.0, 1.0, group=A),
        Row(9.0, 4.0, group=A),
    ]
    clock = Clock()
    station = Batching(clock, Site(), batching(3, 0.5))
    seen = played(rows, station, clock)
    begun = [owner.job.start_s for owner in seen]
    ended = [owner.job.end_s for owner in seen]
    assert begun == [0.5, 1.5, 2.75, 1.5, 2.75, 5.25, None, 9.0, 9.0, 9.0]
    assert ended == [1.5, 2.75, 5.25, 2.75, 5.25, 6.25, None, 12.0, 12.0, 12.0]
    assert station.counts(clock.now) == (10, 9, 1, 0, 0, 0)
    assert station.busy_s == 1 + 1.25 + 2.5 + 1 + 3


def batched_by_hand(rows, workers, spec, aborts):
    """One event after the other, as above; every group is looked at each time."""
    coming, waiting, busy = in_order(rows), [], []
    factors = spec.table.factors(spec.largest)

    def most(group):
        return spec.largest if group else 1

    def ready(group, now):
        members = [row for row in waiting if row.group == group]
        wait = spec.longest_wait_s if group else 0.0
        full = len(members) >= most(group)
        return full or (bool(members) and members[0].arrival + wait <= now)

    def serve(now):
        while len(busy) < workers and any(ready(row.group, now) for row in waiting):
            group = next(row.group for row in waiting if ready(row.group, now))
            batch = [row for row in waiting if row.group == group][: most(group)]
            mean = sum(row.work for row in batch) / len(batch)
            end = now + factors[len(batch) - 1] * mean
            cut = aborts and group and max(row.give_up for row in batch) < end
            end = max(row.give_up for row in batch) if cut else end
            for row in batch:
                waiting.remove(row)
                row.start, row.end, row.aborted = now, end, bool(cut)
            busy.append(end)

    while coming or waiting or busy:
        idle = len(busy) < workers
        times = [row.arrival + spec.longest_wait_s for row in waiting if idle]
        times += [*busy, *(row.give_up for row in waiting), *(row.arrival for row in coming[:1])]
        now = min(times)
        waiting = [row for row in waiting if row.give_up > now]
        busy = [end for end in busy if end > now]
        serve(now)
        if coming and coming[0].arrival == now:
            waiting.append(coming.pop(0))
            serve(now)


@pytest.mark.parametrize("aborts", [False, True])
@pytest.mark.parametrize(("workers", "wait_s"), [(1, 0.0), (1, 0.7), (2, 0.7)])
def test_batches_are_those_of_a_search_through_all_groups(workers, wait_s, aborts):
    spec = batching(4, wait_s)
    for seed in range(10):
        rng = np.random.default_rng([seed, workers, 9])
        rows = random_rows(rng, 150, 1.5 * workers, patience=5.0, others=25)
        batched_by_hand(rows, workers, spec, aborts)
        clock = Clock()
        rules = "abort" if aborts else "run_on"
        site = Site(workers=workers, background=background(rows), abandoned=rules)
        station = Batching(clock, site, spec)
        seen = played(rows, station, clock)
        agree(seen, rows)
        add_up(station, rows, clock.now + 1e-6)
        starts = [row.start for row in rows if row.ours and row.start is not None]
        assert len(set(starts)) < 0.8 * len(starts), "there must be real batches"


@law
@given(arriving, st.lists(st.tuples(gaps, works), max_size=10), st.integers(1, 3))
def test_batches_of_one_are_a_queue(drawn, others, workers):
    jobs = jobs_of(drawn)
    times = np.cumsum([gap for gap, _ in others]).tolist()
    far = [(t, w) for t, (_, w) in zip(times, others, strict=True)]
    clock = Clock()
    station = Batching(clock, Site(workers=workers, background=iter(far)), batching(1))
    rows = [Row(*job, group=A) for job in jobs]
    seen = played(rows, station, clock)
    station.counts(1e6)
    compare(seen, station, Queue(jobs, workers, far), tolerance=0)


# Leaving, and what is told.


@pytest.mark.parametrize("kind", ["fifo", "sharing", "batching"])
def test_who_withdraws_leaves_at_once_and_its_place_is_free(kind):
    clock = Clock()
    site = Site(queue_limit=1, abandoned="abort")
    station = {
        "fifo": lambda: Ordered(clock, site, lambda _: 0),
        "sharing": lambda: Sharing(clock, site),
        "batching": lambda: Batching(clock, site, batching(1)),
    }[kind]()
    jobs = [Row(0.0, 1.0).job(clock, task_key(0, n), 1.0, 99.0) for n in range(4)]

    def clients():
        for n in (0, 1, 2):  # the third finds no place
            yield clock.at(0.125 * n, Moment(clock, task_key(0, n)))
            station.submit(jobs[n])
        yield clock.at(0.5, Moment(clock, task_key(0, 3)))
        station.withdraw(jobs[1])
        station.submit(jobs[3])

    clock.spawn(clients())
    clock.run()
    assert [job.rejected for job in jobs] == [False, False, True, False]
    assert jobs[1].gave_up
    assert jobs[1].end_s is None
    assert jobs[3].end_s is not None
    left = station.counts(clock.now)
    assert (left.served, left.rejected, left.gave_up + left.aborted) == (2, 1, 1)


@pytest.mark.parametrize("make", [EdfDiscipline(kind="edf"), batching(1)])
def test_one_worker_tells_what_the_next_job_would_wait_if_it_went_last(make):
    rng = np.random.default_rng(4)
    rows = random_rows(rng, 300, 0.9)
    for row in rows:
        row.deadline, row.group = row.arrival, A  # in the order of arrival
    clock, told = Clock(), []
    station = make.station(clock, Site())

    class Asking:
        def submit(self, job):
            told.append(station.wait_s())
            return station.submit(job)

    seen = played(rows, Asking(), clock)
    waits = [owner.job.start_s - row.arrival for owner, row in zip(seen, rows, strict=True)]
    assert told == pytest.approx(waits, abs=1e-9)
    assert max(told) > 3


def test_a_processor_that_is_shared_tells_how_much_longer_a_usual_job_takes():
    clock = Clock()
    station = Sharing(clock, Site(workers=2))
    for n in range(3):
        station.submit(Job(clock, n + 2, 1.0, math.inf))
    assert station.wait_s() == pytest.approx(1.0 * (4 / 2 - 1))
    assert Fifo(clock).wait_s() == 0.0


def test_a_measured_table_of_batches_takes_no_larger_one_for_quicker():
    """``traces/batches/`` has medians of seconds, which differ by chance from batch to batch."""
    path = Path(__file__).parents[1] / "traces" / "batches" / "resnet152@h100.csv"
    with path.open() as file:
        medians_s = [float(row["median_s"]) for row in csv.DictReader(file)]
    factors = BatchTable(file=str(path)).factors(64)
    assert factors[0] == 1
    assert all(a <= b for a, b in pairwise(factors))
    for size, median_s in zip((1, 2, 4, 8, 16, 32, 64), medians_s, strict=True):
        assert factors[size - 1] >= median_s / medians_s[0]
    assert factors[63] == pytest.approx(max(medians_s) / medians_s[0], rel=1e-12)
