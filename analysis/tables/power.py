"""``hardware.csv``: watts of boards and servers.

``idle_w`` is drawn while a board is on with its program loaded and waits; ``compute_w`` is the
increment over it while it computes. Few meters give both. Where a figure is only bounded, the
geometric mean of its bounds is taken, with the factor that reaches them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from tables.files import as_csv, factor_cell
from tables.source import only, published


class Watts(NamedTuple):
    """Watts and what they rest on; ``factor`` where it is not the usual one of the basis."""

    w: float
    basis: str
    factor: float | None = None


class Power(NamedTuple):
    """A board: idle, and the increment over idle while it computes."""

    idle: Watts
    compute: Watts


def between(low_w: float, high_w: float) -> Watts:
    """The geometric mean of two bounds, assumed, with the factor that reaches them."""
    return Watts(math.sqrt(low_w * high_w), "assumed", math.sqrt(high_w / low_w))


def above(idle: Watts, busy_w: float) -> Watts:
    """What a known busy power is above an idle one that is bounded."""
    factor = idle.factor or 1.0
    ends_w = [busy_w - idle.w * factor, busy_w - idle.w, busy_w - idle.w / factor]
    return Watts(ends_w[1], "assumed", max(ends_w[1] / ends_w[0], ends_w[2] / ends_w[1]))


def state_w(board: str, state: str) -> float:
    """Watts of a state; the highest of a board's idle figures is the one with Ethernet."""
    rows = [r for r in published("power_states") if (r["board"], r["state"]) == (board, state)]
    return max(float(row["watts"]) for row in rows)


def mode_w(device: str, model: str, precision: str) -> float:
    """Board watts while TensorRT runs a network in the fastest mode."""
    wanted = {"device": device, "power_mode": "MAXN", "model": model, "precision": precision}
    return float(only("jetson_power_modes", **wanted)["power_w"])


def nano() -> Power:
    """One meter, one software, both states: the only such pair among the published figures."""
    waiting_w, busy_w = (state_w("jetson-class", state) for state in ("waiting", "computing"))
    return Power(Watts(waiting_w, "assumed"), Watts(busy_w - waiting_w, "assumed"))


def tx2() -> Power:
    """Busy is published, idle only bounded by two ratios to busy."""
    busy_w = mode_w("TX2", "VGG-16", "FP32")
    low = state_w("jetson-nano", "idle") / mode_w("Nano", "ResNet-152", "FP16")
    high = state_w("jetson-class", "waiting") / state_w("jetson-class", "computing")
    idle = between(low * busy_w, high * busy_w)
    return Power(idle, above(idle, busy_w))


def server() -> Power:
    """A line through power against GPU load: idle at 0, the increment to 1."""
    points = [row for row in published("power_states") if row["state"] == "load"]
    shares, powers = ([float(row[key]) for row in points] for key in ("gpu_share", "watts"))
    slope_w, idle_w = np.polyfit(shares, powers, 1)
    return Power(Watts(float(idle_w), "assumed"), Watts(float(slope_w), "assumed"))


def furcifer_board() -> Power:
    """The measured case itself: both states from one meter."""
    waiting_w, busy_w = (state_w("jetson-class", state) for state in ("waiting", "computing"))
    return Power(Watts(waiting_w, "measured"), Watts(busy_w - waiting_w, "measured"))


def furcifer_server() -> Power:
    """The same line for the server it was logged on, extrapolated to idle and to full load."""
    return Power(*(watts._replace(basis="scaled") for watts in server()))


def mean_w(accelerator: str, cut: int) -> tuple[float, float]:
    """Mean watts of a run on SPLINTER's Raspberry Pi, and the share of it the board computes."""
    row = only("vgg16_rpi4_splits", edge_accelerator=accelerator, cut=cut)
    total_ms = float(row["total_ms"])
    return 1e3 * float(row["edge_j"]) / total_ms, float(row["edge_ms"]) / total_ms


def splinter() -> Power:
    """Two states that reproduce the measured joules of every split without TPU.

    The factors reach what the two runs without a split say by themselves: local computing, where
    the board computes throughout, and offloading, where it waits but for a tenth of the time.
    """
    waiting_w, busy_w = (state_w("raspberry-pi-4-splinter", s) for s in ("waiting", "computing"))
    local_w, _ = mean_w("off", 22)
    offload_w, share = mean_w("off", 0)
    low_w = (offload_w - share * local_w) / (1 - share)
    compute_w = busy_w - waiting_w
    return Power(
        Watts(waiting_w, "measured", waiting_w / low_w),
        Watts(compute_w, "measured", (local_w - low_w) / compute_w),
    )


def splinter_tpu() -> Power:
    """The same, and a TPU that draws the same all the time: what it adds to local computing."""
    (with_w, _), (without_w, _) = mean_w("max", 22), mean_w("off", 22)
    idle, compute = splinter()
    return Power(idle._replace(w=idle.w + with_w - without_w), compute)


# By hardware id, in pairs with the rows of published/boards.csv; None: nothing is known.
POWERS: dict[str, Callable[[], Power] | None] = {
    "jetson-nano": nano,
    "jetson-tx2": tx2,
    "server-gpu": server,
    "raspberry-pi-4-splinter": splinter,
    "raspberry-pi-4-splinter-tpu": splinter_tpu,
    "splinter-server": None,
    "furcifer-board": furcifer_board,
    "furcifer-server": furcifer_server,
    "furcifer-server-loaded": furcifer_server,
}


def hardware_row(board: Mapping[str, str]) -> list[object]:
    power = POWERS[board["hardware"]]
    cells = ["", "", "", "", "", ""]
    if power:
        both = power()
        cells = [f"{watts.w:.2f}" for watts in both]
        cells += [watts.basis for watts in both]
        cells += [factor_cell(watts.factor) for watts in both]
    return [board["hardware"], *cells, *list(board.values())[1:]]


def tables() -> dict[str, str]:
    """``hardware.csv``."""
    return {"hardware.csv": as_csv("hardware", map(hardware_row, published("boards")))}
