"""Build the tables of ``traces/`` from the published figures in ``traces/published/``.

A published total is one number per network; a cut needs the time before it and after it. It is
scaled: per (board, runtime), time = a x weighted layers + b x GMAC (convolutions, shortcut ones
included, + fully connected; relative least squares over all published totals, a and b >= 0), then
multiplied by the network's own total / fit, its family factor, so that the total is met.
A student's unchanged layers take the teacher's times exactly, or a comparison of the two would be
decided by the scaling; only its new layers take fit x family factor.

Times are whole nanoseconds here, so that differences are exact and files do not depend on the
processor's last bits.

    python analysis/build_tables.py           writes every table
    python analysis/build_tables.py --check   exits with 1 if a committed table differs
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

TRACES = Path(__file__).resolve().parent.parent / "traces"

# What is built: add a row to add tables. A hardware id is a board and runtime of
# device_latency.csv; a chain is a network of natural_cuts.csv; a student is a teacher and its
# channels in bottlefit_students.csv, named <teacher>-bottlefit<channels>. Each model gets a
# profile on every hardware that has its network's published total.
RUNTIMES = {
    "jetson-nano": ("jetson-nano", "pytorch-fp16"),
    "server-gpu": ("server-gpu", "pytorch-fp16"),
}
SERVERS = ("server-gpu",)
CHAINS = ("resnet152",)
STUDENTS = (("resnet152", 12),)
MEASURED = {"vgg16-tx2": "jetson-tx2"}  # the one device its heads were measured on

ANSWER_BYTES = 100  # top-5 labels and scores
STUDENT_LOSS = 0.006  # BottleFit: "up to 0.6 points"
FLOAT_BYTES = 4
STEPS = ("pre", "head", "encode", "decode", "tail")
HEADERS = {
    "models": "cut layer macs params output_shape tensor_bytes wire_bytes",
    "profiles": " ".join(["cut", *(f"{step}_s {step}_basis" for step in STEPS), "source"]),
    "hardware": "hardware idle_w compute_w idle_basis compute_basis memory_bytes measuring_point "
    "runtime mode source",
    "radios": "radio a_up_j_per_bit a_down_j_per_bit b_w tail_s tail_w basis source",
    "fits": "board runtime networks a_s_per_layer b_s_per_gmac rms_error worst_error worst_network",
}


class Cut(NamedTuple):
    """A cut of a network; layers, macs and params count everything before it."""

    layer: str
    layers: int
    macs: int
    params: int
    shape: tuple[int, ...]
    wire_bytes: float


@dataclass(frozen=True)
class Model:
    """A chain of cuts; of a student, the last ``kept`` cuts end layers of its teacher."""

    name: str
    network: str  # whose published totals it is scaled by
    cuts: tuple[Cut, ...]
    card: Mapping[str, Any]
    teacher: Model | None = None
    kept: int = 0
    wire: str = "image"  # image: a JPEG at cut 0; tensor: the pre-processed tensor at every cut

    @property
    def last(self) -> int:
        """The cut of local computing."""
        return len(self.cuts) - 1


@dataclass(frozen=True)
class Fit:
    """Seconds = a x layers + b x GMAC; ``errors``: fit / published - 1 per network."""

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


class Time(NamedTuple):
    """A time in nanoseconds and what it rests on."""

    ns: int
    basis: str
    source: str


@cache
def published(name: str) -> list[dict[str, str]]:
    with (TRACES / "published" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def only(name: str, **wanted: object) -> dict[str, str]:
    """The one row of a published file with these cells."""
    (row,) = (r for r in published(name) if all(r[k] == str(v) for k, v in wanted.items()))
    return row


def shape(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split("x"))


# --- models ------------------------------------------------------------------------------------


def counts(row: Mapping[str, str]) -> tuple[int, int, int]:
    return int(row["weighted_layers"]), int(row["macs"]), int(row["params"])


def image_bytes() -> int:
    return int(only("jpeg_sizes", dataset="imagenet")["mean_bytes"])


def with_wire(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
    """A mean JPEG at cut 0, one byte per element inside, nothing at the end."""
    inner = [cut._replace(wire_bytes=math.prod(cut.shape)) for cut in cuts[1:-1]]
    return cuts[0]._replace(wire_bytes=image_bytes()), *inner, cuts[-1]._replace(wire_bytes=0)


def chain(network: str) -> Model:
    """A network as it is, cut between its stages."""
    rows = [row for row in published("natural_cuts") if row["model"] == network]
    cuts = [Cut(row["layer"], *counts(row), shape(row["output_shape"]), 0) for row in rows]
    totals, jpeg = only("networks", model=network), only("jpeg_sizes", dataset="imagenet")
    card = {
        "dataset": "imagenet",
        "top1": float(totals["top1"]),
        "top1_basis": "published",
        "wire_format": "cut 0: JPEG, mean size of ImageNet; inner cuts: 8 bits per element",
        "answer_bytes": ANSWER_BYTES,
        "source": f"{totals['source']}; JPEG size: {jpeg['source']}",
        "notes": "answer_bytes is assumed (top-5 labels and scores).",
    }
    return Model(network, network, with_wire(cuts), card)


def student(teacher: Model, channels: int) -> Model:
    """A teacher whose front, up to ``replaces_to``, gives way to a bottleneck and a decoder."""
    new = [
        only("bottlefit_students", teacher=teacher.name, channels=channels, block=block)
        for block in ("bottleneck", "decoder")
    ]
    front = [teacher.cuts[0]]
    for row in new:
        sums = (a + b for a, b in zip(front[-1][1:4], counts(row), strict=True))
        front.append(Cut(row["block"], *sums, shape(row["output_shape"]), 0))
    join = next(i for i, cut in enumerate(teacher.cuts) if cut.layer == new[0]["replaces_to"])
    gain = [s - t for s, t in zip(front[-1][1:4], teacher.cuts[join][1:4], strict=True)]
    kept = [
        Cut(cut.layer, *(t + g for t, g in zip(cut[1:4], gain, strict=True)), cut.shape, 0)
        for cut in teacher.cuts[join + 1 :]
    ]
    card = teacher.card | {
        "top1": round(teacher.card["top1"] - STUDENT_LOSS, 4),
        "top1_basis": "assumed",
        "source": f"{new[0]['source']}; teacher: {teacher.card['source']}",
        "notes": f"top1: the teacher's less {STUDENT_LOSS}, the paper's 'up to 0.6 %' on ImageNet; "
        "the figure of each width is not published. answer_bytes is assumed.",
    }
    name = f"{teacher.name}-bottlefit{channels}"
    return Model(name, teacher.name, with_wire(front + kept), card, teacher, len(kept))


def vgg16_tx2() -> Model:
    """VGG-16 at the cuts measured on a TX2; what crosses is what the authors sent."""
    rows = published("vgg16_tx2_cuts")
    cuts = [
        Cut(row["layer"], *counts(row), shape(row["output_shape"]), int(row["payload_bits"]) / 8)
        for row in rows
    ]
    card = {
        "dataset": "imagenet",
        "top1": float(only("networks", model="vgg16")["top1"]),
        "top1_basis": "published",
        "wire_format": "the serialised float32 tensor at every cut; cut 0 is the raw "
        "pre-processed image (no JPEG)",
        "answer_bytes": ANSWER_BYTES,
        "source": f"{rows[0]['source']}; top-1: torchvision IMAGENET1K_V1, the weights it loads",
        "notes": "wire_bytes are the published payloads, 168 to 173 bytes above the tensor where "
        "they are that tensor. Layers are named, and MACs and parameters counted, from the "
        "payloads and the authors' list of layers left per cut. The two disagree twice: at cut 18 "
        "the payload is that of conv5_3 where the authors' model has already pooled (hence the "
        "neutral name stage5_4; the MACs are the same), and at cut 20 the payload is that of pool5 "
        "where fc6 has run by their list and by the measured time (its tensor is 16,384 B). "
        "Measured heads do not rise at every cut; cut 1 carries a fixed overhead. answer_bytes is "
        "assumed.",
    }
    return Model("vgg16-tx2", "vgg16", tuple(cuts), card, wire="tensor")


@cache
def models() -> dict[str, Model]:
    chains = {name: chain(name) for name in {*CHAINS, *(teacher for teacher, _ in STUDENTS)}}
    found = [*(chains[name] for name in CHAINS), vgg16_tx2()]
    found += [student(chains[teacher], channels) for teacher, channels in STUDENTS]
    return {model.name: model for model in found}


# --- times -------------------------------------------------------------------------------------


def totals_s(board: str, runtime: str) -> dict[str, float]:
    """Published seconds of whole networks at 224 x 224."""
    key = {"board": board, "runtime": runtime}
    return {
        row["model"]: float(row["latency_ms"]) / 1e3
        for row in published("device_latency")
        if {"board": row["hardware"], "runtime": row["runtime"]} == key and row["input"] == "224"
    }


@cache
def fit(board: str, runtime: str) -> Fit:
    """Non-negative least squares of the relative error over all totals of a board and runtime."""
    totals = totals_s(board, runtime)
    networks = [only("networks", model=name) for name in totals]
    terms = np.array([(int(n["weighted_layers"]), int(n["macs"]) / 1e9) for n in networks])
    ratios = terms / np.array(list(totals.values()))[:, None]
    (a_s, b_s), _ = nnls(ratios, np.ones(len(ratios)))
    errors = dict(zip(totals, (ratios @ (a_s, b_s) - 1).tolist(), strict=True))
    return Fit(float(a_s), float(b_s), errors)


def family_factor(network: str, hardware: str) -> float:
    """What the fit is multiplied by to meet the network's published total."""
    return 1 / (1 + fit(*RUNTIMES[hardware]).errors[network])


