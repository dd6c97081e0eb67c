"""Early exits: rows against a hand computation, mixtures against their means, every law."""

from __future__ import annotations

import csv
import inspect
import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import test_laws
import yaml
from building import BOARDS, Board, Net, Waves, default_scenario, merged, write_tables

from splitsim import load_scenario, run, simulate
from splitsim.cli import main
from splitsim.errors import BadInput
from splitsim.policies.predictive import estimate
from splitsim.profiles import Tables
from splitsim.report.digest import digest
from splitsim.report.page import page
from splitsim.scenario import LoadedScenario
from splitsim.task import DONE, TIMEOUT
from splitsim.uncertainty import Shift

SAMPLES = 40
HEAD_S, TAIL_S = [0.0, 0.01, 0.03, 0.06], [0.04, 0.03, 0.02, 0.01]
NET = Net("net", HEAD_S, [4e4, 5e3, 2e3, 1e3], TAIL_S, local_s=0.1, answer_bytes=100)
EXIT_S = {1: 0.002, 2: 0.003}  # by the cut of the exit
LAYERS = {0: "input", 1: "layer1", 2: "layer2", 3: "layer3", 4: "output"}
RATE_BPS = 1e6
WAVES = Waves("waves", a_up_j_per_bit=4e-7, a_down_j_per_bit=5e-8, b_w=1.2)
EXITS = {"by": "confidence", "thresholds": [0.3, 0.8]}
QUIET = {"kind": "periodic", "period_s": 1.0, "phase_s": 0.5}
S = np.arange(SAMPLES)
CONFIDENCE = {1: (S + 0.5) / SAMPLES, 2: (7 * S % SAMPLES + 0.5) / SAMPLES}
RIGHT = {1: (S % 3 == 0).astype(float), 2: (S % 4 != 1).astype(float)}


# --- Tables ----------------------------------------------------------------------------------


def table(samples=SAMPLES, losses=(0.0, 0.3), exits=(1, 2), **changes) -> dict[str, Any]:
    """Bytes and answers that differ by sample, cut and loss; exits by sample and cut alone."""
    rows = np.array(list(itertools.product(losses, LAYERS, range(samples))))
    loss, cut, sample = rows[:, 0], rows[:, 1].astype(int), rows[:, 2].astype(int)
    confidence, right = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for at in exits:
        confidence[cut == at] = CONFIDENCE[at][sample[cut == at]]
        right[cut == at] = RIGHT[at][sample[cut == at]]
    made = {
        "sample": sample,
        "cut": cut,
        "loss": loss,
        "bytes": np.where(cut == 4, 0, 1000 + 10 * sample + 100 * cut),
        "prediction": np.zeros(len(rows), int),
        "confidence": np.full(len(rows), 0.5),
        "correct": (((sample + cut) % 2 == 0) & ((loss == 0) | (sample % 4 == 0))).astype(int),
        "exit_prediction": np.where(np.isnan(right), np.nan, 0),
        "exit_confidence": confidence,
        "exit_entropy": 1 - confidence,
        "exit_correct": right,
    }
    made |= changes
    return {name: values for name, values in made.items() if values is not None}


def write(folder: Path, found: Mapping[str, Any], model="net") -> Path:
    path = folder / "tables" / "outcomes" / f"{model}@pictures.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({n: pa.array(v, from_pandas=True) for n, v in found.items()}), path)
    return path


