"""A measured case: VGG-16 on a Raspberry Pi 4, split at each of 23 cuts, with and without a TPU.

How close does the simulator come to the measured totals and joules, when all it is given are the
measured parts? Per cut the edge time and the cloud time (``vgg16-rpi4@...`` in ``traces/``); for
all of them one law of the network and two power states. No single total is fitted, but three of
these parameters come from all of the runs together, and so from what they are set against:

- the transfers are what the authors' totals leave beside edge and cloud time, so the law of the
  network is one law for 43 totals;
- the two powers were chosen to reproduce the joules of the runs without a TPU;
- the watts of the TPU are those of the local run with it less those of the one without.

What is tested is whether so few parameters suffice for 45 cuts.

- *Network*: seconds = a + b x bits, least absolute deviations over all 43 measured transfers. Most
  were measured in one run each and some runs had a slow link; such a line does not follow them.
  Half of a is the latency of each direction. Tensors and answers cross at 1 / b.
- *Power*: waiting and computing, see ``hardware.csv``. A TPU adds the same to both.

The measured total is by construction the sum of edge, transfer and cloud time (SPLINTER's client
takes the transfer as what is left), each an average over a batch that passes one stage after the
other. So a closed loop on an empty system is the same in the mean.

Then: what would splitsim's policies choose, over the rate of the link?

Usage: python analysis/raspberry_splits.py   (writes raspberry_splits.csv and
raspberry_choices.csv beside it; raspberry_picture.py draws them)
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations, groupby, product
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tables.source import published
from tables.splinter import BOARDS, CASE, KIB, MODEL, SERVER

from splitsim import load_scenario, simulate
from splitsim.scenario import Spec

HERE = Path(__file__).parent
TOTAL_BOUND, EDGE_BOUND = 0.05, 0.10
RATES_BPS = [10 ** (6 + n / 4) for n in range(13)]  # 1 Mbit/s to 1 Gbit/s
POLICIES = ("fastest", "frugal", "board")


class Law(NamedTuple):
    """Seconds of a transfer = latency_s + bits / rate_bps."""

    latency_s: float
    rate_bps: float

    def seconds(self, bits: float) -> float:
        """The law itself."""
        return self.latency_s + bits / self.rate_bps


@dataclass(frozen=True)
class Comparison:
    """A cut as measured and as simulated; errors are simulated / measured - 1.

    ``edge_error_own_transfer`` is what is left if the link were that of this very run, and
    ``edge_error_without_tpu`` the error if a TPU drew nothing.
    """

    edge_accelerator: str
    cut: int
    layer: str
    total_ms: float
    simulated_ms: float
    total_error: float
    edge_j: float
    simulated_j: float
    edge_error: float
    transfer_ms: float
    law_ms: float
    edge_error_own_transfer: float
    edge_error_without_tpu: float

    @property
    def misses(self) -> str:
        """Which bounds it misses."""
        found = {"total": abs(self.total_error) > TOTAL_BOUND}
        found["edge joules"] = abs(self.edge_error) > EDGE_BOUND
        return ", ".join(name for name, missed in found.items() if missed)


def sent_bits(run: Mapping[str, str]) -> int:
    return 8 * round(KIB * float(run["sent_kib"]))


def network_law(runs: Sequence[Mapping[str, str]]) -> Law:
    """The line with the least sum of absolute deviations from the measured transfers.

    One of the best lines passes through two of the points (Bloomfield and Steiger, Least Absolute
    Deviations, 1983), so all pairs are tried.
    """
    points = [(sent_bits(run), float(run["transfer_ms"]) / 1e3) for run in runs if sent_bits(run)]

    def through(one: tuple[int, float], other: tuple[int, float]) -> Law:
        rate_bps = (other[0] - one[0]) / (other[1] - one[1])
        return Law(one[1] - one[0] / rate_bps, rate_bps)

    def deviation_s(law: Law) -> float:
        return sum(abs(law.seconds(bits) - seconds) for bits, seconds in points)

    pairs = (pair for pair in combinations(points, 2) if pair[0][0] != pair[1][0])
    lines = (through(*pair) for pair in pairs if pair[0][1] != pair[1][1])
    return min((line for line in lines if min(line) >= 0), key=deviation_s)


def scenario(board: str, law: Law, policies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One board that sends its next image when the last is answered; nothing is random."""
    link = {"kind": "constant", "rate_bps": law.rate_bps}
    wire = {"radio": "none", "latency_s": law.latency_s / 2, "uplink": link, "downlink": link}
    closed = {"kind": "closed", "think_s": 0.0}
    return {
        "name": "raspberry-splits",
        "duration_s": 10.0,
        "models": [MODEL],
        "devices": [{"name": "pi", "hardware": board, "arrivals": closed, "cell": "wire"}],
        "cells": {"wire": wire},
        "servers": {"gpu": {"hardware": SERVER}},
        "policies": list(policies),
    }


def loaded(data: Mapping[str, Any]) -> Spec:
    """The only point of a scenario."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "raspberry-splits.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return load_scenario(path).points[0]


def fixed(cut: int, last: int) -> dict[str, Any]:
    """The policy that always cuts there."""
    if cut == last:
        return {"name": f"cut{cut}", "kind": "local", "model": MODEL}
    return {"name": f"cut{cut}", "kind": "split", "model": MODEL, "cut": cut}


def per_task(spec: Spec, policy: str) -> tuple[float, float]:
    """Seconds and the board's joules per task."""
    (device,) = simulate(spec, policy, 0).devices
    return device.end_s / device.tasks, device.board_j / device.tasks


