"""Profiling networks: cuts chosen, times and runs recorded, tables that a scenario can name."""

from __future__ import annotations

import csv
import itertools
import sys
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from building import Board, Net, build, columns
from torch import nn
from tracing import TRACES, measured_profiles, read

from splitsim import load_scenario, simulate
from splitsim.cli import main
from splitsim.dnn import zoo
from splitsim.dnn.choice import choose
from splitsim.dnn.coding import picture
from splitsim.dnn.memory import memory
from splitsim.dnn.partition import cuts, split
from splitsim.dnn.profile import Measured, Plan, profile
from splitsim.dnn.profile_tables import hardware_file, profile_files
from splitsim.dnn.timing import clock_of, quiet, tensors_at
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.entries import TIMES, Hardware
from splitsim.errors import BadInput
from splitsim.measure import Consumption
from splitsim.profiles import Tables

RUNS = 12
WIRE, JPEG = Wire.parse("uint8+zstd"), Wire.parse("jpeg90")


@pytest.fixture
def splitsim(tmp_path, capsys, monkeypatch):
    """``splitsim(...)``: exit code, standard output, lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def splitsim(*arguments: str) -> tuple[object, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["splitsim", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err.splitlines()

    return splitsim


def fast(*more: str) -> list[str]:
    return ["--runs", str(RUNS), "--power", "none", "--batches", "1,2", *more]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return profile(zoo.load("small_cnn"), Plan(WIRE, JPEG, runs=RUNS, batches=(1, 2)))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Cuts.


def counted(name: str):
    with torch.device("meta"):
        model = zoo.load(name)
        return cuts(model.module, model.example())


def test_natural_cuts_are_where_nothing_is_left_to_fold_in():
    names = [cut.name for cut in choose(counted("resnet18"), "natural")]
    assert names[:6] == ["input", "relu", "maxpool", "layer1.0", "layer1", "layer2.0"]
    assert names[-2:] == ["flatten", "output"]
    found = choose(counted("vgg16"), "natural")
    assert [cut.index for cut in found] == list(range(len(found)))


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", "mobilenet_v1", "mobilenet_v2", "densenet169", "vgg16", "alexnet"],
)
def test_the_cuts_of_a_model_table_are_found_with_its_names(name):
    path = TRACES / "models" / f"{name}.csv"
    found = choose(counted(name), str(path))
    assert [cut.name for cut in found] == [row["layer"] for row in rows(path)]
    assert [cut.macs for cut in found] == [int(row["macs"]) for row in rows(path)]


def test_named_cuts_keep_the_names_they_were_asked_by():
    found = choose(counted("resnet18"), "layer2.1.relu, layer1")
    assert [cut.name for cut in found] == ["input", "layer1", "layer2.1.relu", "output"]


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("layer9", "--cuts: there is no cut 'layer9'; did you mean 'layer"),
        (str(TRACES / "models" / "vgg16.csv"), "layer: must be a cut of this network"),
        ("nowhere.csv", "nowhere.csv: cannot be read as CSV"),
    ],
)
def test_cuts_that_are_none_are_told(which, message):
    with pytest.raises(BadInput, match=message):
        choose(counted("resnet18"), which)


# Memory.


def test_memory_is_weights_and_what_is_alive_at_once():
    net = nn.Sequential(nn.Linear(10, 100), nn.ReLU(), nn.Linear(100, 5)).eval()
    example = torch.zeros(1, 10)
    found = cuts(net, example)
    needs = memory(trace(net, example), example, found, {})
    assert needs[0].head_bytes == 4 * 10
    # The ReLU has its input and its output; the first layer's weights are on the head's side.
    assert needs[2].head_bytes == 4 * (1100 + 100 + 100)
    assert needs[2].tail_bytes == 4 * (505 + 100 + 5)
    assert needs[-1].head_bytes == needs[0].tail_bytes == 4 * (1100 + 505 + 200)
    assert needs[-1].tail_bytes == 0


# Times.


def test_head_and_tail_of_a_run_sum_to_the_whole_and_medians_nearly_do(measured):
    _, head, _, _, tail = np.moveaxis(measured.runs_s, 1, 0)
    assert measured.runs_s.shape == (RUNS, len(TIMES), len(measured.cuts))
    assert np.allclose(head + tail, head[:, -1:], rtol=1e-12)
    assert np.all(np.diff(head, axis=1) > 0)
    assert not head[:, 0].any()
    assert not tail[:, -1].any()
    low, high = np.quantile(head[:, -1], [0, 1])
    sums = measured.median_s[1] + measured.median_s[4]
    assert np.all((low <= sums) & (sums <= high))


def test_what_is_done_around_the_network_takes_time_where_it_is_done(measured):
    pre, _, encode, decode, _ = measured.median_s
    assert np.all(pre > 0)
    assert np.all(encode[:-1] > 0)
    assert np.all(decode[:-1] > 0)
    assert encode[-1] == decode[-1] == 0
    assert set(measured.batches_s) == {1, 2}


def test_bytes_are_those_of_the_coded_messages(measured):
    model = zoo.load("small_cnn")
    head, _ = split(model.module, measured.cuts[2], model.example())
    given = model.preprocess(picture(model)).unsqueeze(0)
    with quiet(1):
        assert measured.wire_bytes[2] == len(WIRE.encode(head(given)))
    assert measured.wire_bytes[-1] == 0


def test_marks_change_no_tensor():
    model = zoo.load("resnet18", shape=(3, 32, 32))
    found = cuts(model.module, model.example())
    traced = trace(model.module, model.example())
    with quiet(1):
        kept = tensors_at(traced, found, model.example())
        for cut, tensors in list(zip(found, kept, strict=False))[::4]:
            head, _ = split(traced, cut, model.example())
            assert torch.equal(head(model.example()), tensors[0])


def test_times_of_a_batch_are_per_sample(monkeypatch):
    """By a clock that goes on by a second whenever it is looked at."""
    seconds = itertools.count()
    monkeypatch.setattr("splitsim.dnn.timing.time.perf_counter", lambda: float(next(seconds)))
    one, four = (
        profile(zoo.load("small_cnn"), Plan(WIRE, None, batch=batch, runs=3, batches=(4,)))
        for batch in (1, 4)
    )
    assert one.marked_s == pytest.approx(4 * four.marked_s)
    assert four.batches_s[4] == pytest.approx(one.batches_s[4])  # of whole batches
    assert four.wire_bytes[0] > 0


def test_threads_are_as_before(measured):
    before = torch.get_num_threads()
    with quiet(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_no_gpu_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="--device cuda: torch sees no GPU"):
        clock_of("cuda")
    with pytest.raises(BadInput, match="must be cpu or cuda, not 'tpu'"):
        clock_of("tpu")


# Power.


def test_measured_power_becomes_joules_per_cut_and_a_row_of_hardware(measured, tmp_path):
    power = Consumption("rapl", "package", idle_w=10.0, busy_s=3.0, busy_j=75.0)
    metered = Measured(**{**vars_of(measured), "power": power})
    model = zoo.load("small_cnn")
    files = profile_files("net", Hardware("here"), model, Plan(WIRE, JPEG), metered, "")
    card = tomllib.loads(files["profiles/net@here.toml"].decode())
    assert (card["power_w"], card["power_basis"]) == (15.0, "measured")
    table = list(csv.DictReader(files["profiles/net@here.csv"].decode().splitlines()))
    head_s = sum(float(table[2][f"{step}_s"]) for step in ("pre", "head", "encode"))
    assert float(table[2]["energy_j"]) == pytest.approx(15 * head_s, rel=1e-4)
    written = hardware_file(tmp_path, Hardware("here"), metered, "cpu")["hardware.csv"].decode()
    (row,) = csv.DictReader(written.splitlines())
    assert (row["idle_w"], row["compute_w"], row["idle_basis"]) == ("10.000", "15.000", "measured")


def test_without_a_meter_the_power_is_the_hardware_tables(measured, tmp_path):
    nano = Tables().hardware("jetson-nano")
    files = profile_files(
        "net", nano, zoo.load("small_cnn"), Plan(WIRE, JPEG, runs=RUNS), measured, ""
    )
    card = tomllib.loads(files["profiles/net@jetson-nano.toml"].decode())
    assert (card["power_w"], card["power_basis"]) == (nano.compute_w, "published")
    assert "energy_j" not in files["profiles/net@jetson-nano.csv"].decode()
    assert hardware_file(tmp_path, nano, measured, "cpu") == {}


def vars_of(measured: Measured) -> dict[str, object]:
    return {name: getattr(measured, name) for name in Measured.__dataclass_fields__}


# The command and its tables in a scenario.


def scenario(folder: Path, **changes) -> Path:
    """One device and one server, both the machine that was profiled."""
    recorded = {"kind": "recorded"}
    described = {
        "name": "profiled",
        "duration_s": 200.0,
        "models": ["small_cnn"],
        "tables": ["mine"],
        "devices": [
            {
                "name": "device",
                "hardware": "here",
                "cell": "cell",
                "arrivals": {"kind": "periodic", "period_s": 1.0},
                "service": recorded,
            }
        ],
        "cells": {
            "cell": {
                "radio": "wifi",
                "uplink": {"kind": "constant", "rate_bps": 1e7},
                "downlink": {"kind": "constant", "rate_bps": 1e7},
            }
        },
        "servers": {"edge": {"hardware": "here", "service": recorded}},
        "policies": [
            {"name": "local", "kind": "local", "model": "small_cnn"},
            {"name": "offload", "kind": "offload", "model": "small_cnn"},
            {"name": "split", "kind": "split", "model": "small_cnn", "cut": "pool"},
        ],
    }
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump({**described, **changes}))
    return path


def test_profiled_tables_are_used_at_once_and_runs_are_drawn_whole(splitsim, tmp_path):
    code, out, _ = splitsim("profile", "small_cnn", "--out", "mine", "--hardware", "here", *fast())
    assert code == 0
    assert "layers sum to" in out
    spec = load_scenario(scenario(tmp_path)).points[0]
    path = tmp_path / "mine" / "profiles" / "small_cnn@here.runs.parquet"
    runs = pq.read_table(path).to_pandas().set_index(["run", "cut"])
    last = len(rows(tmp_path / "mine" / "models" / "small_cnn.csv")) - 1
    device_s = (runs.pre_s + runs.head_s + runs.encode_s).unstack("run")
    server_s = (runs.decode_s + runs.tail_s).unstack("run")
    drawn = {}
    for policy, cut in (("local", last), ("offload", 0), ("split", 3)):
        found = columns(
            simulate(spec, policy, 0).tasks,
            *("head_start_s", "head_end_s", "server_start_s", "server_end_s"),
        )
        heads = found.head_end_s - found.head_start_s
        drawn[policy] = np.abs(device_s.loc[cut].to_numpy()[:, None] - heads).argmin(axis=0)
        assert np.allclose(device_s.loc[cut].to_numpy()[drawn[policy]], heads, rtol=1e-6)
        assert len(set(drawn[policy])) == RUNS
        if cut != last:
            tails = found.server_end_s - found.server_start_s
            gaps = np.abs(server_s.loc[cut].to_numpy()[:, None] - tails).min(axis=0)
            assert np.all(gaps < 1e-9)
    # The same run for every policy and cut.
    assert np.array_equal(drawn["local"], drawn["offload"])
    assert np.array_equal(drawn["local"], drawn["split"])


def test_another_profile_takes_the_cuts_of_the_models_table(splitsim, tmp_path):
    some = ["--cuts", "block1", "--image", "none"]
    assert splitsim("profile", "small_cnn", "--out", "t", "--hardware", "a", *fast(*some))[0] == 0
    more = fast("--image", "none")
    assert splitsim("profile", "small_cnn", "--out", "t", "--hardware", "b", *more)[0] == 0
    assert len(rows(tmp_path / "t" / "profiles" / "small_cnn@b.csv")) == 3
    assert [row["hardware"] for row in rows(tmp_path / "t" / "hardware.csv")] == ["a", "b"]
    before = sorted(tmp_path.rglob("*"))
    other = ["profile", "small_cnn", "--out", "t", "--hardware", "c"]
    code, _, err = splitsim(*other, *fast("--cuts", "all", "--image", "none"))
    assert code == 2
    assert "small_cnn.csv: has other cuts than are to be measured" in err[-1]
    code, _, err = splitsim(*other, *fast())
    assert code == 2
    assert all("was made with wire uint8+zstd and image none, not" in line for line in err)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet51"], "unknown network 'resnet51'; did you mean 'resnet5"),
        (["small_cnn", "--runs", "0"], "--runs: must be a whole number, 1 or more, not 0"),
        (["small_cnn", "--threads", "-1"], "--threads: must be a whole number, 1 or more"),
        (["small_cnn", "--batches", "1,x"], "--batches: must be whole numbers"),
        (["small_cnn", "--cuts", "block9"], "--cuts: there is no cut 'block9'"),
        (["small_cnn", "--wire", "uint9"], "wire 'uint9': there is no form"),
        (["small_cnn", "--name", "a/b"], "--name: must be letters, digits"),
        (["small_cnn", "--out", "no/where"], "--out: there is no folder"),
        (["small_cnn", "--device", "tpu"], "--device: must be cpu or cuda"),
        (["small_cnn", "--power", "steam"], "power: must be auto, none"),
        (["small_cnn", "--weights", "nothing.pt"], "nothing.pt"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(splitsim, tmp_path, arguments, message):
    usual = ["--out", "mine", "--hardware", "here", "--runs", "1", "--power", "none"]
    code, out, err = splitsim("profile", arguments[0], *usual, *arguments[1:])
    assert (code, out) == (2, "")
    assert len(err) == 1
    assert message in err[0]
    assert list(tmp_path.iterdir()) == []


# Recorded runs and memory in the simulator, on tables of constants.

NET = Net("net", [0.0, 0.01], [4e4, 5e3], [0.02, 0.01])


def write_runs(folder: Path, board: str, **changes) -> Path:
    """Three runs, of 1, 2 and 3 times the table's times."""
    run, cut = np.divmod(np.arange(9), 3)
    slow = run + 1.0
    head = np.array([0.0, 0.01, 0.02])[cut] * slow
    columns = {"run": run, "cut": cut, "pre_s": 0 * slow, "head_s": head, "encode_s": 0 * slow}
    columns |= {"decode_s": 0 * slow, "tail_s": np.array([0.02, 0.01, 0.0])[cut] * slow}
    path = folder / "tables" / "profiles" / f"net@{board}.runs.parquet"
    pq.write_table(pa.table(columns | changes), path)
    return path


