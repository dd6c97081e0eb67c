"""Running experiments: the same bytes whatever happens, and nothing that was made is lost."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from building import Board, build

import splitsim
from splitsim import BadInput, Results, load_scenario, run
from splitsim.folder import failures
from splitsim.parts import PartName, parts_in

# Policies that do as they are told in the environment, and always choose the same.
LAB = """
import os, time
class Slow:
    def reset(self, options, rng):
        self.tasks = 0
    def choose(self, view):
        self.tasks += 1
        time.sleep(float(os.environ.get("LAB_SLEEP_S", "0")))
        if os.environ.get("LAB_FAILS") and self.tasks > 5:
            raise RuntimeError("out of\\nideas")
        if os.environ.get("LAB_DIES"):
            os._exit(9)
        return self.tasks % 2
"""
CHANGES = {
    "duration_s": 40.0,
    "warmup_s": 2.0,
    "seeds": 2,
    "servers": {"edge": {"background": {"kind": "poisson", "load": 0.2, "work_s": 0.02}}},
    "policies": [
        {"name": "offload", "kind": "offload", "model": "net"},
        {"name": "slow", "kind": "slowlab:Slow"},
        {"name": "random", "kind": "random"},
    ],
    "sweep": {"servers.edge.background.load": [0.0, 0.5]},
}
COMMAND = [sys.executable, "-m", "splitsim"]
PARTS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a scenario, its tables and its own policies."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "slowlab.py").write_text(LAB)
    build(folder, scenario=CHANGES)
    return folder


@pytest.fixture(scope="module")
def scenario(folder):
    return load_scenario(folder / "scenario.yaml")


@pytest.fixture(scope="module")
def whole(folder, scenario):
    """The results of a run that nobody disturbs."""
    return run(scenario, folder / "whole", jobs=1)


def tables(folder: Path) -> dict[str, bytes]:
    """Everything that must not depend on how a run went."""
    paths = [*folder.rglob("*.parquet"), folder / "summary.csv", folder / "resolved.yaml"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_run_leaves_what_it_says(whole, scenario, folder):
    assert whole.complete
    assert len(parts_in(whole.folder)) == PARTS
    assert (whole.folder / "scenario.yaml").read_text() == (folder / "scenario.yaml").read_text()
    assert not list(whole.folder.rglob("*.partial"))
    assert not (whole.folder / "failed").exists()
    manifest = json.loads((whole.folder / "manifest.json").read_text())
    assert manifest["parts"] == PARTS
    assert len(manifest["wall_s"]) == PARTS
    assert [point["swept"] for point in manifest["points"]] == [
        {"servers.edge.background.load": load} for load in (0.0, 0.5)
    ]
    assert len(manifest["files"]) == len(scenario.files) > 4


def test_the_number_of_processes_changes_no_byte(whole, scenario, tmp_path):
    parallel = run(scenario, tmp_path / "r", jobs=2)
    assert tables(parallel.folder) == tables(whole.folder)


def test_resolved_scenarios_give_the_same_rows(whole, folder, tmp_path):
    (folder / "again.yaml").write_bytes((whole.folder / "resolved.yaml").read_bytes())
    again = run(load_scenario(folder / "again.yaml"), tmp_path / "r", jobs=1)
    assert tables(again.folder) == tables(whole.folder)


def test_results_are_dataframes(whole, scenario):
    assert isinstance(whole.tasks, pd.DataFrame)
    assert isinstance(whole.summary, pd.DataFrame)
    assert len(whole.summary) == 6
    assert set(whole.tasks["policy"]) == set(scenario.policies)
    assert whole.tasks.groupby(["point", "policy", "seed"]).ngroups == PARTS
    assert splitsim.run is run


def test_progress_is_told(scenario, tmp_path):
    told = []
    run(scenario, tmp_path / "r", jobs=1, progress=told.append)
    assert told[-1].parts == told[-1].parts_done == PARTS
    assert told[-1].simulated_s == told[-1].to_simulate_s == 40.0 * PARTS
    assert told[-1].tasks > 12 * 20


# --- Interrupted and killed ------------------------------------------------------------------


def start(folder: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    """``splitsim run`` in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [*COMMAND, "run", "scenario.yaml", *more],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "the run makes no progress"
        time.sleep(0.01)


