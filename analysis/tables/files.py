"""The form of the generated files: their columns, and rows of models and profiles."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

FLOAT_BYTES = 4
STEPS = ("pre", "head", "encode", "decode", "tail")
FACTORED = ("head", "encode", "tail")  # the steps that may have a factor of their own
HEADERS = {
    "models": "cut layer macs params output_shape tensor_bytes wire_bytes",
    "profiles": " ".join(
        [
            "cut",
            *(f"{step}_s {step}_basis" for step in STEPS),
            *(f"{step}_factor" for step in FACTORED),
            "energy_j source",
        ]
    ),
    "hardware": "hardware idle_w compute_w idle_basis compute_basis idle_factor compute_factor "
    "memory_bytes measuring_point runtime mode source step_s mac_j ac_j macs_per_s",
    "radios": "radio a_up_j_per_bit a_down_j_per_bit b_w zero_w promotion_s promotion_w "
    "tail_s tail_w basis factor source",
    "fits": "hardware board runtime networks a_s_per_layer b_s_per_gmac rms_error worst_error "
    "worst_network",
}


class Cut(NamedTuple):
    """A cut of a network; layers, macs and params count everything before it."""

    layer: str
    layers: int
    macs: int
    params: int
    shape: tuple[int, ...]
    wire_bytes: float


class Time(NamedTuple):
    """A time in whole nanoseconds and what it rests on.

    Whole nanoseconds make differences exact and files independent of a processor's last bits.
    ``factor`` is the factor of uncertainty where it is not the usual one of the basis.
    """

    ns: int
    basis: str
    source: str
    factor: float | None = None


def as_csv(kind: str, rows: Iterable[Sequence[object]]) -> str:
    """A table of one of the kinds in HEADERS."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADERS[kind].split())
    writer.writerows(rows)
    return text.getvalue()


def as_toml(card: Mapping[str, object]) -> str:
    """Flat TOML; its strings and numbers are written like JSON's."""
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in card.items()
    )


def seconds(ns: int) -> str:
    """Nanoseconds as a decimal number of seconds, exactly."""
    return f"{ns // 10**9}.{ns % 10**9:09d}".rstrip("0").rstrip(".")


def combined(*factors: float) -> float:
    """Independent factors of uncertainty together: their logarithms add as squares."""
    return math.exp(math.hypot(*map(math.log, factors)))


def factor_cell(factor: float | None) -> str:
    """A factor of uncertainty, or nothing for the usual one of its basis."""
    return "" if factor is None else f"{factor:.3f}"


def cut_row(number: int, cut: Cut) -> list[object]:
    """A row of ``models/<model>.csv``."""
    shape_text = "x".join(map(str, cut.shape))
    sizes = [FLOAT_BYTES * math.prod(cut.shape), f"{cut.wire_bytes:.12g}"]
    return [number, cut.layer, cut.macs, cut.params, shape_text, *sizes]


def profile_row(cut: int, times: Mapping[str, Time], energy_j: float | None = None) -> list[object]:
    """A row of ``profiles/<model>@<hardware>.csv``; ``times`` by step, unknown ones left out.

    Args:
        cut: its number.
        times: of the steps that are known.
        energy_j: measured joules of the board for this cut, in place of power x time.
    """
    cells: list[object] = [cut]
    for name in STEPS:
        time = times.get(name)
        cells += [seconds(time.ns), time.basis] if time else ["", ""]
    cells += [factor_cell(times[name].factor) if name in times else "" for name in FACTORED]
    said = "; ".join(f"{name}: {time.source}" for name, time in times.items() if time.source)
    return [*cells, "" if energy_j is None else f"{energy_j:.9g}", said]
