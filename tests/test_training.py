"""The loop: what learns and what stays, the same twice and when killed; what it leaves behind."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import binomtest
from teaching import (
    ADAM,
    HEAD,
    LABELS,
    SMALL,
    STUDENT,
    figures,
    plain,
    recipe,
    same,
    weights,
)

from splitsim.cli import main
from splitsim.dnn import networks
from splitsim.dnn.exact import inexact
from splitsim.dnn.partition import cuts
from splitsim.dnn.training.card import wilson
from splitsim.dnn.training.chance import seeded
from splitsim.dnn.training.learners import open_pair
from splitsim.dnn.training.losses import CrossEntropy
from splitsim.dnn.training.recipe import load_recipe
from splitsim.dnn.training.stages import Stage, Watch
from splitsim.dnn.training.state import Epoch, State
from splitsim.dnn.training.train import train
from splitsim.errors import BadInput


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(recipe(folder), folder / "out")


def test_a_student_improves_and_is_the_same_twice(trained, tmp_path):
    first, second, third, fourth = trained.history
    assert second.loss < first.loss
    assert fourth.loss < third.loss
    assert fourth.validation_loss < third.validation_loss
    right = round(trained.top1 * trained.samples)
    assert binomtest(right, trained.samples, 1 / 4, "greater").pvalue < 1e-3  # not by chance
    loaded = recipe(tmp_path, outcomes=None)
    again = train(loaded, tmp_path / "a", report=False)
    assert same(weights(trained), weights(again))
    assert figures(trained.history) == figures(again.history)
    other = train(loaded, tmp_path / "b", seed=1, report=False)
    assert not same(weights(trained), weights(other))


class Stop(Exception):
    """What stands for a power failure."""


def stopping(at):
    def progress(share, text):
        if share > at:
            raise Stop

    return progress


@pytest.mark.parametrize("at", [0.3, 0.6])
def test_a_resumed_training_is_the_same_as_one_without_a_break(trained, tmp_path, at):
    loaded = recipe(tmp_path, outcomes=None)
    with pytest.raises(Stop):
        train(loaded, tmp_path / "cut", progress=stopping(at))
    again = train(loaded, tmp_path / "cut", resume=True, report=False)
    assert same(weights(trained), weights(again))
    assert figures(trained.history) == figures(again.history)


def test_a_training_that_is_over_can_be_resumed(trained):
    out = trained.folder.parents[1]
    again = train(load_recipe(out.parent / "recipe.yaml"), out, resume=True, report=False)
    assert again.history == trained.history
    assert same(weights(trained), weights(again))


def generators():
    """What the generators of the process would draw."""
    numpy = np.random.get_state()[1].tolist()  # noqa: NPY002 - layers may draw from it
    return random.getstate(), numpy, torch.get_rng_state().tolist()


def test_layers_that_draw_are_the_same_twice_and_leave_no_trace(tmp_path, monkeypatch):
    """A user's network with dropout and draws of its own; the process' generators stay."""
    (tmp_path / "noisy.py").write_text(
        "import random, numpy as np, torch\n"
        "from torch import nn\n"
        "class Own(nn.Module):\n"
        "    def forward(self, x): return x * (1 + random.random() + np.random.rand())\n"
        "def net(classes=4):\n"
        "    from splitsim.dnn.preprocessing import Preprocessing\n"
        "    from splitsim.dnn.zoo import LoadedModel\n"
        "    parts = nn.Flatten(), nn.Dropout(.5), nn.Linear(64, classes)\n"
        "    net = nn.Sequential(*parts)\n"
        "    return LoadedModel('net', net, (1, 8, 8), Preprocessing(), classes)\n"
    )
    monkeypatch.chdir(tmp_path)
    before = generators()
    loaded = recipe(
        tmp_path, student={"base": {"network": "noisy:net"}}, stages=[LABELS], outcomes=None
    )
    one, other = (train(loaded, tmp_path / name, report=False) for name in ("a", "b"))
    assert same(weights(one), weights(other))
    assert generators() == before
    with seeded(0, "x"):
        first = generators()
    with seeded(0, "x"):
        assert generators() == first


def test_only_the_parts_that_a_stage_names_learn(tmp_path):
    loaded = recipe(tmp_path, stages=[HEAD], outcomes=None)
    before = open_pair(loaded, tmp_path, 0).student.module.state_dict()
    after = weights(train(loaded, tmp_path / "a", report=False))
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert {key.partition(".")[0] for key in changed} == {"bottleneck", "decoder"}
    assert {key for key in changed if "running" in key}

    frozen = recipe(tmp_path, stages=[LABELS | {"freeze": ["bottleneck", "block3"]}], outcomes=None)
    after = weights(train(frozen, tmp_path / "b", report=False))
    stayed = {key.partition(".")[0] for key in after if torch.equal(before[key], after[key])}
    assert stayed == {"bottleneck", "block3"}  # the statistics of their norms as well


def test_exits_learn_on_a_frozen_network(tmp_path):
    student = {"base": SMALL, "exits": {"at": ["block1", "pool"], "kind": "spinn"}}
    stage = {"epochs": 4, "loss": {"kind": "exits"}, "optimiser": ADAM, "train": ["exits"]}
    loaded = recipe(tmp_path, student=student, stages=[stage])
    trained = train(loaded, tmp_path / "out")
    first, *_, last = trained.history
    assert last.loss < first.loss
    assert first.validation_accuracy == last.validation_accuracy  # of the network's own answer
    base = networks.NetworkSpec.model_validate({"base": SMALL}).build(Path()).module.state_dict()
    assert all(torch.equal(weights(trained)[key], base[key]) for key in base)
    card = (trained.folder / "card.md").read_text()
    rows = pq.read_table(trained.outcomes).to_pandas()
    mean = (
        rows[rows["exit_correct"].notna() & (rows["loss"] == 0)]
        .groupby("cut")["exit_correct"]
        .mean()
    )
    assert len(mean) == 2
    assert all(f"{value:.2%}" in card for value in mean)


def test_exits_and_network_learn_together(tmp_path):
    student = {"base": SMALL, "exits": {"at": ["block1"]}}
    stage = LABELS | {"loss": {"kind": "exits", "weights": {"block1": 0.3}}}
    trained = train(
        recipe(tmp_path, student=student, stages=[stage], outcomes=None),
        tmp_path / "o",
        report=False,
    )
    assert trained.history[1].loss < trained.history[0].loss
    assert trained.history[1].accuracy > trained.history[0].accuracy


def row(accuracy, loss=1.0):
    return Epoch(1, 1, loss, 0.5, loss, accuracy, 1e-3, 1.0)


def test_a_stage_ends_when_nothing_improves_and_keeps_the_best():
    stage = Stage(epochs=9, loss=CrossEntropy(), watch=Watch(patience=2))
    state = State()
    for number, accuracy in enumerate((0.5, 0.8, 0.7, 0.8)):
        assert not state.ends(stage)
        state = state.after(row(accuracy), stage, {"w": torch.tensor(number)})
    assert state.ends(stage)
    assert (state.best, int(state.best_weights["w"])) == (0.8, 1)
    on_loss = Stage(epochs=9, loss=CrossEntropy(), watch=Watch(on="loss", keep="last"))
    state = State().after(row(0.5, 3.0), on_loss, {}).after(row(0.4, 2.0), on_loss, {})
    assert (state.best, state.best_weights, state.waited) == (-2.0, None, 0)


def test_the_best_weights_leave_a_stage(tmp_path):
    """A rate that ruins the network after its first epochs; kept is what was best."""
    stage = LABELS | {"epochs": 8, "watch": {"on": "loss", "patience": 2}}
    stage["schedule"] = {"kind": "milestones", "epochs": [3], "factor": 1.0}
    stage["optimiser"] = {"kind": "sgd", "lr": 0.5}
    data = STUDENT["data"] | {"validation": 0.3}
    trained = train(plain(tmp_path, [stage], data=data), tmp_path / "out", report=False)
    losses = [row.validation_loss for row in trained.history]
    best = losses.index(min(losses))
    assert len(losses) == min(8, best + 3)
    kept = plain(tmp_path, [{**stage, "epochs": 8, "watch": None}], data=data)
    with pytest.raises(Stop):
        train(kept, tmp_path / "other", progress=stopping((best + 1) / 8))
    content = torch.load(tmp_path / "other/training/student/checkpoint.pt", weights_only=True)
    assert content["epoch"] == best + 1
    assert same(weights(trained), content["model"])


def test_a_loss_that_is_no_number_stops_with_one_line(tmp_path):
    stage = LABELS | {"epochs": 3, "optimiser": {"kind": "sgd", "lr": 1e30}}
    loaded = plain(tmp_path, [LABELS | {"epochs": 1}, stage])
    with pytest.raises(BadInput) as error:
        train(loaded, tmp_path / "out")
    (line,) = error.value.problems
    assert "the loss is" in line
    assert "in stage 2" in line
    assert "lower learning rate" in line
    kept = torch.load(tmp_path / "out/training/student/checkpoint.pt", weights_only=True)
    assert all(tensor.isfinite().all() for tensor in kept["model"].values())
    assert not (tmp_path / "out/weights").exists()


# What it leaves behind.


def test_a_trained_student_is_its_head_and_tail(trained):
    every = cuts(trained.network.module, trained.network.example())
    assert inexact(trained.network.module, every, trained.network.example()) == []


def test_files_give_the_same_network(trained):
    found = networks.load(str(trained.network_file), weights=trained.weights)
    inputs = torch.rand(7, 1, 8, 8)
    assert torch.equal(found.module(inputs), trained.network.module(inputs))
    assert found.wire == "uint8"


def test_a_teachers_network_file_stands_alone(tmp_path):
    found = train(plain(tmp_path, [LABELS | {"epochs": 1}]), tmp_path / "out", report=False)
    alone = networks.load(str(found.network_file))
    assert same(alone.module.state_dict(), weights(found))


def test_the_card_tells_what_the_tables_have(trained):
    card = tomllib.loads((trained.folder / "card.toml").read_text())
    rows = pq.read_table(trained.outcomes).to_pandas()
    by_cut = rows.groupby("cut")
    assert card["top1"] == trained.top1 == by_cut["correct"].mean()[2]
    assert card["bottleneck_top1"] == by_cut["correct"].mean()[1]
    assert card["bottleneck_bytes"] == by_cut["bytes"].mean()[1]
    assert card["test_samples"] == 40
    assert card["train_samples"] + card["validation_samples"] == 96
    model = trained.outcomes.parents[1] / "models" / "student.csv"
    table = list(csv.DictReader(model.read_text().splitlines()))
    assert [row["layer"] for row in table] == ["input", "bottleneck", "output"]
    assert (card["head_macs"], card["head_params"]) == (
        int(table[1]["macs"]),
        int(table[1]["params"]),
    )
    assert (card["macs"], card["params"]) == (int(table[2]["macs"]), int(table[2]["params"]))
    assert card["seconds"] == round(trained.seconds, 3)
    assert len(card["stages"]) == 2
    text = (trained.folder / "card.md").read_text()
    assert f"{card['top1']:.2%} of 40 samples" in text
    assert "the teacher has random weights" in text


def test_the_interval_of_an_accuracy():
    for right, samples in ((0, 10), (10, 10), (571, 597), (1, 3)):
        found = binomtest(right, samples).proportion_ci(0.95, "wilson")
        assert wilson(right / samples, samples) == pytest.approx((found.low, found.high), abs=2e-5)


def test_curves_and_history(trained):
    page = (trained.folder / "report.html").read_text()
    shown = json.loads(page.partition('id="figures">')[2].partition("</script>")[0])
    assert list(shown) == ["Accuracy", "Loss of stage 1", "Loss of stage 2", "Learning rate"]
    assert shown["Accuracy"]["data"][0]["y"] == [row.accuracy for row in trained.history]
    assert shown["Loss of stage 2"]["data"][1]["y"] == [
        row.validation_loss for row in trained.history[2:]
    ]
    rows = list(csv.DictReader((trained.folder / "history.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == [row.loss for row in trained.history]
    assert [row["stage"] + row["epoch"] for row in rows] == ["11", "12", "21", "22"]


def test_the_recipe_it_leaves_trains_the_same_again(tmp_path):
    teacher = train(plain(tmp_path, [LABELS], name="teacher"), tmp_path / "out", report=False)
    student = STUDENT["student"] | {"base": SMALL | {"weights": "teacher.pt"}}
    given = recipe(
        tmp_path, student=student, strategy={"kind": "two_stage", "epochs": 4}, stages=None
    )
    one = train(given, tmp_path / "out", report=False)
    again = load_recipe(one.folder / "recipe.yaml", {"outcomes": None})
    other = train(again, tmp_path / "other", report=False)
    assert same(weights(one), weights(other))
    assert one.teacher_top1 == teacher.top1
    assert one.notes == []


@pytest.fixture
def begun(tmp_path):
    """A training that was stopped after an epoch."""
    loaded = recipe(tmp_path, outcomes=None)
    with pytest.raises(Stop):
        train(loaded, tmp_path / "out", progress=stopping(0.3))
    return loaded, tmp_path / "out" / "training" / "student" / "checkpoint.pt"


def refused(loaded, out, **more):
    with pytest.raises(BadInput) as error:
        train(loaded, out, resume=True, **more)
    (line,) = error.value.problems
    return line


def test_a_checkpoint_of_another_recipe_is_refused(begun, tmp_path):
    loaded, file = begun
    wide = {**STUDENT["student"], "bottleneck": STUDENT["student"]["bottleneck"] | {"channels": 3}}
    line = refused(recipe(tmp_path, student=wide, outcomes=None), tmp_path / "out")
    assert line.startswith(
        f"{file}: is of another recipe (student.bottleneck.channels: was 2, is 3;"
    )
    assert "seed: was 0, is 1" in refused(loaded, tmp_path / "out", seed=1)


def test_a_checkpoint_of_another_network_is_refused(begun, tmp_path):
    loaded, file = begun
    content = torch.load(file, weights_only=True)
    content["model"]["bottleneck.0.weight"] = torch.zeros(3, 32, 1, 1)
    torch.save(content, file)
    line = refused(loaded, tmp_path / "out")
    assert 'is of another network (bottleneck.0.weight: was "3x32x1x1", is "2x32x1x1")' in line


def test_a_checkpoint_without_its_optimiser_is_refused(begun, tmp_path):
    loaded, file = begun
    torch.save({**torch.load(file, weights_only=True), "optimiser": {}}, file)
    assert f"{file}: its optimiser is damaged" in refused(loaded, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK nonsense", {"epoch": 1}, [1, 2]])
def test_a_damaged_checkpoint_is_refused(begun, tmp_path, content):
    loaded, file = begun
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    assert "is no checkpoint of ours, or is damaged" in refused(loaded, tmp_path / "out")


def test_a_training_is_not_written_over(begun, tmp_path):
    with pytest.raises(BadInput, match="holds a training already; --resume goes on"):
        train(begun[0], tmp_path / "out")


# The command.


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["splitsim", "train", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_the_command_trains_and_prints_the_card(tmp_path, monkeypatch, capsys):
    recipe(tmp_path)
    file, out = tmp_path / "recipe.yaml", tmp_path / "out"
    assert run(monkeypatch, file, "--out", out, "--set", "student.bottleneck.channels=40") == 0
    told = capsys.readouterr()
    assert "# student" in told.out
    assert str(out / "weights" / "student.pt") in told.out
    assert "warning: the teacher has random weights" in told.err
    assert "warning: the bottleneck does not compress" in told.err
    assert run(monkeypatch, file, "--out", out) == 2
    assert run(monkeypatch, file, "--out", file) == 2
    assert run(monkeypatch, file, "--out", tmp_path / "b", "--device", "tpu", "--threads", "0") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert told[-1] == "--device: must be cpu or cuda, not 'tpu'"


def test_a_killed_command_goes_on_to_the_same_weights(tmp_path):
    """The process is killed once its second checkpoint is there, wherever it is then."""
    recipe(tmp_path, stages=[LABELS | {"epochs": 12}], outcomes=None)
    command = [sys.executable, "-m", "splitsim", "train", str(tmp_path / "recipe.yaml"), "--out"]
    history = tmp_path / "cut" / "training" / "student" / "history.csv"
    process = subprocess.Popen([*command, str(tmp_path / "cut")])
    while process.poll() is None and (not history.is_file() or history.read_text().count("\n") < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "cut" / "weights").exists()
    again = [*command, str(tmp_path / "cut"), "--resume"]
    subprocess.run(again, check=True, capture_output=True, env=os.environ)
    whole = train(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "whole", report=False)
    found = torch.load(tmp_path / "cut" / "weights" / "student.pt", weights_only=True)
    assert same(weights(whole), found)
