"""``hardware.csv``: watts of boards and servers.

``idle_w`` is drawn while a board is on with its program loaded and waits; ``compute_w`` is the
increment over it while it computes. Few meters give both. Where a figure is only bounded, the
geometric mean of its bounds is taken, with the factor that reaches them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean
from typing import NamedTuple

import numpy as np

from tables import accelerators
from tables.files import as_csv, combined, factor_cell
from tables.fits import mode_rows
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


def watts_of(board: str, state: str) -> list[float]:
    """Every published figure of a state, lowest first."""
    rows = [r for r in published("power_states") if (r["board"], r["state"]) == (board, state)]
    return sorted(float(row["watts"]) for row in rows)


def busy_w(device: str, mode: str) -> float:
    """Mean board watts over the networks that TensorRT runs in a mode: they hardly differ."""
    return fmean(float(row["power_w"]) for row in mode_rows(device, mode))


def nano_idle() -> Watts:
    """Between an idle Nano and a waiting board of its class whose WiFi is up."""
    return between(state_w("jetson-nano", "idle"), state_w("jetson-class", "waiting"))


def nano() -> Power:
    """Compute between two pairs of meters: that of one busy board, and the widest of a Nano."""
    pair_w = state_w("jetson-class", "computing") - state_w("jetson-class", "waiting")
    widest_w = mode_w("Nano", "ResNet-152", "FP16") - state_w("jetson-nano", "idle")
    return Power(nano_idle(), between(pair_w, widest_w))


def nano_tensorrt(mode: str) -> Power:
    """Busy is published per mode, idle bounded."""
    return Power(nano_idle(), above(nano_idle(), busy_w("Nano", mode)))


def nano_5w() -> Power:
    """PyTorch's increment is taken to fall with the mode as TensorRT's does."""
    fast, slow = (nano_tensorrt(mode).compute for mode in ("MAXN", "5W"))
    known = nano().compute
    factor = combined(known.factor or 1.0, slow.factor or 1.0)
    return Power(nano_idle(), Watts(known.w * slow.w / fast.w, "assumed", factor))


def by_ratio(busy: float) -> Power:
    """Idle bounded by two ratios to busy: the Nano's, and that of FurciferDataset's board."""
    low = state_w("jetson-nano", "idle") / mode_w("Nano", "ResNet-152", "FP16")
    high = state_w("jetson-class", "waiting") / state_w("jetson-class", "computing")
    idle = between(low * busy, high * busy)
    return Power(idle, above(idle, busy))


def tx2() -> Power:
    """Busy with VGG-16 in FP32, as its measured heads are."""
    return by_ratio(mode_w("TX2", "VGG-16", "FP32"))


def jetson(device: str, mode: str) -> Power:
    """A board whose busy watts are published per mode."""
    return by_ratio(busy_w(device, mode))


def pi_waiting() -> Watts:
    """With a loaded model, at the wall."""
    return Watts(between(*watts_of("raspberry-pi-4", "waiting")).w, "published")


def pi() -> Power:
    """PyTorch was not metered: the bounds of all that was."""
    waiting, busy = (watts_of("raspberry-pi-4", state) for state in ("waiting", "computing"))
    return Power(pi_waiting(), between(busy[0] - waiting[1], busy[1] - waiting[0]))


def pi_running(runtime: str) -> Power:
    """Busy with a runtime less waiting."""
    waiting = pi_waiting()
    return Power(waiting, Watts(state_w("raspberry-pi-4", runtime) - waiting.w, "published"))


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
    "jetson-nano-tensorrt": partial(nano_tensorrt, "MAXN"),
    "jetson-nano-5w": nano_5w,
    "jetson-nano-5w-tensorrt": partial(nano_tensorrt, "5W"),
    "jetson-tx2": tx2,
    "jetson-tx2-tensorrt": partial(jetson, "TX2", "MAXN"),
    "jetson-tx2-maxp-tensorrt": partial(jetson, "TX2", "MAX-P"),
    "jetson-tx2-maxq-tensorrt": partial(jetson, "TX2", "MAX-Q"),
    "jetson-xavier": None,
    "jetson-xavier-tensorrt": partial(jetson, "Xavier", "MAXN"),
    "jetson-xavier-30w-tensorrt": partial(jetson, "Xavier", "30W"),
    "jetson-xavier-15w-tensorrt": partial(jetson, "Xavier", "15W"),
    "jetson-xavier-10w-tensorrt": partial(jetson, "Xavier", "10W"),
    "raspberry-pi-4": pi,
    "raspberry-pi-4-armnn": partial(pi_running, "armnn-fp32"),
    "raspberry-pi-4-tflite": partial(pi_running, "tflite-fp32"),
    "raspberry-pi-4-tflite-int8": partial(pi_running, "tflite-int8"),
    "raspberry-pi-3b+": None,
    "cortex-a76": None,
    "server-gpu": server,
    "server-gpu-tensorrt": server,
    "raspberry-pi-4-splinter": splinter,
    "raspberry-pi-4-splinter-tpu": splinter_tpu,
    "splinter-server": None,
    "furcifer-board": furcifer_board,
    "furcifer-server": furcifer_server,
    "furcifer-server-loaded": furcifer_server,
    "x86-1t": None,
    "x86-2t": None,
    "h100": None,
}


def hardware_row(board: Mapping[str, str]) -> list[object]:
    power = POWERS[board["hardware"]]
    cells = ["", "", "", "", "", ""]
    if power:
        both = power()
        cells = [f"{watts.w:.2f}" for watts in both]
        cells += [watts.basis for watts in both]
        cells += [factor_cell(watts.factor) for watts in both]
    costs = ["", "", "", ""]  # of operations: only accelerators are known by them
    return [board["hardware"], *cells, *list(board.values())[1:], *costs]


def tables() -> dict[str, str]:
    """``hardware.csv``."""
    boards = map(hardware_row, published("boards"))
    return {"hardware.csv": as_csv("hardware", [*boards, *accelerators.rows()])}
