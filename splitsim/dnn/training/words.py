"""The words of a card: what a network is, how it was trained, and the card to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from splitsim.dnn.training.recipe import Recipe
from splitsim.dnn.training.stages import Stage

Card = Mapping[str, Any]


def described(recipe: Recipe) -> str:
    """A network in words."""
    student = recipe.student
    parts = [f"a bottleneck ({_plain(student.bottleneck)})"] if student.bottleneck else []
    parts += [f"exits at {', '.join(student.exits.at)}"] if student.exits else []
    return f"{student.base.network}{' with ' if parts else ''}{' and '.join(parts)}"


def sentence(stage: Stage) -> str:
    """A stage in words."""
    length = f"{stage.epochs} epoch{'s' if stage.epochs > 1 else ''}"
    parts = [f"{length} of {_plain(stage.loss)} by {_plain(stage.optimiser)}"]
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
    yield from _how_good(made)
    if rows:
        yield from ("", "| cut | mean bytes | accuracy beyond it | accuracy of its exit |")
        yield from ("|---|---:|---:|---:|", *map(_row, rows))
    yield from ("", "Trained in stages:", "")
    yield from (f"{number}. {stage}" for number, stage in enumerate(made["stages"], start=1))
    yield from ("", *_how_made(made))
    yield from (f"\nNote: {note}." for note in made["notes"])


def _how_good(made: Card) -> Iterator[str]:
    low, high = made["top1_low"], made["top1_high"]
    tested = f"{made['test_samples']} samples of {made['test']}"
    yield f"- Accuracy: {made['top1']:.2%} of {tested} (95 % {low:.2%} to {high:.2%}, Wilson)"
    if "teacher_top1" in made:
        yield f"- Its teacher's: {made['teacher_top1']:.2%}"
    without = ", its exits left out" if made["exits"] else ""
    yield f"- Whole network{without}: {made['macs']:,} MACs, {made['params']:,} parameters"
    if "head_macs" in made:
        yield f"- Head: {made['head_macs']:,} MACs, {made['head_params']:,} parameters"


def _how_made(made: Card) -> Iterator[str]:
    learned = f"{made['train_samples']} samples of {made['train']}"
    held = f"{made['validation_samples']} held back to watch"
    yield f"{made['epochs']} epochs, {learned} in batches of {made['batch']}, {held}."
    where = f"{made['device']}, threads {made['threads']}, {made['seconds']:.1f} s"
    versions = ", ".join(f"{key} {made[key]}" for key in ("splitsim", "torch", "numpy", "python"))
    yield f"Seed {made['seed']}; {where}; {versions}."


def _row(row: Card) -> str:
    leaves = "" if row["exit_top1"] is None else f"{row['exit_top1']:.2%}"
    return f"| {row['cut']} | {row['bytes']:,.1f} | {row['top1']:.2%} | {leaves} |"
