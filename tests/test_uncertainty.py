"""Uncertainty of tables: what a shift does to them, and what a run under shifts leaves behind."""

from __future__ import annotations

import csv
import json
import math
import os
import shlex
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from building import Board, Net, Waves, build
from scipy import stats
from test_experiment import COMMAND, needs_proc, start, wait_until

from splitsim import BadInput, Results, load_scenario, run
from splitsim.folder import failures, prepare
from splitsim.parts import TABLES, PartName, home, parts_in
from splitsim.profiles import Tables
from splitsim.report import bands
from splitsim.report.basis import KINDS, total
from splitsim.report.digest import digest
from splitsim.report.page import page
from splitsim.shifts import METRICS, with_shifts
from splitsim.uncertainty import BASES, FACTORS, Shift, weaker

TEACHER = Net(
    "teacher", head_s=(0.0, 0.06), send_bytes=(4e4, 2e4), tail_s=(0.02, 0.01), local_s=0.1
)
STUDENT = replace(
    TEACHER, name="student", head_s=(0.0, 0.01), send_bytes=(4e4, 2e3), tail_s=(0.018, 0.012),
    local_s=0.09, network="teacher", basis="scaled",
)  # fmt: skip
WAVES = Waves(
    "waves", 4e-7, 5e-8, 1.3, promotion_s=0.1, promotion_w=1.2, tail_s="1 2", tail_w="1 0"
)
SCENARIO = {
    "duration_s": 20.0,
    "seeds": 2,
    "cells": {"cell": {"radio": "waves", "uplink": {"kind": "constant", "rate_bps": 5e6}}},
    "policies": [
        {"name": "local", "kind": "local", "model": "teacher"},
        {"name": "offload", "kind": "offload", "model": "teacher"},
        {"name": "split", "kind": "split", "model": "student", "cut": 1},
    ],
}
PARTS = 6  # of one shift
NUMBERS = range(1, 201)


def built(folder: Path, **more):
    folder.mkdir(exist_ok=True)
    tables = {"nets": (TEACHER, STUDENT), "radios": (WAVES,)} | more
    return build(folder, scenario=SCENARIO, **tables)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return built(tmp_path_factory.mktemp("world") / "w")


@pytest.fixture(scope="module")
def shifted(scenario, tmp_path_factory):
    """A run under three shifts."""
    return run(scenario, tmp_path_factory.mktemp("shifted") / "r", jobs=1, table_uncertainty=3)


@pytest.fixture(scope="module")
def plain(scenario, tmp_path_factory):
    return run(scenario, tmp_path_factory.mktemp("plain") / "r", jobs=1)


# --- What a shift does -----------------------------------------------------------------------


