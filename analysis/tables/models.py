"""Models: the cuts of networks as they are, and of the measured VGG-16."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tables.files import Cut
from tables.source import only, published, shape

ANSWER_BYTES = 100  # top-5 labels and scores
WIRE = "uint8"  # the format of tensors on the link
RANGE_BYTES = 8  # of a message: the least and the greatest value


@dataclass(frozen=True)
class Model:
    """A chain of cuts; of a student, the last ``kept`` cuts end layers of its teacher.

    ``network`` is the one whose published totals it is scaled by; ``wire`` says what crosses:
    image: a JPEG at cut 0, tensor: the pre-processed tensor at every cut. ``guessed``: the block
    that ends before the kept layers is ours, the published one is not known; its time is taken as
    what the counts in ``cuts`` give, and lies between nothing and twice that.
    """

    name: str
    network: str
    cuts: tuple[Cut, ...]
    card: Mapping[str, Any]
    teacher: Model | None = None
    kept: int = 0
    wire: str = "image"
    guessed: bool = False

    @property
    def last(self) -> int:
        """The cut of local computing."""
        return len(self.cuts) - 1


def counts(row: Mapping[str, str]) -> tuple[int, int, int]:
    """Layers, MACs and parameters of a published row."""
    return int(row["weighted_layers"]), int(row["macs"]), int(row["params"])


def image_bytes() -> int:
    return int(only("jpeg_sizes", dataset="imagenet")["mean_bytes"])


def message_bytes(shape: tuple[int, ...]) -> int:
    """Of one sample's tensor in codes of 8 bits, as ``splitsim.dnn.message`` lays a message out.

    A header (the format's name, the number of tensors, the type; with the name's length, the
    dimensions and the body's length in base 128), the range, and a byte per element.
    """
    body = RANGE_BYTES + math.prod(shape)
    counts = [len(WIRE), 0, 1, *shape, body]
    return len(WIRE) + 1 + sum(map(digits, counts)) + body


def digits(number: int) -> int:
    """Of a number in base 128."""
    return max(1, -(-number.bit_length() // 7))


def with_wire(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
    """A mean JPEG at cut 0, messages of 8-bit codes inside, nothing at the end."""
    inner = [cut._replace(wire_bytes=message_bytes(cut.shape)) for cut in cuts[1:-1]]
    return cuts[0]._replace(wire_bytes=image_bytes()), *inner, cuts[-1]._replace(wire_bytes=0)


def chain(network: str) -> Model:
    """A network as it is, cut where one tensor crosses."""
    rows = [row for row in published("natural_cuts") if row["model"] == network]
    cuts = [Cut(row["layer"], *counts(row), shape(row["output_shape"]), 0) for row in rows]
    totals, jpeg = only("networks", model=network), only("jpeg_sizes", dataset="imagenet")
    card = {
        "network": network,
        "dataset": "imagenet",
        "top1": float(totals["top1"]),
        "top1_basis": "published",
        "wire_format": "cut 0: JPEG, mean size of ImageNet; inner cuts: 8 bits per element "
        f"({WIRE}), header and range included",
        "answer_bytes": ANSWER_BYTES,
        "source": f"{totals['source']}; JPEG size: {jpeg['source']}",
        "notes": "answer_bytes is assumed (top-5 labels and scores).",
    }
    return Model(network, network, with_wire(cuts), card)


def chains() -> dict[str, Model]:
    """Every network of ``natural_cuts.csv``."""
    names = dict.fromkeys(row["model"] for row in published("natural_cuts"))
    return {name: chain(name) for name in names}


def vgg16_tx2() -> Model:
    """VGG-16 at the cuts measured on a TX2; what crosses is what the authors sent."""
    rows = published("vgg16_tx2_cuts")
    cuts = [
        Cut(row["layer"], *counts(row), shape(row["output_shape"]), int(row["payload_bits"]) / 8)
        for row in rows
    ]
    card = {
        "network": "vgg16",
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
