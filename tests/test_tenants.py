"""Other tenants of a server: how much they bring, when, and what a careless user is told."""

import itertools
import math
import re

import numpy as np
import pytest
from building import Net, agrees, at_most, build
from test_bad_input import complaints, edited, matches, told  # noqa: F401 - fixtures

from splitsim import load_scenario
from splitsim.errors import BadInput
from splitsim.rng import stream
from splitsim.system.server import ServerSpec

BURSTY = {"kind": "bursty", "load": 0.5, "work_s": 0.5, "peak": 2.5, "burst_s": 4, "calm_s": 12}


def tenant(law, **context):
    spec = {"hardware": "x", "background": law}
    return ServerSpec.model_validate(spec, context=context).background


def jobs(law, until_s, workers=1, server=0, **context):
    streams = (stream(0, f"background-{what}", f"s-{server}") for what in ("times", "works"))
    found = tenant(law, **context).jobs(*streams, workers)
    members = itertools.takewhile(lambda job: job[0] < until_s, found)
    return np.array([*members]).reshape(-1, 2).T


def steps(times_s, values):
    return {"kind": "steps", "times_s": times_s, "values": values}


# Bursts.


@pytest.mark.parametrize("workers", [1, 3])
def test_bursts_bring_the_mean_load(workers):
    law = {**BURSTY, "service": {"kind": "exponential"}}
    brought_s = [jobs(law, 200.0, workers, n)[1].sum() for n in range(200)]
    agrees(brought_s, 0.5 * workers * 200, error=0.03 * 100 * workers)
    assert tenant(law).offered_s(workers, 200.0) == pytest.approx(100 * workers)


def test_the_number_of_jobs_of_bursts_scatters_as_a_markov_modulated_process_says():
    """Var N(t) = m t + 2 v c (t - c (1 - exp(-t / c))) per the rate's variance v and memory c.

    The rate is a mean m times a level, whose autocovariance is v exp(-t / c), v = p (1 - p)
    (peak - calm)^2 and 1 / c = 1 / burst_s + 1 / calm_s.
    """
    high, low = tenant(BURSTY).levels
    assert (high, low) == (2.5, pytest.approx(0.5))
    share, memory_s, until_s = 0.25, 3.0, 30.0
    variance = share * (1 - share) * (high - low) ** 2  # the mean rate is one job a second
    expected = until_s + 2 * variance * memory_s * (
        until_s - memory_s * (1 - math.exp(-until_s / memory_s))
    )
    counts = np.array([jobs(BURSTY, until_s, 1, n).shape[1] for n in range(1500)])
    agrees(counts, until_s, error=0.5)
    agrees((counts - until_s) ** 2, expected, error=0.06 * expected)


def test_when_it_bursts_does_not_depend_on_the_load():
    """Each burst and calm brings in proportion to the load."""
    low, high = (jobs({**BURSTY, "load": load, "work_s": 0.02}, 2000.0)[0] for load in (0.25, 1.0))
    edges = np.arange(0, 2001, 8)
    numbers = [np.histogram(times, edges)[0] for times in (low, high)]
    assert np.corrcoef(*numbers)[0, 1] > 0.95


def test_bursts_follow_a_load_that_changes_and_end_with_it():
    law = {**BURSTY, "load": steps([0, 40, 80], [0.5, 1.0, 0.0])}
    with at_most(20):
        brought_s = []
        for n in range(300):
            times, works = jobs(law, 1e9, 1, n)
            brought_s.append(np.histogram(times, [0, 40, 80, 1e9], weights=works)[0])
    for found, expected in zip(np.transpose(brought_s), [20, 40, 0], strict=True):
        agrees(found, expected, error=0.05 * expected + 1e-9)
    with at_most(2):
        assert jobs({**BURSTY, "load": 0.0}, 1e6).size == 0


# Periods and recordings.


def test_a_period_is_the_work_over_the_load():
    times, works = jobs({"kind": "periodic", "load": 0.4, "work_s": 0.2}, 100.0, 2)
    assert np.diff(times) == pytest.approx([0.25] * (len(times) - 1))
    assert times[0] < 0.25
    assert (works == 0.2).all()
    firsts = [
        jobs({"kind": "periodic", "load": 1.0, "work_s": 1.0}, 1.0, 1, n)[0][0] for n in range(400)
    ]
    agrees(firsts, 0.5, error=0.03)


