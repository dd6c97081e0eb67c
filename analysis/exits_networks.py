"""The networks of the study of exits: trained on digits, run over the test part, profiled.

Per seed a folder of tables with four small ResNets of the same layers: the *backbone*, without
exits; *branchynet*, trained together with its two exits; *spinn*, whose backbone is the first and
stays as it is while its three exits learn; and *spinn-joint*, the same exits trained together with
the network. All but spinn begin at random weights and see the same number of pictures; nobody is
taught by another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from splitsim.dnn.networks import load
from splitsim.dnn.profile import Plan, profile
from splitsim.dnn.profile_tables import profile_files
from splitsim.dnn.tables import write
from splitsim.dnn.training.recipe import load_recipe
from splitsim.dnn.training.train import train
from splitsim.dnn.wire import Wire
from splitsim.profiles import Tables

HARDWARE = "x86-1t"
WIRE = "uint8"  # SPINN sends eight bits a number; pixels as they are
BACKBONE = "backbone"
NOTE = "Times of the layers are the backbone's; those of branches were measured in each network."

Recipe = dict[str, Any]

_ONE_CYCLE = {"kind": "one_cycle"}
_WHOLE = {
    "optimiser": {"kind": "adam", "lr": 5e-3, "weight_decay": 1e-4},
    "schedule": _ONE_CYCLE,
}
_ALONE = {
    "optimiser": {"kind": "adam", "lr": 1e-2},
    "schedule": _ONE_CYCLE,
    "train": ["exits"],
}
_BASE = {"network": "small_resnet"}
_BRANCHYNET = {"kind": "branchynet", "at": ["layer1", "layer2"]}
_SPINN = {"kind": "spinn", "at": ["layer1", "layer2", "layer3"]}
_LABELS, _EXITS = ({"loss": {"kind": kind}} for kind in ("cross_entropy", "exits"))

# In this order: spinn needs the backbone's weights.
NETWORKS: dict[str, tuple[Recipe, Recipe]] = {
    BACKBONE: ({"base": _BASE}, _WHOLE | _LABELS),
    "branchynet": ({"base": _BASE, "exits": _BRANCHYNET}, _WHOLE | _EXITS),
    "spinn": (
        {"base": _BASE | {"weights": f"{BACKBONE}.pt"}, "exits": _SPINN},
        _ALONE | _EXITS,
    ),
    "spinn-joint": ({"base": _BASE, "exits": _SPINN}, _WHOLE | _EXITS),
}
# Networks that are alike: what is measured of the first holds for all.
ALIKE = ((BACKBONE,), ("branchynet",), ("spinn", "spinn-joint"))


def folder_of(work: Path, seed: int) -> Path:
    """A seed's folder of tables."""
    return work / f"seed{seed}"


def recipe(name: str, epochs: int, limit: int | None) -> Recipe:
    """How a network is trained; its tables are of the first ``limit`` test pictures."""
    student, stage = NETWORKS[name]
    return {
        "name": name,
        "student": student,
        "data": {"train": "digits-train", "test": "digits-test", "augment": {"shift": 1}},
        "stages": [stage | {"epochs": epochs}],
        "outcomes": {"image": WIRE, "wire": WIRE, "limit": limit},
    }


def train_seed(seed: int, work: Path, epochs: int, limit: int | None = None) -> None:
    """All networks of a seed but those that were trained so before."""
    out = folder_of(work, seed)
    recipes = out / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        path = recipes / f"{name}.yaml"
        text = yaml.safe_dump(recipe(name, epochs, limit))
        whole = (out / "training" / name / "card.toml").is_file()
        if whole and path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.write_text(text, encoding="utf-8")
        train(load_recipe(path), out, seed=seed, resume=True, report=False)


def measure(work: Path, seeds: Sequence[int], runs: int) -> None:
    """Profiles on this machine, one for all seeds: weights do not change how long a layer takes.

    The layers are measured once, in the backbone; else noise would tell networks apart that
    compute the same. Their branches are measured each alone.
    """
    hardware, out = Tables().hardware(HARDWARE), folder_of(work, seeds[0])
    layers = None
    for alike in ALIKE:
        name, plan = alike[0], _plan(out / "models" / f"{alike[0]}.csv", runs)
        network = load(
            str(out / "networks" / f"{name}.yaml"), weights=out / "weights" / f"{name}.pt"
        )
        found = profile(network, plan)
        layers = layers or found
        own = replace(layers, exits=found.exits, exits_s=found.exits_s)
        for seed, other in ((seed, other) for seed in seeds for other in alike):
            files = profile_files(other, hardware, network, plan, own, NOTE)
            write(folder_of(work, seed), files)


def _plan(table: Path, runs: int) -> Plan:
    wire = Wire.parse(WIRE)
    return Plan(wire=wire, image=wire, which=str(table), runs=runs, batches=(1,))
