"""Small scenarios on tables of constants, and how a sample is compared with theory.

``build(tmp_path, tail_s=0.02, scenario={"duration_s": 600})`` writes tables and a scenario into
a folder and loads it: a ``board`` behind a very fast cell, and a server ``edge`` on a ``rack``.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from splitsim import load_scenario
from splitsim.scenario import LoadedScenario
from splitsim.steps import Steps
from splitsim.task import Record

ENDLESS_BPS = 1e15  # sending takes next to no time

DEVICE = {
    "name": "device",
    "hardware": "board",
    "cell": "cell",
    "arrivals": {"kind": "poisson", "rate_hz": 1.0},
}
CELL = {
    "radio": "silent",
    "uplink": {"kind": "constant", "rate_bps": ENDLESS_BPS},
    "downlink": {"kind": "constant", "rate_bps": ENDLESS_BPS},
}
SERVER = {"hardware": "rack"}


@dataclass(frozen=True)
class Net:
    """A model: a number per cut 0..L-1, or one number if there is only cut 0.

    Its times rest on ``basis`` at every cut; ``network`` gives it its layers, if not itself.
    ``local_s`` is its time on the device alone; without it, head and tail of cut 0.
    """

    name: str = "net"
    head_s: float | Sequence[float] = 0.0
    send_bytes: float | Sequence[float] = 1e4
    tail_s: float | Sequence[float] = 0.02
    local_s: float | None = None
    answer_bytes: float = 0.0
    top1: float = 1.0
    network: str = ""
    basis: str = "assumed"

    def cuts(self) -> list[tuple[float, float, float]]:
        """Head, bytes and tail of every cut, the last included."""
        heads, sends, tails = map(_listed, (self.head_s, self.send_bytes, self.tail_s))
        local_s = heads[0] + tails[0] if self.local_s is None else self.local_s
        return [*zip(heads, sends, tails, strict=True), (local_s, 0.0, 0.0)]


@dataclass(frozen=True)
class Board:
    """A hardware, which can be a device and a server; its times are those of the net x slow."""

    name: str
    slow: float = 1.0
    idle_w: float | str = 2.0  # "": not known
    compute_w: float | str = 3.0
    basis: str = "assumed"


@dataclass(frozen=True)
class Waves:
    """A radio."""

    name: str = "silent"
    a_up_j_per_bit: float = 0.0
    a_down_j_per_bit: float = 0.0
    b_w: float = 0.0
    zero_w: float | None = None  # b_w
    promotion_s: float = 0.0
    promotion_w: float = 0.0
    tail_s: float | str = 0.0  # states with blanks between them
    tail_w: float | str = 0.0


BOARDS = (Board("board"), Board("rack"))


def build(
    folder: Path,
    *,
    scenario: Mapping[str, Any] | None = None,
    nets: Sequence[Net] = (),
    boards: Sequence[Board] = BOARDS,
    radios: Sequence[Waves] = (Waves(),),
    **net: Any,
) -> LoadedScenario:
    """Write tables and a scenario into a folder, and load it.

    Args:
        folder: an existing folder; what an earlier call wrote there is replaced.
        scenario: changes to the default scenario; see ``merged``.
        nets: the models; without them one ``net`` with the fields of Net in ``net``.
        boards: the hardware.
        radios: the radios.
        **net: fields of the only model.
    """
    nets = nets or (Net(**net),)
    write_tables(folder / "tables", nets, boards, radios)
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump(merged(default_scenario(nets), scenario or {}), sort_keys=False))
    return load_scenario(path)


def default_scenario(nets: Sequence[Net]) -> dict[str, Any]:
    """One device, one cell, one server; policies local, offload, and split1, split2, ..."""
    model = nets[0].name
    fixed = [{"name": kind, "kind": kind, "model": model} for kind in ("local", "offload")]
    inner = range(1, len(nets[0].cuts()) - 1)
    splits = [{"name": f"split{n}", "kind": "split", "model": model, "cut": n} for n in inner]
    return {
        "name": "built",
        "duration_s": 100.0,
        "drain_s": 1e6,  # every task is done in the end
        "models": [net.name for net in nets],
        "tables": ["tables"],
        "devices": [DEVICE],
        "cells": {"cell": CELL},
        "servers": {"edge": SERVER},
        "policies": fixed + splits,
    }


def merged(default: Any, change: Any) -> Any:
    """Changes over defaults: mappings key by key, unless they name another ``kind``.

    None takes a key away; every member of ``devices`` changes the default device.
    """
    if not isinstance(change, Mapping) or not isinstance(default, Mapping) or "kind" in change:
        return change
    result = dict(default)
    for key, value in change.items():
        if key == "devices":
            result[key] = [merged(DEVICE, device) for device in value]
        elif value is None:
            result.pop(key, None)
        else:
            new = {"cells": CELL, "servers": SERVER}.get(key)
            old = result.get(key)
            if new is not None:
                old = {**dict.fromkeys(value, new), **old}
            result[key] = merged(old, value)
    return result


def write_tables(
    folder: Path, nets: Sequence[Net], boards: Sequence[Board], radios: Sequence[Waves]
) -> None:
    """Write the tables in the layout of ``traces/``."""
    for part in ("models", "profiles"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for net in nets:
        _write_model(folder / "models", net)
        for board in boards:
            _write_profile(folder / "profiles" / f"{net.name}@{board.name}.csv", net, board)
    _write_rows(
        folder / "hardware.csv",
        "hardware,idle_w,compute_w,idle_basis,compute_basis,measuring_point,source",
        [(b.name, b.idle_w, b.compute_w, b.basis, b.basis, "none", "test") for b in boards],
    )
    columns = [column.name for column in fields(Waves)]
    _write_rows(
        folder / "radios.csv",
        ",".join(["radio", *columns[1:], "basis", "source"]),
        [(*_waves(radio), "assumed", "test") for radio in radios],
    )


def _waves(radio: Waves) -> list[float | str]:
    full = replace(radio, zero_w=radio.b_w if radio.zero_w is None else radio.zero_w)
    return [getattr(full, column.name) for column in fields(Waves)]


def columns(tasks: Sequence[Record], *names: str) -> SimpleNamespace:
    """Rows as arrays by column, all or some: numbers with NaN for null, and strings."""
    names = names or tuple(column.name for column in fields(Record))
    return SimpleNamespace(**{n: _column([getattr(row, n) for row in tasks]) for n in names})


def agrees(
    replications: Sequence[float] | np.ndarray,
    expected: float,
    *,
    within: float = 4.5,
    error: float | None = None,
) -> None:
    """Assert that independent replications have an expected mean.

    The tolerance is ``within`` standard errors of their mean, estimated from their scatter.

    Args:
        replications: values that are independent of each other.
        expected: what theory says.
        within: standard errors allowed. 4.5 happen by chance in one of 150,000 comparisons,
            and in one of 4,000 where the error is estimated from twenty replications.
        error: the largest standard error that the test is meant to have. It is no tolerance,
            but makes sure that the test can see something.
    """
    values = np.asarray(replications, float)
    assert len(values) >= 16, "too few replications to know the standard error"
    found, standard = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    assert abs(found - expected) <= within * standard + 1e-12 * abs(expected), (
        f"{found:.6g} is {(found - expected) / standard:+.1f} standard errors ({standard:.2g}) "
        f"from {expected:.6g}"
    )
    assert error is None or standard <= error, f"a standard error of {standard:.2g} sees too little"


def ratios(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Values whose mean is sum(sums) / sum(counts) and whose scatter is that of this ratio.

    The mean of replications' own means would be biased, as busy ones have more tasks.
    """
    sums, counts = np.asarray(sums, float), np.asarray(counts, float)
    ratio = sums.sum() / counts.sum()
    linear: np.ndarray = ratio + (sums - ratio * counts) / counts.mean()
    return linear


