"""From SNR to rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Positive
from splitsim.world.around import Around

# ``law(k, starts_s, snr)`` gives bit/s/Hz for stretch k of an SNR: when its values begin, in
# seconds since the stretch began, and the values, all of shape (n,). The same at every call.
Law = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


class Shannon(Component):
    """Attenuated Shannon capacity, min(efficiency log2(1 + SNR), cap), in bit/s/Hz.

    TR 36.942 gives efficiency 0.6 and cap 4.4 for the downlink, 0.4 and 2.0 for the uplink
    (parameters unverified). It is a system figure that contains all overheads.
    """

    kind: Literal["shannon"]
    efficiency: Annotated[Positive, Field(le=1)] = 1.0
    cap_bps_hz: Positive | None = None

    def law(self, around: Around) -> Law:
        """The rate of one device in one direction, which depends on the SNR alone."""
        return lambda _, __, snr: self.bps_hz(snr)

    def bps_hz(self, snr: np.ndarray) -> np.ndarray:
        """Spectral efficiency for an array of linear SNRs, same shape."""
        cap = math.inf if self.cap_bps_hz is None else self.cap_bps_hz
        rate: np.ndarray = np.log1p(snr)
        rate *= self.efficiency / math.log(2)
        np.minimum(rate, cap, out=rate)
        return rate


class Symbols(Component):
    """Symbols that carry numbers as they are, whatever the SNR: noise costs accuracy, not time.

    A complex symbol has two real numbers, which as float32 are 64 bits of a message: what n
    numbers take is n / (2 bandwidth) seconds.
    """

    kind: Literal["symbols"]
    bits_per_symbol: Positive = 64.0

    def law(self, around: Around) -> Law:
        """The rate of one device in one direction, which depends on the SNR alone."""
        return lambda _, __, snr: self.bps_hz(snr)

    def bps_hz(self, snr: np.ndarray) -> np.ndarray:
        """Bits of a message per second and hertz, the same for all SNRs; shape as ``snr``."""
        return np.full_like(snr, self.bits_per_symbol)


RateMap = Annotated[Shannon | Symbols, Field(discriminator="kind")]