def alive(group: int) -> list[str]:
    """Processes of a group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            found.append(path.parent.name)
    return found


def goes_away(group: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(group)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")


@needs_proc
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(folder, whole, tmp_path, jobs):
    out = tmp_path / "my results"
    arguments = ("--set", "drain_s=1e6", "--out", str(out), "--jobs", str(jobs))
    process = start(folder, *arguments, LAB_SLEEP_S="0.02")
    wait_until(lambda: len(parts_in(out)) >= 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    (line,) = err.splitlines()
    assert line.startswith(f"interrupted: finished parts are kept in {out}; go on with: splitsim ")
    assert goes_away(process.pid)

    kept = {str(name): name.path(out, "tasks").read_bytes() for name in parts_in(out)}
    assert 3 <= len(kept) < PARTS
    expected = tables(whole.folder)
    assert all(expected[f"tasks/{name}.parquet"] == rows for name, rows in kept.items())
    assert not list(out.rglob("*.partial"))

    again = shlex.split(line.partition("go on with: splitsim ")[2])
    done = subprocess.run([*COMMAND, *again], cwd=folder, check=True, capture_output=True)
    assert b"report: " in done.stdout
    assert tables(out) == expected


@needs_proc
def test_ctrl_c_while_the_processes_start_leaves_no_traceback(folder, tmp_path):
    process = start(folder, "--out", str(tmp_path / "r"), "--jobs", "2", LAB_SLEEP_S="0.02")
    wait_until((tmp_path / "r" / "channels" / "p0001.parquet").exists)
    time.sleep(0.15)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(err.splitlines()) == 1
    assert goes_away(process.pid)


@needs_proc
def test_a_killed_run_leaves_no_process_and_can_go_on(folder, whole, tmp_path):
    out = tmp_path / "r"
    process = start(folder, "--out", str(out), "--jobs", "2", LAB_SLEEP_S="0.05")
    wait_until(lambda: len(parts_in(out)) >= 2)
    process.kill()
    process.communicate(timeout=20)
    assert goes_away(process.pid)
    assert len(parts_in(out)) < PARTS
    resumed = run(load_scenario(folder / "scenario.yaml"), out, jobs=1, resume=True)
    assert resumed.complete
    assert tables(out) == tables(whole.folder)


def test_what_a_power_failure_leaves_is_made_again(scenario, whole, tmp_path):
    out = tmp_path / "r"
    run(scenario, out, jobs=1)
    cut, empty, gone = parts_in(out)[:3]
    for name, table, size in ((cut, "tasks", 200), (empty, "devices", 0)):
        os.truncate(name.path(out, table), size)
    gone.path(out, "tasks").rename(out / "tasks" / f"{gone}.parquet.partial")
    (out / "channels" / "p0001.parquet").unlink()
    (out / "resolved.yaml").unlink()
    (out / "tasks" / "notes-of-mine.parquet").write_text("not a part")
    assert len(parts_in(out)) == PARTS - 3
    assert Results(out).missing == 3

    run(scenario, out, jobs=1, resume=True)
    (out / "tasks" / "notes-of-mine.parquet").unlink()
    assert tables(out) == tables(whole.folder)


def test_a_run_that_was_killed_before_its_first_part_can_go_on(scenario, whole, tmp_path):
    (tmp_path / "manifest.json").write_bytes((whole.folder / "manifest.json").read_bytes())
    run(scenario, tmp_path, jobs=1, resume=True)
    assert tables(tmp_path) == tables(whole.folder)


def test_a_complete_run_that_is_resumed_makes_nothing_anew(scenario, whole, tmp_path):
    out = tmp_path / "r"
    run(scenario, out, jobs=1)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    run(scenario, out, jobs=2, resume=True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before
    assert len(Results(out).manifest["runs"]) == 2


# --- Parts that fail -------------------------------------------------------------------------

SLOW = [f"p{point:04d}-slow-s{seed:04d}" for point in (0, 1) for seed in (0, 1)]


def test_a_part_that_fails_leaves_its_traceback_and_is_tried_again(
    scenario, whole, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_FAILS", "yes")
    failed = run(scenario, tmp_path / "r", jobs=1)
    assert failed.missing == 4
    assert list(failures(failed.folder)) == SLOW
    for why in failures(failed.folder).values():
        assert why.startswith("RuntimeError: out of ideas (")
        assert why.endswith("slowlab.py:10)")
    note = (failed.folder / "failed" / f"{SLOW[0]}.txt").read_text()
    assert "Traceback (most recent call last)" in note
    assert set(failed.summary["policy"]) == {"offload", "random"}
    assert not list(failed.folder.rglob("*.partial"))

    monkeypatch.delenv("LAB_FAILS")
    run(scenario, tmp_path / "r", jobs=1, resume=True)
    assert not failures(tmp_path / "r")
    assert tables(tmp_path / "r") == tables(whole.folder)


def test_a_part_that_takes_its_process_with_it_harms_no_other(
    scenario, folder, whole, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_DIES", "yes")
    short = load_scenario(folder / "scenario.yaml", {"seeds": 1, "sweep": {}})
    results = run(short, tmp_path / "r", jobs=2)
    assert failures(results.folder) == {
        SLOW[0]: "the process that simulated it died (out of memory?)"
    }
    assert [name.policy for name in parts_in(results.folder)] == ["offload", "random"]


def limited(size: int) -> None:
    """No file of this process grows beyond a size: a disk that is full, but for itself only."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("size", "code", "expected"),
    [
        (100, 2, "cannot be used as a results folder: File too large; give another --out"),
        (9000, 1, "part p0000-local-s0000 failed: OSError: [Errno 27]"),
        (100_000, 1, "stopped (File too large): finished parts are kept in r; go on with: "),
    ],
)
def test_a_full_disk_is_told_in_a_line_and_leaves_nothing_half_written(
    tmp_path, size, code, expected
):
    build(tmp_path, scenario={"duration_s": 1000.0})
    done = subprocess.run(
        [*COMMAND, "run", "scenario.yaml", "--out", "r", "--jobs", "1"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: limited(size),
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "r").rglob("*.parquet.partial"))


