"""Published totals of whole networks per hardware, and the law fitted to them: ``fits.csv``.

    seconds = a x weighted layers + b x GMAC

(convolutions, shortcut ones included, + fully connected), by relative least squares over all totals
of a hardware, a and b >= 0. Networks differ threefold in seconds per GMAC on one board, hence the
first term, and hence every network is scaled to its own total in the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from tables.files import as_csv
from tables.source import only, published

UNKNOWNS = 2  # a and b: a fit needs more totals than these


class Origin(NamedTuple):
    """Where a hardware's totals are published.

    ``board`` and ``runtime`` of ``device_latency.csv``; before it, where ``mode`` names a device
    and its power mode, ``jetson_power_modes.csv`` (FP16). ``slowed``: the totals of the former are
    those of the fastest mode, and are multiplied by the ratio of the Nano's GPU clocks; None: they
    are of another mode and are not used.
    """

    board: str
    runtime: str
    mode: tuple[str, str] | None = None
    slowed: bool | None = False


FP16, TENSORRT, FP32 = "pytorch-fp16", "tensorrt-fp16", "pytorch-fp32"
ORIGINS = {
    "jetson-nano": Origin("jetson-nano", FP16),
    "jetson-nano-tensorrt": Origin("jetson-nano", TENSORRT),
    "jetson-nano-5w": Origin("jetson-nano", FP16, None, slowed=True),
    "jetson-nano-5w-tensorrt": Origin("jetson-nano", TENSORRT, ("Nano", "5W"), slowed=True),
    "jetson-tx2-tensorrt": Origin("jetson-tx2", TENSORRT, ("TX2", "MAXN")),
    "jetson-tx2-maxp-tensorrt": Origin("jetson-tx2", TENSORRT, ("TX2", "MAX-P")),
    "jetson-tx2-maxq-tensorrt": Origin("jetson-tx2", TENSORRT, ("TX2", "MAX-Q")),
    "jetson-xavier": Origin("jetson-xavier", FP16),
    "jetson-xavier-tensorrt": Origin("jetson-xavier", TENSORRT, ("Xavier", "MAXN")),
    "jetson-xavier-30w-tensorrt": Origin("jetson-xavier", TENSORRT, ("Xavier", "30W"), None),
    "jetson-xavier-15w-tensorrt": Origin("jetson-xavier", TENSORRT, ("Xavier", "15W"), None),
    "jetson-xavier-10w-tensorrt": Origin("jetson-xavier", TENSORRT, ("Xavier", "10W"), None),
    "server-gpu": Origin("server-gpu", FP16),
    "server-gpu-tensorrt": Origin("server-gpu", TENSORRT),
    "raspberry-pi-4": Origin("raspberry-pi-4", FP32),
    "raspberry-pi-4-armnn": Origin("raspberry-pi-4", "armnn-fp32"),
    "raspberry-pi-4-tflite": Origin("raspberry-pi-4", "tflite-fp32"),
    "raspberry-pi-4-tflite-int8": Origin("raspberry-pi-4", "tflite-int8"),
    "raspberry-pi-3b+": Origin("raspberry-pi-3b+", FP32),
    "cortex-a76": Origin("cortex-a76", "tflite-fp32"),
}
# Names in jetson_power_modes.csv; its SqueezeNet is of no stated version, the others of it have no
# row in networks.csv.
NAMES = {"AlexNet": "alexnet", "VGG-16": "vgg16"} | {
    f"ResNet-{depth}": f"resnet{depth}" for depth in (18, 50, 101, 152)
}


class Total(NamedTuple):
    """Seconds of a whole network, published or scaled from another mode's."""

    s: float
    basis: str
    source: str


@dataclass(frozen=True)
class Fit:
    """Seconds = a x layers + b x GMAC; ``errors``: fit / total - 1 per network."""

    a_s: float
    b_s: float
    errors: Mapping[str, float]

    @property
    def rms(self) -> float:
        """Root mean square of the relative errors."""
        return math.sqrt(math.fsum(e * e for e in self.errors.values()) / len(self.errors))

    def seconds(self, layers: int, macs: int) -> float:
        """The law itself."""
        return self.a_s * layers + self.b_s * macs / 1e9


def clock_ratio(clock: str = "gpu_mhz") -> float:
    """One of the Nano's clocks in its fastest mode over that in its 5 W mode."""
    fast, slow = (float(only("nano_clocks", mode=mode)[clock]) for mode in ("MAXN", "5W"))
    return fast / slow


def mode_rows(device: str, mode: str) -> list[dict[str, str]]:
    """FP16 rows of a device in a power mode."""
    wanted = (device, mode, "FP16")
    rows = published("jetson_power_modes")
    return [row for row in rows if (row["device"], row["power_mode"], row["precision"]) == wanted]


def of_mode(device: str, mode: str) -> dict[str, Total]:
    """Totals by network of a device in a power mode."""
    return {
        NAMES[row["model"]]: Total(float(row["latency_ms"]) / 1e3, "published", row["source"])
        for row in mode_rows(device, mode)
        if row["model"] in NAMES
    }


def of_board(origin: Origin) -> dict[str, Total]:
    """Totals by network of a board and runtime at 224 x 224, slowed if the origin says so."""
    wanted = (origin.board, origin.runtime, "224")
    rows = [
        row
        for row in published("device_latency")
        if (row["hardware"], row["runtime"], row["input"]) == wanted
    ]
    plain = {r["model"]: (float(r["latency_ms"]) / 1e3, r["source"]) for r in rows}
    if not origin.slowed:
        return {name: Total(s, "published", source) for name, (s, source) in plain.items()}
    said = f"in the fastest mode, x {clock_ratio():.2f}, the ratio of GPU clocks"
    return {
        name: Total(s * clock_ratio(), "scaled", f"{source}: {1e3 * s:g} ms {said}")
        for name, (s, source) in plain.items()
    }


@cache
def totals(hardware: str) -> dict[str, Total]:
    """Seconds of whole networks on a hardware, by network; those of its own mode first."""
    origin = ORIGINS[hardware]
    others = {} if origin.slowed is None else of_board(origin)
    return others | (of_mode(*origin.mode) if origin.mode else {})


@cache
def fit(hardware: str) -> Fit | None:
    """Non-negative least squares of the relative error over all totals; None: too few of them."""
    known = totals(hardware)
    if len(known) <= UNKNOWNS:
        return None
    networks = [only("networks", model=name) for name in known]
    terms = np.array([(int(n["weighted_layers"]), int(n["macs"]) / 1e9) for n in networks])
    ratios = terms / np.array([total.s for total in known.values()])[:, None]
    (a_s, b_s), _ = nnls(ratios, np.ones(len(ratios)))
    errors = dict(zip(known, (ratios @ (a_s, b_s) - 1).tolist(), strict=True))
    return Fit(float(a_s), float(b_s), errors)


def fit_rows() -> list[list[object]]:
    """The fit of every hardware with more totals than coefficients."""
    rows: list[list[object]] = []
    for hardware, origin in ORIGINS.items():
        law = fit(hardware)
        if law:
            worst = max(law.errors, key=lambda name: abs(law.errors[name]))
            numbers = [f"{x:.4g}" for x in (law.a_s, law.b_s, law.rms, law.errors[worst])]
            rows.append([hardware, *origin[:2], len(law.errors), *numbers, worst])
    return rows


def tables() -> dict[str, str]:
    """``fits.csv``."""
    return {"fits.csv": as_csv("fits", fit_rows())}
