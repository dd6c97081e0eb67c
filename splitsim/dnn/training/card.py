"""The card of a trained network: how good it is, how large, and how it came about, in numbers."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.training.machine import Machine
from splitsim.dnn.training.recipe import LoadedRecipe, Recipe
from splitsim.dnn.training.samples import Samples
from splitsim.dnn.training.state import Epoch
from splitsim.dnn.training.words import described, sentence
from splitsim.dnn.zoo import LoadedModel

Z = 1.96  # of a 95 % interval
Card = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What a card tells of.

    Attributes:
        loaded: the recipe.
        student: as it was trained.
        samples: that it learned from and was tested on.
        history: its epochs.
        right: its share of right answers on the test part.
        teacher_right: the teacher's; None if there is none.
        machine: that computed.
        seed: of everything that was drawn.
        notes: what is allowed, and hardly meant.
    """

    loaded: LoadedRecipe
    student: LoadedModel
    samples: Samples
    history: Sequence[Epoch]
    right: float
    teacher_right: float | None
    machine: Machine
    seed: int
    notes: Sequence[str]

    @property
    def recipe(self) -> Recipe:
        """What the recipe says."""
        return self.loaded.recipe


def wilson(share: float, samples: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent samples (Wilson 1927).

    ``(p + z^2/2n -+ z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n)``
    """
    middle = share + Z**2 / (2 * samples)
    half = Z * math.sqrt(share * (1 - share) / samples + Z**2 / (4 * samples**2))
    whole = 1 + Z**2 / samples
    return (middle - half) / whole, (middle + half) / whole


def card(told: Told, rows: Sequence[Card]) -> dict[str, Any]:
    """All of it, flat.

    Args:
        told: what was trained.
        rows: of its cuts, as ``at_cuts`` gives them.
    """
    recipe, tested = told.recipe, len(told.samples.tested)
    low, high = wilson(told.right, tested)
    *_, whole = every = cuts(told.student.module, told.student.example())
    return {
        "name": recipe.name,
        "network": described(recipe),
        "top1": told.right,
        "top1_low": low,
        "top1_high": high,
        "test": recipe.data.test,
        "test_samples": tested,
        **({} if told.teacher_right is None else {"teacher_top1": told.teacher_right}),
        "macs": whole.macs,
        "params": whole.params,
        "exits": list(told.student.exits),
        **_head(every, rows),
        "stages": [sentence(stage) for stage in recipe.steps],
        "epochs": len(told.history),
        "train": recipe.data.train,
        "train_samples": len(told.samples.learned),
        "validation_samples": len(told.samples.watched),
        "batch": recipe.data.batch,
        "seed": told.seed,
        "device": told.machine.described,
        "threads": told.machine.threads,
        "seconds": round(sum(row.seconds for row in told.history), 3),
        "python": platform.python_version(),
        **{name: version(name) for name in ("splitsim", "torch", "numpy")},
        "notes": list(told.notes),
    }


def _head(every: Sequence[Cut], rows: Sequence[Card]) -> dict[str, Any]:
    """What stands before the bottleneck, and what it sends."""
    found = {"head_macs": cut.macs, "head_params": cut.params} if (cut := _narrow(every)) else {}
    sent = [row for row in rows if row["cut"] == BOTTLENECK]
    return found | {f"bottleneck_{key}": row[key] for row in sent for key in ("bytes", "top1")}


def _narrow(every: Sequence[Cut]) -> Cut | None:
    return next((cut for cut in every if cut.name == BOTTLENECK), None)


def at_cuts(out: Path, name: str, outcomes: Path) -> list[dict[str, Any]]:
    """Of each cut in an outcomes table: mean bytes, and the share of right answers beyond it.

    Args:
        out: the folder of tables.
        name: of the model.
        outcomes: its table.
    """
    import pyarrow.parquet as pq

    from splitsim.csvtable import Table

    layers = [row["layer"] for row in Table(out / "models" / f"{name}.csv").rows]
    table = pq.read_table(outcomes)
    branches = [key for key in ("exit_correct",) if key in table.column_names]
    whole = table.filter(table["loss"].to_numpy() == 0)
    wanted = [(key, "mean") for key in ("bytes", "correct", *branches)]
    means = whole.group_by("cut").aggregate(wanted).sort_by("cut").to_pylist()
    return [
        {
            "cut": layers[row["cut"]],
            "bytes": row["bytes_mean"],
            "top1": row["correct_mean"],
            "exit_top1": row.get("exit_correct_mean"),
        }
        for row in means
    ]
