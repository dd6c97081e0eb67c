"""Small recipes, networks and data, and how two trainings are compared."""

from __future__ import annotations

from dataclasses import replace

import torch
import yaml

from splitsim.dnn.training.recipe import load_recipe

DATA = "generated:4x1x8x8x96"
SMALL = {"network": "small_cnn", "classes": 4, "shape": [1, 8, 8]}
ADAM = {"kind": "adam", "lr": 5e-3}
HEAD = {
    "epochs": 2,
    "loss": {"kind": "head_distillation", "points": {"decoder": "pool", "block3": "block3"}},
    "optimiser": ADAM,
    "train": ["bottleneck", "decoder"],
}
LABELS = {"epochs": 2, "loss": {"kind": "cross_entropy"}, "optimiser": ADAM}
STUDENT = {
    "name": "student",
    "student": {
        "base": SMALL,
        "bottleneck": {"kind": "reduction", "channels": 2, "join": "pool"},
    },
    "data": {"train": DATA, "test": "generated:4x1x8x8x40", "batch": 8},
    "stages": [HEAD, LABELS],
    "outcomes": {"image": "uint8"},
}


def recipe(folder, content=STUDENT, **changed):
    """A recipe, written to a file and read; ``changed`` replaces whole keys of it."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**content, **changed}))
    return load_recipe(path)


def plain(folder, stages, **changed):
    """A recipe for a small network as it is, without tables."""
    return recipe(folder, student={"base": SMALL}, stages=stages, outcomes=None, **changed)


def weights(trained):
    return trained.network.module.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def figures(history):
    """All of it but the seconds."""
    return [replace(row, seconds=0) for row in history]