def test_an_entry_is_log_uniform_within_its_factor():
    shifts = [Shift(number) for number in range(1, 2001)]
    exponents = [shift.exponent("resnet152@jetson-nano/head") for shift in shifts]
    assert stats.kstest(exponents, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    for basis, factor in FACTORS.items():
        found = np.array([s.value(f"a board/{basis}", 5.0, factor) for s in shifts])
        assert 5 / factor <= found.min() < found.max() <= 5 * factor
        logs = np.log(found / 5) / math.log(factor)
        assert stats.kstest(logs, stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_what_has_another_name_moves_by_itself():
    pairs = np.array([[Shift(n).exponent(name) for name in ("a/head", "a/tail")] for n in NUMBERS])
    assert abs(stats.pearsonr(*pairs.T).statistic) < 4.5 / math.sqrt(len(pairs))


def test_a_shift_is_the_same_every_time(scenario):
    again = load_scenario(scenario.path)
    assert scenario.spec(0, 7) == again.spec(0, 7)
    assert scenario.spec(0, 7) != scenario.spec(0, 8)
    assert scenario.spec(0) is scenario.points[0]


def test_every_entry_is_shifted_within_its_factor(scenario):
    plain, number = scenario.points[0], 3
    moved = scenario.spec(0, number)
    board, before = moved.hardware["device"], plain.hardware["device"]
    ratios = {"idle": board.idle_w / before.idle_w, "compute": board.compute_w / before.compute_w}
    for name, ratio in ratios.items():
        assert ratio == pytest.approx(3.0 ** Shift(number).exponent(f"board/{name}"))
    radio, was = moved.radios["cell"], plain.radios["cell"]
    power = 3.0 ** Shift(number).exponent("radio/waves")
    for name in ("a_up_j_per_bit", "a_down_j_per_bit", "b_w", "zero_w", "promotion_w"):
        assert getattr(radio, name) == pytest.approx(getattr(was, name) * power), name
    assert radio.tail_w == pytest.approx([w * power for w in was.tail_w])
    time = radio.promotion_s / was.promotion_s
    assert 1 / 3 <= time <= 3
    assert time != pytest.approx(power)
    assert radio.tail_s == pytest.approx([s * time for s in was.tail_s])
    for one, other in zip(moved.options["device"], plain.options["device"], strict=True):
        assert one.label == other.label
        assert 1 / 3 <= one.head_s / (other.head_s or 1) <= 3 or not other.head_s
        assert one.send_bits == other.send_bits
        assert one.mean.correct == other.mean.correct


def test_a_factor_of_its_own_replaces_that_of_the_basis(tmp_path):
    built(tmp_path / "w")
    folder = tmp_path / "w" / "tables"
    with_column(folder / "hardware.csv", "compute_factor", "1")
    with_column(folder / "radios.csv", "factor", "1")
    with_column(folder / "profiles" / "teacher@board.csv", "head_factor", "1.5")
    scenario = load_scenario(tmp_path / "w" / "scenario.yaml")
    for number in NUMBERS[:50]:
        spec, plain = scenario.spec(0, number), scenario.points[0]
        assert spec.hardware["device"].compute_w == plain.hardware["device"].compute_w
        assert spec.radios == plain.radios
        own = spec.options["device"][2].head_s / plain.options["device"][2].head_s
        assert own == pytest.approx(1.5 ** Shift(number).exponent("teacher@board/head"))


def test_a_student_moves_with_its_teacher_and_never_beyond_it(scenario):
    tables = scenario.tables
    for number in NUMBERS:
        shift = Shift(number)
        teacher, student = (
            tables.shifted(number).profile(model, "board") for model in ("teacher", "student")
        )
        u = shift.exponent("teacher@board/head")
        assert teacher.times["head"][1] == pytest.approx(0.06 * 3**u)
        assert student.times["head"][1] == pytest.approx(0.01 * 2**u)
        assert student.times["head"][2] <= teacher.times["head"][2]
        assert student.times["tail"][1] <= teacher.times["tail"][0]
        # Pre-processing is a step of the board, and the same for both.
        assert student.times["pre"] == teacher.times["pre"]


def test_no_part_takes_longer_than_the_whole(tmp_path):
    """A whole is published, its parts are scaled: by their factors alone they would cross."""
    built(tmp_path / "w", nets=(replace(TEACHER, head_s=(0.0, 0.09)), STUDENT))
    path = tmp_path / "w" / "tables" / "profiles" / "teacher@board.csv"
    text = path.read_text().replace("assumed", "scaled").splitlines()
    text[-1] = text[-1].replace("scaled", "published")  # the whole head
    text[1] = text[1].replace("scaled", "published")  # the whole tail
    path.write_text("\n".join(text) + "\n")
    tables = load_scenario(tmp_path / "w" / "scenario.yaml").tables
    capped = 0
    for number in NUMBERS:
        times = tables.shifted(number).profile("teacher", "board").times
        assert times["head"][1] <= times["head"][2]
        assert times["tail"][1] <= times["tail"][0]
        capped += times["head"][1] == times["head"][2]
    assert 0 < capped < len(NUMBERS)


def test_measured_heads_that_do_not_rise_are_left_so(tmp_path):
    crooked = replace(TEACHER, head_s=(0.0, 0.12), basis="measured")
    tables = built(tmp_path / "w", nets=(crooked, STUDENT)).tables
    times = tables.shifted(5).profile("teacher", "board").times["head"]
    assert times[1] / times[2] == pytest.approx(0.12 / 0.1)


def test_joules_of_their_own_are_shifted_by_the_factor_of_the_head(tmp_path):
    built(tmp_path / "w")
    with_column(tmp_path / "w" / "tables" / "profiles" / "teacher@board.csv", "energy_j", "0.4")
    scenario = load_scenario(tmp_path / "w" / "scenario.yaml")
    joules = [scenario.spec(0, n).options["device"][1].mean.energy_j / 0.4 for n in NUMBERS]
    assert 1 / 3 <= min(joules) < 0.5 < 2 < max(joules) <= 3


def test_shifted_tables_know_only_what_was_read(scenario):
    tables = scenario.tables.shifted(1)
    assert tables.model("student") == scenario.tables.model("student")
    with pytest.raises(BadInput):
        tables.profile("resnet152", "jetson-nano")


def test_a_hardware_without_watts_has_none_under_a_shift(tmp_path):
    boards = (Board("board", idle_w="", compute_w=""), Board("rack"))
    scenario = built(tmp_path / "w", boards=boards)
    assert not scenario.spec(0, 1).hardware["device"].has_watts
    results = run(scenario, tmp_path / "r", jobs=1, table_uncertainty=1)
    assert "latency_mean_s_best" in results.summary
    assert "energy_mean_j_best" not in results.summary
    assert "best in" in page(results)


def test_the_shipped_student_moves_with_its_teacher():
    tables = Tables()
    teacher, student = (
        tables.profile(model, "jetson-nano") for model in ("resnet152", "resnet152-bottlefit12")
    )
    assert student.network == "resnet152"
    assert student.origin == teacher


# --- A run under shifts ----------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    paths = [*folder.rglob("*.parquet"), folder / "summary.csv"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_run_itself_is_that_of_the_tables(shifted, plain):
    assert shifted.tasks.equals(plain.tasks)
    ours, theirs = files(shifted.folder), files(plain.folder)
    assert all(ours[name] == theirs[name] for name in theirs if name != "summary.csv")
    assert {row["policy"] for row in shifted.summary_rows} == {"local", "offload", "split"}
    kept = [name for name in shifted.summary.columns if name in plain.summary.columns]
    assert shifted.summary[kept].equals(plain.summary)


def test_each_shift_has_every_part_and_its_own_tables(shifted, scenario):
    assert shifted.manifest["shifts"] == shifted.shifts == 3
    assert shifted.parts == 4 * PARTS
    assert shifted.complete
    for shift in range(4):
        names = parts_in(shifted.folder, shift)
        assert len(names) == PARTS
        spec = scenario.spec(0, shift)
        head_s = spec.options["device"][2].head_s  # all of the teacher
        rows = names[0].read(shifted.folder, "tasks")
        assert set(rows["policy"]) == {"local"}
        assert rows["head_end_s"] - rows["head_start_s"] == pytest.approx(head_s)


def test_the_world_is_the_same_under_every_shift_and_for_every_policy(shifted):
    created = {
        (name.seed, tuple(name.read(shifted.folder, "tasks", ["created_s"])["created_s"]))
        for shift in range(4)
        for name in parts_in(shifted.folder, shift)
    }
    assert len(created) == 2  # one world per seed


def test_the_number_of_processes_changes_no_byte(shifted, scenario, tmp_path):
    parallel = run(scenario, tmp_path / "r", jobs=2, table_uncertainty=3)
    assert files(parallel.folder) == files(shifted.folder)


def test_resuming_adds_shifts_to_a_finished_run(shifted, scenario, tmp_path):
    first = run(scenario, tmp_path / "r", jobs=1)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.parquet")}
    told = []
    for shifts in (1, 3, None, 2):  # none is ever taken away
        run(
            scenario, tmp_path / "r", jobs=1, resume=True, table_uncertainty=shifts,
            progress=told.append,
        )  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert files(first.folder) == files(shifted.folder)
    assert told[-1].parts == told[-1].parts_done == 4 * PARTS


def test_a_run_that_is_stopped_among_its_shifts_loses_nothing(shifted, scenario, tmp_path):
    out = tmp_path / "r"
    prepare(scenario, out, resume=False, table_uncertainty=3)
    for name in [*parts_in(shifted.folder), *parts_in(shifted.folder, 1)[:3]]:
        for table in TABLES:
            path = name.path(out, table)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.path(shifted.folder, table).read_bytes())
    assert Results(out).missing == 4 * PARTS - 9
    results = run(scenario, out, jobs=1, resume=True)  # the folder knows how many were asked for
    assert results.complete
    assert files(out) == files(shifted.folder)


def command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *more], cwd=folder, check=False, capture_output=True, text=True
    )


