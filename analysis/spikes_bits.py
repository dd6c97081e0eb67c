"""Bits of a spiking bottleneck: by the paper's formula, and of the messages that are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from spikes_heads import COMPRESSION, Head, Subject, bottlenet_spec
from torch import Tensor

from splitsim.dnn.bottlenecks.base import Shape
from splitsim.dnn.bottlenecks.spiking import SpikeBottleNet, bit_compression
from splitsim.dnn.coding import input_of, picture
from splitsim.dnn.graft import taps
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.errors import BadInput

RATES = (0.05, 0.2, 0.5)  # of maps that are squeezed
SHARES = (1, 8, 64)  # of the channels, one of so many is kept at each step
JPEG_SIZES = Path(__file__).parent.parent / "traces" / "published" / "jpeg_sizes.csv"


def jpeg_bytes() -> dict[str, float]:
    """The mean JPEG of a data set's images."""
    return pd.read_csv(JPEG_SIZES).set_index("dataset").mean_bytes.to_dict()


def coded_bytes(subject: Subject, heads: Sequence[Head]) -> pd.DataFrame:
    """Bytes of BottleNet's message at each cut, from the least to the most.

    Of maps that are all the same; of an untrained network's, shown a picture that is made up; and
    of noise. What a trained one sends lies between the first and the last.
    """
    seen = tensors(subject, [head.cut for head in heads])
    rows = [(head.cut, *_coded(head.shape, seen[head.cut])) for head in heads]
    names = ["cut", "bottlenet_least_bytes", "bottlenet_bytes", "bottlenet_most_bytes"]
    return pd.DataFrame(rows, columns=names).assign(subject=subject.name)


def tensors(subject: Subject, names: Sequence[str]) -> dict[str, Tensor]:
    """What crosses at some cuts of an untrained network for a picture that is made up."""
    network = subject.load()
    traced = trace(network.module, network.example())
    with torch.device("meta"):
        every = cuts(subject.load().module, network.example().to("meta"))
    with torch.inference_mode():
        given = taps(traced, [find(every, name) for name in names])(
            input_of(network, picture(network))
        )
    return dict(zip(names, given, strict=True))


def _coded(shape: Shape, tensor: Tensor) -> tuple[int, int, int]:
    spec = bottlenet_spec(shape)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        maps = spec.make(shape, shape).encoder.eval()(tensor)
        noise = torch.rand(maps.shape)
    wire = Wire.parse(spec.wire)
    least, own, most = (len(wire.encode(each)) for each in (torch.zeros(maps.shape), maps, noise))
    return least, own, most


def spikes_bytes(shape: Shape, rate: float = 0.0, wire: str = "spikes") -> int:
    """Bytes of a message of binary maps, each number a spike by itself with some probability."""
    chance = np.random.default_rng(0)
    maps = torch.from_numpy(chance.random((1, *shape)) < rate).float()
    return len(Wire.parse(wire).encode(maps))


def compressions(
    subject: Subject, heads: Sequence[Head], coded: pd.DataFrame, steps: Sequence[int]
) -> pd.DataFrame:
    """A row per cut, steps, channels and stride: the formula, and what is sent."""
    sweep = product(heads, steps, (1, 2))
    rows = [
        row
        for head, number, spatial in sweep
        for channels in sorted({-(-head.shape[0] // share) for share in (*SHARES, 8 * number)})
        for row in [_compression(head.shape, number, channels, spatial) | {"cut": head.cut}]
    ]
    table = (
        pd.DataFrame(rows).merge(coded, on="cut").assign(jpeg_bytes=jpeg_bytes()[subject.images])
    )
    sent = table.message_bytes
    table["sent_compression"] = table.float32_bytes / sent
    table["against_uint8"] = table.uint8_bytes / sent
    table["against_bottlenet"] = table.bottlenet_bytes / sent
    table["against_jpeg"] = table.jpeg_bytes / sent
    front = ["subject", "cut"]
    return table[[*front, *(name for name in table if name not in front)]]


def _compression(shape: Shape, steps: int, channels: int, spatial: int) -> dict[str, float | str]:
    high, wide = (-(-side // spatial) for side in shape[1:])
    maps = (steps * channels, high, wide)
    formula = bit_compression(shape, steps=steps, channels=channels, height=high, width=wide)
    squeezed = {f"zstd_{rate:g}_bytes": spikes_bytes(maps, rate, "spikes+zstd") for rate in RATES}
    return {
        "shape": "x".join(map(str, shape)),
        "steps": steps,
        "channels": channels,
        "spatial": spatial,
        "bit_compression": float(formula),
        "float32_bytes": 4 * prod(shape),
        "uint8_bytes": len(Wire.parse("uint8").encode(torch.zeros(1, *shape))),
        "message_bytes": spikes_bytes(maps),
        **squeezed,
    }


def configurations(shape: Shape, most_steps: int = 16) -> Iterator[tuple[int, int, int, int]]:
    """Steps, channels, stride and side of every bottleneck that has the paper's 256 exactly.

    Only those whose decoder can be built, and of strides that give one size, the least.
    """
    sides = {-(-shape[1] // spatial): spatial for spatial in range(shape[1], 0, -1)}
    for steps, (side, spatial) in product(range(1, most_steps + 1), sorted(sides.items())[::-1]):
        channels, rest = divmod(32 * prod(shape), COMPRESSION * steps * side**2)
        if not rest and 1 <= channels <= shape[0] and _can_be(shape, channels, spatial):
            yield steps, channels, spatial, side


def _can_be(shape: Shape, channels: int, spatial: int) -> bool:
    spec = SpikeBottleNet(kind="spikebottlenet", channels=channels, spatial=spatial)
    try:
        with torch.device("meta"):
            spec.make(shape, shape)
    except BadInput:
        return False
    return True


def reaching(heads: Sequence[tuple[Subject, Sequence[Head]]]) -> pd.DataFrame:
    """All such bottlenecks at the last cut of each network."""
    rows = [
        (subject.name, "x".join(map(str, own[-1].shape)), *found)
        for subject, own in heads
        for found in configurations(own[-1].shape)
    ]
    return pd.DataFrame(rows, columns=["subject", "shape", "steps", "channels", "spatial", "side"])