def fitted_ns(model: Model, hardware: str) -> list[int]:
    """Nanoseconds before each cut, every layer by fit x family factor."""
    law, factor = fit(*RUNTIMES[hardware]), family_factor(model.network, hardware)
    return [round(1e9 * factor * law.seconds(cut.layers, cut.macs)) for cut in model.cuts]


def heads_ns(model: Model, hardware: str) -> list[int]:
    """Nanoseconds before each cut; a student's last ``kept`` layers take the teacher's."""
    own = fitted_ns(model, hardware)
    if model.teacher is None:
        return own
    teacher = fitted_ns(model.teacher, hardware)[-model.kept - 1 :]
    new = own[: -model.kept]
    return new + [new[-1] + ns - teacher[0] for ns in teacher[1:]]


def fit_source(model: Model, hardware: str) -> str:
    board, runtime = RUNTIMES[hardware]
    law, factor = fit(board, runtime), family_factor(model.network, hardware)
    total = only("device_latency", model=model.network, hardware=board, runtime=runtime, input=224)
    return (
        f"{model.network} {runtime} total {total['latency_ms']} ms ({total['source']}); inner cuts "
        f"by {1e3 * law.a_s:.3f} ms x layers + {1e3 * law.b_s:.2f} ms x GMAC, x {factor:.3f} to "
        f"meet the total; fit over {len(law.errors)} networks, rms error {law.rms:.0%}"
    )


