"""Make the tables of NR's modulation and coding schemes; ``--check`` compares them only.

How often a code block of TS 38.212's LDPC codes is lost in white Gaussian noise is taken from the
tables that sionna-no-rt carries (extra ``nr``): simulated, but only every 1.6 or 1.8 dB, within
which a long block goes from always to never lost, and up to 2,000 bits. A line between two such
points is off by up to 0.8 dB, so a law is laid through them: the normal approximation (Polyanskiy,
Poor and Verdu, IEEE Trans. Inf. Theory 56(5), 2010)

    BLER = Q((N I - K + log2(N) / 2) / sqrt(N V))

for K bits in N symbols, I and V mean and variance of the information that bit-interleaved QAM with
Gray labels gets through at the SNR less a gap, which the real code and decoder lose. The gap is
fitted to all points of a scheme's three longest blocks (it does not depend on their length), and
smoothed: a line in the code rate for each modulation, which also serves the lowest schemes, of
which sionna has no blocks.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parents[1] / "traces" / "mcs"
NORMAL = NormalDist()
BLERS = (0.5, 0.1, 0.01)
GAPS_DB = np.arange(0.0, 4.0, 0.01)
LONG = 500  # bits from which on a simulated block is used
TRIALS = 600  # the fewest blocks behind a point
HEADER = "mcs,modulation_order,code_rate_1024,block_bits,snr_50_db,snr_10_db,snr_1_db,gap_db"
# TS 38.214, tables 5.1.3.1-1 and 5.1.3.1-2: code rate x 1024 by modulation order.
SCHEMES: dict[int, dict[int, tuple[float, ...]]] = {
    1: {
        2: (120, 157, 193, 251, 308, 379, 449, 526, 602, 679),
        4: (340, 378, 434, 490, 553, 616, 658),
        6: (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948),
    },
    2: {
        2: (120, 193, 308, 449, 602),
        4: (378, 434, 490, 553, 616, 658),
        6: (466, 517, 567, 616, 666, 719, 772, 822, 873),
        8: (682.5, 711, 754, 797, 841, 885, 916.5, 948),
    },
}


class Scheme(NamedTuple):
    """A modulation and coding scheme: bits per symbol and code rate x 1024."""

    order: int
    rate_1024: float

    @property
    def rate(self) -> float:
        """Information bits per coded bit."""
        return self.rate_1024 / 1024

    @property
    def block_bits(self) -> int:
        """The longest code block (TS 38.212, 5.2.2): base graph 2 up to rate 1/4, else 1."""
        return 3840 if self.rate <= 0.25 else 8448


def schemes(table: int) -> list[Scheme]:
    return [Scheme(order, rate) for order, rates in SCHEMES[table].items() for rate in rates]


@lru_cache(maxsize=4)
def _amplitudes(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a real dimension with unit power over two of them, and their Gray labels."""
    numbers = np.arange(2**bits)
    points = 2.0 * numbers - (2**bits - 1)
    labels = (numbers ^ (numbers >> 1))[:, None] >> np.arange(bits) & 1
    return points / math.sqrt(2 * np.mean(points**2)), labels


