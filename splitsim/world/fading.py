"""Small-scale fading: the power gain around the mean SNR, by the kind of what is scattered.

Rayleigh, Rician and Nakagami gains have the mean 1 and are functions of the distance travelled
(see ``clarke`` and ``travel``). Gilbert and Elliott's, and recorded ones, are functions of time.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from splitsim.component import Component, NonNegative, Number, Positive
from splitsim.world.around import Around
from splitsim.world.bursts import GilbertElliott
from splitsim.world.clarke import Clarke
from splitsim.world.fading_replay import RecordedFading
from splitsim.world.travel import Gains, Places, Powers, at_doppler, at_speed

Draws = Callable[[str, int], np.random.Generator]  # by role and index

# Assumed: between the 3 Hz that IEEE 802.11's channel models took for standing stations in 2004
# and the 0.4 Hz of 2010 (both unverified); people who pass at 1 m/s some way off.
RESIDUAL_HZ = 1.0


class Scattered(Component):
    """Fading by scattered waves, which the distance travelled decides.

    ``doppler_hz`` is that of one speed for ever. Without it the device's own speed counts, at
    ``carrier_hz`` (that of the cell's geometry, if not given), together with
    ``residual_doppler_hz``, that of moving scatterers around a standing device (1 Hz, if not
    given). With ``reciprocal`` both directions have the same gains, as in TDD, else independent
    ones, as in FDD.
    """

    doppler_hz: Positive | None = None
    carrier_hz: Positive | None = None
    residual_doppler_hz: NonNegative | None = None
    reciprocal: bool = False

    @model_validator(mode="after")
    def _one_speed(self) -> Self:
        for key in ("carrier_hz", "residual_doppler_hz"):
            if self.doppler_hz is not None and getattr(self, key) is not None:
                raise ValueError(f"{key} does nothing beside doppler_hz; remove one of them")
        return self

    @abstractmethod
    def powers(self, draws: Draws) -> Powers:
        """The power gains over distance, mean 1."""

    def lacks(self, *, mobility: bool, carrier: bool) -> str:
        """What is missing for a device with or without mobility, in a cell with a carrier or not.

        Empty if nothing is.
        """
        if self.doppler_hz is not None:
            return ""
        if not mobility:
            return "needs doppler_hz, or mobility of the device, whose speed then counts"
        if not carrier and self.carrier_hz is None:
            return "needs carrier_hz, or the cell's geometry, to know the wavelength; or doppler_hz"
        return ""

    def gains(self, around: Around) -> Gains:
        """The gains of one device in one direction."""
        powers = self.powers(around.common if self.reciprocal else around.stream)
        if self.doppler_hz is not None:
            return at_doppler(powers, self.doppler_hz)
        carrier_hz = self.carrier_hz
        if carrier_hz is None and around.geometry is not None:
            carrier_hz = around.geometry.carrier_hz
        if around.path is None or carrier_hz is None:
            raise ValueError("fading needs doppler_hz, or a path and a carrier_hz")
        residual_hz = self.residual_doppler_hz
        residual_hz = RESIDUAL_HZ if residual_hz is None else residual_hz
        return at_speed(powers, around.path.speed_mps, carrier_hz, residual_hz)


class Rayleigh(Scattered):
    """Rayleigh fading: many scattered paths and none that is direct."""

    kind: Literal["rayleigh"]

    def powers(self, draws: Draws) -> Powers:
        """The power gains over distance: exponential, mean 1."""
        path = Clarke(partial(draws, "fading"))
        return lambda there: _power(path.samples(there.first, there.count))


class Rician(Scattered):
    """Rician fading: scattered paths and a direct one, K times as strong as all of them.

    h = sqrt(K / (K + 1)) exp(j (2 pi c d + phase)) + sqrt(1 / (K + 1)) Clarke's, where d is the
    distance travelled in wavelengths, c the cosine of the angle between the way and the direct
    path, and the phase a draw of the device. ``k_db`` or ``k_factor`` says K, ``los_doppler``
    c; TR 38.901 (section 7.7.2) takes 0.7.
    """

    kind: Literal["rician"]
    k_db: Annotated[Number, Field(ge=-100, le=100)] | None = None
    k_factor: NonNegative | None = None
    los_doppler: Annotated[float, Field(ge=-1, le=1)] = 0.7

    @model_validator(mode="after")
    def _one_k(self) -> Self:
        if (self.k_db is None) == (self.k_factor is None):
            raise ValueError("say how strong the direct path is: either k_db or k_factor")
        return self

    @property
    def k(self) -> float:
        """Power of the direct path by that of all others."""
        return 10 ** (self.k_db / 10) if self.k_db is not None else self.k_factor or 0.0

    def powers(self, draws: Draws) -> Powers:
        """The power gains over distance: non-central chi-square, mean 1."""
        path = Clarke(partial(draws, "fading"))
        phase = draws("fading-phase", 0).uniform(0, 2 * np.pi)
        scattered, direct = math.sqrt(1 / (self.k + 1)), math.sqrt(self.k / (self.k + 1))

        def powers(there: Places) -> np.ndarray:
            turned = 2 * np.pi * self.los_doppler * there.direct() + phase
            gains = scattered * path.samples(there.first, there.count)
            gains.real += direct * np.cos(turned)
            gains.imag += direct * np.sin(turned)
            return _power(gains)

        return powers


class Nakagami(Scattered):
    """Nakagami-m fading: the power has a gamma distribution of shape m and mean 1.

    Where 2 m is whole, it is the mean of 2 m squared Gaussians, the parts of Clarke's gains: its
    autocorrelation is J0^2(2 pi u). Otherwise each power p of one Clarke's gain is mapped to the
    power of the same rank, F^-1(1 - exp(-p)): the distribution is exact, a level is crossed as
    often as Rayleigh fading crosses the level of the same rank, and the autocorrelation is
    within 0.01 of J0^2(2 pi u) up to m = 3, and within 0.04 up to 20.
    """

    kind: Literal["nakagami"]
    m: Annotated[float, Field(ge=0.5, le=20)]

    def powers(self, draws: Draws) -> Powers:
        """The power gains over distance: gamma, mean 1."""
        if not (2 * self.m).is_integer():
            path, same_rank = Clarke(partial(draws, "fading")), _same_rank(self.m)
            return lambda there: same_rank(_power(path.samples(there.first, there.count)))
        roles = ["fading", *(f"fading-{n}" for n in range(1, math.ceil(self.m)))]
        paths = [Clarke(partial(draws, role)) for role in roles]

        def powers(there: Places) -> np.ndarray:
            gains = [path.samples(there.first, there.count) for path in paths]
            if not self.m.is_integer():
                gains[-1] = gains[-1].real
            return sum(map(_power, gains), np.zeros(there.count)) / self.m

        return powers


class NoFading(Component):
    """The mean SNR and nothing else."""

    kind: Literal["none"]

    @property
    def reciprocal(self) -> bool:
        """Whether both directions have the same gains on purpose."""
        return False

    def gains(self, around: Around) -> Gains:
        """Always 1."""
        return Gains(math.inf, lambda _: (np.zeros(1), np.ones(1)))


Fading = Annotated[
    Rayleigh | Rician | Nakagami | GilbertElliott | RecordedFading | NoFading,
    Field(discriminator="kind"),
]


def _power(gains: np.ndarray) -> np.ndarray:
    power: np.ndarray = gains.real**2 + gains.imag**2
    return power


@lru_cache(maxsize=16)
def _same_rank(m: float) -> Callable[[np.ndarray], np.ndarray]:
    """From exponential powers to gamma ones of shape ``m``, both of mean 1, by rank.

    Both tails are powers of e, so that logarithms of either side are joined by straight lines:
    2^15 points are within 1e-7 of the exact power.
    """
    from scipy import special

    logs = np.linspace(-50, 5, 2**15 + 1)
    powers = np.exp(logs)
    low = special.gammaincinv(m, -np.expm1(-powers))
    high = special.gammainccinv(m, np.exp(-powers))
    ranks = np.log(np.where(powers < 1, low, high) / m)
    return lambda power: np.exp(np.interp(np.log(power), logs, ranks))
