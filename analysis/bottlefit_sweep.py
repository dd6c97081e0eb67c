"""The sweep of BottleFit's headline: what a frame costs on every board, link and network.

Nothing here compares: a row per point and policy, from splitsim's own simulations.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from splitsim import load_scenario, simulate
from splitsim.profiles import Tables
from splitsim.scenario import LoadedScenario, Spec


class Board(NamedTuple):
    """A board's server, and how long a run lasts in which every way gets three frames through."""

    server: str
    enough_s: float


BOARDS = {
    "jetson-nano": Board("server-gpu", 3.0),
    "raspberry-pi-4": Board("server-gpu", 9.0),
    "x86-1t": Board("x86-1t", 5.0),
}
MEASURED = "x86-1t"  # every time of its students is; it has no watts
METERED = tuple(board for board in BOARDS if board != MEASURED)
NETWORKS = ("resnet152", "densenet169", "densenet201")
CHANNELS = (3, 12)
RATES_BPS = tuple(0.5e6 * 100 ** (n / 11) for n in range(12))

METRICS = ("latency_s", "power_w", "energy_j")
POINT = ["shift", "board", "network", "link", "radio", "rate_bps"]


class Link(NamedTuple):
    """A network, and the law its radio's power follows."""

    name: str
    law: str
    radio: str  # of radios.csv
    latency_s: float  # one way


LINKS = (
    Link("WiFi", "linear", "wifi", 0.0008),
    Link("WiFi", "flat", "wifi-included", 0.0008),
    Link("LTE", "linear", "lte", 0.019),
    Link("LTE", "flat", "lte-router", 0.019),
)


class Frame(NamedTuple):
    """What a frame costs in the steady state."""

    latency_s: float
    power_w: float  # of the board, on average; NaN where its watts are not known
    energy_j: float  # of the board, per frame; likewise


def natural_cut(network: str) -> str:
    """The first cut of a network as it is that sends less than the mean JPEG."""
    model = Tables().model(network)
    jpeg, *inner = model.wire_bytes
    return next(layer for layer, b in zip(model.layers[1:], inner, strict=True) if b < jpeg)


def students(network: str) -> dict[str, str]:
    """Models by policy."""
    kinds = product(("bottlefit", "autoencoder"), CHANNELS)
    return {f"{kind}{channels}": f"{network}-{kind}{channels}" for kind, channels in kinds}


def policies(network: str) -> list[dict[str, Any]]:
    """The same names for every network."""
    natural = {"name": "natural", "kind": "split", "cut": natural_cut(network)}
    return [
        {"name": "local", "kind": "local", "model": network},
        {"name": "offload", "kind": "offload", "model": network},
        natural | {"model": network},
        *(
            {"name": name, "kind": "split", "model": model, "cut": "bottleneck"}
            for name, model in students(network).items()
        ),
    ]


def cell(link: Link, rate_bps: float) -> dict[str, Any]:
    """A link of this rate both ways."""
    rate = {"kind": "constant", "rate_bps": rate_bps}
    return {"radio": link.radio, "latency_s": link.latency_s, "uplink": rate, "downlink": rate}


def scenario(board: str, network: str, rates_bps: Sequence[float]) -> dict[str, Any]:
    """One board that sends its next frame when the last is answered, at every link and rate."""
    cells = [cell(link, rate_bps) for link, rate_bps in product(LINKS, rates_bps)]
    closed = {"kind": "closed", "think_s": 0.0}
    return {
        "name": "bottlefit",
        "duration_s": BOARDS[board].enough_s,
        "models": [network, *students(network).values()],
        "devices": [{"name": "board", "hardware": board, "arrivals": closed, "cell": "link"}],
        "cells": {"link": cells[0]},
        "servers": {"edge": {"hardware": BOARDS[board].server}},
        "policies": policies(network),
        "sweep": {"cells.link": cells},
    }


@cache
def loaded(board: str, network: str, rates_bps: Sequence[float]) -> LoadedScenario:
    """A point per link and rate."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bottlefit.yaml"
        path.write_text(yaml.safe_dump(scenario(board, network, rates_bps)), encoding="utf-8")
        return load_scenario(path)


def shifted(world: LoadedScenario, shift: int) -> Iterator[Spec]:
    """Every point, with tables as they are (0) or as they may be off."""
    if not shift:
        yield from world.points
        return
    tables = world.tables.shifted(shift)
    for point in world.points:
        yield Spec.of(point.point, point.swept, point.scenario, point.folder, tables)


def steady(spec: Spec, policy: str) -> Frame:
    """A frame between others: the first wakes the radio up, the last one's tail is cut short.

    Energy is additive: the frame's own joules, and idle power until the next frame.
    """
    _, *_, frame, following = simulate(spec, policy, 0).tasks
    seconds = following.created_s - frame.created_s
    own_j = frame.compute_j + frame.tx_j + frame.rx_j + frame.tail_j
    energy_j = own_j + spec.hardware["board"].idle_w * seconds
    return Frame(seconds, energy_j / seconds, energy_j)


def frames(
    job: tuple[str, str, int], rates_bps: Sequence[float] = RATES_BPS
) -> list[tuple[Any, ...]]:
    """A row per link, rate and policy of one board, network and shift."""
    board, network, shift = job
    world = loaded(board, network, rates_bps)
    points = zip(product(LINKS, rates_bps), shifted(world, shift), strict=True)
    return [
        (shift, board, network, link.name, link.law, rate_bps, policy, *steady(spec, policy))
        for (link, rate_bps), spec in points
        for policy in world.policies
    ]


def simulated(rates_bps: Sequence[float], shifts: int) -> pd.DataFrame:
    """Every frame, with tables as they are and under every shift."""
    jobs = list(product(BOARDS, NETWORKS, range(shifts + 1)))
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.map(partial(frames, rates_bps=tuple(rates_bps)), jobs, chunksize=4)
        rows = [row for job in found for row in job]
    return pd.DataFrame(rows, columns=[*POINT, "policy", *METRICS])
