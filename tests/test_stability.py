"""The verdict on queues that grow: against Lindley's recursion, and in whole runs."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from building import build
from rich.console import Console

from splitsim import run
from splitsim.cli.table import summary_table
from splitsim.notes import notes as notes_of
from splitsim.report.page import write_report
from splitsim.rng import stream
from splitsim.stability import BATCHES, growing, grows, in_words, lengths

TASKS = 8000
LOADS = (0.8, 1.2)


def queue(load: float, seed: int, law: str, tasks: int = TASKS):
    """Arrivals and departures of a queue with one worker and a mean service of one second."""
    arrivals = np.cumsum(stream(seed, "test", "arrivals").exponential(1 / load, tasks))
    services = stream(seed, "test", "services").standard_exponential(tasks)
    if law == "M/D/1":
        services[:] = 1.0
    steps = np.append(0.0, services[:-1] - np.diff(arrivals))
    walk = np.cumsum(steps)
    waits = walk - np.minimum.accumulate(walk)  # Lindley (1952)
    return arrivals, arrivals + waits + services


def verdict(load: float, seed: int, law: str, tasks: int = TASKS) -> bool:
    arrivals, departures = queue(load, seed, law, tasks)
    edges = np.linspace(0, arrivals[-1], BATCHES + 1)
    _, (length,) = lengths(np.zeros(tasks), arrivals, departures, edges)
    return grows(length)


@pytest.mark.parametrize("law", ["M/M/1", "M/D/1"])
def test_no_stable_queue_of_a_hundred_is_flagged_and_all_overloaded_ones_are(law):
    flagged = [sum(verdict(load, seed, law) for seed in range(100)) for load in LOADS]
    assert flagged == [0, 100]


def test_a_queue_at_the_edge_is_flagged_by_chance_alone():
    """2 x LEVEL of a thousand: more than two are less likely than one in a thousand."""
    assert sum(verdict(1.0, seed, "M/M/1", 1000) for seed in range(1000)) <= 2


@pytest.mark.parametrize("tasks", [60, 250, 1000])
def test_short_runs_of_a_busy_queue_are_not_flagged(tasks):
    assert not any(verdict(0.95, seed, "M/M/1", tasks) for seed in range(300))


def test_the_number_in_a_queue_is_who_came_less_who_went():
    arrivals, departures = queue(0.8, 1, "M/M/1", 300)
    edges = np.linspace(0, 300, 40)
    whose = np.where(np.arange(300) % 2, "odd", "even")
    names, found = lengths(whose, arrivals, departures, edges)
    assert names == ["even", "odd"]
    for name, length in zip(names, found, strict=True):
        for edge, count in zip(edges, length, strict=True):
            own = whose == name
            assert count == np.sum(own & (arrivals <= edge) & (departures > edge))


def test_growth_without_any_chance_is_growth():
    assert grows(np.arange(BATCHES + 1))
    assert not grows(np.zeros(BATCHES + 1))
    assert not grows(np.append(np.zeros(14), np.arange(7)) * 50)  # a jam at the end


def columns_of(loaded, folder, policy="local"):
    results = run(loaded, folder, jobs=1)
    (row,) = [row for row in results.summary_rows if row["policy"] == policy]
    return results, row


def device(rate_hz, **more):
    return {"arrivals": {"kind": "poisson", "rate_hz": rate_hz}, **more}


@pytest.mark.parametrize(
    ("policy", "changes", "tail_s", "grows_there"),
    [
        ("local", {"devices": [device(12.0)]}, 0.1, "the device device-0"),
        ("local", {"devices": [device(8.0)]}, 0.1, ""),
        ("offload", {"devices": [device(12.0)]}, 0.1, "the server edge"),
        ("offload", {"devices": [device(8.0)]}, 0.1, ""),
        (
            "offload",
            {
                "devices": [device(12.0)],
                "cells": {"cell": {"uplink": {"kind": "constant", "rate_bps": 8e5}}},
            },
            0.01,
            "the uplink of device-0",
        ),
        (  # others bring more than there are workers
            "offload",
            {
                "devices": [device(10.0)],
                "servers": {
                    "edge": {"background": {"kind": "poisson", "load": 1.2, "work_s": 0.1}}
                },
            },
            0.001,
            "the server edge",
        ),
        (  # who gives up does not wait on
            "offload",
            {"devices": [device(12.0, timeout={"after_s": 1.0, "from": "created"})]},
            0.1,
            "",
        ),
        ("local", {"devices": [{"arrivals": {"kind": "closed", "think_s": 0.0}}]}, 0.1, ""),
    ],
)
def test_a_run_says_which_queue_grows(tmp_path, policy, changes, tail_s, grows_there):
    changes = {"duration_s": 600.0, **changes}
    loaded = build(tmp_path, scenario=changes, tail_s=tail_s)
    keep = {"policies": [p for p in loaded.resolved["policies"] if p["name"] == policy]}
    loaded = build(tmp_path, scenario={**changes, **keep}, tail_s=tail_s)
    results, row = columns_of(loaded, tmp_path / "r", policy)
    assert row["grows"] == grows_there
    stable = bool(row["stable"])
    assert stable == (not grows_there) == (row["unstable_seeds"] == 0)
    manifest = json.loads((results.folder / "manifest.json").read_text())
    assert [found["grows"] for found in manifest["unstable"]] == [grows_there] * bool(grows_there)
    (notes, *_) = [*notes_of(results.summary_rows, []), ""]
    assert (f"the queue of {grows_there} grows without bound (in 1 of 1" in notes) == (not stable)
    table = io.StringIO()
    Console(file=table, width=200).print(summary_table(results.summary_rows, []))
    assert ("grows" in table.getvalue()) == (not stable)
    page = write_report(results).read_text(encoding="utf-8")
    assert ('<td class="number marked">grows' in page) == (not stable)


def test_nothing_grows_where_nothing_comes():
    tasks = {name: np.array([]) for name in ("created_s", "head_end_s", "tx_end_s", "left_s")}
    tasks |= dict.fromkeys(("server_arrival_s", "server_end_s", "fallback_start_s"), np.array([]))
    tasks |= {"device": np.array([], object), "server": np.array([], object)}
    devices = {"device": np.array(["a"], object), "arrivals": np.array(["poisson"], object)}
    assert growing(tasks, devices, 0.0, 10.0) == []


def test_only_the_first_of_many_queues_are_named():
    assert in_words([["a", "b"], ["b", "c", "d", "e"]]) == "a, b, c and 2 more"
    assert in_words([[], []]) == ""