@dataclass(frozen=True)
class Pieces:
    """A piecewise-constant function in exact arithmetic, walked piece by piece: Steps' slow twin.

    ``pieces`` are lengths and values; after the last one they begin again, or its value holds.
    """

    pieces: Sequence[tuple[Fraction, Fraction]]
    loops: bool

    @property
    def period_s(self) -> Fraction:
        """The sum of the lengths."""
        return sum((length for length, _ in self.pieces), Fraction(0))

    def steps(self) -> Steps:
        """The same as Steps."""
        starts = [float(sum(length for length, _ in self.pieces[:n])) for n in range(len(self))]
        values = [float(value) for _, value in self.pieces]
        return Steps.loop(starts, values, float(self.period_s) if self.loops else math.inf)

    def walk(self, from_s: Fraction) -> Iterator[tuple[Fraction, Fraction | None, Fraction]]:
        """Begin, end (None: never) and value of every piece from a time on."""
        begin = from_s // self.period_s * self.period_s if self.loops else Fraction(0)
        while True:
            for n, (length, value) in enumerate(self.pieces):
                last = not self.loops and n == len(self) - 1
                end = None if last else begin + length
                if end is None or end > from_s:
                    yield max(begin, from_s), end, value
                begin += length
            if not self.loops:
                return

    def area(self, from_s: Fraction, to_s: Fraction) -> Fraction:
        """The integral over an interval."""
        total = Fraction(0)
        for begin, end, value in self.walk(from_s):
            if begin >= to_s:
                break
            total += value * ((to_s if end is None else min(end, to_s)) - begin)
        return total

    def finish(self, start_s: Fraction, amount: Fraction) -> Fraction | None:
        """When an amount has come together since a time; None: never."""
        if amount == 0:
            return start_s
        if self.loops and not any(value for _, value in self.pieces):
            return None
        for begin, end, value in self.walk(start_s):
            if value and (end is None or value * (end - begin) >= amount):
                return begin + amount / value
            if end is not None:
                amount -= value * (end - begin)
        return None

    def __len__(self) -> int:
        return len(self.pieces)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail, not hang: what must end at once is given some seconds."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not through after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _listed(values: float | Sequence[float]) -> list[float]:
    return list(values) if isinstance(values, Sequence) else [values]


