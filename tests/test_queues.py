"""Queues against queueing theory: waits, occupation and growth, at the device and at the server.

A service takes a second. Waits of neighbouring tasks are alike, so that standard errors come
from independent replications (devices, or seeds); the first ``WARM_S`` are left out, twenty
relaxation times 1 / (mu (1 - sqrt(rho))^2) at the highest load, 0.8.
"""

import itertools
import math

import numpy as np
import pytest
import simpy
from building import Board, Net, agrees, build, columns, ratios

from splitsim import simulate
from splitsim.rng import stream

WARM_S = 1800.0
LOADS = [0.5, 0.8]


def poisson(rate_hz):
    return {"kind": "poisson", "rate_hz": rate_hz}


def exponential(value):
    return {"kind": "exponential"} if value else {"kind": "constant"}


def by(groups, values, numbers=None):
    """Sums of values by group, for ratios; and how many there are."""
    _, number = np.unique(groups, return_inverse=True)
    return np.bincount(number, values), np.bincount(number)


def mean_by(groups, values, expected, error):
    """The mean of values over all tasks; the groups are independent of each other."""
    agrees(ratios(*by(groups, values)), expected, error=error * max(abs(expected), 1e-9))


# One worker at the device, computing locally.


@pytest.fixture(scope="module", params=LOADS)
def at_devices(request, tmp_path_factory):
    """Waits of tasks at 40 devices with a queue each, by the law of the service."""
    load = request.param
    found = {}
    for law in ("exponential", "constant"):
        scenario = build(
            tmp_path_factory.mktemp(law),
            local_s=1.0,
            scenario={
                "duration_s": WARM_S + (8000 if load > 0.5 else 3000),
                "devices": [
                    {"count": 40, "arrivals": poisson(load), "service": {"kind": law}}
                ],
            },
        )  # fmt: skip
        tasks = simulate(scenario.points[0], "local", 1).tasks
        rows = columns(tasks, "device", "created_s", "head_start_s", "head_end_s")
        found[law] = tuple(vars(rows).values())
    return load, found


def warm(found):
    device, created_s, start_s, end_s = found
    late = created_s >= WARM_S
    return device[late], (start_s - created_s)[late], (end_s - start_s)[late]


def test_mm1_mean_wait_at_the_device(at_devices):
    load, found = at_devices
    device, wait_s, _ = warm(found["exponential"])
    mean_by(device, wait_s, load / (1 - load), error=0.025)


def test_mm1_wait_distribution_at_the_device(at_devices):
    """P(W > t) = rho exp(-(1 - rho) t): a share rho waits at all."""
    load, found = at_devices
    device, wait_s, _ = warm(found["exponential"])
    for t in (0.0, 0.5 / (1 - load), 1 / (1 - load), 3 / (1 - load)):
        mean_by(device, wait_s > t, load * math.exp(-(1 - load) * t), error=0.1)


def test_mm1_wait_variance_at_the_device(at_devices):
    """E W^2 = 2 rho / (1 - rho)^2."""
    load, found = at_devices
    device, wait_s, _ = warm(found["exponential"])
    mean_by(device, wait_s**2, 2 * load / (1 - load) ** 2, error=0.06)


def test_md1_mean_wait_at_the_device(at_devices):
    load, found = at_devices
    device, wait_s, service_s = warm(found["constant"])
    assert np.allclose(service_s, 1.0, rtol=0, atol=1e-9)
    mean_by(device, wait_s, load / (2 * (1 - load)), error=0.02)


def test_md1_share_that_waits_and_wait_variance_at_the_device(at_devices):
    """Takacs: E W^2 = 2 (E W)^2 + lambda E S^3 / (3 (1 - rho))."""
    load, found = at_devices
    device, wait_s, _ = warm(found["constant"])
    mean_by(device, wait_s > 1e-9, load, error=0.01)
    second = 2 * (load / (2 * (1 - load))) ** 2 + load / (3 * (1 - load))
    mean_by(device, wait_s**2, second, error=0.05)


def test_utilisation_of_the_device_is_the_load(at_devices):
    load, found = at_devices
    device, _, service_s = warm(found["exponential"])
    work_s, tasks = by(device, service_s)
    duration_s = 8000 if load > 0.5 else 3000
    agrees(work_s / duration_s, load, error=0.01 * load)
    agrees(tasks / duration_s, load, error=0.01 * load)