def recorded(folder: Path, **changes):
    build(folder, nets=(NET,))
    for board in ("board", "rack"):
        write_runs(folder, board)
    service = {"service": {"kind": "recorded"}}
    described = {"devices": [service], "servers": {"edge": service}, **changes}
    return build(folder, nets=(NET,), scenario=described)


def test_each_run_is_as_likely_as_any_other(tmp_path):
    spec = recorded(tmp_path, duration_s=3000.0).points[0]
    found = columns(simulate(spec, "local", 0).tasks, "head_start_s", "head_end_s")
    slow = np.rint((found.head_end_s - found.head_start_s) / 0.02).astype(int)
    counts = np.bincount(slow, minlength=4)[1:]
    assert np.allclose(counts / len(slow), 1 / 3, atol=4.5 * np.sqrt(2 / 9 / len(slow)))


def test_device_and_server_draw_runs_of_their_own(tmp_path):
    spec = recorded(tmp_path, duration_s=1000.0).points[0]
    stamps = ("head_start_s", "head_end_s", "server_start_s", "server_end_s")
    found = columns(simulate(spec, "split1", 0).tasks, *stamps)
    head = found.head_end_s - found.head_start_s
    tail = found.server_end_s - found.server_start_s
    assert abs(np.corrcoef(head, tail)[0, 1]) < 4.5 / np.sqrt(len(head))


