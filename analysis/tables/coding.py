"""Encoding: what 8-bit codes of a tensor take, by a law measured on x86-1t, carried over to boards.

    seconds on x86-1t = a + b x elements

by relative least squares over every tensor of the models here whose encoding ``splitsim profile``
measured there, a and b >= 0. A board takes longer by the ratio of its totals of whole networks to
those of x86-1t, in the geometric mean over networks: coding is none of a network's layers, and one
network's ratio can be several times another's. Jetsons compute networks on a GPU but code on a
processor, which is taken to be like the Raspberry Pi 4's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from tables.files import Time, combined
from tables.fits import ORIGINS, clock_ratio, totals
from tables.source import MEASURED_ON, measured
from tables.students import models

PROCESSORS = ("raspberry-pi-4", "raspberry-pi-3b+", "cortex-a76")  # totals are of their processors
LIKE = "raspberry-pi-4"  # whose processor the Jetsons' are taken to be like
USUAL = {"scaled": 2.0, "assumed": 3.0}  # factors of uncertainty


class Law(NamedTuple):
    """Seconds = a + b x elements on x86-1t; ``rms``: of its relative errors."""

    a_s: float
    b_s: float
    rms: float

    def seconds(self, elements: int) -> float:
        """The law itself."""
        return self.a_s + self.b_s * elements


class Ratio(NamedTuple):
    """How many times longer a processor takes: over networks the mean, spread, and ends."""

    times: float
    spread: float
    least: float
    most: float


def encodings() -> Iterator[tuple[int, float]]:
    """Elements and seconds of every tensor whose encoding was measured."""
    for name, model in models().items():
        rows = measured(name)
        for cut, row in list(zip(model.cuts, rows, strict=bool(rows)))[1:-1]:
            yield math.prod(cut.shape), float(row["encode_s"])


@cache
def law() -> Law:
    """The law of all of them."""
    elements, seconds = np.array(list(encodings())).T
    ratios = np.column_stack([np.ones_like(elements), elements]) / seconds[:, None]
    (a_s, b_s), residual = nnls(ratios, np.ones(len(ratios)))
    return Law(float(a_s), float(b_s), float(residual) / math.sqrt(len(ratios)))


@cache
def ratio(processor: str) -> Ratio:
    """Over the networks that were timed on it and on x86-1t."""
    known = totals(processor)
    logs = [
        math.log(total.s / float(measured(network)[-1]["head_s"]))
        for network, total in known.items()
        if measured(network)
    ]
    return Ratio(*map(math.exp, (fmean(logs), stdev(logs), min(logs), max(logs))))


def encoding(elements: int, hardware: str) -> Time:
    """Of a tensor of so many elements on a device."""
    origin = ORIGINS[hardware]
    own = origin.board in PROCESSORS
    slower = ratio(origin.board if own else LIKE)
    clocks = clock_ratio("cpu_mhz") if origin.slowed else 1.0
    basis = "scaled" if own else "assumed"
    factor = combined(USUAL[basis], 1 + law().rms, slower.spread)
    here_s, times = law().seconds(elements), slower.times * clocks
    said = f"{1e3 * here_s:.3g} ms on {MEASURED_ON} by the law of what was measured there"
    whose = "the ratio of whole networks' times" + ("" if own else f" on {LIKE}, a like processor")
    if origin.slowed:
        whose += ", and of processor clocks"
    return Time(round(1e9 * here_s * times), basis, f"{said}, x {times:.2f}, {whose}", factor)