# --- Folders that are refused ----------------------------------------------------------------


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("a.txt", "is a file; give a folder as --out"),
        ("a.txt/x", "cannot be used as a results folder: Not a directory; give another --out"),
        ("x" * 300, "cannot be used as a results folder: File name too long; give another --out"),
    ],
)
def test_what_cannot_be_a_folder_is_refused(scenario, tmp_path, out, why, resume):
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(BadInput) as caught:
        run(scenario, tmp_path / out, jobs=1, resume=resume)
    assert caught.value.problems == (f"{tmp_path / out}: {why}",)
    assert list(tmp_path.rglob("*")) == [tmp_path / "a.txt"]


def test_a_folder_that_cannot_be_written_to_is_refused(scenario, tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(BadInput, match="cannot be used as a results folder: Permission denied"):
        run(scenario, tmp_path / "r", jobs=1)


@pytest.mark.parametrize(
    ("resume", "why"),
    [(False, "is not empty; give another --out, or --resume"), (True, "is no results folder (No")],
)
def test_a_folder_of_something_else_is_left_alone(scenario, tmp_path, resume, why):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput) as caught:
        run(scenario, tmp_path, jobs=1, resume=resume)
    assert caught.value.problems[0].startswith(f"{tmp_path}: {why}")
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "{}", '{"points": 3}', "\x00"])
def test_a_manifest_of_something_else_is_refused(scenario, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=r"is no results folder \(manifest\.json is "):
        run(scenario, tmp_path, jobs=1, resume=True)