def test_a_fallback_computes_the_rest_of_the_same_run(tmp_path):
    timeout = {"after_s": 0.1, "from": "created", "then": "local"}
    outage = {"uplink": {"kind": "constant", "rate_bps": 1.0}}
    device = {"service": {"kind": "recorded"}, "timeout": timeout}
    spec = recorded(tmp_path, devices=[device], cells={"cell": outage}).points[0]
    stamps = ("head_start_s", "head_end_s", "fallback_start_s", "fallback_end_s")
    found = columns(simulate(spec, "split1", 0).tasks, *stamps)
    # Head and rest are both 0.01 s in the table, so they last equally long in every run.
    rest = found.fallback_end_s - found.fallback_start_s
    assert np.allclose(rest, found.head_end_s - found.head_start_s)
    assert len(set(np.rint(rest / 0.01))) == 3


def test_runs_move_with_their_table_under_a_shift(tmp_path):
    loaded = recorded(tmp_path)
    plain, shifted = (loaded.spec(0, n).options["device"] for n in (0, 1))
    for one, other in zip(plain, shifted, strict=True):
        assert one.runs == other.runs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cut": np.zeros(9, int)}, "cut: must be 0 to 2 for every run, in order"),
        ({"head_s": np.full(9, np.nan)}, "head_s: must be numbers, 0 or more, not nan"),
        ({"tail_s": np.full(9, -1.0)}, "tail_s: must be numbers, 0 or more, not -1"),
    ],
)
def test_runs_with_nonsense_are_one_clear_error(tmp_path, changes, message):
    recorded(tmp_path)
    write_runs(tmp_path, "rack", **changes)
    with pytest.raises(BadInput, match=message):
        load_scenario(tmp_path / "scenario.yaml")