def scaled_times(model: Model, hardware: str, *, server: bool) -> list[Time]:
    """Heads of a device or tails of a server; where that is a network that was timed, published."""
    heads, source = heads_ns(model, hardware), fit_source(model, hardware)
    if model.kept:
        source += "; layers after the decoder take the teacher's times exactly"
    whole = 0 if server else model.last
    return [
        Time(
            heads[-1] - ns if server else ns,
            "published" if cut == whole and not model.kept else "scaled",
            source,
        )
        for cut, ns in enumerate(heads)
    ]


def measured_times() -> list[Time]:
    rows = published("vgg16_tx2_cuts")
    return [Time(round(float(r["head_ms"]) * 1e6), "measured", r["source"]) for r in rows]


def step(name: str) -> Time:
    """A step beside the network: assumed, as it was measured on other machines or not at all."""
    row = only("step_times", step=name)
    other = " (measured on other machines)" if row["basis"] == "measured" else ""
    return Time(round(float(row["ms"]) * 1e6), "assumed", f"{row['source']}{other}")


NOTHING = Time(0, "assumed", "")


def around(model: Model, cut: int) -> dict[str, Time]:
    """Pre-processing, encoding and decoding at a cut.

    A JPEG is made in pre-processing and is decoded and pre-processed by the server; where a
    tensor crosses, the device has pre-processed the image. At the last cut nothing crosses.
    """
    if cut == 0 and model.wire == "image":
        return {"pre": step("device_jpeg"), "encode": NOTHING, "decode": step("server_jpeg")}
    crosses = cut < model.last
    return {
        "pre": step("device_tensor"),
        "encode": step("device_encode") if crosses else NOTHING,
        "decode": step("server_tensor") if crosses else NOTHING,
    }