def test_another_scenario_is_refused(folder, whole):
    before = tables(whole.folder)
    other = load_scenario(folder / "scenario.yaml", {"duration_s": 41.0})
    with pytest.raises(BadInput, match="holds results of another scenario; give another --out"):
        run(other, whole.folder, jobs=1, resume=True)
    assert tables(whole.folder) == before


def test_a_comment_makes_no_other_scenario(folder, whole):
    (folder / "commented.yaml").write_text(
        "# The same, with a comment.\n" + (folder / "scenario.yaml").read_text()
    )
    run(load_scenario(folder / "commented.yaml"), whole.folder, jobs=1, resume=True)


def test_other_tables_are_refused_but_not_other_places(tmp_path):
    first, moved = tmp_path / "first", tmp_path / "moved"
    first.mkdir()
    run(build(first, scenario={"duration_s": 5.0}), first / "r", jobs=1)
    first.rename(moved)
    run(load_scenario(moved / "scenario.yaml"), moved / "r", jobs=1, resume=True)
    slower = build(moved, scenario={"duration_s": 5.0}, boards=(Board("board", 2.0), Board("rack")))
    with pytest.raises(BadInput, match=r"was made with other tables, .*net@board\.csv changed"):
        run(slower, moved / "r", jobs=1, resume=True)