def test_missing_runs_are_told(tmp_path):
    recorded(tmp_path)
    path = tmp_path / "tables" / "profiles" / "net@rack.runs.parquet"
    path.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        load_scenario(tmp_path / "scenario.yaml")
    path.unlink()
    with pytest.raises(BadInput, match=r"servers.edge.service: no recorded runs of model 'net'"):
        load_scenario(tmp_path / "scenario.yaml")


def test_too_little_memory_is_told_with_both_numbers(tmp_path):
    build(tmp_path, nets=(NET,), boards=(Board("board"), Board("rack")))
    model = tmp_path / "tables" / "models" / "net.csv"
    lines = model.read_text().splitlines()
    sides = ("head_bytes,tail_bytes", "0,5000", "3000,2000", "5000,0")
    model.write_text("\n".join(map(",".join, zip(lines, sides, strict=True))))
    boards = tmp_path / "tables" / "hardware.csv"
    first, *others = boards.read_text().splitlines()
    for memory_bytes, fits in ((6000, True), (4096, False)):
        boards.write_text(
            "\n".join([f"{first},memory_bytes", *(f"{row},{memory_bytes}" for row in others)])
        )
        if fits:
            load_scenario(tmp_path / "scenario.yaml")
    what = "needs 5,000 B of memory, and 'board' has 4,096 B"
    with pytest.raises(BadInput, match=what):
        load_scenario(tmp_path / "scenario.yaml")


# What is shipped.


@pytest.mark.parametrize(("model", "hardware"), measured_profiles())
def test_shipped_profiles_sum_to_the_whole_within_their_spread(model, hardware):
    table = read(f"profiles/{model}@{hardware}.csv")
    head, tail = (np.array([float(row[f"{step}_s"]) for row in table]) for step in ("head", "tail"))
    low, high = float(table[-1]["head_p05_s"]), float(table[-1]["head_p95_s"])
    assert np.all((low <= head + tail) & (head + tail <= high))
    assert {row[f"{step}_basis"] for row in table for step in TIMES} == {"measured"}
    card = tomllib.loads((TRACES / "profiles" / f"{model}@{hardware}.toml").read_text())
    assert low <= card["whole_s"] <= high
    runs = Tables().runs(model, hardware)
    assert len(runs.head) == len(table)
    assert len(runs.head[0]) == card["runs"]
    assert np.median(runs.head[-1]) == pytest.approx(1, rel=0.02)