def test_a_period_stretches_with_the_load():
    law = {"kind": "periodic", "load": steps([0, 10, 20], [0.5, 0.0, 1.0]), "work_s": 0.5}
    times, _ = jobs(law, 30.0)
    counts = np.histogram(times, [0, 10, 20, 30])[0]
    assert counts.tolist() == [10, 0, 20]


@pytest.fixture
def recording(tmp_path):
    (tmp_path / "jobs.csv").write_text("arrival_s,work_s\n1,0.5\n2,0.25\n4,1\n")
    return {"find_file": lambda name: tmp_path / name}


def test_a_recording_is_replayed_again_and_again(recording):
    law = {"kind": "replay", "file": "jobs.csv", "scale": 2}
    times, works = jobs(law, 13.0, **recording)
    assert times.tolist() == [1, 2, 4, 6.5, 7.5, 9.5, 12]  # a mean distance of 1.5 s after each
    assert works.tolist() == [1, 0.5, 2, 1, 0.5, 2, 1]
    found = tenant(law, **recording)
    assert found.offered_s(1, 12.9) == works.sum()
    assert found.offered_s(1, 4.0) == 3.5
    assert found.loads(2).value(0) == pytest.approx(3.5 / (2 * 5.5))


def test_a_recording_that_is_not_looped_ends(recording):
    law = {"kind": "replay", "file": "jobs.csv", "loop": False}
    assert jobs(law, 1e9, **recording)[0].tolist() == [1, 2, 4]
    assert tenant(law, **recording).offered_s(1, 99.0) == 1.75
    assert tenant(law, **recording).loads(1).value(9.0) == 0


# What a careless user is told.

EDGE = "    background: {kind: poisson, load: 0.2, work_s: 0.02}\n"
TABLE = "table: {batch: [1, 2, 4, 8], relative: [1, 1.2, 1.7, 2.8]}"


def edge(*lines):
    return edited((EDGE, "".join(f"    {line}\n" for line in lines)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("discipline: {kind: lifo}", "there is no kind 'lifo'"),
        (
            "discipline: {kind: batching, largest: 8, "
            "table: {batch: [1, 2, 8], relative: [1, 2, 3]}}",
            "table: batch has a hole between 2 and 8: each may be at most twice the one before",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {batch: [1, 2], relative: [1, 2.5]}}",
            "discipline: table: a batch of 2 brings less throughput than one of 1; make largest 1",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {batch: [1, 2], latency_s: [2, 1]}}",
            "a batch of 2 takes less time than one of 1",
        ),
        (
            "discipline: {kind: batching, largest: 8, table: {batch: [1, 2], relative: [1, 1.5]}}",
            "ends at a batch of 2, and largest is 8; add sizes up to 8, or make largest 2",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {batch: [2, 4], relative: [1, 1.5]}}",
            "batch must begin with 1, not 2",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {batch: [1, 2], relative: [1, null]}}",
            "must be a number, not nothing",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {batch: [1, 2]}}",
            "must have one of relative, latency_s and file",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {file: nowhere.csv}}",
            "nowhere.csv: cannot be read as CSV: No such file",
        ),
        (
            "discipline: {kind: batching, largest: 2, table: {file: a.csv, batch: [1, 2]}}",
            "the file says which sizes there are; leave out batch",
        ),
        (
            "discipline: {kind: batching, largest: 128, table: {file: resnet152@h100.csv}}",
            "ends at a batch of 64, and largest is 128; add sizes up to 128, or make largest 64",
        ),
        (f"discipline: {{kind: batching, {TABLE}}}", "discipline.largest: is missing"),
        ("discipline: {kind: edf}", "no device has a deadline_s to go by; give them one, or make"),
        (
            "background: {kind: poisson, load: 0.2, work_s: 0.02, deadline_s: 0.1}",
            "background.deadline_s: a fifo server does not know it; make its discipline edf, or",
        ),
        (
            "background: {kind: poisson, load: 0.2, work_s: 0.02, priority: 3}",
            "background.priority: a fifo server does not know it; make its discipline priority, or",
        ),
        (
            "background: {kind: bursty, load: 0.2, work_s: 0.02, peak: 9, burst_s: 1, calm_s: 3}",
            "peak must be at most (burst_s + calm_s) / burst_s = 4, or bursts alone would bring",
        ),
        (
            "background: {kind: replay, file: nowhere.csv}",
            "nowhere.csv: cannot be read as CSV: No such file",
        ),
        ("speed: -1", "must be 0 or more, not -1"),
        ("queue_limit: -1", "queue_limit: must be 0 or more, not -1"),
        ("abandoned: maybe", "must be 'run_on' or 'abort', not 'maybe'"),
        ("ramp: {idle_speed: 0, time_s: 1}", "ramp.idle_speed: must be more than 0"),
        (
            "slowdown: {utilisation: [0, 0.5], factor: [1, 2]}",
            "slowdown: is by the load of others; add a background, or leave it out",
        ),
        ("power: {utilisation: [0.5, 0.2], w: [1, 2]}", "power: utilisation must rise"),
        ("power: {utilisation: [0, 0.2], w: [1]}", "power: 2 utilisation but 1 w"),
        (
            "loading: {load_s: {resnet50: 1}}",
            "loading.load_s.resnet50: is none of the models; there are resnet152",
        ),
        ("loading: {load_s: 1, memory_bytes: 1e6}", "is not known: add tail_bytes"),
    ],
)
def test_a_mistake_in_a_server_is_told_with_its_place_and_remedy(line, expected, complaints):  # noqa: F811
    lines = complaints(edge(line))
    assert any(expected in each for each in lines), lines
    assert all(re.match(r"s\.yaml:\d+:\d+: servers\.edge\.", each) for each in lines), lines