def device_rows(model: Model, hardware: str) -> list[dict[str, Time]]:
    measured = model.name in MEASURED
    heads = measured_times() if measured else scaled_times(model, hardware, server=False)
    beside = [around(model, cut) for cut in range(len(heads))]
    return [
        {"pre": b["pre"], "head": h, "encode": b["encode"]}
        for b, h in zip(beside, heads, strict=True)
    ]


def server_rows(model: Model, hardware: str) -> list[dict[str, Time]]:
    tails = scaled_times(model, hardware, server=True)
    return [{"decode": around(model, cut)["decode"], "tail": t} for cut, t in enumerate(tails)]


def seconds(ns: int) -> str:
    return f"{ns // 10**9}.{ns % 10**9:09d}".rstrip("0").rstrip(".")


def profile_row(cut: int, times: Mapping[str, Time]) -> list[object]:
    cells: list[object] = [cut]
    for name in STEPS:
        time = times.get(name)
        cells += [seconds(time.ns), time.basis] if time else ["", ""]
    said = "; ".join(f"{name}: {time.source}" for name, time in times.items() if time.source)
    return [*cells, said]


# --- hardware and radios -----------------------------------------------------------------------


def state_w(board: str, state: str) -> float:
    """Watts of a state; the highest of a board's idle figures is the one with Ethernet."""
    rows = [r for r in published("power_states") if (r["board"], r["state"]) == (board, state)]
    return max(float(row["watts"]) for row in rows)


def mode_w(device: str, model: str, precision: str) -> float:
    """Board watts while TensorRT runs a network in the fastest mode."""
    wanted = {"device": device, "power_mode": "MAXN", "model": model, "precision": precision}
    return float(only("jetson_power_modes", **wanted)["power_w"])


def nano_w() -> tuple[float, float]:
    """One meter, one software, both states: the only such pair among the published figures."""
    waiting_w, busy_w = (state_w("jetson-class", state) for state in ("waiting", "computing"))
    return waiting_w, busy_w - waiting_w


def tx2_w() -> tuple[float, float]:
    """Busy is published, idle only bounded by two ratios to busy: their geometric mean."""
    busy_w = mode_w("TX2", "VGG-16", "FP32")
    low = state_w("jetson-nano", "idle") / mode_w("Nano", "ResNet-152", "FP16")
    high = state_w("jetson-class", "waiting") / state_w("jetson-class", "computing")
    idle_w = busy_w * math.sqrt(low * high)
    return idle_w, busy_w - idle_w


def server_w() -> tuple[float, float]:
    """A line through power against GPU load: idle at 0, the increment to 1."""
    points = [row for row in published("power_states") if row["state"] == "load"]
    shares, powers = ([float(row[key]) for row in points] for key in ("gpu_share", "watts"))
    slope_w, idle_w = np.polyfit(shares, powers, 1)
    return float(idle_w), float(slope_w)


POWERS = {"jetson-nano": nano_w, "jetson-tx2": tx2_w, "server-gpu": server_w}


def hardware_row(board: Mapping[str, str]) -> list[object]:
    idle_w, compute_w = POWERS[board["hardware"]]()
    return [board["hardware"], f"{idle_w:.2f}", f"{compute_w:.2f}", *list(board.values())[1:]]