def test_without_a_folder_a_new_one_is_made_each_time(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = load_scenario(folder / "scenario.yaml", {"seeds": 1, "duration_s": 5.0, "sweep": {}})
    folders = [run(short, jobs=1).folder for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(made.parent == Path("results") / "built" for made in folders)


@pytest.mark.parametrize("trace", [False, True], ids=["small", "more-than-a-pipe-holds"])
def test_a_script_without_a_guard_is_told_so(folder, tmp_path, trace):
    uplink = {"kind": "trace", "file": "synthetic-lte-uplink.up"}
    change = {"cells.cell.uplink": uplink} if trace else {}
    (tmp_path / "script.py").write_text(
        "import splitsim\n"
        f"path = {str(folder / 'scenario.yaml')!r}\n"
        f"splitsim.run(splitsim.load_scenario(path, {change!r}), jobs=2)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    why = "no process could be started; in a script, call run() below \"if __name__ == '__main__'"
    assert why in done.stderr.splitlines()[-1]
    assert len(list((tmp_path / "results" / "built").iterdir())) == 1


# --- The summary, from rows alone ------------------------------------------------------------


def numbers(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "summary.csv").set_index(["point", "policy"])


CONTRACT = (
    "point,policy,tasks,done,timeout,dropped,unfinished,latency_mean_s,latency_p50_s,"
    "latency_p90_s,latency_p95_s,latency_p99_s,latency_mean_all_s,latency_p50_all_s,"
    "latency_p90_all_s,latency_p95_all_s,latency_p99_all_s,energy_mean_j,board_energy_mean_j,"
    "board_power_w,deadline_miss,goodput,accuracy,sent_bytes_mean"
)


def test_the_summary_has_the_columns_that_are_promised(whole):
    header, *rows = (whole.folder / "summary.csv").read_text().splitlines()
    assert header.startswith(CONTRACT + ",")
    assert header.endswith(",servers.edge.background.load")
    assert len(rows) == 6


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Results with every status, two groups of devices and two replications."""
    device = {
        "count": 2,
        "arrivals": {"kind": "poisson", "rate_hz": 4.0},
        "timeout": {"after_s": 0.3, "from": "created"},
        "max_in_flight": 3,
    }
    scenario = build(
        tmp_path_factory.mktemp("troubled"),
        scenario={
            "duration_s": 60.0,
            "warmup_s": 10.0,
            "drain_s": 0.05,
            "seeds": 2,
            "devices": [
                device | {"name": "strict", "deadline_s": 0.1},
                device | {"name": "lax", "timeout": None},
            ],
            "cells": {"cell": {"uplink": {"kind": "constant", "rate_bps": 1e6}}},
            "servers": {"edge": {"service": {"kind": "exponential"}}},
            "policies": [{"name": "offload", "kind": "offload", "model": "net"}],
        },
        tail_s=0.055,
        local_s=0.2,
        top1=0.8,
    )
    return run(scenario, scenario.path.parent / "r", jobs=1)


def expected_row(folder: Path, warmup_s: float) -> dict[str, float]:
    """The summary of the only point and policy, computed with pandas."""
    tasks = pd.concat(map(pd.read_parquet, sorted((folder / "tasks").rglob("*.parquet"))))
    boards = pd.concat(map(pd.read_parquet, sorted((folder / "devices").rglob("*.parquet"))))
    all_tasks = len(tasks)
    tasks = tasks[tasks["created_s"] >= warmup_s].merge(
        boards[["seed", "device", "deadline_s"]], on=["seed", "device"]
    )
    done = tasks["status"] == "done"
    latency_s = (tasks["done_s"] - tasks["created_s"]).where(done, np.inf)
    in_time = done & (latency_s <= tasks["deadline_s"].fillna(np.inf))
    expected = {"tasks": len(tasks)} | {
        status: (tasks["status"] == status).sum()
        for status in ("done", "timeout", "dropped", "unfinished")
    }
    for label, values in (("", latency_s[done]), ("_all", latency_s)):
        expected[f"latency_mean{label}_s"] = values.mean()
        for percent in (50, 90, 95, 99):
            # An infinite latency is no number to interpolate with.
            share = values.replace(np.inf, 1e300).quantile(percent / 100)
            expected[f"latency_p{percent}{label}_s"] = np.inf if share > 1e290 else share
    joules = tasks[["compute_j", "tx_j", "rx_j", "tail_j"]].sum(axis=1)
    return expected | {
        "energy_mean_j": joules.mean(),
        "board_energy_mean_j": boards["board_j"].sum() / all_tasks,
        "board_power_w": (boards["board_j"] / boards["end_s"]).mean(),
        "deadline_miss": 1 - in_time.mean(),
        "goodput": (tasks["correct"].fillna(0) * in_time).mean(),
        "accuracy": tasks.loc[done, "correct"].mean(),
        "sent_bytes_mean": tasks["sent_bytes"].mean(),
    }


def test_the_summary_is_what_pandas_makes_of_the_rows(troubled):
    (row,) = numbers(troubled.folder).to_dict("records")
    expected = expected_row(troubled.folder, 10.0)
    assert list(expected) == CONTRACT.split(",")[2:]
    assert all(expected[status] > 0 for status in ("done", "timeout", "dropped", "unfinished"))
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-12), name
    assert row["seeds"] == 2


def test_a_policy_that_gives_up_looks_no_better_over_all_tasks(troubled):
    (row,) = numbers(troubled.folder).to_dict("records")
    assert row["latency_p99_s"] < np.inf
    assert row["latency_p99_all_s"] == row["latency_mean_all_s"] == np.inf


def test_no_task_at_all_makes_a_row_without_latencies(tmp_path):
    nothing = {"devices": [{"arrivals": {"rate_hz": 0.0}}], "duration_s": 5.0}
    results = run(build(tmp_path, scenario=nothing), tmp_path / "r", jobs=1)
    for row in results.summary_rows:
        assert row["tasks"] == 0
        assert np.isnan(row["latency_mean_s"])
        assert row["board_power_w"] == pytest.approx(2.0)  # idle all the time


def test_parts_are_read_under_the_names_they_are_written(whole):
    name = PartName(1, "slow", 1)
    assert str(name) == "p0001-slow-s0001"
    assert name in parts_in(whole.folder)
    rows = name.read(whole.folder, "tasks", ["seed", "policy", "answer_start_s"])
    assert set(rows["seed"]) == {1}
    assert set(rows["policy"]) == {"slow"}