def fill(path: Path, **by_cut: Mapping[int, Any]) -> None:
    """Other cells in a table of cuts; columns that are new are empty where nothing is given."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for cut, row in enumerate(rows):
        row |= {name: values.get(cut, row.get(name, "")) for name, values in by_cut.items()}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def exiting(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    found: Mapping[str, Any] | None = None,
    exit_s: Mapping[int, float] = EXIT_S,
    radio: Waves = WAVES,
    board: Board = BOARDS[0],
    policies: tuple[dict[str, Any], ...] = (),
) -> LoadedScenario:
    """A scenario on a model with exits at layer1 and layer2, a frame a second."""
    write_tables(folder / "tables", [NET], [board, BOARDS[1]], [radio])
    profile = folder / "tables" / "profiles" / "net@board.csv"
    bases = dict.fromkeys(exit_s, board.basis)
    fill(profile, exit_s=exit_s, exit_basis=bases)
    write(folder, table() if found is None else found)
    links = {way: {"kind": "constant", "rate_bps": RATE_BPS} for way in ("uplink", "downlink")}
    base = {
        "dataset": "pictures",
        "exits": EXITS,
        "devices": [{"arrivals": QUIET}],
        "cells": {"cell": {"radio": radio.name, "latency_s": 0.005, **links}},
    }
    own = {"policies": [*policies]} if policies else {}
    scenario = merged(merged(default_scenario([NET]), base), {**(changes or {}), **own})
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump(scenario, sort_keys=False))
    return load_scenario(path)


def policy(name: str, cut: int | None = None, threshold: float | None = None) -> dict[str, Any]:
    where = {"kind": "local"} if cut is None else {"kind": "split", "cut": cut}
    early = {} if threshold is None else {"exit": threshold}
    return {"name": name, "model": "net", **where, **early}


def way_out(sample: int, cut: int, threshold: float) -> int | None:
    """The cut of the exit at which a sample ends."""
    exits = [at for at in EXIT_S if at <= cut and CONFIDENCE[at][sample] >= threshold]
    return exits[0] if exits else None


def head_s(cut: int, ended: int | None) -> float:
    last = cut if ended is None else ended
    whole_s = NET.local_s if last == 4 else HEAD_S[last]
    return whole_s + sum(s for at, s in EXIT_S.items() if at <= last)


# --- Rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.3, 0.8])
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_rows_are_what_is_computed_by_hand(tmp_path, cut, threshold):
    how = policy("early", None if cut == 4 else cut, threshold)
    spec = exiting(tmp_path, {"duration_s": 150.0}, policies=(how,)).points[0]
    rows = simulate(spec, "early", 0).tasks
    kind = "local:net" if cut == 4 else f"split:net/{LAYERS[cut]}"
    assert {row.option for row in rows} == {f"{kind} exit {threshold}"}
    assert {row.server for row in rows} == {None if cut == 4 else "edge"}
    assert {row.exit for row in rows} >= ({None, "layer1"} if threshold == 0.8 else {"layer1"})
    for row in rows:
        ended = way_out(row.sample, cut, threshold)
        computing_s = head_s(cut, ended)
        assert row.status == DONE
        assert row.exit == (None if ended is None else LAYERS[ended])
        assert row.head_end_s - row.head_start_s == pytest.approx(computing_s)
        assert row.compute_j == pytest.approx(3.0 * computing_s)
        if ended is not None or cut == 4:
            right = (row.sample % 2 == 0) if ended is None else RIGHT[ended][row.sample]
            assert row.correct == right
            assert row.done_s == row.head_end_s
            assert row.tx_start_s is None
            assert row.sent_bytes == row.airtime_s == row.tx_j == row.tail_j == 0
        else:
            sent_bytes = 1000 + 10 * row.sample + 100 * cut
            sent_s = 8 * (sent_bytes + 100) / RATE_BPS
            assert row.correct == ((row.sample + cut) % 2 == 0)
            assert row.sent_bytes == sent_bytes
            there_s = computing_s + sent_s + 2 * 0.005 + TAIL_S[cut]
            assert row.done_s - row.created_s == pytest.approx(there_s)


def test_by_entropy_the_least_uncertain_end(tmp_path):
    rule = {"by": "entropy", "thresholds": [0.25]}
    how = policy("early", 3, 0.25)
    spec = exiting(tmp_path, {"exits": rule}, policies=(how,)).points[0]
    for row in simulate(spec, "early", 0).tasks:
        exits = [at for at in EXIT_S if 1 - CONFIDENCE[at][row.sample] <= 0.25]
        assert row.exit == (LAYERS[exits[0]] if exits else None)


def test_there_is_an_option_per_cut_with_exits_before_it_and_threshold(tmp_path):
    spec = exiting(tmp_path).points[0]
    found = [(o.label, o.server) for o in spec.options["device"]]
    early = [f"{kind} exit {t}" for kind in ("split:net/layer1",) for t in EXITS["thresholds"]]
    assert found[0] == ("offload:net", "edge")  # no exit comes before the input
    assert found[1:4] == [("split:net/layer1", "edge"), *((label, "edge") for label in early)]
    assert found[-3:] == [("local:net", None), *((f"local:net exit {t}", None) for t in (0.3, 0.8))]
    assert len(found) == 1 + 4 * 3


def test_without_the_key_exits_change_nothing(tmp_path):
    """The same tables, but nobody asks for exits: the rows are those of a model without any."""
    with_exits = exiting(tmp_path, {"exits": None}).points[0]
    rows = simulate(with_exits, "split3", 0).tasks
    bare = table(exits=())
    plain = {name: v for name, v in bare.items() if not name.startswith("exit_")}
    others = simulate(exiting(tmp_path, {"exits": None}, found=plain).points[0], "split3", 0).tasks
    assert all(map(test_laws.same, rows, others))
    assert all(o.threshold is None and not o.branches for o in with_exits.options["device"])


def test_the_lowest_and_the_highest_threshold_end_everything_and_next_to_nothing(tmp_path):
    rule = {"by": "confidence", "thresholds": [0.001, 0.2, 0.4, 0.6, 0.8, 0.999]}
    policies = tuple(policy(f"p{n}", 3, t) for n, t in enumerate(rule["thresholds"]))
    changes = {"exits": rule, "duration_s": 120.0}
    spec = exiting(tmp_path, changes, policies=policies).points[0]
    rows = [simulate(spec, how["name"], 0).tasks for how in policies]
    shares = [np.mean([row.exit is not None for row in found]) for found in rows]
    assert {row.exit for row in rows[0]} == {"layer1"}
    assert shares[-1] == 0
    assert all(a >= b for a, b in itertools.pairwise(shares))
    assert shares[0] == 1 > shares[2] > shares[4] > 0
    by_task = [[row.exit is not None for row in found] for found in rows]
    for lower, higher in itertools.pairwise(by_task):  # who ends at a threshold ends at any below
        assert all(b <= a for a, b in zip(lower, higher, strict=True))


# --- What is known ---------------------------------------------------------------------------


class Chosen:
    """The option of a label for every task, writing down what was known and expected."""

    views: list[Any]

    def __init__(self, label: str) -> None:
        self.label = label

    def reset(self, options, rng) -> None:
        self.index = [option.label for option in options].index(self.label)
        type(self).views = []

    def choose(self, view) -> int:
        seconds, joules = estimate(view, RATE_BPS, 1e9)
        self.views.append((view, seconds[self.index], joules[self.index]))
        return self.index


def chosen(label: str) -> dict[str, Any]:
    return {"name": "chosen", "kind": "test_exits:Chosen", "label": label}


LABELS = [f"split:net/layer{n} exit {t}" for n in (1, 2, 3) for t in (0.3, 0.8)]


@pytest.mark.parametrize("label", [*LABELS, "local:net exit 0.8", "split:net/layer2"])
@pytest.mark.parametrize("energy_j", [None, 0.7])
def test_the_mean_over_the_samples_is_what_was_predicted(tmp_path, label, energy_j):
    """Nothing is random but the sample, and nobody waits: exactly, sample by sample."""
    exiting(tmp_path)
    if energy_j is not None:
        profile = tmp_path / "tables" / "profiles" / "net@board.csv"
        fill(profile, energy_j={cut: energy_j * (1 + cut) for cut in LAYERS})
    data = yaml.safe_load((tmp_path / "scenario.yaml").read_text())
    (tmp_path / "scenario.yaml").write_text(
        yaml.safe_dump(data | {"policies": [chosen(label)], "duration_s": 400.0})
    )
    spec = load_scenario(tmp_path / "scenario.yaml").points[0]
    rows = simulate(spec, "chosen", 0).tasks
    costs: dict[int, tuple[float, float]] = {}
    for row in rows:
        joules = row.compute_j + row.tx_j + row.rx_j
        cost = row.done_s - row.created_s, joules
        assert cost == pytest.approx(costs.setdefault(row.sample, cost), rel=1e-9)
    assert len(costs) == SAMPLES
    mean_s, mean_j = np.mean(list(costs.values()), axis=0)
    for _, seconds, joules in Chosen.views[1:]:
        assert seconds == pytest.approx(mean_s, rel=1e-12)
        assert joules == pytest.approx(mean_j, rel=1e-9)
    options = spec.device_options(spec.scenario.devices[0])
    n = [option.label for option in options].index(label)
    by_sample = {row.sample: row for row in rows}.values()
    assert options.sends[n] == pytest.approx(np.mean([r.tx_start_s is not None for r in by_sample]))
    assert options.send_bits[n] / 8 == pytest.approx(np.mean([r.sent_bytes for r in by_sample]))
    assert options.correct[n] == pytest.approx(np.mean([r.correct for r in by_sample]))
    heads_s = [r.head_end_s - r.head_start_s for r in by_sample]
    assert options.head_s[n] == pytest.approx(np.mean(heads_s))


def test_metered_joules_leave_out_encoding_at_an_exit_and_add_the_branches(tmp_path):
    """At layer2, half of the metered time before the cut is encoding."""
    how = policy("early", 3, 0.3)
    exiting(tmp_path, policies=(how,))
    profile = tmp_path / "tables" / "profiles" / "net@board.csv"
    fill(profile, encode_s={2: 0.03}, encode_basis={2: "assumed"}, energy_j={2: 1.0, 3: 2.0})
    rows = simulate(load_scenario(tmp_path / "scenario.yaml").points[0], "early", 0).tasks
    branches_j = 3.0 * sum(EXIT_S.values())
    expected = {"layer1": 3.0 * (0.01 + 0.002), "layer2": 0.5 + branches_j, None: 2.0 + branches_j}
    assert {row.exit for row in rows} == {"layer1", "layer2", None}
    for row in rows:
        assert row.compute_j == pytest.approx(expected[row.exit])


def test_what_a_task_will_do_does_not_show_before_its_head_is_through(tmp_path):
    """Frames every 4 ms, the first of which may end at layer1 after 12 ms or go on to 65 ms."""
    arrivals = {"kind": "periodic", "period_s": 0.004, "phase_s": 0.0}
    changes = {"duration_s": 0.02, "devices": [{"arrivals": arrivals}]}
    label = "split:net/layer3 exit 0.8"
    spec = exiting(tmp_path, changes, policies=(chosen(label),)).points[0]
    seen: dict[str | None, list[Any]] = {}
    for seed in range(20):
        first, *_ = simulate(spec, "chosen", seed).tasks
        known = [tuple(view[1:]) for view, _, _ in Chosen.views]
        seen.setdefault(first.exit, []).append(known)
    assert set(seen) == {"layer1", "layer2", None}
    before = [str(known[:3]) for found in seen.values() for known in found]  # 0 to 8 ms
    assert len(set(before)) == 1
    option = next(o for o in spec.options["device"] if o.label == label)
    after = {exit_: {known[4][3] for known in found} for exit_, found in seen.items()}
    # At 16 ms four frames were chosen for; the first has ended, or may send yet.
    assert [*after["layer1"]] == pytest.approx([3 * option.send_bits])
    assert [*after["layer2"]] == [*after[None]] == pytest.approx([4 * option.send_bits])


# --- Noise, loss -----------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
def test_a_recorded_run_is_slow_or_fast_as_a_whole(tmp_path, recorded):
    """Three runs; without times of the branches, these are as slow as the head before them."""
    exiting(tmp_path)
    slow, cuts = np.array([0.5, 1.0, 2.0]), len(LAYERS)
    heads = np.array([*HEAD_S, NET.local_s])
    branch_s = np.array([EXIT_S.get(cut, np.nan) for cut in LAYERS])
    runs = {
        "run": np.repeat(np.arange(3), cuts),
        "cut": np.tile(np.arange(cuts), 3),
        **{f"{step}_s": np.zeros(3 * cuts) for step in ("pre", "encode", "decode")},
        "head_s": np.outer(slow, heads).ravel(),
        "tail_s": np.outer(slow, [*TAIL_S, 0.0]).ravel(),
    }
    if recorded:
        runs["exit_s"] = np.outer(slow**2, branch_s).ravel()
    path = tmp_path / "tables" / "profiles" / "net@board.runs.parquet"
    pq.write_table(pa.table({n: pa.array(v, from_pandas=True) for n, v in runs.items()}), path)
    device = {"arrivals": QUIET, "service": {"kind": "recorded"}}
    policies = (policy("split", 3, 0.8), policy("local", None, 0.8))
    changes = {"duration_s": 100.0, "devices": [device]}
    spec = exiting(tmp_path, changes, policies=policies).points[0]
    for name, cut in (("split", 3), ("local", 4)):
        seen = set()
        for row in simulate(spec, name, 0).tasks:
            ended = way_out(row.sample, cut, 0.8)
            last = cut if ended is None else ended
            branches_s = sum(s for at, s in EXIT_S.items() if at <= last)
            found_s = row.head_end_s - row.head_start_s
            by_run = slow * heads[last] + (slow**2 if recorded else slow) * branches_s
            seen.add(int(np.argmin(np.abs(by_run - found_s))))
            assert found_s == pytest.approx(min(by_run, key=lambda s: abs(s - found_s)))
        assert seen == {0, 1, 2}


def test_loss_does_not_reach_an_answer_given_on_the_device(tmp_path):
    cell = {"transport": {"kind": "unreliable", "loss": 0.3}}
    how = policy("early", 3, 0.8)
    changes = {"duration_s": 200.0, "cells": {"cell": cell}}
    for row in simulate(exiting(tmp_path, changes, policies=(how,)).points[0], "early", 0).tasks:
        ended = way_out(row.sample, 3, 0.8)
        crossed = (row.sample + 3) % 2 == 0 and row.sample % 4 == 0
        assert row.correct == (crossed if ended is None else RIGHT[ended][row.sample])


# --- Falling back to an exit -----------------------------------------------------------------

OUTAGE = {"kind": "constant", "rate_bps": {"kind": "steps", "times_s": [0, 50], "values": [1e6, 0]}}


def fallback(tmp_path, *policies, then="exit", after_s=0.2, **more):
    timeout = {"after_s": after_s, "from": "created", "then": then}
    device = {"arrivals": QUIET, "timeout": timeout, **more}
    changes = {"devices": [device], "cells": {"cell": {"uplink": OUTAGE}}}
    return exiting(tmp_path, changes, policies=policies).points[0]


def test_when_the_link_is_down_the_last_exit_answers_when_patience_ends(tmp_path):
    spec = fallback(tmp_path, policy("early", 3, 0.8), policy("plain", 3))
    for name in ("early", "plain"):
        for row in simulate(spec, name, 0).tasks:
            ended = way_out(row.sample, 3, 0.8) if name == "early" else None
            # A plain split evaluates the one branch that it may need.
            computing_s = 0.06 + EXIT_S[2] if name == "plain" else head_s(3, ended)
            assert row.head_end_s - row.head_start_s == pytest.approx(computing_s)
            assert row.compute_j == pytest.approx(3.0 * computing_s)
            assert row.status == DONE
            if row.created_s < 50 or ended is not None:
                assert row.exit == (None if ended is None else LAYERS[ended])
                assert row.fallback_start_s is None
                continue
            assert row.done_s == row.fallback_start_s == row.fallback_end_s
            assert row.done_s == pytest.approx(row.created_s + 0.2)
            assert row.exit == "layer2"
            assert row.correct == RIGHT[2][row.sample]
            assert row.sent_bytes == 0
            assert row.tx_end_s is None


def test_who_has_no_exits_answer_yet_times_out(tmp_path):
    """Before the first exit, while the head is computed, and where all is computed here."""
    offload = {"name": "offload", "kind": "offload", "model": "net"}
    spec = fallback(tmp_path, offload, policy("split", 1))
    late = {
        n: [r for r in simulate(spec, n, 0).tasks if r.created_s > 50] for n in ("offload", "split")
    }
    assert {row.status for row in late["offload"]} == {TIMEOUT}
    assert {(row.status, row.exit) for row in late["split"]} == {(DONE, "layer1")}
    hasty = fallback(tmp_path, policy("split", 3), policy("local"), after_s=0.05)
    for name in ("split", "local"):
        rows = simulate(hasty, name, 0).tasks
        assert {(row.status, row.exit) for row in rows} == {(TIMEOUT, None)}
        assert all(row.done_s is None and row.correct is None for row in rows)


def test_going_on_alone_goes_the_same_way(tmp_path):
    """Gives up after 20 ms, most often within the head: the rest of the way is computed."""
    spec = fallback(tmp_path, policy("early", 3, 0.8), then="local", after_s=0.02)
    rows = simulate(spec, "early", 0).tasks
    assert {row.status for row in rows} == {DONE}
    for row in rows:
        ended = way_out(row.sample, 3, 0.8)
        assert row.exit == (None if ended is None else LAYERS[ended])
        alone_s = head_s(3, ended) + (0.0 if ended else NET.local_s - 0.06)
        assert row.done_s - row.created_s == pytest.approx(alone_s)
        assert (row.fallback_start_s is None) == (ended == 1)
        right = RIGHT[ended][row.sample] if ended else (row.sample + 3) % 2 == 0
        assert row.correct == right


# --- Policies --------------------------------------------------------------------------------


def test_policies_that_predict_need_a_floor_under_their_answers(tmp_path):
    fastest = {"name": "fastest", "kind": "fastest", "initial_rate_bps": RATE_BPS}
    policies = (fastest, {**fastest, "name": "careful", "min_correct": 0.5})
    spec = exiting(tmp_path, policies=policies).points[0]
    options = spec.device_options(spec.scenario.devices[0])
    right = {option.label: options.correct[n] for n, option in enumerate(options)}
    hasty = {row.option for row in simulate(spec, "fastest", 0).tasks}
    assert all(option.endswith("exit 0.3") for option in hasty)
    assert all(right[option] < 0.5 for option in hasty)
    careful = {row.option for row in simulate(spec, "careful", 0).tasks}
    assert all(right[option] >= 0.5 for option in careful)
    best = max(right.values())
    with pytest.raises(BadInput, match=rf"no option .* min_correct 0\.99 .* best is in {best:.4g}"):
        exiting(tmp_path, policies=({**fastest, "min_correct": 0.99},))
    with pytest.raises(BadInput, match=r"min_correct must be a share from 0 to 1, not 1\.5"):
        exiting(tmp_path, policies=({**fastest, "min_correct": 1.5},))


# --- Laws ------------------------------------------------------------------------------------

HARD = """
duration_s: 60
warmup_s: 2
drain_s: 2
devices:
  - name: hasty
    count: 2
    arrivals: {kind: poisson, rate_hz: 6}
    cell: fading
    timeout: {after_s: 0.15, from: created, then: exit}
    service: {kind: exponential}
  - name: sender
    arrivals: {kind: poisson, rate_hz: 4}
    cell: broken
    timeout: {after_s: 0.06, from: sent, then: exit}
    service: {kind: lognormal, cv: 0.5}
  - name: alone
    arrivals: {kind: poisson, rate_hz: 5}
    cell: broken
    timeout: {after_s: 0.1, from: created, then: local}
  - {name: patient, arrivals: {kind: closed, think_s: 0.02}, cell: fading}
  - name: tired
    arrivals: {kind: periodic, period_s: 0.2}
    cell: broken
    max_in_flight: 2
    battery: {capacity_j: 100}
