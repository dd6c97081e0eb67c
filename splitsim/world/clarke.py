"""Clarke's model of scattered waves: the complex gain over the distance travelled in wavelengths.

Isotropic scattering around a moving receiver gives a complex Gaussian process with
autocorrelation J0(2 pi u) over a distance of u wavelengths; at a Doppler frequency fd, u = fd t.
It is made by the filtered inverse Fourier transform (Young and Beaulieu, IEEE Trans. Commun.
48(7), 2000), each bin weighted with the exact share of Clarke's spectrum that falls into it, so
that the variance is one and sums of sinusoids' bias in E|h|^4 does not arise.

Blocks are keyed by their number and overlap; where they do, they are added with weights whose
squares sum to one. The sum of independent Gaussians stays Gaussian: no seam, any length.

A gain holds for 1/32 of a wavelength, which hides 1.1 % of the crossings of a threshold 10 dB
below the mean, and 0.2 % at the mean. In the overlap, 7 % of the time, the autocorrelation over
a distance u is J0 times cos(pi u / 32): within 0.013 of J0 up to four wavelengths.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

SAMPLES_PER_WAVELENGTH = 32
BLOCK = 8192  # samples made at a time; a power of two for the Fourier transform
OVERLAP = 512  # of them cross-faded into the next block
HOP = BLOCK - OVERLAP

Streams = Callable[[int], np.random.Generator]


@lru_cache(maxsize=1)
def _filter() -> np.ndarray:
    """Amplitudes of bins 0..m and -m..-1: roots of the spectrum's share in each bin."""
    m = BLOCK // SAMPLES_PER_WAVELENGTH  # the Doppler frequency, in bins
    edges = np.clip((np.arange(-m, m + 2) - 0.5) / m, -1, 1)
    shares = np.diff(np.arcsin(edges)) / np.pi  # integral of 1 / (pi sqrt(1 - f^2))
    return np.sqrt(np.concatenate([shares[m:], shares[:m]]) / 2) * BLOCK


@lru_cache(maxsize=1)
def _fade_in() -> np.ndarray:
    angle = (np.arange(OVERLAP) + 0.5) / OVERLAP * (np.pi / 2)
    return np.sin(angle)


def clarke_block(rng: np.random.Generator) -> np.ndarray:
    """One block of complex gains of unit mean power, shape (BLOCK,)."""
    weights = _filter()
    m = len(weights) // 2
    draws = weights * rng.standard_normal(2 * len(weights)).view(complex)
    bins = np.zeros(BLOCK, complex)
    bins[: m + 1] = draws[: m + 1]
    bins[-m:] = draws[m + 1 :]
    return np.fft.ifft(bins)


class Clarke:
    """The endless complex gain of one path.

    Args:
        streams: ``streams(k)`` is the generator of block k.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._last: tuple[int, np.ndarray] = (-1, np.empty(0))
        self._latest: tuple[int, np.ndarray] = (-1, np.empty(0))

    def samples(self, first: int, count: int) -> np.ndarray:
        """Samples ``first`` to ``first + count``, shape (count,); the same at every call."""
        stop = first + count
        parts = [
            self._stretch(k)[max(first - k * HOP, 0) : stop - k * HOP]
            for k in range(first // HOP, (stop - 1) // HOP + 1)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def stretch(self, k: int) -> np.ndarray:
        """Samples k HOP to (k + 1) HOP, shape (HOP,); the same at every call."""
        before = self._block(k - 1) if k else None
        block = self._block(k)
        gains = block[:HOP].copy()
        if before is not None:
            rising = _fade_in()
            gains[:OVERLAP] = rising * gains[:OVERLAP] + rising[::-1] * before[HOP:]
        return gains

    def _stretch(self, k: int) -> np.ndarray:
        """Stretch k; the last one is kept, for the next samples may be in it, too."""
        if self._latest[0] != k:
            self._latest = k, self.stretch(k)
        return self._latest[1]

    def _block(self, k: int) -> np.ndarray:
        """Block k; the last one is kept, for its end fades into the next."""
        if self._last[0] != k:
            self._last = k, clarke_block(self._streams(k))
        return self._last[1]