@needs_proc
def test_ctrl_c_among_the_shifts_says_how_to_go_on(shifted, scenario, tmp_path):
    folder, out = scenario.path.parent, tmp_path / "r"
    longer = ("--set", "duration_s=400")
    process = start(folder, *longer, "--out", str(out), "--jobs", "2", "--table-uncertainty", "9")
    wait_until(lambda: parts_in(out, 1))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    again = shlex.split(err.partition("go on with: splitsim ")[2])
    assert again[-4:] == ["9", "--out", str(out), "--resume"]
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert len(kept) < 10 * PARTS * 3
    done = command(folder, *again)
    assert done.returncode == 0, done.stderr
    assert Results(out).complete
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "how often each policy is best, % of 9 shifts of the tables" in done.stdout


@pytest.mark.parametrize("wrong", ["0", "-1", "2.5", "many", "10000"])
def test_the_command_line_refuses_a_bad_number(scenario, tmp_path, wrong):
    out = str(tmp_path / "r")
    more = ("--out", out, "--table-uncertainty", wrong)
    done = command(scenario.path.parent, "run", "scenario.yaml", *more)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "must be a whole number" in line
    assert wrong in line.replace(",", "")


def test_a_part_that_fails_under_a_shift_is_told_with_it(scenario, tmp_path, monkeypatch):
    from splitsim import experiment

    def fail(spec, policy, *args):
        if spec is not scenario.points[0] and policy == "split":
            raise RuntimeError("no idea")
        return simulate(spec, policy, *args)

    simulate = experiment.simulate
    monkeypatch.setattr(experiment, "simulate", fail)
    results = run(scenario, tmp_path / "r", jobs=1, table_uncertainty=1)
    names = [f"shifts/0001/p0000-split-s000{seed}" for seed in (0, 1)]
    assert list(failures(results.folder)) == names
    assert results.missing == 2
    row = results.summary_rows[0]
    assert row["shifts"] == 0  # not all policies are there
    assert math.isnan(row["goodput_best"])
    assert "not complete" in page(results)
    monkeypatch.undo()
    run(scenario, tmp_path / "r", jobs=1, resume=True)
    assert not failures(tmp_path / "r")


