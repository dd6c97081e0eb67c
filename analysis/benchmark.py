"""How fast is splitsim, against a textbook SimPy pipeline in the same process?

Both serve the same arrivals: 50 devices at 2 tasks/s. splitsim does all it does in earnest:
Clarke fading generated in the run (5 Hz Doppler, 32 samples per period), the policy ``fastest``
over 30 options, noise-free service, energy, rows kept and written to Parquet. The textbook
pipeline has three ``simpy.Resource`` per task, constant times, and keeps nothing.

A third run tells what sharing costs: 80 such devices that split, on one medium of equal airtime,
which keeps about 20 of their transfers active at a time, against the same devices with a medium
for each. Then: what a task costs at a loaded server.

The runs alternate; the medians' ratios of tasks per second are the figures to quote, for they hold
whatever else the machine is doing. Usage: python analysis/benchmark.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import simpy
from benchmark_servers import print_servers

from splitsim import load_scenario, simulate
from splitsim.parts import PartName, write_part
from splitsim.rng import stream
from splitsim.scenario import Spec

SCENARIO = """
name: benchmark
duration_s: 400
models: [resnet152, resnet152-bottlefit12]
devices:
  - name: nano
    count: 50
    hardware: jetson-nano
    arrivals: {kind: poisson, rate_hz: 2}
    cell: lte
    deadline_s: 0.25
cells:
  lte:
    radio: lte
    latency_s: 0.019
    uplink:
      kind: fading
      bandwidth_hz: 10e6
      snr: {kind: constant, mean_db: 12}
      fading: {kind: rayleigh, doppler_hz: 5}
      rate: {kind: shannon, efficiency: 0.4, cap_bps_hz: 2.0}
    downlink: {kind: constant, rate_bps: 20e6}
servers:
  edge: {hardware: server-gpu, workers: 4}
  cloud: {hardware: server-gpu, workers: 16, backhaul_s: 0.02}
policies:
  - {name: fastest, kind: fastest}
"""
# What a medium of 10 MHz can just take, so that some 20 transfers are active at a time.
SHARED = (
    SCENARIO.replace("name: benchmark", "name: shared")
    .replace("duration_s: 400", "duration_s: 100")
    .replace("count: 50", "count: 80")
    .replace("    radio: lte", "    sharing: {kind: airtime}\n    radio: lte")
    .replace("kind: fastest", "kind: split, model: resnet152-bottlefit12, cut: bottleneck")
)


def main() -> None:
    """Time all, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "benchmark.yaml").write_text(SCENARIO)
        spec = load_scenario(folder / "benchmark.yaml").points[0]
        arrivals = arrival_times(spec)
        shared, dedicated = shared_and_not(folder)
        rates: dict[str, list[float]] = {
            name: [] for name in ("splitsim", "textbook", "shared", "dedicated")
        }
        for n in range(repeats + 1):
            ours = timed(lambda n=n: with_splitsim(spec, folder, n))
            theirs = timed(lambda: with_textbook(arrivals))
            together = timed(lambda n=n: with_splitsim(shared, folder, n))
            alone = timed(lambda n=n: with_splitsim(dedicated, folder, n))
            if n:  # the first round warms up
                for key, rate in zip(rates, (ours, theirs, together, alone), strict=True):
                    rates[key].append(rate)
        print_servers(folder, repeats)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    options = len(spec.device_options(spec.scenario.devices[0]))
    print(f"{sum(map(len, arrivals)):,} tasks, {options} options, median of {repeats}")
    for name, rate in medians.items():
        spread = f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}"
        print(f"{name}: {rate:,.0f} tasks/s ({spread})")
    print(f"ratio {medians['splitsim'] / medians['textbook']:.2f}")
    print(f"shared over dedicated {medians['shared'] / medians['dedicated']:.2f}", end=", ")
    print(f"at {active_transfers(shared):.1f} active transfers while any is")


def shared_and_not(folder: Path) -> tuple[Spec, Spec]:
    """The same devices with a shared medium, and with one for each."""
    path = folder / "shared.yaml"
    path.write_text(SHARED)
    alone = load_scenario(path, {"cells.lte.sharing": {"kind": "dedicated"}})
    return load_scenario(path).points[0], alone.points[0]


def active_transfers(spec: Spec) -> float:
    """How many there are at a time, on average, while the uplink is busy."""
    part = simulate(spec, "fastest", 0)
    lasted_s = sum((r.tx_end_s or 0.0) - (r.tx_start_s or 0.0) for r in part.tasks)
    (uplink,) = (row for row in part.cells if row.direction == "uplink")
    return lasted_s / (uplink.busy_s or 1.0)


def timed(run: Callable[[], int]) -> float:
    """Tasks per second of something that gives its number of tasks."""
    gc.collect()
    started = time.perf_counter()
    tasks = run()
    return tasks / (time.perf_counter() - started)


def with_splitsim(spec: Spec, folder: Path, seed: int) -> int:
    """Simulate and write one part; always the same world."""
    part = simulate(spec, "fastest", 0)
    write_part(folder / str(seed), PartName(0, "fastest", 0), part)
    return len(part.tasks)


def arrival_times(spec: Spec) -> list[list[float]]:
    """The arrivals that splitsim's devices have."""
    group, duration_s = spec.scenario.devices[0], spec.scenario.duration_s
    everybody = (
        group.arrivals.times(stream(0, "arrivals", f"{group.name}-{n}")) for n in range(group.count)
    )
    return [list(itertools.takewhile(lambda t: t < duration_s, times)) for times in everybody]


def with_textbook(arrivals: list[list[float]]) -> int:
    """Device, uplink and server as simpy.Resource, constant times, nothing kept."""
    env = simpy.Environment()
    server = simpy.Resource(env, capacity=4)
    for times in arrivals:
        env.process(_device(env, times, server))
    env.run()
    return sum(map(len, arrivals))


def _device(env: simpy.Environment, times: list[float], server: simpy.Resource) -> Any:
    stages = ((simpy.Resource(env), 0.021), (simpy.Resource(env), 0.006), (server, 0.027))
    for time_s in times:
        yield env.timeout(time_s - env.now)
        env.process(_task(env, stages))


def _task(env: simpy.Environment, stages: Any) -> Generator[simpy.Event, Any, None]:
    for resource, seconds in stages:
        with resource.request() as request:
            yield request
            yield env.timeout(seconds)


if __name__ == "__main__":
    main()
