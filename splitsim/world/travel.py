"""Gains over time from gains over distance: when a device has travelled another 1/32 wavelength.

Two distances count, both in wavelengths. Through the scattered waves it is the integral of
sqrt(fd^2 + residual^2): scatterers move although the device stands, and where both ends of a
path move, their autocorrelations are multiplied, J0(2 pi f1 t) J0(2 pi f2 t) (Akki and Haber,
IEEE Trans. Veh. Technol. 35(1), 1986), so that the squares of their Doppler frequencies add up in
everything that depends on small distances, such as the rate of level crossings. Along a direct
path it is the integral of fd alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from splitsim.steps import Steps
from splitsim.world.clarke import HOP, SAMPLES_PER_WAVELENGTH

LIGHT_MPS = 299_792_458.0
LONGEST_S = 64.0  # a stretch; whoever stands at first may move later
EARLY_S = 600.0  # the top speed of this time decides how long stretches are


class Gains(NamedTuple):
    """Power gains over time, in stretches.

    Attributes:
        period_s: length of every stretch; inf if there is only one.
        stretch: ``stretch(k)``: when the gains of stretch k begin, in seconds since it began,
            and the gains; both of shape (n,). The same at every call.
        step_s: the distance of the beginnings, where it is always the same.
    """

    period_s: float
    stretch: Callable[[int], tuple[np.ndarray, np.ndarray]]
    step_s: float | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Neighbouring places, 1/32 wavelength apart.

    Attributes:
        first: the number of the first one.
        count: how many there are.
        direct: wavelengths travelled along a direct path there, shape (count,), when asked.
    """

    first: int
    count: int
    direct: Callable[[], np.ndarray]


Powers = Callable[[Places], np.ndarray]  # the power gains at these places


def at_doppler(powers: Powers, doppler_hz: float) -> Gains:
    """The gains at one speed for ever."""
    step_s = 1 / (SAMPLES_PER_WAVELENGTH * doppler_hz)
    numbers = np.arange(HOP)
    starts = step_s * numbers

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        first = k * HOP
        there = Places(first, HOP, lambda: (first + numbers) / SAMPLES_PER_WAVELENGTH)
        return starts, powers(there)

    return Gains(step_s * HOP, stretch, step_s)


def at_speed(powers: Powers, speed_mps: Steps, carrier_hz: float, residual_hz: float) -> Gains:
    """The gains at a speed that may vary: each holds until the next 1/32 wavelength is travelled.

    Stretches are windows of time, of about ``HOP`` gains at top speed. A mean SNR is taken where
    a gain begins, that is at least every 1/32 wavelength of the way.
    """
    direct = speed_mps.times(carrier_hz / LIGHT_MPS)  # Doppler frequencies in Hz
    scattered = direct.through(lambda doppler_hz: np.hypot(doppler_hz, residual_hz))
    period_s = _period_s(scattered.peak(EARLY_S))

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        begin_s, end_s = k * period_s, (k + 1) * period_s
        first, last = (int(SAMPLES_PER_WAVELENGTH * scattered.area(s)) for s in (begin_s, end_s))
        times_s = scattered.whens(np.arange(first, last + 1) / SAMPLES_PER_WAVELENGTH)
        there = Places(first, len(times_s), lambda: direct.areas(times_s))
        starts = np.clip(times_s - begin_s, 0.0, period_s)
        starts[0] = 0.0  # the first one may have begun in the stretch before
        return starts, powers(there)

    return Gains(period_s, stretch)


def _period_s(top_hz: float) -> float:
    """A power of two, so that multiples of it are exact."""
    whole_s = HOP / (SAMPLES_PER_WAVELENGTH * top_hz) if top_hz else LONGEST_S
    return min(2.0 ** math.floor(math.log2(whole_s)), LONGEST_S)
