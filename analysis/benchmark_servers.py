"""What a task costs at a loaded server, by discipline: the longer the queue, the dearer?

Forty devices offload to one server, whose work is chosen for a load; a run has some 20,000 tasks.
At a load of 1.5 a third of them wait in the end. The figure to quote is the ratio of CPU seconds
per task to those at a load of 0.5, the median of some repetitions; events are counted, too.
"""

from __future__ import annotations

import gc
import statistics
import time
from pathlib import Path
from typing import Any

import yaml

from splitsim import load_scenario, simulate
from splitsim.scenario import Spec

LOADS = (0.2, 0.5, 0.8, 0.95, 1.5)
RATE_HZ = 40 * 2.0
TAIL_S = 0.0408  # of resnet152 on server-gpu
DISCIPLINES: dict[str, dict[str, Any]] = {
    "fifo": {"discipline": {"kind": "fifo"}},
    "fifo, limited": {"discipline": {"kind": "fifo"}, "queue_limit": 1_000_000},
    "edf": {"discipline": {"kind": "edf"}},
    "priority": {"discipline": {"kind": "priority"}},
    "processor sharing": {"discipline": {"kind": "processor_sharing"}},
    "batching": {
        "discipline": {
            "kind": "batching",
            "largest": 8,
            "longest_wait_s": 0.005,
            "table": {"batch": [1, 2, 4, 8], "relative": [1, 2, 4, 8]},
        }
    },
}


def print_servers(folder: Path, repeats: int) -> None:
    """Measure every discipline at every load, and print a line for each."""
    for name, rules in DISCIPLINES.items():
        specs = [_spec(folder, rules, load) for load in LOADS]
        runs = [[_seconds(spec) for spec in specs] for _ in range(repeats)]
        costs = [statistics.median(costs) for costs in zip(*runs, strict=True)]
        usual = costs[LOADS.index(0.5)]
        said = ", ".join(
            f"{cost / usual:.2f} at {load}" for load, cost in zip(LOADS, costs, strict=True)
        )
        print(f"server {name}: {1e6 * usual:.0f} us/task at load 0.5; ratios {said}")


def _spec(folder: Path, rules: dict[str, Any], load: float) -> Spec:
    path = folder / "server.yaml"
    server = {"hardware": "server-gpu", "speed": RATE_HZ * TAIL_S / load, **rules}
    data = {
        "name": "server",
        "duration_s": 250,
        "drain_s": 10_000,
        "models": ["resnet152"],
        "devices": [
            {
                "name": "nano",
                "count": 40,
                "hardware": "jetson-nano",
                "arrivals": {"kind": "poisson", "rate_hz": RATE_HZ / 40},
                "cell": "wired",
                "deadline_s": 1.0,
                "priority": 1 if rules["discipline"]["kind"] == "priority" else 0,
            }
        ],
        "cells": {
            "wired": {
                "radio": "wifi",
                "uplink": {"kind": "constant", "rate_bps": 1e9},
                "downlink": {"kind": "constant", "rate_bps": 1e9},
            }
        },
        "servers": {"edge": server},
        "policies": [{"name": "offload", "kind": "offload", "model": "resnet152"}],
    }
    path.write_text(yaml.safe_dump(data))
    return load_scenario(path).points[0]


def _seconds(spec: Spec) -> float:
    """CPU seconds per task."""
    gc.collect()
    started = time.process_time()
    tasks = len(simulate(spec, "offload", 0).tasks)
    return (time.process_time() - started) / tasks
