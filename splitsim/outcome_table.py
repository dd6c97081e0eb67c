"""Outcomes tables, read strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from splitsim.columns import read_columns
from splitsim.errors import BadInput
from splitsim.outcomes import Exit, Heard, Outcome, Outcomes

# Of the Parquet file: a row per loss or SNR, cut and sample, in this order. ``loss`` is the share
# of packets erased, null where numbers were sent as symbols; ``confidence`` the probability of the
# prediction; ``correct`` 0 or 1.
COLUMNS = ("sample", "cut", "loss", "bytes", "prediction", "confidence", "correct")
# What the branch of an exit answers on the device, whatever the link; null at cuts without one.
# ``exit_entropy`` is over the most it can be, the logarithm of the number of classes.
EXIT_COLUMNS = ("exit_prediction", "exit_confidence", "exit_entropy", "exit_correct")
SHARES = ("exit_confidence", "exit_entropy", "exit_correct")
SNR = "snr_db"  # at which numbers were heard that were sent as symbols; null where bits were
NONE = -1e9  # for null where a number is needed that is no SNR
LEVELS = ("loss", "cut", SNR)  # a row for every sample at each of them

Rows = Mapping[str, np.ndarray]


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
    problems = list(_problems(columns, samples, len(layers)))
    if problems:
        raise BadInput(*(f"{path}: {problem}" for problem in problems))
    found: dict[float, dict[int, Outcome]] = {}
    noisy: dict[int, dict[float, Outcome]] = {}
    for rows in _groups(columns, samples):
        loss, cut = round(float(rows["loss"][0]), 9), int(rows["cut"][0])
        if np.isnan(rows[SNR][0]):
            found.setdefault(loss, {})[cut] = _outcome(rows)
        else:
            noisy.setdefault(cut, {})[float(rows[SNR][0])] = _outcome(rows)
    heard = {cut: _heard(levels) for cut, levels in noisy.items()}
    return Outcomes(model, dataset, samples, found, heard), source


def _read(path: Path, layers: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
    columns, noted = read_columns(path, COLUMNS, EXIT_COLUMNS, (SNR,))
    columns.setdefault(SNR, np.full(len(columns["cut"]), np.nan))
    try:
        own = json.loads(noted.get(b"splitsim", b"{}")).get("layers", list(layers))
    except (ValueError, AttributeError) as error:
        raise BadInput(f"{path}: what its maker noted in it cannot be read") from error
    if own != list(layers):
        what = f"is of a model cut at {', '.join(own)}, its model table at {', '.join(layers)}"
        raise BadInput(f"{path}: {what}; run splitsim outcomes again")
    return columns, noted.get(b"source", b"").decode(errors="replace")


def _groups(columns: Rows, samples: int) -> Iterator[Rows]:
    """The rows of all samples, one loss or SNR and cut after the other."""
    shaped = {name: values.reshape(-1, samples) for name, values in columns.items()}
    for n in range(len(shaped["cut"])):
        yield {name: values[n] for name, values in shaped.items()}


def _outcome(rows: Rows) -> Outcome:
    known = [rows[name].astype(float) for name in SHARES if name in rows]
    branch = Exit(*known) if known and not np.isnan(known[0][0]) else None
    return Outcome(rows["bytes"].astype(float), rows["correct"].astype(float), branch)


def _heard(levels: Mapping[float, Outcome]) -> Heard:
    rising = sorted(levels)
    return Heard(tuple(rising), tuple(levels[snr_db] for snr_db in rising))


def _problems(columns: Rows, samples: int, cuts: int) -> Iterator[str]:
    rows = len(columns["sample"])
    if not rows or samples < 1:
        yield "is empty"
        return
    if rows % samples or np.any(columns["sample"] != np.arange(rows) % samples):
        yield f"sample: must be 0 to {samples - 1} for every loss and cut, in order"
        return
    levels = np.stack([columns[name].astype(float) for name in LEVELS])
    levels[np.isnan(levels)] = NONE
    for name, values in zip(LEVELS, levels.reshape(len(LEVELS), -1, samples), strict=True):
        if np.any(values != values[:, :1]):
            yield f"{name}: must be the same for the {samples} rows of all samples"
    yield from _out_of_range(columns, cuts)
    yield from _noise_out_of_place(columns, cuts)
    groups = levels[:, ::samples]
    if len(np.unique(groups, axis=1).T) < groups.shape[1]:
        yield "has a loss or SNR and cut twice"
    if SHARES[0] in columns:
        yield from _exits_out_of_place(columns, samples, cuts)


def _out_of_range(columns: Rows, cuts: int) -> Iterator[str]:
    limits = {"cut": (0, cuts - 1), "loss": (0, 1), "bytes": (0, np.inf), "correct": (0, 1)}
    limits |= {name: (0, 1) for name in SHARES if name in columns}
    for name, (low, high) in limits.items():
        values = columns[name]
        wrong = ~((values >= low) & (values <= high))
        if name in SHARES:
            wrong &= ~np.isnan(values)
        if name == "loss":
            wrong &= np.isnan(columns[SNR])
        if wrong.any():
            yield f"{name}: must be from {low} to {high:g}, not {values[wrong][0]}"
    for name in ("correct", "exit_correct"):
        values = columns.get(name, np.zeros(0))
        if not np.isin(values[~np.isnan(values)], (0, 1)).all():
            yield f"{name}: must be 0 or 1"


def _noise_out_of_place(columns: Rows, cuts: int) -> Iterator[str]:
    """Symbols lose no packets, and the device itself hears nothing."""
    as_bits = np.isnan(columns[SNR])
    if np.any(np.isinf(columns[SNR])):
        yield f"{SNR}: must be finite, or null"
    if as_bits.all():
        return
    if not as_bits.any():
        yield f"{SNR}: must be null in some rows: those of the last cut, at least"
    if not np.isnan(columns["loss"][~as_bits]).all():
        yield f"loss: must be null where {SNR} is not"
    if np.any(columns["cut"][~as_bits] == cuts - 1):
        yield f"{SNR}: must be null at the last cut, where nothing is sent"


def _exits_out_of_place(columns: Rows, samples: int, cuts: int) -> Iterator[str]:
    """An exit answers every sample, whatever the link; the last cut has none."""
    null = np.stack([np.isnan(columns[name]).reshape(-1, samples) for name in EXIT_COLUMNS])
    none, cut = null.all(axis=(0, 2)), columns["cut"][::samples]
    halves = np.unique(cut[null.any(axis=(0, 2)) & ~none])
    halves = np.union1d(halves, np.intersect1d(cut[none], cut[~none]))
    if len(halves):
        where = ", ".join(f"{value:g}" for value in halves)
        yield f"exit_*: must be null in all rows of a cut or in none, unlike those of cut {where}"
    if np.any(cut[~none] == cuts - 1):
        yield "exit_*: must be null at the last cut, where the network itself answers"