def test_a_class_that_no_server_knows_is_told(complaints):  # noqa: F811
    text = edited(("    count: 2\n", "    count: 2\n    priority: 1\n"))
    expected = "devices.nano.priority: no server's discipline knows it; make one priority, or leave"
    matches(complaints(text), expected)


def test_disciplines_may_be_compared_on_devices_with_classes(told):  # noqa: F811
    law = f"{EDGE}    discipline: {{kind: fifo}}\n"
    text = edited(("    count: 2\n", "    count: 2\n    priority: 1\n"), (EDGE, law))
    sweep = "sweep:\n  servers.edge.discipline.kind: [fifo, priority]\n"
    assert told(text + sweep) == (0, [])


def test_models_that_do_not_fit_together_must_make_room_for_each_other(tmp_path):
    """Each takes a megabyte, and the hardware has one and a half."""
    nets = [Net("one"), Net("two")]
    build(tmp_path, nets=nets)
    for net in nets:
        path = tmp_path / "tables" / "models" / f"{net.name}.csv"
        first, *rows = path.read_text().splitlines()
        sized = [
            f"{row},{size}" for row, size in zip(rows, ("0,1000000", "1000000,0"), strict=True)
        ]
        path.write_text("\n".join([f"{first},head_bytes,tail_bytes", *sized]) + "\n")
    path = tmp_path / "tables" / "hardware.csv"
    first, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{first},memory_bytes", *(f"{row},1500000" for row in rows)]))
    with pytest.raises(BadInput, match="take 2,000,000 B of memory, and 'rack' has 1,500,000"):
        load_scenario(tmp_path / "scenario.yaml")
    fine = load_scenario(tmp_path / "scenario.yaml", {"servers.edge.loading": {"load_s": 0.1}})
    assert fine.points[0].tail_bytes == {"one": 1e6, "two": 1e6}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arrival_s,work_s\n1,1\n", "must have jobs at two or more different times"),
        ("arrival_s,work_s\n2,1\n1,1\n", ":3: arrival_s: must not be less than the one before"),
        ("arrival_s,work_s\n1,x\n2,1\n", ":2: work_s: must be a number, 0 or more, not 'x'"),
        ("at,work_s\n1,1\n2,1\n", "there is no column arrival_s"),
    ],
)
def test_a_broken_recording_is_told_with_its_line(text, expected, tmp_path):
    (tmp_path / "jobs.csv").write_text(text)
    law = {"kind": "replay", "file": "jobs.csv"}
    with pytest.raises((BadInput, ValueError), match=r"jobs\.csv") as caught:
        tenant(law, find_file=lambda name: tmp_path / name)
    cause = caught.value.errors()[0]["ctx"]["error"]
    assert any(expected in problem for problem in cause.problems)