@pytest.mark.parametrize("wrong", [0, -1, 10_000, 1.5, True, "3"])
def test_a_number_of_shifts_that_cannot_be_is_refused(scenario, tmp_path, wrong):
    with pytest.raises(BadInput, match="table_uncertainty: must be a whole number from 1 to "):
        run(scenario, tmp_path / "r", jobs=1, table_uncertainty=wrong)
    assert not (tmp_path / "r").exists()


def test_a_part_of_a_shift_has_its_place_and_name():
    name = PartName(1, "local", 2, 3)
    assert str(name) == "shifts/0003/p0001-local-s0002"
    assert name.path(Path("r"), "tasks") == Path("r/shifts/0003/tasks/p0001-local-s0002.parquet")
    assert home(Path("r")) == Path("r")


# --- The summary -----------------------------------------------------------------------------


def test_the_summary_tells_of_the_shifts(shifted, plain):
    with (shifted.folder / "summary.csv").open(newline="") as file:
        header = next(csv.reader(file))
    expected = [f"{m}_{what}" for m in METRICS for what in ("low", "high", "best")]
    assert header[header.index("shifts") + 1 :] == expected
    assert not any("_best" in name for name in plain.summary)
    for metric in METRICS:
        assert shifted.summary[f"{metric}_best"].sum() == pytest.approx(1)
    for row in shifted.summary_rows:
        found = [
            next(r for r in shifted._summarise(n) if r["policy"] == row["policy"])["latency_mean_s"]
            for n in (1, 2, 3)
        ]
        assert row["latency_mean_s_low"] == min(found)
        assert row["latency_mean_s_high"] == max(found)


def rows_of(latency: dict[str, float], point: int = 0, seeds: int = 1, **more: float):
    nothing = dict.fromkeys(METRICS, math.nan) | more
    return [
        {"point": point, "policy": p, "seeds": seeds, **nothing, "latency_mean_s": s, "rate": 1}
        for p, s in latency.items()
    ]


def test_who_is_equally_good_shares_being_best():
    nominal = rows_of({"a": 1.0, "b": 1.0, "c": math.nan})
    shifts = [
        rows_of({"a": 1.0, "b": 2.0, "c": math.nan}),
        rows_of({"a": 1.0, "b": 1.0, "c": 3.0}),
        rows_of({"a": math.inf, "b": math.inf, "c": math.inf}),
        rows_of({"a": 3.0, "b": 2.0, "c": math.nan}),
    ]
    rows = with_shifts(nominal, shifts, ["rate"])
    best = [row["latency_mean_s_best"] for row in rows]
    assert best[:2] == pytest.approx([(1 + 1 / 2) / 4, (1 / 2 + 1) / 4])
    assert math.isnan(best[2])  # not known in some shifts
    assert list(rows[0])[-1] == "rate"
    assert "goodput_best" not in rows[0]  # known nowhere


