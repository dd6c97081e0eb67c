"""From SNR to rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Positive
from splitsim.world.around import Around
from splitsim.world.nr import Nr, Part
from splitsim.world.travel import Gains
from splitsim.world.wifi import Wifi


class Shannon(Component):
    """Attenuated Shannon capacity, min(efficiency log2(1 + SNR), cap), in bit/s/Hz.

    TR 36.942 gives efficiency 0.6 and cap 4.4 for the downlink, 0.4 and 2.0 for the uplink
    (parameters unverified). It is a system figure that contains all overheads: no second
    efficiency belongs on it. ``tdd_share`` is this direction's share of the time, which it does
    not contain.
    """

    kind: Literal["shannon"]
    efficiency: Part = 1.0
    cap_bps_hz: Positive | None = None
    tdd_share: Part = 1.0

    def rates(self, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz of one device in one direction, for an SNR as a ratio of powers."""
        return _each(snr, self.bps_hz)

    def bps_hz(self, snr: np.ndarray) -> np.ndarray:
        """Spectral efficiency for an array of linear SNRs, same shape."""
        cap = math.inf if self.cap_bps_hz is None else self.cap_bps_hz
        rate: np.ndarray = np.log1p(snr)
        rate *= self.efficiency / math.log(2)
        np.minimum(rate, cap, out=rate)
        rate *= self.tdd_share
        return rate


class Symbols(Component):
    """Symbols that carry numbers as they are, whatever the SNR: noise costs accuracy, not time.

    A complex symbol has two real numbers, which as float32 are 64 bits of a message: what n
    numbers take is n / (2 bandwidth) seconds.
    """

    kind: Literal["symbols"]
    bits_per_symbol: Positive = 64.0

    def rates(self, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz of one device in one direction, for an SNR as a ratio of powers."""
        return _each(snr, self.bps_hz)

    def bps_hz(self, snr: np.ndarray) -> np.ndarray:
        """Bits of a message per second and hertz, the same for all SNRs; shape as ``snr``."""
        return np.full_like(snr, self.bits_per_symbol)


def _each(snr: Gains, law: Callable[[np.ndarray], np.ndarray]) -> Gains:
    """What a law makes of every value."""

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        starts, ratios = snr.stretch(k)
        return starts, law(ratios)

    return snr._replace(stretch=stretch)


# ``rates(snr, around)`` makes bit/s/Hz in stretches of an SNR in stretches, each the same at every
# call; one that remembers calls ``snr.stretch`` for the stretches before.
RateMap = Annotated[Shannon | Symbols | Nr | Wifi, Field(discriminator="kind")]
