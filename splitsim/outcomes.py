"""Outcomes tables: what a split network sent and answered, per sample, cut and loss."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splitsim.columns import read_columns
from splitsim.entries import Outcome, Outcomes
from splitsim.errors import BadInput

# Of the Parquet file: a row per loss, cut and sample, in this order. ``loss`` is the share of
# packets erased; ``confidence`` the probability of the prediction; ``correct`` 0 or 1.
COLUMNS = ("sample", "cut", "loss", "bytes", "prediction", "confidence", "correct")


def read_outcomes(
    path: Path, model: str, dataset: str, layers: Sequence[str]
) -> tuple[Outcomes, str]:
    """Read a table, strictly, and where it says it comes from.

    Args:
        path: the Parquet file.
        model: its model.
        dataset: its data set.
        layers: the names of the model's cuts.

    Raises:
        BadInput: with a line for every mistake.
    """
    columns, source = _read(path, layers)
    samples = int(columns["sample"].max(initial=-1)) + 1
    problems = list(_problems(path, columns, samples, len(layers)))
    if problems:
        raise BadInput(*problems)
    found: dict[float, dict[int, Outcome]] = {}
    shaped = {name: columns[name].reshape(-1, samples) for name in columns}
    for n in range(len(shaped["cut"])):
        outcome = Outcome(shaped["bytes"][n].astype(float), shaped["correct"][n].astype(float))
        loss, cut = round(float(shaped["loss"][n, 0]), 9), int(shaped["cut"][n, 0])
        found.setdefault(loss, {})[cut] = outcome
    return Outcomes(model, dataset, samples, found), source


def _read(path: Path, layers: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
    columns, noted = read_columns(path, COLUMNS)
    try:
        own = json.loads(noted.get(b"splitsim", b"{}")).get("layers", list(layers))
    except (ValueError, AttributeError) as error:
        raise BadInput(f"{path}: what its maker noted in it cannot be read") from error
    if own != list(layers):
        what = f"is of a model cut at {', '.join(own)}, its model table at {', '.join(layers)}"
        raise BadInput(f"{path}: {what}; run splitsim outcomes again")
    return columns, noted.get(b"source", b"").decode(errors="replace")


def _problems(path: Path, columns: dict[str, np.ndarray], samples: int, cuts: int) -> Iterator[str]:
    rows = len(columns["sample"])
    if not rows or samples < 1:
        yield f"{path}: is empty"
        return
    if rows % samples or np.any(columns["sample"] != np.arange(rows) % samples):
        yield f"{path}: sample: must be 0 to {samples - 1} for every loss and cut, in order"
        return
    for name in ("loss", "cut"):
        if np.any(np.ptp(columns[name].reshape(-1, samples), axis=1)):
            yield f"{path}: {name}: must be the same for the {samples} rows of all samples"
    yield from _out_of_range(path, columns, cuts)


def _out_of_range(path: Path, columns: dict[str, Any], cuts: int) -> Iterator[str]:
    limits = {"cut": (0, cuts - 1), "loss": (0, 1), "bytes": (0, np.inf), "correct": (0, 1)}
    for name, (low, high) in limits.items():
        wrong = ~((columns[name] >= low) & (columns[name] <= high))
        if wrong.any():
            first = columns[name][wrong][0]
            yield f"{path}: {name}: must be from {low} to {high:g}, not {first}"
    if not np.isin(columns["correct"], (0, 1)).all():
        yield f"{path}: correct: must be 0 or 1"
    groups = np.stack([columns["loss"], columns["cut"]])[:, :: columns["sample"].max() + 1]
    if len(np.unique(groups, axis=1).T) < groups.shape[1]:
        yield f"{path}: has a loss and cut twice"