def _column(values: list[Any]) -> np.ndarray:
    if any(isinstance(value, str) for value in values):
        return np.array(values, object)
    return np.array([math.nan if value is None else value for value in values], float)


def _write_model(folder: Path, net: Net) -> None:
    cuts = net.cuts()
    layers = ["input", *(f"layer{n}" for n in range(1, len(cuts) - 1)), "output"]
    _write_rows(
        folder / f"{net.name}.csv",
        "cut,layer,macs,params,output_shape,tensor_bytes,wire_bytes",
        [(n, layers[n], 0, 0, "1", 4, sent) for n, (_, sent, _) in enumerate(cuts)],
    )
    (folder / f"{net.name}.toml").write_text(
        f"answer_bytes = {net.answer_bytes!r}\ntop1 = {net.top1!r}\n"
        f'network = "{net.network or net.name}"\nsource = "test"\n'
    )


def _write_profile(path: Path, net: Net, board: Board) -> None:
    names = ("pre", "head", "encode", "decode", "tail")
    _write_rows(
        path,
        ",".join(["cut", *(f"{n}_s,{n}_basis" for n in names), "source"]),
        [
            (n, *_based(net.basis, 0.0, board.slow * head, 0.0, 0.0, board.slow * tail), "test")
            for n, (head, _, tail) in enumerate(net.cuts())
        ],
    )


def _based(basis: str, *times_s: float) -> list[float | str]:
    return [cell for time_s in times_s for cell in (time_s, basis)]


def _write_rows(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