def test_every_wait_at_the_device_follows_from_the_one_before(at_devices):
    """Lindley: the next starts at its creation, or when the last one ends."""
    _, found = at_devices
    for device, created_s, start_s, end_s in found.values():
        for name in np.unique(device)[:4]:
            own = device == name
            free = 0.0
            for created, start, end in zip(
                created_s[own].tolist(), start_s[own].tolist(), end_s[own].tolist(), strict=True
            ):
                assert start == max(created, free)
                free = end


# Several workers at the server, offloaded to by many devices, with and without others' jobs.


def at_server(folder, *, workers, rate_hz, duration_s, seeds, tail_s=1.0, **server):
    """Tasks of 10 devices, together ``rate_hz``, at a server; one seed after the other."""
    scenario = build(
        folder,
        tail_s=tail_s,
        scenario={
            "duration_s": WARM_S + duration_s,
            "devices": [{"count": 10, "arrivals": poisson(rate_hz / 10)}],
            "servers": {"edge": {"workers": workers, **server}},
        },
    )
    parts = [simulate(scenario.points[0], "offload", seed) for seed in range(seeds)]
    stamps = ("created_s", "server_arrival_s", "server_start_s", "server_end_s")
    return [(columns(part.tasks, *stamps), part.servers[0]) for part in parts]


def server_waits(runs):
    """Seed and wait of every task after the warm-up."""
    late = [rows.created_s >= WARM_S for rows, _ in runs]
    waits = [
        (rows.server_start_s - rows.server_arrival_s)[keep]
        for (rows, _), keep in zip(runs, late, strict=True)
    ]
    seeds = np.repeat(np.arange(len(runs)), [len(wait_s) for wait_s in waits])
    return seeds, np.concatenate(waits)


def erlang_c(workers, erlangs):
    """The share that waits in M/M/c (Erlang 1917)."""
    terms = [erlangs**n / math.factorial(n) for n in range(workers + 1)]
    last = terms[-1] * workers / (workers - erlangs)
    return last / (sum(terms[:-1]) + last)


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (1, 0.8), (3, 0.8)])
def test_mmc_at_the_server_from_many_devices(tmp_path, workers, load):
    erlangs = workers * load
    runs = at_server(
        tmp_path,
        workers=workers,
        rate_hz=erlangs,
        duration_s=4000 if workers == 1 else 2000,
        seeds=20,
        service={"kind": "exponential"},
    )
    seeds, wait_s = server_waits(runs)
    waiting = erlang_c(workers, erlangs)
    mean_by(seeds, wait_s, waiting / (workers - erlangs), error=0.06)
    # The uplink takes 1e-11 s; a wait is more than that.
    mean_by(seeds, wait_s > 1e-9, waiting, error=0.02)
    slower = math.exp(-(workers - erlangs) * 2)
    mean_by(seeds, wait_s > 2, waiting * slower, error=0.06)


@pytest.mark.parametrize(
    ("workers", "law"), [(1, "constant"), (1, "exponential"), (3, "exponential")]
)
def test_background_and_tasks_wait_as_one_poisson_stream(tmp_path, workers, law):
    """Background 0.5 and tasks 0.3 of all workers, the same works: a queue of load 0.8."""
    service = {"kind": law}
    runs = at_server(
        tmp_path,
        workers=workers,
        rate_hz=0.3 * workers,
        duration_s=6000 if workers == 1 else 3000,
        seeds=24,
        service=service,
        background={"kind": "poisson", "load": 0.5, "work_s": 1.0, "service": service},
    )
    seeds, wait_s = server_waits(runs)
    expected = erlang_c(workers, 0.8 * workers) / (0.2 * workers)
    if law == "constant":
        expected /= 2  # Pollaczek and Khinchine, one worker
    mean_by(seeds, wait_s, expected, error=0.05)


def test_background_of_another_size_follows_pollaczek_and_khinchine(tmp_path):
    """E W = (sum of lambda E S^2) / (2 (1 - rho)); background jobs are four times as long."""
    runs = at_server(
        tmp_path,
        workers=1,
        rate_hz=0.4,
        duration_s=10_000,
        seeds=24,
        service={"kind": "exponential"},
        background={"kind": "poisson", "load": 0.3, "work_s": 4.0},
    )
    seeds, wait_s = server_waits(runs)
    squares = 0.4 * 2 + (0.3 / 4) * 16
    mean_by(seeds, wait_s, squares / (2 * (1 - 0.7)), error=0.04)


