"""Make a synthetic NR rate trace over TR 38.901's tapped delay line A; ``--check`` compares only.

The channel is sionna-no-rt's (extra ``nr``): TDL-A, Rayleigh taps with Clarke's spectrum, at a
speed. The SNR of each resource block goes into one for the slot, at which a flat channel would
have the same capacity; splitsim's own ``nr`` map with an outer loop makes the rate of it. The
trace is replayed like any other: ``{kind: trace, file: synthetic-nr-tdla.csv}``.

    python analysis/nr_traces.py --out walk.csv --speed-mps 1.5 --mean-db 8 --delay-spread-s 300e-9
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from splitsim.world.adaptation import OuterLoop
from splitsim.world.around import Around
from splitsim.world.nr import Nr
from splitsim.world.traces import Trace, read_trace, write_csv
from splitsim.world.travel import Gains

PATH = Path(__file__).parents[1] / "traces" / "channels" / "synthetic-nr-tdla.csv"
SEED = 2024
CARRIER_HZ = 3.5e9
BLOCK_HZ, BLOCKS = 360e3, 51  # resource blocks of 30 kHz carriers in 20 MHz (TS 38.101-1)
BANDWIDTH_HZ = 20e6
STEP_S = 0.01
RATE = Nr(kind="nr", mcs_table=2, tdd_share=0.25, adaptation=OuterLoop(kind="outer_loop"))
LABEL = "# Synthetic: TR 38.901 TDL-A through splitsim's nr map; measured by nobody.\n"


def gains(
    speed_mps: float,
    delay_spread_s: float,
    length_s: float,
    *,
    paths: int = 1,
    blocks: int = BLOCKS,
) -> np.ndarray:
    """Power gains of TDL-A, mean 1, shape (paths, steps, blocks)."""
    from sionna.phy import config
    from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
    from sionna.phy.channel.tr38901 import TDL

    config.seed = SEED
    line = TDL("A", delay_spread_s, CARRIER_HZ, min_speed=speed_mps, max_speed=speed_mps)
    taps, delays = line(paths, round(length_s / STEP_S), 1 / STEP_S)
    found = cir_to_ofdm_channel(subcarrier_frequencies(blocks, BLOCK_HZ), taps, delays)
    power: np.ndarray = np.abs(found.cpu().numpy().astype(complex)[:, 0, 0, 0, 0]) ** 2
    return power


def effective(snr: np.ndarray) -> np.ndarray:
    """The SNR of a flat channel with the same capacity; over the last axis."""
    return np.asarray(np.expm1(np.log1p(snr).mean(axis=-1)))


def trace(speed_mps: float, mean_db: float, delay_spread_s: float, length_s: float) -> Trace:
    """The rate in bit/s every 10 ms."""
    snr = effective(10 ** (mean_db / 10) * gains(speed_mps, delay_spread_s, length_s)[0])
    starts_s = np.round(STEP_S * np.arange(len(snr)), 9)
    signal = Gains(length_s, lambda _: (starts_s, snr), STEP_S)
    _, bps_hz = RATE.rates(signal, Around(SEED, "nr-trace", "uplink")).stretch(0)
    return Trace(starts_s, np.round(BANDWIDTH_HZ * bps_hz), length_s)


def write(path: Path, made: Trace) -> None:
    """As ``write_csv`` does, with a first line that says what it is."""
    write_csv(path, made)
    path.write_text(LABEL + path.read_text(encoding="utf-8"), encoding="utf-8")


def _same(made: Trace) -> bool:
    """Other processors sum in another order: a step in a thousand may take another scheme."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "made.csv", made)
        again, kept = read_trace(Path(folder) / "made.csv"), read_trace(PATH)
    if len(again.rates_bps) != len(kept.rates_bps):
        return False
    return bool(np.mean(again.rates_bps != kept.rates_bps) < 0.001)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--out", type=Path, default=PATH)
    parser.add_argument("--speed-mps", type=float, default=1.5)
    parser.add_argument("--mean-db", type=float, default=10.0)
    parser.add_argument("--delay-spread-s", type=float, default=100e-9)
    parser.add_argument("--length-s", type=float, default=60.0)
    given = parser.parse_args()
    made = trace(given.speed_mps, given.mean_db, given.delay_spread_s, given.length_s)
    if not given.check:
        write(given.out, made)
    elif not PATH.is_file() or not _same(made):
        print(f"{PATH.name} is not what this script makes; run it without --check")
        return 1
    seconds = read_trace(PATH if given.check else given.out).binned_bps(1.0) / 1e6
    print(
        f"mean {seconds.mean():.3f}, std {seconds.std():.3f}, min {seconds.min():.3f}, "
        f"max {seconds.max():.3f} Mbit/s in bins of 1 s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
