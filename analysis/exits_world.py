"""The world of the study of exits: a device that reads digits, a link, a server, policies.

What the device does not answer at an exit goes to the server. Both are the same processor core,
so that nothing is gained by computing elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from exits_networks import BACKBONE, HARDWARE

from splitsim import load_scenario
from splitsim.scenario import Spec
from splitsim.task import Option

CUT = "layer3"
DATASET = "digits-test"
READER = "reader"
EARLY = ("branchynet", "spinn", "spinn-joint")
LOCAL = ("branchynet",)  # never split; the others are, at the cut

POISSON = {"kind": "poisson", "rate_hz": 20.0}
PERIODIC = {"kind": "periodic", "period_s": 1.0}  # nobody ever waits
WARMUP_S = 5.0
DEADLINE_S = 0.15
GIVE_UP_S = 0.1
LATENCY_S = 0.005
MINUTE_S, UP_S = 60, 45


class Link(NamedTuple):
    """A link of a rate both ways, and whether it is down for 15 s of every minute."""

    name: str
    rate_bps: float
    outages: bool = False

    def down(self, duration_s: float) -> list[dict[str, float]]:
        """When it is, as long as tasks are created."""
        ends_s = range(MINUTE_S, int(duration_s) + MINUTE_S, MINUTE_S) if self.outages else ()
        return [{"from_s": end_s - MINUTE_S + UP_S, "to_s": end_s} for end_s in ends_s]


PLAIN = Link("1 Mbit/s", 1e6)
OUTAGES = Link("1 Mbit/s with outages", 1e6, outages=True)
LINKS = (Link("0.25 Mbit/s", 0.25e6), PLAIN, Link("10 Mbit/s", 10e6), OUTAGES)


class Rule(NamedTuple):
    """When tasks leave."""

    by: str
    thresholds: Sequence[float]


def policies(rule: Rule) -> list[dict[str, Any]]:
    """Three without exits, and one per network and threshold."""
    plain: dict[str, dict[str, str]] = {"local": {}, "offload": {}, "split": {"cut": CUT}}
    without = [{"name": k, "kind": k, "model": BACKBONE, **more} for k, more in plain.items()]
    return without + [
        {"name": f"{network}-{n}", "model": network, "exit": threshold, **_where(network)}
        for network in EARLY
        for n, threshold in enumerate(rule.thresholds)
    ]


def _where(network: str) -> dict[str, str]:
    return {"kind": "local"} if network in LOCAL else {"kind": "split", "cut": CUT}


def scenario(
    tables: Path, rule: Rule, link: Link, duration_s: float, arrivals: Mapping[str, Any]
) -> dict[str, Any]:
    """All of it; only where the link goes down, tasks give up waiting for answers."""
    device: dict[str, Any] = {
        "name": READER,
        "hardware": HARDWARE,
        "arrivals": dict(arrivals),
        "cell": "link",
        "deadline_s": DEADLINE_S,
    }
    if link.outages:
        device["timeout"] = {"after_s": GIVE_UP_S, "from": "created", "then": "exit"}
    channel = {"kind": "constant", "rate_bps": link.rate_bps}
    cell: dict[str, Any] = {"radio": "wifi", "latency_s": LATENCY_S}
    cell |= {"uplink": channel, "downlink": dict(channel), "outages": link.down(duration_s)}
    return {
        "name": "exits",
        "duration_s": duration_s,
        "warmup_s": WARMUP_S,
        "models": [BACKBONE, *EARLY],
        "dataset": DATASET,
        "exits": {"by": rule.by, "thresholds": list(rule.thresholds)},
        "tables": [str(tables.resolve())],
        "devices": [device],
        "cells": {"link": cell},
        "servers": {"edge": {"hardware": HARDWARE}},
        "policies": policies(rule),
    }


def loaded(
    tables: Path,
    rule: Rule,
    link: Link = PLAIN,
    duration_s: float = 60.0,
    arrivals: Mapping[str, Any] = POISSON,
) -> Spec:
    """The scenario, read and checked."""
    text = yaml.safe_dump(scenario(tables, rule, link, duration_s, arrivals))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "exits.yaml"
        path.write_text(text, encoding="utf-8")
        return load_scenario(path).points[0]


def option_of(spec: Spec, network: str, threshold: float | None) -> Option:
    """The way of running a network that its policies take; None: they ask no exit."""
    layer = "output" if network in LOCAL else CUT
    wanted = network, layer, threshold
    options = spec.options[READER]
    return next(o for o in options if (o.model, o.layer, o.threshold) == wanted)
