"""Recorded runs: whole runs of a network on one hardware, of which a task draws one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitsim.columns import read_columns
from splitsim.entries import TIMES, Profile
from splitsim.errors import BadInput
from splitsim.luck import Factors
from splitsim.uncertainty import Shift

COLUMNS = ("run", "cut", *(f"{name}_s" for name in TIMES))  # a row per run and cut, in this order


@dataclass(frozen=True, slots=True)
class Runs:
    """Recorded runs of a model on one hardware: factors of its profile's times, one per run.

    ``head[c]`` of what the device does before cut c, ``rest[c]`` of what it has left if no answer
    comes, ``tail[c]`` of what a server does. One run is one draw: at every cut, the same member.
    """

    head: tuple[Factors, ...]
    rest: tuple[Factors, ...]
    tail: tuple[Factors, ...]

    def shifted(self, _: Shift) -> Runs:
        """The same: they are factors, and move with the times."""
        return self


def read_runs(path: Path, profile: Profile) -> Runs:
    """Read the runs behind a profile, strictly.

    Args:
        path: the Parquet file.
        profile: the times of which they become factors.

    Raises:
        BadInput: it cannot be read, or is of other cuts.
    """
    cuts = len(profile.times["head"])
    times = _times(path, cuts)
    pre, head, encode, decode, tail = (times[f"{name}_s"] for name in TIMES)
    # What Profile.rest_s says of the table, run by run.
    rest = np.maximum(head[:, -1:] - head, 0.0)
    rest[:, 0] += pre[:, -1]
    each = range(cuts)
    return Runs(
        head=_factors(pre + head + encode, [profile.device_s(cut) for cut in each]),
        rest=_factors(rest, [profile.rest_s(cut) for cut in each]),
        tail=_factors(decode + tail, [profile.server_s(cut) for cut in each]),
    )


def _factors(runs_s: np.ndarray, table_s: list[float | None]) -> tuple[Factors, ...]:
    """Runs against the table, a tuple per cut; 1 where the table has no time or none is needed."""
    return tuple(
        tuple((column / usual_s).tolist()) if usual_s else (1.0,) * len(column)
        for column, usual_s in zip(runs_s.T, table_s, strict=True)
    )


def _times(path: Path, cuts: int) -> dict[str, np.ndarray]:
    """The columns, each of shape (runs, cuts)."""
    columns, _ = read_columns(path, COLUMNS)
    rows = len(columns["cut"])
    if not rows or rows % cuts or np.any(columns["cut"] != np.arange(rows) % cuts):
        raise BadInput(f"{path}: cut: must be 0 to {cuts - 1} for every run, in order")
    for name in COLUMNS[2:]:
        wrong = ~((columns[name] >= 0) & (columns[name] < np.inf))
        if wrong.any():
            what = "must be numbers, 0 or more, not"
            raise BadInput(f"{path}: {name}: {what} {columns[name][wrong][0]}")
    return {name: values.reshape(-1, cuts) for name, values in columns.items()}
