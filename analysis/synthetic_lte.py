"""Make the synthetic LTE uplink trace, in Mahimahi's form; ``--check`` compares it only.

The rate has a log-normal mean that wanders over tens of seconds (distance, shadowing), faster
swings below a second (fading, load of the cell), hand-overs of some 100 ms every half minute,
and one outage of 3 s. Packets leave in bursts at the beginning of each 10 ms, as grants do.
The moments are set to those of a drive measured in a public LTE uplink (a mean of 5.85 Mbit/s,
a standard deviation over 1 s of about half of it); no measured value is in the trace.
"""

from __future__ import annotations

import argparse
import sys
from itertools import accumulate
from pathlib import Path

import numpy as np

from splitsim.rng import stream
from splitsim.world.traces import PACKET_BITS, read_trace

PATH = Path(__file__).parents[1] / "traces" / "channels" / "synthetic-lte-uplink.up"

SEED = 2024
LENGTH_MS = 300_000
SLOT_MS = 10
MEAN_BPS = 5.85e6
PEAK = 3.0  # of the median rate: what the modulation can carry
SLOW_S, SLOW_SD = 12.0, 0.45  # time constant and deviation of the logarithm
FAST_S, FAST_SD = 0.25, 0.5
HANDOVER_EVERY_S, HANDOVER_S = (15.0, 40.0), (0.08, 0.4)
OUTAGE_S = (171.3, 174.4)


def _wander(name: str, time_constant_s: float, deviation: float) -> np.ndarray:
    """A Gaussian first-order autoregression, one value per slot."""
    keep = np.exp(-SLOT_MS / 1e3 / time_constant_s)
    noise = stream(SEED, "synthetic-lte", name, 0).standard_normal(LENGTH_MS // SLOT_MS)
    steps = noise * np.sqrt(1 - keep**2)
    steps[0] = noise[0]  # stationary from the beginning
    return deviation * np.array(list(accumulate(steps, lambda last, step: keep * last + step)))


def _gaps_s() -> list[tuple[float, float]]:
    """When the link is down."""
    rng = stream(SEED, "synthetic-lte", "handover", 0)
    gaps_s, now_s = [OUTAGE_S], rng.uniform(*HANDOVER_EVERY_S)
    while now_s < LENGTH_MS / 1e3:
        gaps_s.append((now_s, now_s + rng.uniform(*HANDOVER_S)))
        now_s += rng.uniform(*HANDOVER_EVERY_S)
    return gaps_s


def _packets() -> np.ndarray:
    """Packets per slot; a fraction left over is carried to the next one."""
    logarithm = _wander("slow", SLOW_S, SLOW_SD) + _wander("fast", FAST_S, FAST_SD)
    rate = np.minimum(np.exp(logarithm), PEAK)
    slots_s = np.arange(len(rate)) * SLOT_MS / 1e3
    for start_s, end_s in _gaps_s():
        rate[(slots_s >= start_s) & (slots_s < end_s)] = 0.0
    total = MEAN_BPS * LENGTH_MS / 1e3 / PACKET_BITS
    # Half a packet from a whole number at the end, where a rounding error would show.
    sent = np.floor(np.cumsum(rate) / np.sum(rate) * (total - 0.5))
    packets: np.ndarray = np.diff(sent, prepend=0.0).astype(int)
    return packets


def trace_ms() -> np.ndarray:
    """The times of the packets in ms, the last one the period."""
    slots = np.repeat(np.arange(LENGTH_MS // SLOT_MS), _packets())
    early = stream(SEED, "synthetic-lte", "grant", 0).random(len(slots)) ** 2
    times_ms = slots * SLOT_MS + 1 + np.floor(early * SLOT_MS).astype(int)
    return np.append(np.sort(times_ms), LENGTH_MS)


def _describe() -> str:
    trace = read_trace(PATH)
    seconds = trace.binned_bps(1.0) / 1e6
    return (
        f"{PATH.name}: {trace.period_s:g} s, mean {seconds.mean():.3f}, std {seconds.std():.3f}, "
        f"min {seconds.min():.3f}, max {seconds.max():.3f} Mbit/s in bins of 1 s, "
        f"{100 * np.mean(seconds == 0):.2f} % of them zero"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    text = "".join(f"{time_ms}\n" for time_ms in trace_ms())
    if not parser.parse_args().check:
        PATH.write_text(text, encoding="ascii")
    elif not PATH.is_file() or PATH.read_text(encoding="ascii") != text:
        print(f"{PATH.name} is not what this script makes; run it without --check")
        return 1
    print(_describe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