def test_lognormal_service_has_its_mean_and_variation_and_makes_tasks_wait(tmp_path):
    cv, load = 0.7, 0.6
    runs = at_server(
        tmp_path,
        workers=1,
        rate_hz=load,
        duration_s=6000,
        seeds=20,
        service={"kind": "lognormal", "cv": cv},
    )
    factors = [rows.server_end_s - rows.server_start_s for rows, _ in runs]
    seeds = np.repeat(np.arange(len(runs)), [len(factor) for factor in factors])
    factors = np.concatenate(factors)
    mean_by(seeds, factors, 1.0, error=0.004)
    mean_by(seeds, factors**2, 1 + cv**2, error=0.01)
    mean_by(seeds, np.log(factors), -math.log1p(cv**2) / 2, error=0.02)
    seeds, wait_s = server_waits(runs)
    mean_by(seeds, wait_s, load * (1 + cv**2) / (2 * (1 - load)), error=0.03)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_waits_as_if_the_background_were_real_jobs(tmp_path, workers):
    """The background's jobs and the tasks, queued by SimPy's own resource; equal to 1e-9."""
    law = {"kind": "poisson", "load": 0.5, "work_s": 0.7, "service": exponential(True)}
    scenario = build(
        tmp_path,
        head_s=0.05,
        scenario={
            "duration_s": 2000,
            "devices": [{"count": 5, "arrivals": poisson(0.08 * workers)}],
            "servers": {
                "edge": {"workers": workers, "service": exponential(True), "background": law}
            },
        },
        tail_s=1.0,
    )
    rows = columns(simulate(scenario.points[0], "offload", 3).tasks)
    background = scenario.points[0].scenario.servers["edge"].background
    streams = (stream(3, f"background-{what}", "edge") for what in ("times", "works"))
    others = itertools.takewhile(
        lambda job: job[0] <= rows.server_arrival_s.max(), background.jobs(*streams, workers)
    )
    jobs = [(at, work, None) for at, work in others]
    served = rows.server_end_s - rows.server_start_s
    jobs += zip(rows.server_arrival_s, served, range(len(served)), strict=True)
    starts = queued(sorted(jobs, key=lambda job: job[0]), workers)
    assert np.abs([starts[n] for n in range(len(served))] - rows.server_start_s).max() < 1e-9
    assert len(jobs) > 2 * len(served)
    assert (rows.server_start_s > rows.server_arrival_s + 1e-6).mean() > 0.2


def queued(jobs, workers):
    """When jobs begin at a SimPy resource, by their names."""
    env = simpy.Environment()
    resource = simpy.Resource(env, workers)
    starts = {}

    def life(at, work, name):
        yield env.timeout(at)
        with resource.request() as request:
            yield request
            starts[name] = env.now
            yield env.timeout(work)

    for job in jobs:
        env.process(life(*job))
    env.run()
    return starts


