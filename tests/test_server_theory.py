"""Disciplines of servers against queueing theory; a service takes a second on average.

Standard errors come from independent replications, of which the beginnings are left out.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from building import agrees, ratios
from test_queues import erlang_c

from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.disciplines.batching import BatchingDiscipline
from splitsim.system.disciplines.ordered import EdfDiscipline, FifoDiscipline, PriorityDiscipline
from splitsim.system.disciplines.reactive import Site
from splitsim.system.disciplines.sharing import SharingDiscipline
from splitsim.system.stations import Job

SHARING = SharingDiscipline(kind="processor_sharing")
REPLICATIONS = 24
WORKS = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "constant": lambda rng, n: np.ones(n),
    "lognormal": lambda rng, n: rng.lognormal(-math.log(5) / 2, math.sqrt(math.log(5)), n),
}


def run(discipline, rate_hz, *, works="exponential", count=2500, warm=300, mark=None, **rules):
    """Poisson arrivals at a server, replication by replication; the first are left out.

    ``mark(job, rng)`` says of a job what else there is; what comes back has an array per
    replication of arrivals, works, waits, sojourns, marks, and what was told on arrival.
    """
    found = []
    for seed in range(REPLICATIONS):
        rng = np.random.default_rng([seed, count])
        clock = Clock()
        station = discipline.station(clock, Site(**rules))
        arrivals = np.cumsum(rng.exponential(1 / rate_hz, count)).tolist()
        drawn = WORKS[works](rng, count).tolist()
        jobs, told = [], []

        def source(clock=clock, station=station, arrivals=arrivals, drawn=drawn, rng=rng,
                   jobs=jobs, told=told):  # fmt: skip
            for n, (arrival, work) in enumerate(zip(arrivals, drawn, strict=True)):
                yield clock.at(arrival, Moment(clock, task_key(0, n)))
                job = Job(clock, task_key(0, n), work, math.inf)
                job.mark = None if mark is None else mark(job, rng)
                told.append(station.wait_s())
                jobs.append(station.submit(job))

        clock.spawn(source())
        clock.run()
        found.append(row_of(jobs[warm:], arrivals[warm:], told[warm:]))
        counts = station.counts(clock.now)
        assert counts.submitted == sum(counts[1:]) == count
    return found


def row_of(jobs, arrivals, told):
    def column(values):
        return np.array([math.nan if value is None else value for value in values], float)

    arrival = np.array(arrivals)
    return SimpleNamespace(
        work=column(job.work for job in jobs),
        wait=column(job.start_s for job in jobs) - arrival,
        sojourn=column(job.end_s for job in jobs) - arrival,
        rejected=np.array([job.rejected for job in jobs]),
        mark=np.array([job.mark or 0 for job in jobs]),
        told=np.array(told),
    )


def mean_is(values, expected, error):
    """The mean over all jobs, whose replications differ in number."""
    sums, counts = [np.nansum(v) for v in values], [np.sum(~np.isnan(v)) for v in values]
    agrees(ratios(np.array(sums), np.array(counts)), expected, error=error * max(expected, 1e-9))


# Processor sharing: what matters of the service is its mean.


@pytest.mark.parametrize("works", WORKS)
def test_sharing_takes_in_proportion_to_the_work_whatever_its_distribution(works):
    """M/G/1-PS: E[T | x] = x / (1 - rho) (Kleinrock 1967; Sakata, Noguchi and Oizumi 1969)."""
    load = 0.6
    rows = run(SHARING, load, works=works)
    mean_is([row.sojourn for row in rows], 1 / (1 - load), error=0.03)
    if works != "constant":
        for low, high in ((0.0, 0.5), (0.5, 1.5), (1.5, 4.0)):
            inside = [(row.work >= low) & (row.work < high) for row in rows]
            slow = [
                np.where(i, row.sojourn - row.work / (1 - load), 0)
                for i, row in zip(inside, rows, strict=True)
            ]
            agrees([s.mean() for s in slow], 0.0, error=0.1)


@pytest.mark.parametrize("works", WORKS)
def test_the_number_that_share_is_geometric_whatever_the_work(works):
    """M/G/1-PS: a share rho of those who come finds somebody there, rho^2 two or more."""
    load = 0.6
    rows = run(SHARING, load, works=works, count=2000)
    mean_is([(row.told > 0).astype(float) for row in rows], load, error=0.02)


@pytest.mark.parametrize("works", ["exponential", "lognormal"])
def test_three_shared_workers_keep_as_many_as_three_that_serve_in_turn(works):
    """M/G/c-PS has the numbers of M/M/c: E[T] = 1 + C(c, a) / (c - a)."""
    rows = run(SHARING, 2.1, works=works, workers=3)
    mean_is([row.sojourn for row in rows], 1 + erlang_c(3, 2.1) / (3 - 2.1), error=0.04)


# Queue limits.


def blocking(workers, room, erlangs):
    """M/M/c/K: the share of time in which all ``room`` places are taken."""
    terms = [1.0]
    for n in range(1, room + 1):
        terms.append(terms[-1] * erlangs / min(n, workers))
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(
    ("discipline", "works", "workers", "limit", "load"),
    [
        (FifoDiscipline(), "exponential", 1, 0, 0.8),
        (FifoDiscipline(), "lognormal", 3, 0, 0.9),  # Erlang B does not ask for the distribution
        (FifoDiscipline(), "exponential", 1, 4, 1.5),
        (FifoDiscipline(), "exponential", 3, 5, 0.9),
        (EdfDiscipline(kind="edf"), "exponential", 2, 3, 0.9),
        (SHARING, "lognormal", 1, 3, 0.9),  # nor does sharing
        (SHARING, "exponential", 3, 2, 1.2),
    ],
)
def test_as_many_are_rejected_as_mmck_says(discipline, works, workers, limit, load):
    erlangs = workers * load
    rows = run(discipline, erlangs, works=works, workers=workers, queue_limit=limit)
    expected = blocking(workers, workers + limit, erlangs)
    mean_is([row.rejected.astype(float) for row in rows], expected, error=0.05)


def test_three_workers_make_as_many_wait_as_erlang_c_says_with_a_place_for_everybody():
    rows = run(FifoDiscipline(), 2.4, workers=3, queue_limit=10**6, count=3000)
    mean_is([(row.wait > 0).astype(float) for row in rows], erlang_c(3, 2.4), error=0.04)
    mean_is([row.wait for row in rows], erlang_c(3, 2.4) / (3 - 2.4), error=0.1)


# Classes and deadlines.


@pytest.mark.parametrize("workers", [1, 3])
def test_classes_wait_as_cobham_says(workers):
    """W_k = C(c, a) / c / ((1 - s_k+1) (1 - s_k)), s_k the load of class k and above."""

    def classed(job, rng):
        job.priority = int(rng.integers(3))
        return job.priority

    load = 0.8
    law = PriorityDiscipline(kind="priority")
    rows = run(law, load * workers, workers=workers, count=3000, mark=classed)
    first = erlang_c(workers, load * workers) / workers
    for priority in range(3):
        above, own = (load * (2 - priority) / 3, load * (3 - priority) / 3)
        waits = [np.where(row.mark == priority, row.wait, math.nan) for row in rows]
        mean_is(waits, first / ((1 - above) * (1 - own)), error=0.12)


def test_the_order_of_deadlines_leaves_the_mean_wait_alone():
    """Conservation: an order that does not ask for the work has the mean wait of M/M/1."""

    def due(job, rng):
        job.deadline_s = job.env.now + rng.exponential(3.0)
        return job.deadline_s - job.env.now

    rows = run(EdfDiscipline(kind="edf"), 0.7, count=3000, mark=due)
    mean_is([row.wait for row in rows], 0.7 / 0.3, error=0.08)
    urgent, other = (
        np.mean([np.nanmean(row.wait[pick(row.mark)]) for row in rows])
        for pick in (lambda mark: mark < 1.0, lambda mark: mark > 5.0)
    )
    assert urgent < 0.7 * other


# Batching.


def batching(largest, relative):
    table = {"batch": [2**n for n in range(len(relative))], "relative": relative}
    law = {"kind": "batching", "largest": largest, "table": table}
    return BatchingDiscipline.model_validate(law)


def grouped(job, rng):
    job.group = ("net", 0)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_batches_of_one_are_an_md1_queue(load):
    rows = run(batching(1, [1.0]), load, works="constant", mark=grouped)
    mean_is([row.wait for row in rows], load / (2 * (1 - load)), error=0.08)
    mean_is([(row.wait > 1e-9).astype(float) for row in rows], load, error=0.02)


@pytest.mark.parametrize("rate_hz", [0.5, 3.0])
def test_batches_without_end_wait_for_half_a_batch_while_the_server_is_busy(rate_hz):
    """All that wait go together in a second: a share b waits, on average half a second.

    A batch of D = 1 follows the last at once unless nobody came meanwhile, with chance
    exp(-lambda D); then after 1 / lambda: b = D / (D + exp(-lambda D) / lambda).
    """
    everybody = batching(64, [1.0] * 7)
    rows = run(everybody, rate_hz, works="constant", count=2000, mark=grouped)
    busy = 1 / (1 + math.exp(-rate_hz) / rate_hz)
    mean_is([row.wait for row in rows], busy / 2, error=0.02)
    mean_is([(row.wait > 1e-9).astype(float) for row in rows], busy, error=0.02)


def test_an_overloaded_gpu_goes_at_the_pace_of_its_largest_batches():
    law = batching(4, [1.0, 1.3, 2.0])
    assert law.gain() == 2.0
    rows = run(law, 8.0, works="constant", count=2000, warm=200, mark=grouped)
    late_s = [row.wait[-1] - row.wait[0] for row in rows]
    agrees(late_s, 1799 / 2.0 - 1799 / 8.0, error=3.0)
