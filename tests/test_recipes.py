"""Recipes: mistakes have their line, and those of the project can be run where the data are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from teaching import HEAD, LABELS, SMALL, STUDENT, recipe

from splitsim.dnn.partition import cuts, find
from splitsim.dnn.training.learners import bind, open_pair
from splitsim.dnn.training.recipe import load_recipe
from splitsim.dnn.training.samples import open_data
from splitsim.dnn.training.train import train
from splitsim.errors import BadInput

DATA = STUDENT["data"]
RECIPES = Path(__file__).parents[1] / "analysis" / "recipes"
OURS = sorted(RECIPES.glob("*.yaml"))
WITHOUT = {"student.base.weights": None}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nmae": "x"}, "unknown key (did you mean 'name'?)"),
        ({"strategy": "two_stage"}, "stages or strategy: give one of them"),
        ({"stages": None}, "stages or strategy: give one of them"),
        ({"stages": None, "strategy": "two_stages"}, "two_stage"),
        (
            {"stages": None, "strategy": {"kind": "cross_entropy", "freeze": ["x"]}},
            "is of two_stage",
        ),
        ({"stages": []}, "must have 1 or more members"),
        ({"stages": [LABELS | {"loss": {"kind": "crossentropy"}}]}, "did you mean 'cross_entropy'"),
        ({"stages": [LABELS | {"epochs": 0}]}, "epochs: must be 1 or more"),
        ({"stages": [LABELS | {"train": ["a"], "freeze": ["b"]}]}, "train and freeze: give one"),
        (
            {"stages": [LABELS | {"schedule": {"kind": "milestones", "epochs": [2]}}]},
            "must be less than 2, the stage's",
        ),
        (
            {"stages": [LABELS | {"watch": {}}], "data": DATA | {"validation": 0}},
            "watch needs data.validation",
        ),
        ({"data": DATA | {"augment": {"crop": {"least": 0}}}}, "must be more than 0"),
    ],
)  # fmt: skip
def test_mistakes_in_a_recipe_have_their_line(tmp_path, changed, words):
    with pytest.raises(BadInput) as error:
        recipe(tmp_path, **changed)
    (line,) = error.value.problems
    assert words in line
    assert line.startswith(f"{tmp_path / 'recipe.yaml'}:")


def points(**named):
    return [HEAD | {"loss": {"kind": "head_distillation", "points": named}}]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": DATA | {"train": "cifar100-train:here"}}, "cifar100-train: is not in 'here'"),
        ({"data": DATA | {"test": "imagenet:here"}}, "data.test: imagenet:here: 'here/val' must"),
        ({"data": DATA | {"test": "digits"}}, "10 classes; small_cnn chooses from 4"),
        ({"data": DATA | {"train": "generated:4x3x8x8x9"}}, "has an image of 3x8x8"),
        ({"data": DATA | {"validation": 0.995}}, "leaves 0 samples to learn from"),
        ({"student": {"base": SMALL | {"weights": "no.pt"}}}, "no file 'no.pt' beside the recipe"),
        (
            {
                "student": {"base": SMALL},
                "stages": [HEAD | {"train": None, "loss": {"kind": "head_distillation"}}],
            },
            "points: are missing; the student has no bottleneck",
        ),
        ({"teacher": {"network": "small_resnet"}}, "choose from as many classes as the student"),
        ({"teacher": {"network": "resnet"}}, "teacher: unknown network 'resnet'"),
        ({"stages": [HEAD | {"train": ["decode"]}]}, "'decode' (did you mean 'decoder'?)"),
        ({"stages": [LABELS | {"freeze": ["xy"]}]}, "there is no part 'xy'; there are "),
        ({"stages": [LABELS | {"loss": {"kind": "exits"}}]}, "exits needs a student with exits"),
        (
            {"stages": points(decoder="block1")},
            "'decoder' is 32x4x4 in the student, 'block1' 16x8x8 in the teacher",
        ),
        ({"outcomes": {"wire": "uint9"}}, "outcomes: "),
        ({"outcomes": {"snrs_db": [5.0]}}, "outcomes.snrs_db: the student has no bottleneck"),
        ({"stages": points(decodr="pool")}, "no cut 'decodr'; did you mean 'decoder'?"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(tmp_path, changed, words):
    with pytest.raises(BadInput) as error:
        train(recipe(tmp_path, **changed), tmp_path / "out")
    (line,) = error.value.problems
    assert words in line
    assert line.startswith(f"{tmp_path / 'recipe.yaml'}:")
    assert not (tmp_path / "out").exists()


def test_mistakes_are_told_together(tmp_path):
    data = DATA | {"train": "cifar10-train:here", "test": "imagenet:here"}
    with pytest.raises(BadInput) as error:
        train(recipe(tmp_path, data=data), tmp_path / "out")
    assert len(error.value.problems) == 2


def test_a_stage_of_which_nothing_learns_is_told(tmp_path):
    student = {"base": SMALL, "exits": {"at": ["block1"]}}
    loaded = recipe(
        tmp_path, student=student, stages=[LABELS | {"train": ["exits"]}], outcomes=None
    )
    with pytest.raises(BadInput, match="stage 1: its loss does not depend on any part that learns"):
        train(loaded, tmp_path / "out")


# The project's own.


def built(path, **changed):
    """The networks of a recipe, with random weights and nothing computed, and its losses."""
    loaded = load_recipe(path, WITHOUT | changed)
    with torch.device("meta"):
        pair = open_pair(loaded, Path("nowhere"), 0)
        return pair, bind(loaded, pair, mixed=False)


@pytest.mark.parametrize("path", OURS, ids=[path.stem for path in OURS])
def test_recipes_are_valid_and_their_networks_have_what_they_name(path, monkeypatch):
    monkeypatch.chdir(RECIPES.parents[1])  # where they say that they are run
    loaded = load_recipe(path)
    assert loaded.recipe.name == path.stem
    assert path.read_text().startswith("# ")
    pair, objectives = built(path)
    assert len(objectives) == len(loaded.recipe.steps)
    assert (pair.student.wire is None) == (loaded.recipe.student.bottleneck is None)


@pytest.mark.parametrize(
    ("names", "folder"),
    [("*-imagenet.yaml", "imagenet/train"), ("*-cifar100.yaml", "cifar-100-python")],
)
def test_recipes_say_where_missing_data_belong(names, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = sorted(RECIPES.glob(names))
    assert paths
    for path in paths:
        with pytest.raises(BadInput) as error:
            open_data(load_recipe(path))
        train_part, test_part = error.value.problems
        assert folder in train_part
        assert "data.test: " in test_part


def test_recipes_say_which_weights_they_want(tmp_path):
    loaded = load_recipe(RECIPES / "digits-bottlefit4.yaml")
    with pytest.raises(BadInput, match=r"no file 'digits-teacher\.pt' beside the recipe") as error:
        train(loaded, tmp_path)
    assert "train it first" in error.value.problems[0]


@pytest.mark.parametrize(("name", "channels"), [("resnet152", 3), ("densenet169", 9)])
def test_bottlefit_recipes_send_the_published_bytes(name, channels):
    changed = {"student.bottleneck.channels": channels}
    pair, _ = built(RECIPES / f"bottlefit-{name}-imagenet.yaml", **changed)
    narrow = find(cuts(pair.student.module, pair.student.example()), "bottleneck")
    assert narrow.elements == 841 * channels


@pytest.mark.parametrize(
    ("name", "bits"),
    [("bottlenetpp-resnet50-cifar100", 8), ("spikebottlenet-resnet50-cifar100", 1)],
)
def test_the_256_fold_recipes_send_one_bit_of_256(name, bits, monkeypatch):
    monkeypatch.chdir(RECIPES.parents[1])
    pair, _ = built(RECIPES / f"{name}.yaml")
    narrow = find(cuts(pair.student.module, pair.student.example()), "bottleneck")
    assert 256 * bits * narrow.elements == 32 * 2048 * 4 * 4


@pytest.mark.parametrize(
    "override",
    [
        "strategy=head_distillation",
        "strategy={kind: two_stage, freeze: [bottleneck], fine_tune: {kind: distillation}}",
        "student.bottleneck.channels=1",
        "student.bottleneck={kind: bottlenetpp, channels: 2, channel: {kind: awgn, snr_db: 5}}",
        "data.augment=null",
    ],
)
def test_recipes_can_be_changed(override):
    loaded = load_recipe(RECIPES / "digits-bottlefit4.yaml", [override, "name=other"])
    assert loaded.recipe.name == "other"