def test_more_goodput_is_better():
    both = [*rows_of({"a": 1.0}, goodput=0.9), *rows_of({"b": 1.0}, goodput=0.8)]
    rows = with_shifts(both, [both, both], [])
    assert [row["goodput_best"] for row in rows] == [1, 0]
    assert [row["latency_mean_s_best"] for row in rows] == [0.5, 0.5]


def test_bounds_are_quantiles_if_there_are_enough_shifts_for_them():
    few, many = ([rows_of({"a": float(n)}) for n in range(size)] for size in (19, 101))
    (row,) = with_shifts(rows_of({"a": 5.0}), few, [])
    assert (row["latency_mean_s_low"], row["latency_mean_s_high"]) == (0, 18)
    (row,) = with_shifts(rows_of({"a": 5.0}), many, [])
    assert (row["latency_mean_s_low"], row["latency_mean_s_high"]) == (5, 95)


def test_only_whole_shifts_count_point_by_point():
    nominal = [*rows_of({"a": 1.0, "b": 2.0}, 0, 2), *rows_of({"a": 1.0, "b": 2.0}, 1, 2)]
    half = [*rows_of({"a": 1.0}, 0, 2), *rows_of({"a": 3.0, "b": 2.0}, 1, 2)]
    young = [*rows_of({"a": 1.0, "b": 2.0}, 0, 1), *rows_of({"a": 3.0, "b": 2.0}, 1, 2)]
    rows = with_shifts(nominal, [half, young], [])
    assert [row["shifts"] for row in rows] == [0, 0, 2, 2]
    assert [row["latency_mean_s_best"] for row in rows[2:]] == [0, 1]


# --- The report ------------------------------------------------------------------------------


def test_the_report_shows_bounds_and_shares(shifted, plain):
    text = page(shifted)
    assert "If the tables are off" in text
    assert "under 3 shifts of the tables" in text
    assert "If the tables are off" not in page(plain)
    for column in bands.shown(shifted.summary_rows):
        assert f'data-key="shift-{column.key}"' in text
    looks = {row["policy"]: LOOK for row in shifted.summary_rows}
    figure = bands.bands(shifted.summary_rows, bands.shown(shifted.summary_rows)[0], looks)
    shares = [note.text for note in figure.layout.annotations]
    best = [row["latency_mean_s_best"] for row in shifted.summary_rows]
    assert shares == [f"best in {100 * share:.0f} %" for share in best]


LOOK = bands.Line("#000000", "solid", "circle", 2.0)


def test_an_endless_bound_reaches_the_edge():
    (row,) = with_shifts(rows_of({"a": 2.0}), [rows_of({"a": 1.0}), rows_of({"a": math.inf})], [])
    line, _ = bands.bands([row], bands.shown([row])[0], {"a": LOOK}).data
    assert line.text[1] == "\N{INFINITY}"
    assert all(math.isfinite(x) for x in line.x)


def test_what_figures_rest_on_sums_to_them(shifted):
    for group in digest(shifted):
        for parts, basis in (
            (group.latency_parts_s, group.latency_basis_s),
            (group.energy_parts_j, group.energy_basis_j),
        ):
            assert set(parts) == set(basis)
            for part, value in parts.items():
                assert math.fsum(basis[part].values()) == pytest.approx(value), part
                assert list(basis[part]) == list(KINDS)
        latency, energy = total(group.latency_basis_s), total(group.energy_basis_j)
        tables = {"local": "assumed", "offload": "assumed", "split": "scaled"}[group.policy]
        computed = sum(group.latency_parts_s[f"{who} computes"] for who in ("device", "server"))
        assert latency[tables] == pytest.approx(computed)
        assert latency["scenario"] == pytest.approx(sum(group.latency_parts_s.values()) - computed)
        assert energy["assumed"] == pytest.approx(sum(group.energy_parts_j.values()))  # the watts


