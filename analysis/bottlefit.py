"""BottleFit's headline: what its bottleneck saves on a Jetson Nano and a Raspberry Pi 4.

How much latency, power and energy does a BottleFit student save against local computing, against
sending JPEGs, against an autoencoder in the same network and against the network's own first
narrow cut? One device sends its next frame when the last one is answered, as in the paper's
measurement; the server is idle. Swept: three networks, 3 and 12 channels (6 and 9 lie between),
uplinks of 0.5 to 50 Mbit/s, and four links: WiFi (1.6 ms to an edge server and back; MECPerf) and
LTE (38 ms), each with two laws of its radio's power:

- *linear*: power grows with the rate (Huang et al., MobiSys 2012; phones of 2011); LTE with
  promotion and tail.
- *flat*: nothing for WiFi (the board's idle watts are taken to include it), 1.47 W for LTE.

Latency, average power of the board and its energy per frame are three figures and are not mixed:
energy = power x latency, so a saving of both is more than either. Each is that of one frame in
the steady state: nothing is random, so all frames but the first are equal.

The paper's figures are maxima of a sweep whose configurations are not known; here stands the
range that this sweep reaches, beside them. Nothing was fitted to them. The bands are the 5 % and
95 % quantiles over shifts of whole tables within their factors, common to all policies.

    python analysis/bottlefit.py              prints, writes bottlefit.csv, bottlefit_rates.csv and
                                              bottlefit.txt; bottlefit_picture.py draws them
    python analysis/bottlefit.py --quick      few rates and shifts; writes nothing
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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

HERE = Path(__file__).parent
# Seconds in which the slowest way gets three frames through, under any shift.
BOARDS = {"jetson-nano": 3.0, "raspberry-pi-4": 9.0}
NETWORKS = ("resnet152", "densenet169", "densenet201")
CHANNELS = (3, 12)
SERVER = "server-gpu"
RATES_BPS = tuple(0.5e6 * 100 ** (n / 11) for n in range(12))
SHIFTS = 50
QUICK_RATES_BPS, QUICK_SHIFTS = (0.5e6, 5e6, 50e6), 4

AGAINST = ("local", "offload", "autoencoder", "natural")
METRICS = ("latency_s", "power_w", "energy_j")
POINT = ["shift", "board", "network", "link", "radio", "rate_bps"]
ENDS = {"low": 0.05, "high": 0.95}


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
    power_w: float  # of the board, on average
    energy_j: float  # of the board, per frame


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
        "duration_s": BOARDS[board],
        "models": [network, *students(network).values()],
        "devices": [{"name": "board", "hardware": board, "arrivals": closed, "cell": "link"}],
        "cells": {"link": cells[0]},
        "servers": {"edge": {"hardware": SERVER}},
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
    with ProcessPoolExecutor() as pool:
        found = pool.map(partial(frames, rates_bps=tuple(rates_bps)), jobs, chunksize=4)
        rows = [row for job in found for row in job]
    return pd.DataFrame(rows, columns=[*POINT, "policy", *METRICS])


def savings(found: pd.DataFrame) -> pd.DataFrame:
    """What BottleFit saves, 1 - its figure / the other's; a row per point and comparison."""
    wide = found.pivot(index=POINT, columns="policy", values=list(METRICS))
    parts = {}
    for channels, against, metric in product(CHANNELS, AGAINST, METRICS):
        other = f"{against}{channels}" if against == "autoencoder" else against
        figures = wide[metric]
        parts[channels, against, metric] = 1 - figures[f"bottlefit{channels}"] / figures[other]
    names = ["channels", "against", "metric"]
    return pd.concat(parts, names=names).rename("saving").reset_index()


def ranges(saved: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The least and the most that is saved, and the band of each over the shifts."""
    keys = ["board", "against", "metric", *by]
    ends = saved.groupby(["shift", *keys], sort=False).saving.agg(least="min", most="max")
    off = ends.drop(index=0, level="shift").groupby(keys, sort=False)
    bands = [off.quantile(q).add_suffix(f"_{end}") for end, q in ENDS.items()]
    return pd.concat([ends.loc[0], *bands], axis=1).reset_index()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What BottleFit saves, beside the paper.")
    parser.add_argument("--quick", action="store_true", help="a small sweep; write nothing")
    quick = parser.parse_args(arguments).quick
    rates_bps, shifts = (QUICK_RATES_BPS, QUICK_SHIFTS) if quick else (RATES_BPS, SHIFTS)
    saved = savings(simulated(rates_bps, shifts))
    saved.to_pickle("/tmp/bf/saved.pkl")


if __name__ == "__main__":
    main()
