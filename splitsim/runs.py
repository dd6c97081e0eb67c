"""Recorded runs: whole runs of a network on one hardware, of which a task draws one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitsim.columns import read_columns
from splitsim.entries import TIMES, Profile
from splitsim.errors import BadInput
from splitsim.luck import Factors
from splitsim.uncertainty import Shift

COLUMNS = ("run", "cut", *(f"{name}_s" for name in TIMES))  # a row per run and cut, in this order
BRANCH = "exit_s"  # of the branch at a cut, if it has an exit; null elsewhere


@dataclass(frozen=True, slots=True)
class Runs:
    """Recorded runs of a model on one hardware: factors of its profile's times, one per run.

    ``head[c]`` of what the device does before cut c, ``rest[c]`` of what it has left if no answer
    comes, ``tail[c]`` of what a server does. One run is one draw: at every cut, the same member.
    ``times[name]``, shape (runs, cuts), are the seconds of each step, and ``usual`` the profile.
    """

    head: tuple[Factors, ...]
    rest: tuple[Factors, ...]
    tail: tuple[Factors, ...]
    times: Mapping[str, np.ndarray]
    usual: Profile

    def with_branches(self, cut: int, branches: Sequence[int], *steps: str) -> Factors:
        """Of some steps at a cut and the branches at some exits, together."""
        exits = list(branches)
        runs_s = sum(self.times[step][:, cut] for step in steps)
        runs_s = runs_s + self.times["exit"][:, exits].sum(axis=1)
        usual_s = (self.usual.sum_s(cut, *steps) or 0.0) + (self.usual.branches_s(exits) or 0.0)
        return _factors(runs_s[:, None], [usual_s])[0]

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
    times["exit"] = _branches(path, times, profile)
    pre, head, encode, decode, tail = (times[name] for name in TIMES)
    # What Profile.rest_s says of the table, run by run.
    rest = np.maximum(head[:, -1:] - head, 0.0)
    rest[:, 0] += pre[:, -1]
    each = range(cuts)
    return Runs(
        head=_factors(pre + head + encode, [profile.device_s(cut) for cut in each]),
        rest=_factors(rest, [profile.rest_s(cut) for cut in each]),
        tail=_factors(decode + tail, [profile.server_s(cut) for cut in each]),
        times=times,
        usual=profile,
    )


def _factors(runs_s: np.ndarray, table_s: Sequence[float | None]) -> tuple[Factors, ...]:
    """Runs against the table, a tuple per cut; 1 where the table has no time or none is needed."""
    return tuple(
        tuple((column / usual_s).tolist()) if usual_s else (1.0,) * len(column)
        for column, usual_s in zip(runs_s.T, table_s, strict=True)
    )


def _times(path: Path, cuts: int) -> dict[str, np.ndarray]:
    """The steps, each of shape (runs, cuts), that of the branches only if it was recorded."""
    columns, _ = read_columns(path, COLUMNS, (BRANCH,))
    rows = len(columns["cut"])
    if not rows or rows % cuts or np.any(columns["cut"] != np.arange(rows) % cuts):
        raise BadInput(f"{path}: cut: must be 0 to {cuts - 1} for every run, in order")
    for name in COLUMNS[2:]:
        wrong = ~((columns[name] >= 0) & (columns[name] < np.inf))
        if wrong.any():
            what = "must be numbers, 0 or more, not"
            raise BadInput(f"{path}: {name}: {what} {columns[name][wrong][0]}")
    steps = {name.removesuffix("_s"): columns[name] for name in columns if name.endswith("_s")}
    return {name: values.reshape(-1, cuts) for name, values in steps.items()}


def _branches(path: Path, times: Mapping[str, np.ndarray], profile: Profile) -> np.ndarray:
    """Of the branches, 0 where there is none; if not recorded, slow or fast as their heads."""
    usual_s = [time_s or 0.0 for time_s in profile.times["exit"]]
    if "exit" not in times:
        heads = _factors(times["head"], profile.times["head"])
        return np.array(heads).T * usual_s
    recorded, known = times["exit"], np.array([s is not None for s in profile.times["exit"]])
    wrong = ~((recorded >= 0) & (recorded < np.inf)) & known
    if wrong.any():
        cut = int(np.flatnonzero(wrong.any(axis=0))[0])
        what = f"must be numbers, 0 or more, at cut {cut}, where the profile has an exit"
        raise BadInput(f"{path}: {BRANCH}: {what}; run splitsim profile again")
    return np.where(known, recorded, 0.0)