def test_a_fallback_rests_on_the_device_alone(tmp_path):
    timeout = {"after_s": 0.011, "from": "sent", "then": "local"}
    nets = (replace(TEACHER, basis="published"), STUDENT)
    boards = (Board("board", basis="measured"), Board("rack"))
    built(tmp_path / "w", nets=nets, boards=boards)
    path = tmp_path / "w" / "scenario.yaml"
    scenario = load_scenario(path, {"devices.device.timeout": timeout})
    results = run(scenario, tmp_path / "r", jobs=1)
    group = next(g for g in digest(results) if g.policy == "offload")
    assert group.latency_basis_s["fallback"]["published"] == pytest.approx(0.1)
    energy = group.energy_basis_j["compute"]
    assert energy["published"] == pytest.approx(sum(energy.values()))


def test_options_are_written_with_their_bases(shifted):
    options = shifted.options.set_index(["option"])
    assert len(options) == 6
    row = options.loc["split:student/layer1"]
    assert (row.head_s, row.tail_s, row.wire_bytes) == (0.01, 0.012, 2e3)
    assert (row.head_basis, row.tail_basis, row.compute_basis) == ("scaled", "scaled", "assumed")


def test_the_weaker_basis_counts():
    assert weaker("measured", "scaled", "published") == "scaled"
    assert list(BASES) == sorted(BASES, key=FACTORS.__getitem__)


# --- Bad tables ------------------------------------------------------------------------------


def with_column(path: Path, name: str, value: str) -> None:
    """Give a table one more column with one value, or replace it."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys([*rows[0], name])))
        writer.writeheader()
        writer.writerows(row | {name: value} for row in rows)


BASIS = "must be one of measured, published, scaled, assumed, not "
BAD = [
    ("hardware.csv", "idle_basis", "", "2: idle_basis: " + BASIS + "''"),
    ("hardware.csv", "compute_basis", "guess", "2: compute_basis: " + BASIS + "'guess'"),
    ("hardware.csv", "compute_factor", "0.5", "2: compute_factor: must be a number, 1 or more"),
    ("radios.csv", "basis", "", "2: basis: " + BASIS + "''"),
    ("radios.csv", "factor", "-2", "2: factor: must be a number, 1 or more, not '-2'"),
    ("radios.csv", "promotion_s", "", "2: promotion_s: must be a number, 0 or more, not ''"),
    ("profiles/teacher@board.csv", "head_s", "-1", "2: head_s: must be a number, 0 or more"),
    ("profiles/teacher@board.csv", "tail_basis", "", "2: tail_basis: " + BASIS + "''"),
    ("profiles/teacher@board.csv", "tail_factor", "x", "2: tail_factor: must be a number, 1 or"),
    ("fits.csv", "worst_error", "-1.5", "2: worst_error: must be a number, -1 or more"),
    ("fits.csv", "a_s_per_layer", "", "2: a_s_per_layer: must be a number, 0 or more"),
]


@pytest.mark.parametrize(("file", "column", "value", "expected"), BAD)
def test_a_bad_entry_is_told_with_its_place_and_value(tmp_path, file, column, value, expected):
    built(tmp_path / "w")
    folder = tmp_path / "w" / "tables"
    (folder / "fits.csv").write_text(
        "hardware,networks,a_s_per_layer,b_s_per_gmac,rms_error,worst_error,worst_network\n"
        "board,4,1e-3,2e-2,0.1,-0.3,alexnet\n"
    )
    load_scenario(tmp_path / "w" / "scenario.yaml")
    with_column(folder / file, column, value)
    with pytest.raises(BadInput) as caught:
        load_scenario(tmp_path / "w" / "scenario.yaml")
    assert f"{file}:{expected}" in caught.value.problems[0]


def test_fits_of_the_hardware_stand_in_the_manifest_and_the_report(tmp_path):
    built(tmp_path / "w")
    (tmp_path / "w" / "tables" / "fits.csv").write_text(
        "hardware,networks,a_s_per_layer,b_s_per_gmac,rms_error,worst_error,worst_network\n"
        "board,4,1e-3,2e-2,0.1,-0.3,alexnet\nanother,4,1e-3,2e-2,0.1,-0.3,alexnet\n"
    )
    results = run(load_scenario(tmp_path / "w" / "scenario.yaml"), tmp_path / "r", jobs=1)
    (fit,) = json.loads((results.folder / "manifest.json").read_text())["fits"]
    assert fit["hardware"] == "board"
    text = page(results)
    assert "The laws by which times were scaled" in text
    assert '<td class="number">-30</td>' in text
    assert "<th>another</th>" not in text
