"""Bottlenecks: as published to the last parameter, exact over their wire, and trainable."""

import csv
import math
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn import networks, packets, zoo
from splitsim.dnn.bottlenecks.autoencoder import Autoencoder
from splitsim.dnn.bottlenecks.base import inject, notes
from splitsim.dnn.bottlenecks.bottlefit import BottleFit
from splitsim.dnn.bottlenecks.bottlenetpp import BottleNetPlusPlus
from splitsim.dnn.bottlenecks.noise import Awgn, Erasure, UnitPower, add_awgn, erased
from splitsim.dnn.bottlenecks.quantise import Quantiser
from splitsim.dnn.bottlenecks.sent import Sent, sending
from splitsim.dnn.exact import inexact
from splitsim.dnn.networks import NetworkSpec
from splitsim.dnn.packets import PACKET_BYTES
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.wire import Wire
from splitsim.errors import BadInput

PUBLISHED = Path(__file__).parent.parent / "traces" / "published"
ERASURE = {"kind": "erasure", "loss": 0.1}
KINDS = [
    {"kind": "bottlefit", "channels": 3, "version": 1},
    {"kind": "bottlefit", "channels": 3},
    {"kind": "bottlefit", "channels": 3, "version": 3, "bits": 4},
    {"kind": "autoencoder", "channels": 3},
    {"kind": "bottlenet", "channels": 3},
    {"kind": "bottlenet", "channels": 5, "spatial": 3, "quality": 20},
    {"kind": "bottlenetpp", "channels": 3, "channel": ERASURE},
    {"kind": "bottlenetpp", "channels": 3, "spatial": 3, "channel": ERASURE | {"bits": 5}},
    {"kind": "bottlenetpp", "channels": 3, "channel": {"kind": "awgn", "snr_db": 10}},
    {"kind": "reduction", "channels": 3},
]
every_kind = pytest.mark.parametrize(
    "text", KINDS, ids=lambda text: "-".join(map(str, text.values())).split("{")[0]
)


def published(name):
    with (PUBLISHED / f"bottlefit_{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def teacher(name):
    """A network on the meta device, its cuts, and that at which BottleFit joins."""
    with torch.device("meta"):
        network = zoo.load(name)
        every = cuts(network.module, network.example())
    return network, every, find(every, "layer2" if name.startswith("resnet") else "transition2")


def counted(module, shape):
    """Multiply-accumulates, parameters and output shape of layers, without the batch."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        given = module.eval()(torch.zeros(1, *shape))
    params = sum(parameter.numel() for parameter in module.parameters())
    return counter.get_total_flops() // 2, params, tuple(given.shape[1:])


def bottlefit(channels, version=2):
    return BottleFit(kind="bottlefit", channels=channels, version=version)


def made(spec, before, joined):
    with torch.device("meta"):
        return spec.make(before, joined)


def as_row(macs, params, shape):
    return {"macs": str(macs), "params": str(params), "output_shape": "x".join(map(str, shape))}


def build(text, base="small_resnet"):
    return NetworkSpec.model_validate({"base": {"network": base}, "bottleneck": text}).build(Path())


# -- as published


@pytest.mark.parametrize("row", published("bottlenecks"), ids=lambda r: "-".join([*r.values()][:2]))
def test_bottlefits_encoders_have_the_published_shapes_bytes_macs_and_parameters(row):
    spec = bottlefit(int(row["channels"]), int(row["bottleneck_ver"]))
    encoder = made(spec, (3, 224, 224), (512, 28, 28)).encoder
    macs, params, shape = counted(encoder, (3, 224, 224))
    assert shape == tuple(int(row[key]) for key in ("channels", "H", "W"))
    assert prod(shape) == int(row["elements"]) == int(row["bytes_8bit"])
    assert f"{macs / 1e6:.2f}".rstrip("0").rstrip(".") == row["encoder_MMAC"]
    assert params == int(row["encoder_params"])
    message = Wire.parse(spec.wire).encode(torch.zeros(1, *shape))
    *_, (name, size) = zip(("ranges", "codes"), (8, prod(shape)), strict=True)
    assert (name, len(message) - len(message) % 1) == ("codes", 8 + size + len(message) - 8 - size)
