"""What the figures rest on: parts of latency and energy by the basis of the entries behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from splitsim.uncertainty import BASES, weaker

SCENARIO = "scenario"  # channels, loads and waiting: chosen, not read from a table
KINDS = (*BASES, SCENARIO)
NOTHING = np.zeros(len(BASES))
ON_DEVICE = ("pre", "head", "encode", "exit")
CHOICE = ("device", "option", "server", "exit")

Columns = Mapping[str, np.ndarray]
Sums = dict[str, np.ndarray]  # by part, the sum over tasks that rests on each of KINDS


class Grounds:
    """The options of one point: which share of what they compute rests on each basis.

    Arrays have the shape (options + 1, bases); the last row, of zeros, is for tasks that never
    got an option.
    """

    def __init__(self, options: Columns) -> None:
        names = list(options)
        rows = [dict(zip(names, row, strict=True)) for row in zip(*options.values(), strict=True)]
        names = ["group", "option", "server", "exit"]
        keys = [tuple(_text(row[name]) for name in names) for row in rows]
        self._index = {key: n for n, key in enumerate(keys)}
        self._device = _stack(_time(row, *ON_DEVICE) for row in rows)
        self._server = _stack(_time(row, "decode", "tail") for row in rows)
        self._whole = _stack(_all(row["whole_basis"]) for row in rows)
        self._compute = _stack(map(_energy, rows))
        self._whole_compute = _stack(
            _all(_weaker(row["whole_basis"], row["compute_basis"])) for row in rows
        )
        self._radio = _stack(_all(row["radio_basis"]) for row in rows)

    def options_of(self, tasks: Columns) -> np.ndarray:
        """Which option each task was given, and at which of its exits it ended, as a number."""
        import pandas as pd

        ways, codes = [], np.zeros(len(tasks["device"]), int)
        for name in CHOICE:
            code, values = pd.factorize(tasks[name])  # -1: none
            codes = codes * (len(values) + 1) + code + 1
            ways.append([None, *values])
        found, of_task = np.unique(codes, return_inverse=True)
        return np.array([self._find(code, ways) for code in found.tolist()], int)[of_task]

    def latency(self, parts_s: Columns, fallback_s: np.ndarray, chosen: np.ndarray) -> Sums:
        """What the parts of some latencies rest on.

        Args:
            parts_s: seconds by part, per task.
            fallback_s: how long each computed its fallback.
            chosen: the option of each.
        """
        computed = {
            "device computes": (parts_s["device computes"], self._device),
            "server computes": (parts_s["server computes"], self._server),
            "fallback": (fallback_s, self._whole),
        }
        return {
            part: _with_rest(float(np.sum(all_s)), _sum(*computed[part], chosen))
            if part in computed
            else _with_rest(float(np.sum(all_s)), NOTHING)
            for part, all_s in parts_s.items()
        }

    def energy(
        self, parts_j: Columns, head_s: np.ndarray, fallback_s: np.ndarray, chosen: np.ndarray
    ) -> Sums:
        """What the parts of some energies rest on; computing on the weaker of time and watts.

        Args:
            parts_j: joules by part, per task.
            head_s: how long each computed its head.
            fallback_s: how long each computed its fallback.
            chosen: the option of each.
        """
        both_s = head_s + fallback_s
        late = np.divide(fallback_s, both_s, out=np.zeros_like(both_s), where=both_s > 0)
        sums = {part: _sum(joules, self._radio, chosen) for part, joules in parts_j.items()}
        compute_j = parts_j["compute"]
        sums["compute"] = _sum(compute_j * (1 - late), self._compute, chosen)
        sums["compute"] += _sum(compute_j * late, self._whole_compute, chosen)
        return {part: np.append(found, 0.0) for part, found in sums.items()}

    def _find(self, code: int, ways: list[list[str | None]]) -> int:
        names: list[str | None] = []
        for values in reversed(ways):
            code, n = divmod(code, len(values))
            names.append(values[n])
        device, *choice = reversed(names)
        group = (device or "").rpartition("-")[0]
        return self._index.get((group, *choice), len(self._index))


def shares_text(parts: Mapping[str, float]) -> str:
    """In percent what a figure rests on, for reading: "scaled 60 %, assumed 40 %"."""
    whole = math.fsum(parts.values())
    shares = {kind: 100 * value / whole for kind, value in parts.items() if whole > 0}
    return ", ".join(f"{kind} {share:.0f} %" for kind, share in shares.items() if share >= 0.5)


def total(by_part: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """All parts together, by kind."""
    return {kind: math.fsum(part[kind] for part in by_part.values()) for kind in KINDS}


def _weaker(*bases: str) -> str:
    """The weakest; nothing where one is not known."""
    return weaker(*bases) if all(bases) else ""


def _all(basis: str) -> np.ndarray:
    return np.array([float(basis == known) for known in BASES])


def _time(row: Mapping[str, object], *steps: str) -> np.ndarray:
    """Shares of the sum of some steps."""
    times = {step: _number(row[f"{step}_s"]) for step in steps}
    whole = math.fsum(times.values())
    parts = [time * _all(str(row[f"{step}_basis"])) for step, time in times.items()]
    return np.sum(parts, axis=0) / whole if whole > 0 else NOTHING


def _energy(row: Mapping[str, object]) -> np.ndarray:
    """Shares of the energy of computing before the cut."""
    if not math.isnan(_number(row["energy_j"], math.nan)):
        return _all(str(row["head_basis"]))
    watts = str(row["compute_basis"])
    weak = {f"{step}_basis": _weaker(str(row[f"{step}_basis"]), watts) for step in ON_DEVICE}
    return _time({**row, **weak}, *ON_DEVICE)


def _text(value: object) -> str | None:
    """A text, or None for what pandas takes for none."""
    return value if isinstance(value, str) else None


def _number(value: object, missing: float = 0.0) -> float:
    return float(value) if isinstance(value, float) and not math.isnan(value) else missing


def _stack(rows: Iterable[np.ndarray]) -> np.ndarray:
    return np.array([*rows, NOTHING])


def _sum(values: np.ndarray, shares: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Values of tasks, shared out over the bases of their options."""
    sums: np.ndarray = np.bincount(chosen, values, minlength=len(shares)) @ shares
    return sums


def _with_rest(whole: float, sums: np.ndarray) -> np.ndarray:
    """What rests on no table was chosen in the scenario."""
    return np.append(sums, max(whole - float(np.sum(sums)), 0.0))
