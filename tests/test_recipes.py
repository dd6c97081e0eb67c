"""Recipes: mistakes have their line, and those of the project can be run where the data are."""

from __future__ import annotations

import pytest
from teaching import HEAD, LABELS, SMALL, STUDENT, recipe

from splitsim.dnn.training.train import train
from splitsim.errors import BadInput

DATA = STUDENT["data"]


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
        ({"data": DATA | {"test": "digits"}}, "10 classes; small_resnet chooses from 4"),
        ({"data": DATA | {"train": "generated:4x3x8x8x9"}}, "has an image of 3x8x8"),
        ({"data": DATA | {"validation": 0.995}}, "leaves 0 samples to learn from"),
        ({"student": {"base": SMALL | {"weights": "no.pt"}}}, "no file 'no.pt' beside the recipe"),
        (
            {"student": {"base": SMALL}, "stages": [HEAD | {"train": None}]},
            "points: are missing; the student has no bottleneck",
        ),
        ({"teacher": {"network": "small_resnet"}}, "choose from as many classes as the student"),
        ({"teacher": {"network": "resnet"}}, "teacher: unknown network 'resnet'"),
        ({"stages": [HEAD | {"train": ["decode"]}]}, "'decode' (did you mean 'decoder'?)"),
        ({"stages": [LABELS | {"freeze": ["xy"]}]}, "there is no part 'xy'; there are "),
        ({"stages": [LABELS | {"loss": {"kind": "exits"}}]}, "exits needs a student with exits"),
        (
            {"stages": points(decoder="layer1")},
            "'decoder' is 32x4x4 in the student, 'layer1' 16x8x8 in the teacher",
        ),
        ({"stages": points(decodr="layer2")}, "no cut 'decodr'; did you mean 'decoder'?"),
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
    student = {"base": SMALL, "exits": {"at": ["layer1"]}}
    loaded = recipe(
        tmp_path, student=student, stages=[LABELS | {"train": ["exits"]}], outcomes=None
    )
    with pytest.raises(BadInput, match="stage 1: its loss does not depend on any part that learns"):
        train(loaded, tmp_path / "out")
