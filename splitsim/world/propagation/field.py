"""A random landscape: a Gaussian field over the plane, known everywhere at once.

A sum of plane waves. The wave vectors are drawn from the field's spectrum, one from each of
``WAVES`` equally likely rings, and spread over all directions; their amplitudes are normal:

    G(x) = sum_i (a_i cos k_i.x + b_i sin k_i.x) / sqrt(WAVES)

So a value anywhere is exactly standard normal, the values anywhere are jointly normal given the
waves, and over all seeds the autocorrelation is exactly the one asked for. Within one landscape
it differs from that by the waves there are, at most by about sqrt(1 / (2 WAVES)) = 0.044 r.m.s.,
which is reached far away only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

WAVES = 256
GOLDEN = (5**0.5 - 1) / 2

# Radii of wave vectors by their share: the inverse of a distribution function on [0, 1).
Radii = Callable[[np.ndarray], np.ndarray]


def gudmundson(shares: np.ndarray) -> np.ndarray:
    """Wave numbers of the autocorrelation exp(-d), rough like shadowing (Gudmundson 1991).

    The spectrum in the plane is (1 + k^2)^(-3/2) / (2 pi), of which 1 - (1 + k^2)^(-1/2) lie
    within k.
    """
    radii: np.ndarray = np.sqrt((1 - shares) ** -2 - 1)
    return radii


def smooth(shares: np.ndarray) -> np.ndarray:
    """Wave numbers of the autocorrelation exp(-d^2): it crosses a level finitely often.

    The spectrum is exp(-k^2 / 4) / (4 pi), of which 1 - exp(-k^2 / 4) lie within k.
    """
    radii: np.ndarray = 2 * np.sqrt(-np.log1p(-shares))
    return radii


class Field:
    """A landscape, the same wherever and whenever it is asked for.

    Args:
        radii: ``gudmundson`` or ``smooth``: its autocorrelation.
        correlation_m: where that has fallen to 1/e.
        rng: what makes it this one.
    """

    def __init__(self, radii: Radii, correlation_m: float, *, rng: np.random.Generator) -> None:
        rings = np.arange(WAVES)
        wave = radii((rings + rng.random(WAVES)) / WAVES) / correlation_m
        angle = 2 * np.pi * (rings * GOLDEN + rng.random())
        self._waves = wave * np.array([np.cos(angle), np.sin(angle)])
        self._phases = 2 * np.pi * rng.random(WAVES)
        # A cosine with a Rayleigh amplitude and a uniform phase has two normal amplitudes.
        self._amplitudes = np.sqrt(2 * rng.standard_exponential(WAVES) / WAVES)

    def values(self, places_m: np.ndarray) -> np.ndarray:
        """The field at places, shape (n, 2); shape (n,)."""
        # No matrix product: its rounding depends on how many places are asked for, and threads.
        x_m, y_m = places_m.T[:, :, None]
        angles = x_m * self._waves[0]
        angles += y_m * self._waves[1]
        angles += self._phases
        waves = np.cos(angles, out=angles)
        waves *= self._amplitudes
        found: np.ndarray = waves.sum(axis=1)
        return found
