"""The card of a trained network: how good it is, how large, and how it came about."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.training.recipe import LoadedRecipe, Recipe
from splitsim.dnn.training.samples import Samples
from splitsim.dnn.training.stages import Stage
from splitsim.dnn.training.state import Epoch
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
        device: that computed.
        threads: of the processor.
        seed: of everything that was drawn.
        notes: what is allowed, and hardly meant.
    """

    loaded: LoadedRecipe
    student: LoadedModel
    samples: Samples
    history: Sequence[Epoch]
    right: float
    teacher_right: float | None
    device: str
    threads: int
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
        **_head(every, rows),
        "stages": [sentence(stage) for stage in recipe.steps],
        "epochs": len(told.history),
        "train": recipe.data.train,
        "train_samples": len(told.samples.learned),
        "validation_samples": len(told.samples.watched),
        "batch": recipe.data.batch,
        "seed": told.seed,
        "device": told.device,
        "threads": told.threads,
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


def described(recipe: Recipe) -> str:
    """A network in words."""
    student = recipe.student
    bottleneck = "" if student.bottleneck is None else f" with a bottleneck ({_plain(student.bottleneck)})"
    exits = "" if student.exits is None else f" with exits at {', '.join(student.exits.at)}"
    return f"{student.base.network}{bottleneck}{exits}"


def sentence(stage: Stage) -> str:
    """A stage in words."""
    parts = [f"{stage.epochs} epochs of {_plain(stage.loss)} by {_plain(stage.optimiser)}"]
    parts += [f"schedule {_plain(stage.schedule)}"] if stage.schedule else []
    parts += [f"only {', '.join(stage.train)}"] if stage.train else []
    parts += [f"without {', '.join(stage.freeze)}"] if stage.freeze else []
    parts += [f"watching {_plain(stage.watch)}"] if stage.watch else []
    return "; ".join(parts)


def _plain(part: Any) -> str:
    """A component in words: its kind, then what it says of itself."""
    said = part.model_dump(mode="json", exclude_none=True)
    kind = said.pop("kind", "")
    return ", ".join([kind] * bool(kind) + [f"{key} {_word(value)}" for key, value in said.items()])


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}-{other}" for key, other in value.items()) or "equal"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def as_markdown(made: Card, rows: Sequence[Card]) -> str:
    """The card to read."""
    return "\n".join([f"# {made['name']}", "", f"{made['network']}.", "", *_lines(made, rows), ""])


def _lines(made: Card, rows: Sequence[Card]) -> Iterator[str]:
    interval = f"95 % interval {made['top1_low']:.2%} to {made['top1_high']:.2%}, Wilson"
    yield f"- Accuracy: {made['top1']:.2%} of {made['test_samples']} samples of {made['test']} ({interval})"
    if "teacher_top1" in made:
        yield f"- Its teacher's: {made['teacher_top1']:.2%}"
    yield f"- Whole network: {made['macs']:,} MACs, {made['params']:,} parameters"
    if "head_macs" in made:
        yield f"- Head: {made['head_macs']:,} MACs, {made['head_params']:,} parameters"
    if rows:
        yield from ("", "| cut | mean bytes | accuracy beyond it | accuracy of its exit |")
        yield "|---|---:|---:|---:|"
        yield from map(_row, rows)
    yield from ("", "Trained in stages:", "")
    yield from (f"{number}. {stage}" for number, stage in enumerate(made["stages"], start=1))
    learned = f"{made['train_samples']} samples of {made['train']} in batches of {made['batch']}"
    yield from ("", f"{made['epochs']} epochs, {learned}, {made['validation_samples']} held back to watch.")
    where = f"{made['device']}, threads {made['threads']}, {made['seconds']:.1f} s"
    versions = ", ".join(f"{key} {made[key]}" for key in ("splitsim", "torch", "numpy", "python"))
    yield f"Seed {made['seed']}; {where}; {versions}."
    yield from (f"\nNote: {note}." for note in made["notes"])


def _row(row: Card) -> str:
    leaves = "" if row["exit_top1"] is None else f"{row['exit_top1']:.2%}"
    return f"| {row['cut']} | {row['bytes']:,.1f} | {row['top1']:.2%} | {leaves} |"