def own_law(run: Mapping[str, str], law: Law) -> Law:
    """The law of a link as much slower or faster as this run's transfers were."""
    bits = sent_bits(run)
    slower = float(run["transfer_ms"]) / 1e3 / law.seconds(bits) if bits else 1.0
    return Law(law.latency_s * slower, law.rate_bps / slower)


def compare(board: str, law: Law) -> Iterator[Comparison]:
    """Every cut that was measured on a board."""
    runs = [run for run in published(CASE) if run["edge_accelerator"] == BOARDS[board]]
    policies = [fixed(int(run["cut"]), int(runs[-1]["cut"])) for run in runs]
    spec = loaded(scenario(board, law, policies))
    layers = {option.cut: option.layer for option in spec.options["pi"]}
    tpu_w = spec.hardware["pi"].idle_w - idle_w(next(iter(BOARDS)), law)
    for run, policy in zip(runs, policies, strict=True):
        cut, edge_j = int(run["cut"]), float(run["edge_j"])
        seconds, joules = per_task(spec, policy["name"])
        _, own_j = per_task(loaded(scenario(board, own_law(run, law), [policy])), policy["name"])
        yield Comparison(
            edge_accelerator=run["edge_accelerator"],
            cut=cut,
            layer=layers[cut],
            total_ms=float(run["total_ms"]),
            simulated_ms=1e3 * seconds,
            total_error=1e3 * seconds / float(run["total_ms"]) - 1,
            edge_j=edge_j,
            simulated_j=joules,
            edge_error=joules / edge_j - 1,
            transfer_ms=float(run["transfer_ms"]),
            law_ms=1e3 * law.seconds(sent_bits(run)) if sent_bits(run) else 0.0,
            edge_error_own_transfer=own_j / edge_j - 1,
            edge_error_without_tpu=(joules - tpu_w * seconds) / edge_j - 1,
        )


def idle_w(board: str, law: Law) -> float:
    """Watts of a board that waits."""
    return loaded(scenario(board, law, [fixed(0, 0)])).hardware["pi"].idle_w


@dataclass(frozen=True)
class Choice:
    """What a policy settles on at a rate of the link, and what it costs per image."""

    edge_accelerator: str
    policy: str
    rate_bps: float
    option: str
    ms: float
    edge_j: float


def choices(board: str, law: Law) -> Iterator[Choice]:
    """What policies choose that know the law of the link.

    ``frugal`` weighs what an image adds to the idle board. In a closed loop a slow way also keeps
    the board from its next image, so idle power counts: joules per image are those of ``board``.
    """
    knows = {"initial_rate_bps": law.rate_bps}
    policies = [
        {"name": "fastest", "kind": "fastest"} | knows,
        {"name": "frugal", "kind": "frugal"} | knows,
        {"name": "board", "kind": "frugal", "latency_weight": idle_w(board, law)} | knows,
    ]
    spec = loaded(scenario(board, law, policies))
    for policy in POLICIES:
        (option,) = {row.option for row in simulate(spec, policy, 0).tasks}
        seconds, joules = per_task(spec, policy)
        yield Choice(BOARDS[board], policy, law.rate_bps, str(option), 1e3 * seconds, joules)


def write(name: str, rows: Sequence[Comparison | Choice]) -> None:
    """A table beside this script."""
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(rows[0]))
        for row in rows:
            cells = asdict(row).values()
            writer.writerow(f"{c:.6g}" if isinstance(c, float) else c for c in cells)


def show(rows: Sequence[Comparison]) -> None:
    """Per cut: measured, simulated, error; then what missed a bound and why."""
    print("TPU  cut             total ms            %       edge J            %")
    for r in rows:
        total = f"{r.total_ms:8.1f} {r.simulated_ms:8.1f} {100 * r.total_error:+7.1f}"
        edge = f"{r.edge_j:8.3f} {r.simulated_j:8.3f} {100 * r.edge_error:+7.1f}"
        print(f"{r.edge_accelerator}  {r.cut:2} {r.layer:8} {total}   {edge}  {r.misses}")
    for r in (r for r in rows if r.misses):
        print(
            f"TPU {r.edge_accelerator}, cut {r.cut}: its transfer took {r.transfer_ms:.1f} ms, the "
            f"law says {r.law_ms:.1f}; with its own link the joules are off by "
            f"{100 * r.edge_error_own_transfer:+.1f} %"
        )


def show_choices(found: Sequence[Choice]) -> None:
    """Per policy: its options and the rates from which on it takes them."""
    for accelerator, policy in product(BOARDS.values(), POLICIES):
        rows = (c for c in found if (c.edge_accelerator, c.policy) == (accelerator, policy))
        firsts = [next(same) for _, same in groupby(rows, attrgetter("option"))]
        said = "; ".join(f"{c.option} from {c.rate_bps / 1e6:.3g} Mbit/s" for c in firsts)
        print(f"TPU {accelerator}, {policy}: {said}")


def main() -> None:
    """Compare, choose, write, show."""
    law = network_law(published(CASE))
    print(f"network: {1e3 * law.latency_s:.3f} ms + bits / {law.rate_bps / 1e6:.1f} Mbit/s")
    rows = [row for board in BOARDS for row in compare(board, law)]
    laws = [law._replace(rate_bps=rate_bps) for rate_bps in RATES_BPS]
    chosen = [choice for board, at in product(BOARDS, laws) for choice in choices(board, at)]
    write("raspberry_splits.csv", rows)
    write("raspberry_choices.csv", chosen)
    show(rows)
    show_choices(chosen)


if __name__ == "__main__":
    main()
