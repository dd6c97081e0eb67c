"""How long does an hour of fading for 100 devices take, and how much memory?

Clarke's fading at 10 Hz Doppler, 32 gains per period: 115.2 million gains. All devices live at
the same time, as in a simulation, and each sends a frame of 45 kB ten times a second through its
channel, waiting for the one before. Whole chunks are made as the time goes on, and dropped.

The figure to quote is the ratio to the time that NumPy takes to draw as many independent complex
Gaussians and square them, for it holds whatever the machine is. Usage:
python analysis/fading_speed.py [--hours 1] [--kind rayleigh]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.channel import FadingChannel
from splitsim.world.clarke import HOP, SAMPLES_PER_WAVELENGTH
from splitsim.world.mobility import Path

DEVICES = 100
DOPPLER_HZ = 10.0
FRAME_BITS, FRAMES_HZ = 45e3 * 8, 10
KINDS = {
    "rayleigh": {"kind": "rayleigh", "doppler_hz": DOPPLER_HZ},
    "rician": {"kind": "rician", "k_db": 6.0, "doppler_hz": DOPPLER_HZ},
    "nakagami": {"kind": "nakagami", "m": 2.0, "doppler_hz": DOPPLER_HZ},
    "walking": {"kind": "rayleigh", "carrier_hz": 2e9, "residual_doppler_hz": 0.0},
}


def main() -> None:
    """Time making gains, sending through them, and NumPy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--kind", choices=KINDS, default="rayleigh")
    arguments = parser.parse_args()
    seconds = int(3600 * arguments.hours)
    made_s = timed(lambda: make(channels(arguments.kind), seconds))
    sent_s = timed(lambda: send(channels(arguments.kind), seconds))
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    numpy_s = timed(lambda: draw(DEVICES * seconds * DOPPLER_HZ * SAMPLES_PER_WAVELENGTH))
    print(f"{arguments.hours:g} h, {DEVICES} devices, {arguments.kind}, processor time:")
    print(f"gains and rates made: {made_s:.1f} s")
    print(f"made, and {DEVICES * seconds * FRAMES_HZ:,} frames sent: {sent_s:.1f} s")
    print(f"at most {most_mb:.0f} MB resident")
    print(f"ratio to independent gains drawn by NumPy ({numpy_s:.1f} s): {made_s / numpy_s:.2f}")


def channels(kind: str) -> list[Steps]:
    """The rate of each device."""
    law = FadingChannel.model_validate(
        {
            "kind": "fading",
            "bandwidth_hz": 10e6,
            "snr": {"kind": "constant", "mean_db": 12.0},
            "fading": KINDS[kind],
            "rate": {"kind": "shannon", "efficiency": 0.4, "cap_bps_hz": 2.0},
        }
    )
    return [law.steps(Around(0, f"device-{n}", "uplink", path=walk())) for n in range(DEVICES)]


def walk() -> Path:
    """Legs of 20 s at 1 to 2 m/s: 10 Hz at 2 GHz on average."""
    speeds = np.random.default_rng(0).uniform(1.0, 2.0, 180)
    speed_mps = Steps.loop(20.0 * np.arange(180), speeds, 3600.0)
    return Path(lambda times_s: np.zeros((len(times_s), 2)), speed_mps)


def make(rates: list[Steps], seconds: int) -> None:
    """Every gain, in the order of time."""
    for time_s in range(0, seconds + 1, 10):
        for rate in rates:
            rate.area(float(time_s))


def send(rates: list[Steps], seconds: int) -> None:
    """Frames of all devices, in the order of time."""
    ends_s = [0.0] * len(rates)
    for frame in range(seconds * FRAMES_HZ):
        created_s = frame / FRAMES_HZ
        for n, rate in enumerate(rates):
            start_s = max(ends_s[n], created_s)
            ends_s[n] = rate.finish_s(start_s, FRAME_BITS)


def draw(gains: float) -> None:
    """As many powers of independent complex Gaussians."""
    rng = np.random.default_rng(0)
    for _ in range(round(gains / HOP)):
        parts = rng.standard_normal((2, HOP))
        np.einsum("ij,ij->j", parts, parts)


def timed(run: Callable[[], None]) -> float:
    """Processor seconds."""
    started = time.process_time()
    run()
    return time.process_time() - started


if __name__ == "__main__":
    main()