cells:
  cell: null
  fading:
    radio: sleepy
    latency_s: 0.01
    uplink:
      kind: fading
      bandwidth_hz: 500000
      snr: {kind: constant, mean_db: 3}
      fading: {kind: rayleigh, doppler_hz: 10}
      rate: {kind: shannon, efficiency: 0.4}
    downlink: {kind: constant, rate_bps: 1000000}
  broken:
    radio: sleepy
    transport: {kind: unreliable, loss: 0.25}
    uplink:
      kind: constant
      rate_bps: {kind: steps, times_s: [0, 10, 14, 30, 32], values: [400000, 0, 300000, 0, 500000]}
    downlink: {kind: constant, rate_bps: 200000}
servers:
  edge: {service: {kind: exponential}}
  cloud: {hardware: rack, workers: 2, backhaul_s: 0.02, report_every_s: 0.5}
"""
SLEEPY = replace(
    WAVES, name="sleepy", promotion_s=0.03, promotion_w=0.7, tail_s="0.1 0.2", tail_w="1.1 0.2"
)
LAWS = [
    law
    for law in vars(test_laws).values()
    if inspect.isfunction(law)
    and {"path", "policy"} <= set(inspect.signature(law).parameters)
    and law.__name__.startswith("test_")
]
HARD_POLICIES = (
    policy("local", None, 0.8),
    policy("split", 3, 0.8),
    policy("plain", 3),
    {"name": "random", "kind": "random"},
    {"name": "fastest", "kind": "fastest", "initial_rate_bps": 1e6, "min_correct": 0.4},
    {"name": "frugal", "kind": "frugal", "latency_weight": 1.0},
)


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits")
    exiting(folder, yaml.safe_load(HARD), radio=SLEEPY, policies=HARD_POLICIES)
    return folder / "scenario.yaml"


@pytest.mark.parametrize("policy", [how["name"] for how in HARD_POLICIES])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_law_holds_with_exits(hard, law, policy, monkeypatch):
    given = {"path": hard, "policy": policy, "monkeypatch": monkeypatch}
    law(**{name: given[name] for name in inspect.signature(law).parameters})


def test_the_hard_scenario_has_every_kind_of_exit(hard):
    rows = [row for p in ("split", "plain") for row in test_laws.part_of(hard, p).tasks]
    early = {row.exit for row in rows if row.exit and row.fallback_start_s is None}
    assert early == {"layer1", "layer2"}
    in_vain = [row for row in rows if row.exit and row.fallback_start_s is not None]
    assert {row.device.rsplit("-", 1)[0] for row in in_vain} >= {"hasty", "sender"}
    assert any(row.server_start_s is not None for row in in_vain)
    assert any(row.status == TIMEOUT for row in rows)
    test_laws.test_every_policy_meets_the_same_arrivals(hard)


# --- Summary and report ----------------------------------------------------------------------


def test_the_summary_and_the_report_tell_who_exited(hard, tmp_path):
    scenario = load_scenario(hard, {"duration_s": 20})
    results = run(scenario, tmp_path / "out", jobs=1, table_uncertainty=1)
    assert results.complete
    counted_s = scenario.points[0].scenario.counted_s
    counted = results.tasks[results.tasks.created_s >= counted_s]
    for row in results.summary_rows:
        mine = counted[counted.policy == row["policy"]]
        assert row["exited"] == pytest.approx(mine.exit.notna().mean())
    for group in digest(results):
        mine = counted[counted.policy == group.policy]
        assert math.fsum(group.exits.values()) == pytest.approx(mine.exit.notna().mean())
        assert group.exits.get(("layer1", False), 0) == pytest.approx(
            ((mine.exit == "layer1") & mine.fallback_start_s.isna()).mean()
        )
        for parts, rests in (
            (group.latency_parts_s, group.latency_basis_s),
            (group.energy_parts_j, group.energy_basis_j),
        ):
            for part, mean in parts.items():
                assert math.fsum(rests[part].values()) == pytest.approx(mean, abs=1e-12)
        assert group.latency_basis_s["device computes"]["scenario"] == pytest.approx(0, abs=1e-12)
    text = page(results)
    assert "Which exits answered" in text
    assert '<th class="number">layer1<small>% of tasks</small></th>' in text


def test_the_terminal_shows_the_column_only_where_there_are_exits(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shown = []
    for n, how in enumerate((policy("early", 3, 0.8), policy("plain", 3))):
        exiting(tmp_path, {"duration_s": 20.0}, policies=(how,))
        command = ["splitsim", "run", "scenario.yaml", "--out", f"out{n}"]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit):
            main()
        shown.append("exited" in capsys.readouterr().out)
    assert shown == [True, False]


def test_what_a_branchs_time_rests_on_is_told(tmp_path):
    """Everything is assumed but the branches, which are measured."""
    exiting(tmp_path)
    profile = tmp_path / "tables" / "profiles" / "net@board.csv"
    fill(profile, exit_basis=dict.fromkeys(EXIT_S, "measured"))
    path = tmp_path / "scenario.yaml"
    data = yaml.safe_load(path.read_text()) | {"policies": [policy("early", None, 0.8)]}
    path.write_text(yaml.safe_dump(data))
    results = run(load_scenario(path), tmp_path / "out", jobs=1)
    (group,) = digest(results)
    tasks = results.tasks
    branch_s = np.where(tasks.exit == "layer1", EXIT_S[1], sum(EXIT_S.values()))
    rests = group.latency_basis_s["device computes"]
    assert rests["measured"] == pytest.approx(branch_s.mean())
    computed_s = (tasks.head_end_s - tasks.head_start_s).mean()
    assert rests["assumed"] == pytest.approx(computed_s - branch_s.mean())


# --- Tables read strictly --------------------------------------------------------------------


def test_a_branch_is_shifted_as_its_head_is(tmp_path):
    exiting(tmp_path)
    profile = Tables([tmp_path / "tables"]).profile("net", "board")
    for number in range(1, 6):
        moved = profile.shifted(Shift(number))
        factor = moved.times["head"][1] / profile.times["head"][1]
        assert moved.times["exit"][1] == pytest.approx(EXIT_S[1] * factor)
        assert moved.times["exit"][3] is None


nan = np.nan
CUT = table()["cut"]
SAMPLE = table()["sample"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exit_entropy": None}, "there is no column exit_entropy; there are sample, cut"),
        (
            {"exit_correct": np.where(CUT == 1, 2.0, table()["exit_correct"])},
            "exit_correct: must be from 0 to 1, not 2",
        ),
        (
            {"exit_correct": np.where(CUT == 1, 0.5, table()["exit_correct"])},
            "exit_correct: must be 0 or 1",
        ),
        (
            {"exit_confidence": 1 + table()["exit_confidence"]},
            "exit_confidence: must be from 0 to 1, not 1.0125",
        ),
        (
            {"exit_entropy": np.where(SAMPLE == 3, nan, table()["exit_entropy"])},
            r"exit_\*: must be null in all rows of a cut or in none, unlike those of cut 1, 2",
        ),
        (
            {
                name: np.where((CUT == 2) & (table()["loss"] > 0), nan, table()[name])
                for name in table()
                if name.startswith("exit_")
            },
            r"exit_\*: must be null in all rows of a cut or in none, unlike those of cut 2",
        ),
        (
            {name: np.where(CUT == 4, 0, table()[name]) for name in table() if "exit_" in name},
            r"exit_\*: must be null at the last cut, where the network itself answers",
        ),
    ],
)
def test_an_outcomes_table_with_odd_exits_is_one_clear_error(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        exiting(tmp_path, found=table(**changes))


def test_outcomes_and_profile_have_the_same_exits(tmp_path):
    what = r"scenario.yaml:\d+:\d+: devices.device.hardware: "
    with pytest.raises(BadInput) as error:
        exiting(tmp_path, exit_s={1: 0.002})
    (line,) = error.value.problems
    assert line.endswith(
        "profiles/net@board.csv: needs head_s and exit_s at 'layer2', where "
        "outcomes/net@pictures.parquet has an exit; run splitsim profile again"
    )
    with pytest.raises(BadInput, match=what):
        exiting(tmp_path, found=table(exits=(2,)))
    with pytest.raises(BadInput, match="exit_s: must be empty at the last cut"):
        exiting(tmp_path, exit_s={1: 0.002, 2: 0.003, 4: 0.1})
    exiting(tmp_path)
    profile = tmp_path / "tables" / "profiles" / "net@board.csv"
    profile.write_text(profile.read_text().replace("exit_basis", "exit_bases"))
    with pytest.raises(BadInput, match="there is no column exit_basis"):
        load_scenario(tmp_path / "scenario.yaml")


def test_recorded_branches_are_where_the_profile_has_exits(tmp_path):
    exiting(tmp_path)
    cuts = len(LAYERS)
    runs = {"run": [0] * cuts, "cut": [*LAYERS]}
    runs |= {f"{step}_s": [0.01] * cuts for step in ("pre", "head", "encode", "decode", "tail")}
    runs["exit_s"] = [None, 0.01, None, None, None]
    path = tmp_path / "tables" / "profiles" / "net@board.runs.parquet"
    pq.write_table(pa.table(runs), path)
    device = {"arrivals": QUIET, "service": {"kind": "recorded"}}
    with pytest.raises(BadInput, match="exit_s: must be numbers, 0 or more, at cut 2, where the"):
        exiting(tmp_path, {"devices": [device]})


# --- Validation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"exits": {"by": "luck", "thresholds": [0.0, 1.0]}},
            [
                "exits.by: must be 'confidence' or 'entropy', not 'luck'",
                "exits.thresholds.0: must be more than 0, not 0.0",
                "exits.thresholds.1: must be less than 1, not 1.0",
            ],
        ),
        (
            {"exits": {"by": "entropy", "thresholds": [0.5, 0.5]}},
            ["exits.thresholds: must rise, each above the one before, not a list"],
        ),
        (
            {"exits": {"by": "entropy", "thresholds": []}},
            ["exits.thresholds: must have 1 or more members, not 0"],
        ),
        (
            {"dataset": None},
            ["exits: samples decide who ends early; name a dataset with outcomes of exits"],
        ),
        (
            {
                "exits": None,
                "devices": [{"timeout": {"after_s": 1.0, "from": "sent", "then": "exit"}}],
            },
            [
                "devices.device.timeout.then: needs exits; add exits: {by: confidence, "
                "thresholds: [0.9]}, or fail"
            ],
        ),
        (
            {"policies": [policy("a", 3, 0.7), policy("b", None, 0.5)]},
            [
                "policies.a: no exit 0.7; among exits.thresholds there are 0.3, 0.8",
                "policies.b: no exit 0.5; among exits.thresholds there are 0.3, 0.8",
            ],
        ),
        (
            {"policies": [{**policy("a", 0, 0.8)}]},
            ["policies.a: model 'net' has no exits up to cut 'input'; leave out exit"],
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_place(tmp_path, changes, messages):
    with pytest.raises(BadInput) as error:
        exiting(tmp_path, changes)
    assert len(error.value.problems) == len(messages)
    for problem, message in zip(error.value.problems, messages, strict=True):
        place, _, what = problem.partition(": ")
        assert what == message
        assert place.startswith(str(tmp_path / "scenario.yaml:"))
        assert len(place.split(":")) == 3


def test_a_model_without_exits_cannot_end_early(tmp_path):
    with pytest.raises(BadInput, match="exits: no model has exits in its outcomes on the dataset"):
        exiting(tmp_path, found=table(exits=()), exit_s={})
    plain = {name: v for name, v in table().items() if not name.startswith("exit_")}
    with pytest.raises(BadInput, match="exits: no model has exits in its outcomes on the dataset"):
        exiting(tmp_path, found=plain, exit_s={})
    with pytest.raises(BadInput, match=r"policies\.a: model 'net' has no exits on the device"):
        exiting(tmp_path, {"exits": None}, policies=(policy("a", None, 0.8),))