@lru_cache(maxsize=4)
def information(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SNRs in dB, and mean and variance of the information per symbol there, in bits."""
    snrs_db = np.arange(-15.0, 35.0, 0.1)
    points, labels = _amplitudes(order // 2)
    found = np.array([_moments(points, labels, 10 ** (-db / 20) / math.sqrt(2)) for db in snrs_db])
    return snrs_db, 2 * found[:, 0], 2 * found[:, 1]


def _moments(points: np.ndarray, labels: np.ndarray, noise: float) -> tuple[float, float]:
    """Of one real dimension with noise of a standard deviation."""
    around, step = np.linspace(-6, 6, 241, retstep=True)
    weights = np.exp(-(around**2) / 2) / math.sqrt(2 * math.pi) * step
    seen = points[:, None] + noise * around  # shape (sent, y)
    logs = -((seen[..., None] - points) ** 2) / (2 * noise**2)  # shape (sent, y, candidate)
    likely = np.exp(logs - logs.max(axis=-1, keepdims=True))
    information = np.zeros(seen.shape)
    for bit in labels.T:
        same = likely @ np.stack([bit == 0, bit == 1], axis=1).astype(float)
        share = np.take_along_axis(same, np.broadcast_to(bit[:, None, None], (*seen.shape, 1)), -1)
        information += 1 + np.log2(np.maximum(share[..., 0] / likely.sum(axis=-1), 1e-300))
    mean = float((information @ weights).mean())
    return mean, float((information**2 @ weights).mean()) - mean**2


def margin(scheme: Scheme, bits: int, snr_db: np.ndarray | float) -> np.ndarray:
    """Standard deviations by which more comes through at an SNR than ``bits`` need."""
    grid_db, mean, variance = information(scheme.order)
    symbols = bits / scheme.rate / scheme.order
    surplus = symbols * np.interp(snr_db, grid_db, mean) - bits + math.log2(symbols) / 2
    deviation: np.ndarray = np.sqrt(symbols * np.interp(snr_db, grid_db, variance)) + 1e-9
    return surplus / deviation


def bler(margins: np.ndarray) -> np.ndarray:
    return np.array([NORMAL.cdf(-m) for m in np.clip(margins, -8, 8).ravel()]).reshape(
        margins.shape
    )


def simulated(table: int) -> dict[int, list[tuple[int, np.ndarray, np.ndarray]]]:
    """By scheme: bits of a block, SNRs in dB and block error rates, from sionna's tables."""
    spec = find_spec("sionna")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("sionna is missing: pip install -c .ci/constraints.txt -e '.[nr]'")
    folder = Path(spec.submodule_search_locations[0]) / "sys" / "bler_tables"
    data = json.loads((folder / f"PDSCH_table{table}.json").read_text(encoding="utf-8"))
    return {
        int(mcs): [
            (int(bits), np.array(found["SNR_db"]), np.array(curve["BLER"]))
            for bits, curve in found["CBS"].items()
            if int(bits) >= LONG
        ]
        for mcs, found in data["category"]["1"]["index"][str(table)]["MCS"].items()
    }


def _likelihood(scheme: Scheme, curves: list[tuple[int, np.ndarray, np.ndarray]]) -> np.ndarray:
    """The logarithm of how likely the simulated numbers of lost blocks are, by gap."""
    likelihood = np.zeros(len(GAPS_DB))
    for bits, snrs_db, found in curves:
        lost = bler(margin(scheme, bits, snrs_db - GAPS_DB[:, None]))
        lost = np.clip(lost, 0.5 / TRIALS, 1 - 0.5 / TRIALS)
        likelihood += TRIALS * (found * np.log(lost) + (1 - found) * np.log1p(-lost)).sum(axis=1)
    return likelihood


@lru_cache(maxsize=1)
def fitted_gaps_db() -> dict[Scheme, float]:
    """By scheme: the most likely gap."""
    likelihood: dict[Scheme, np.ndarray] = {}
    for table in SCHEMES:
        for mcs, curves in simulated(table).items():
            scheme = schemes(table)[mcs]
            likelihood[scheme] = likelihood.get(scheme, 0.0) + _likelihood(scheme, curves)
    return {scheme: float(GAPS_DB[found.argmax()]) for scheme, found in likelihood.items()}


def gap_db(scheme: Scheme) -> float:
    """The gap of a scheme: the line in its code rate through those of its modulation."""
    alike = {x.rate: gap for x, gap in fitted_gaps_db().items() if x.order == scheme.order}
    slope, constant = np.polyfit(list(alike), list(alike.values()), 1)
    return float(slope * scheme.rate + constant)


def snr_db(scheme: Scheme, gap: float, rate: float) -> float:
    """Where a block of the longest kind fails at a rate."""
    grid_db = np.arange(-14.0, 34.0, 0.001)
    margins = margin(scheme, scheme.block_bits, grid_db - gap)
    first = int(np.argmax(margins >= -NORMAL.inv_cdf(rate)))
    return float(grid_db[first])


def text(table: int) -> str:
    lines = ["mcs,modulation_order,code_rate_1024,block_bits,snr_50_db,snr_10_db,snr_1_db,gap_db"]
    for mcs, scheme in enumerate(schemes(table)):
        gap = gap_db(scheme)
        snrs = ",".join(f"{snr_db(scheme, gap, rate):.2f}" for rate in BLERS)
        fixed = f"{mcs},{scheme.order},{scheme.rate_1024:g},{scheme.block_bits}"
        lines.append(f"{fixed},{snrs},{gap:.2f}")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare with the files, write nothing"
    )
    check = parser.parse_args().check
    stale = 0
    for table in SCHEMES:
        path, made = FOLDER / f"nr-table{table}.csv", text(table)
        if not check:
            path.write_text(made, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != made:
            print(f"{path.name} is not what this script makes; run it without --check")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