def tail(radio: str) -> tuple[float, float | None, str]:
    """A radio's tail states together: seconds, joules (None if not published) and sources."""
    rows = [r for r in published("radio_states") if (r["radio"], r["state"]) == (radio, "tail")]
    joules = math.fsum(float(r["joules"]) for r in rows) if all(r["joules"] for r in rows) else None
    said = ", then ".join(row["source"] for row in rows)
    return math.fsum(float(row["seconds"]) for row in rows), joules, said


def radio_row(law: Mapping[str, str]) -> list[object]:
    """P = a_up R_up + a_down R_down + b; 1 mW per Mbit/s is 1 nJ per bit.

    Where a tail's power is not published, it is the law's at zero rate, b.
    """
    up, down, base = (float(law[k]) for k in ("up_mw_per_mbps", "down_mw_per_mbps", "base_mw"))
    tail_s, joules, said = tail(law["radio"])
    tail_w = base / 1e3 if joules is None else joules / tail_s
    basis = "scaled" if joules is None else "published"
    numbers = [f"{x:.9g}" for x in (up * 1e-9, down * 1e-9, base / 1e3, tail_s, tail_w)]
    return [law["radio"], *numbers, basis, f"{law['source']} (2011 phones); tail: {said}"]


NO_RADIO = [
    "none",
    0,
    0,
    0,
    0,
    0,
    "assumed",
    "no radio power: a wired link, or left out on purpose",
]


# --- files -------------------------------------------------------------------------------------


def as_csv(kind: str, rows: Iterable[Sequence[object]]) -> str:
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


def cut_row(number: int, cut: Cut) -> list[object]:
    shape_text = "x".join(map(str, cut.shape))
    sizes = [FLOAT_BYTES * math.prod(cut.shape), f"{cut.wire_bytes:.12g}"]
    return [number, cut.layer, cut.macs, cut.params, shape_text, *sizes]


def profiles(model: Model) -> dict[str, str]:
    """Each profile of a model, by file."""
    timed = [name for name, pair in RUNTIMES.items() if model.network in totals_s(*pair)]
    boards = [name for name in timed if name not in SERVERS]
    devices = [MEASURED[model.name]] if model.name in MEASURED else boards
    tables = {name: device_rows(model, name) for name in devices}
    tables |= {name: server_rows(model, name) for name in timed if name in SERVERS}
    return {
        f"profiles/{model.name}@{name}.csv": as_csv("profiles", map(profile_row, count(), rows))
        for name, rows in tables.items()
    }


def fit_rows() -> list[list[object]]:
    """The fit of every board and runtime with more totals than coefficients."""
    pairs = dict.fromkeys((r["hardware"], r["runtime"]) for r in published("device_latency"))
    laws = [(*pair, fit(*pair)) for pair in pairs if len(totals_s(*pair)) > 2]
    rows = []
    for board, runtime, law in laws:
        worst = max(law.errors, key=lambda name: abs(law.errors[name]))
        numbers = [f"{x:.4g}" for x in (law.a_s, law.b_s, law.rms, law.errors[worst])]
        rows.append([board, runtime, len(law.errors), *numbers, worst])
    return rows


def tables() -> dict[str, str]:
    """The text of every generated file, by its path below ``traces/``."""
    radios = [*map(radio_row, published("radio_slopes")), NO_RADIO]
    files = {
        "hardware.csv": as_csv("hardware", map(hardware_row, published("boards"))),
        "radios.csv": as_csv("radios", radios),
        "fits.csv": as_csv("fits", fit_rows()),
    }
    for model in models().values():
        files[f"models/{model.name}.csv"] = as_csv("models", map(cut_row, count(), model.cuts))
        files[f"models/{model.name}.toml"] = as_toml(model.card)
        files |= profiles(model)
    return files


def differs(name: str, text: str) -> bool:
    path = TRACES / name
    return not path.is_file() or path.read_bytes() != text.encode()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the tables of traces/.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if one differs")
    check = parser.parse_args(arguments).check
    stale = {name: text for name, text in tables().items() if differs(name, text)}
    for name, text in stale.items():
        print(f"{'differs' if check else 'written'}: traces/{name}")
        if not check:
            (TRACES / name).parent.mkdir(parents=True, exist_ok=True)
            (TRACES / name).write_bytes(text.encode())
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
