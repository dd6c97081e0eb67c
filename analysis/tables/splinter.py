"""VGG-16 split on a Raspberry Pi 4, with and without a TPU, as SPLINTER measured it.

Every time is measured; nothing is scaled. The network is Keras's, cut after each of its layers:
the cuts of ``vgg16_tx2_cuts.csv`` but for the one that is no layer, and flattening as a layer of
its own. Heads are int8 on the Pi (TFLite), tails float32 on the server's GPU.

What was measured is the edge time as a whole: loading and pre-processing, head, serialising. At
cut 0 there is no head, so that time is taken as pre-processing at every cut, and the rest is the
head. The cloud time (decoding and tail) of a cut is the mean of the runs with and without TPU,
which sent the same bytes to the same server.
"""

from __future__ import annotations

from itertools import count
from statistics import fmean

from tables.files import Cut, Time, as_csv, as_toml, cut_row, profile_row
from tables.source import only, published, shape

MODEL = "vgg16-rpi4"
CASE = "vgg16_rpi4_splits"
BOARDS = {"raspberry-pi-4-splinter": "off", "raspberry-pi-4-splinter-tpu": "max"}
SERVER = "splinter-server"
NO_LAYER = "stage5_4"  # a cut of the TX2's list within pool5
KIB = 1024
LABEL_BYTES = 9  # a WordNet id, such as n01440764


def layers() -> list[dict[str, str]]:
    """The counts of VGG-16 before each of the 23 cuts."""
    rows = [row for row in published("vgg16_tx2_cuts") if row["layer"] != NO_LAYER]
    pooled = next(n for n, row in enumerate(rows) if row["layer"] == "pool5")
    flat = rows[pooled] | {"layer": "flatten", "output_shape": "25088"}
    return [*rows[: pooled + 1], flat, *rows[pooled + 1 :]]


def runs(cut: int) -> list[dict[str, str]]:
    """The measured rows of a cut: with the TPU and without, or one of them."""
    return [row for row in published(CASE) if row["cut"] == str(cut)]


def cuts() -> list[Cut]:
    """The cuts with the bytes that were sent there."""
    return [
        Cut(
            row["layer"],
            int(row["weighted_layers"]),
            int(row["macs"]),
            int(row["params"]),
            shape(row["output_shape"]),
            round(KIB * float(runs(cut)[0]["sent_kib"])),
        )
        for cut, row in enumerate(layers())
    ]


def card() -> dict[str, object]:
    """What the model's file says of itself."""
    whole, local = (
        only(CASE, cut=0, edge_accelerator="off"),
        only(CASE, cut=22, edge_accelerator="max"),
    )
    return {
        "network": "vgg16",
        "dataset": "imagenet",
        "top1": float(whole["top1"]),
        "top1_basis": "measured",
        "wire_format": "the serialised int8 tensor; at cut 0 the pre-processed float32 image",
        "answer_bytes": LABEL_BYTES,
        "source": whole["source"],
        "notes": "top1: at cut 0, where nothing is quantised, by SPLINTER's own evaluation (its "
        f"images are padded, not cropped); local on the TPU {local['top1']}. wire_bytes are the "
        "published kibibytes, 16 to 27 bytes above the tensor. Layers, MACs and parameters from "
        "vgg16-tx2; the cut numbers of the two models differ. answer_bytes is assumed: the "
        "WordNet id of the top class.",
    }


def nanoseconds(row: dict[str, str], column: str) -> int:
    return round(1e6 * float(row[column]))


def device_row(accelerator: str, cut: int) -> list[object]:
    """A row of a board's profile; empty where nothing was measured (the TPU at cut 0)."""
    found = [row for row in runs(cut) if row["edge_accelerator"] == accelerator]
    if not found:
        return [*profile_row(cut, {})[:-1], "not measured: without a head, nothing for the TPU"]
    row, whole = found[0], only(CASE, cut=0, edge_accelerator="off")
    pre_ns = nanoseconds(whole, "edge_ms")
    head_ns = nanoseconds(row, "edge_ms") - pre_ns
    return profile_row(
        cut,
        {
            "pre": Time(pre_ns, "measured", f"edge time at cut 0, without head ({row['source']})"),
            "head": Time(head_ns, "measured", "edge time less pre; serialising included"),
            "encode": Time(0, "measured", "within head"),
        },
    )


def server_row(cut: int) -> list[object]:
    """A row of the server's profile."""
    found = runs(cut)
    cloud_ns = round(fmean(nanoseconds(row, "cloud_ms") for row in found))
    which = " and ".join(row["edge_accelerator"] for row in found)
    said = f"cloud time, mean over the runs with TPU {which} ({found[0]['source']})"
    return profile_row(
        cut,
        {"decode": Time(0, "measured", "within tail"), "tail": Time(cloud_ns, "measured", said)},
    )


def tables() -> dict[str, str]:
    """Model, card and profiles of the measured case."""
    chain = cuts()
    numbers = range(len(chain))
    files = {
        f"models/{MODEL}.csv": as_csv("models", map(cut_row, count(), chain)),
        f"models/{MODEL}.toml": as_toml(card()),
        f"profiles/{MODEL}@{SERVER}.csv": as_csv("profiles", map(server_row, numbers)),
    }
    for board, accelerator in BOARDS.items():
        rows = [device_row(accelerator, cut) for cut in numbers]
        files[f"profiles/{MODEL}@{board}.csv"] = as_csv("profiles", rows)
    return files