# Little's law, occupation and growth.


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Devices, links and a server with three workers, all of them busy, none overloaded."""
    scenario = build(
        tmp_path_factory.mktemp("network"),
        nets=[Net(head_s=0.3, send_bytes=1e5, tail_s=1.0, answer_bytes=1e4)],
        boards=[Board("board"), Board("rack")],
        scenario={
            "duration_s": 800,
            "devices": [
                {"name": "slow", "count": 4, "arrivals": poisson(0.4), "service": exponential(1)},
                {"name": "fast", "count": 2, "arrivals": {"kind": "periodic", "period_s": 1.7}},
            ],
            "cells": {
                "cell": {
                    "latency_s": 0.1,
                    "uplink": {"kind": "constant", "rate_bps": 1e6},
                    "downlink": {"kind": "constant", "rate_bps": 3e5},
                }
            },
            "servers": {"edge": {"workers": 3, "service": exponential(1), "backhaul_s": 0.05}},
        },
    )
    part = simulate(scenario.points[0], "offload", 5)
    return part, columns(part.tasks)


def occupation(starts, ends, until_s):
    """Times of change from 0 on, and how many are inside after each: an event sweep."""
    times = np.concatenate([starts, ends])
    steps = np.concatenate([np.ones(len(starts)), -np.ones(len(ends))])
    order = np.argsort(times, kind="stable")
    return (
        np.concatenate([[0.0], times[order], [until_s]]),
        np.concatenate([[0.0], np.cumsum(steps[order]), [0.0]]),
    )


STAGES = [
    ("created_s", "done_s"),
    ("created_s", "head_start_s"),
    ("head_start_s", "head_end_s"),
    ("head_end_s", "tx_start_s"),
    ("tx_start_s", "tx_end_s"),
    ("tx_end_s", "server_arrival_s"),
    ("server_arrival_s", "server_start_s"),
    ("server_start_s", "server_end_s"),
    ("server_end_s", "done_s"),
]


@pytest.mark.parametrize(("enter", "leave"), STAGES)
def test_littles_law_holds_exactly_for_the_system_and_every_stage_of_it(network, enter, leave):
    """The run begins and ends empty: the average number is throughput times mean time inside."""
    part, rows = network
    end_s = part.servers[0].end_s
    starts, ends = getattr(rows, enter), getattr(rows, leave)
    assert (rows.status == "done").all()
    assert (ends >= starts).all()
    times, inside = occupation(starts, ends, end_s)
    average = math.fsum(np.diff(times) * inside[:-1]) / end_s
    throughput = len(starts) / end_s
    assert average == pytest.approx(throughput * float(np.mean(ends - starts)), rel=1e-9)
    assert inside[-2] == 0


def test_no_worker_idles_while_a_task_waits_and_none_serves_two(network):
    part, rows = network
    end_s = part.servers[0].end_s
    waiting = occupation(rows.server_arrival_s, rows.server_start_s, end_s)
    serving = occupation(rows.server_start_s, rows.server_end_s, end_s)
    times = np.unique(np.concatenate([waiting[0], serving[0]]))
    middles = (times[1:] + times[:-1]) / 2
    queue, busy = (
        inside[np.searchsorted(at_s, middles, side="right") - 1]
        for at_s, inside in (waiting, serving)
    )
    held = np.diff(times) > 1e-9
    assert busy.max() == 3
    assert queue[held].max() > 3
    assert (busy[held & (queue > 0)] == 3).all()


def test_the_server_serves_in_the_order_of_arrival(network):
    _, rows = network
    order = np.argsort(rows.server_arrival_s, kind="stable")
    assert (np.diff(rows.server_start_s[order]) >= 0).all()


def test_accounts_of_device_and_server_are_what_the_stamps_say(network):
    part, rows = network
    served = math.fsum(rows.server_end_s - rows.server_start_s)
    assert part.servers[0].served_s == pytest.approx(served, rel=1e-9)
    assert part.servers[0].offered_s == pytest.approx(served, rel=1e-9)
    for device in part.devices:
        own = rows.device == device.device
        computed = math.fsum((rows.head_end_s - rows.head_start_s)[own])
        sent = math.fsum((rows.tx_end_s - rows.tx_start_s)[own])
        assert device.compute_s == pytest.approx(computed, rel=1e-9)
        assert device.airtime_s == pytest.approx(sent, rel=1e-9)
        assert device.tasks == own.sum()


def test_utilisation_of_the_server_is_the_share_of_its_workers(tmp_path):
    runs = at_server(tmp_path, workers=3, rate_hz=2.1, duration_s=200, seeds=20)
    duration_s = WARM_S + 200
    agrees([row.offered_s / (3 * duration_s) for _, row in runs], 0.7, error=0.01)
    for rows, row in runs:
        busy = np.clip(rows.server_end_s, None, duration_s) - np.clip(
            rows.server_start_s, None, duration_s
        )
        # Work that is not served by the end is what the queue holds, some twenty tasks at most.
        assert 0 <= row.offered_s - busy.sum() < 40


def test_overload_grows_by_what_it_exceeds_the_server(tmp_path):
    """At load 1.5 the unfinished work grows by half a second per second, with variance load."""
    scenario = build(
        tmp_path,
        local_s=1.0,
        scenario={
            "duration_s": 1200,
            "devices": [{"count": 60, "arrivals": poisson(1.5)}],
        },
    )
    rows = columns(simulate(scenario.points[0], "local", 9).tasks)
    growth = []
    for name in np.unique(rows.device):
        own = rows.device == name
        # What is left at t is when the last one created before t ends, less t.
        at_200, at_1200 = (
            rows.head_end_s[own & (rows.created_s < t)].max() - t for t in (200, 1200)
        )
        growth.append(at_1200 - at_200)
    agrees(growth, 500.0, error=10)
    # A sample variance of n normal values has a relative standard error of sqrt(2 / (n - 1)).
    error = 1.5 * 1000 * math.sqrt(2 / 59)
    assert np.var(growth, ddof=1) == pytest.approx(1.5 * 1000, abs=4.5 * error)
