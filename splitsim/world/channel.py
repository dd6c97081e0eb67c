"""Channels: the rate of one device in one direction, as Steps; and the SNR behind it, if any.

mean SNR x fading x rate map, or a rate trace, or a given rate.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Curve, Positive
from splitsim.steps import Chunk, Steps
from splitsim.world.around import Around
from splitsim.world.fading import Fading, Gains
from splitsim.world.rate import Law, RateMap
from splitsim.world.replay import TraceChannel
from splitsim.world.snr import MeanSnr, Snr

STEPS = 256  # of a mean SNR, in a stretch without fading


class ConstantChannel(Component):
    """A rate that does not depend on chance; a number or a curve."""

    kind: Literal["constant"]
    rate_bps: Curve

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        return self.rate_bps.steps()


class AwgnChannel(Component):
    """A mean SNR, white Gaussian noise being all there is, and a map to the rate."""

    kind: Literal["awgn"]
    bandwidth_hz: Positive
    snr: Snr
    rate: RateMap

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        return _rates(self._signal(around), self.rate, self.bandwidth_hz, around)

    def snrs(self, around: Around) -> Steps:
        """The SNR over time, a ratio of powers."""
        return _steps(self._signal(around), lambda _, __, snr: snr)

    def _signal(self, around: Around) -> Gains:
        mean = self.snr.mean(around)
        if mean.step_s == math.inf:
            return _received(mean, Gains(math.inf, lambda _: (np.zeros(1), np.ones(1))))
        starts, ones = mean.step_s * np.arange(STEPS), np.ones(STEPS)
        return _received(mean, Gains(mean.step_s * STEPS, lambda _: (starts, ones), mean.step_s))


class FadingChannel(Component):
    """A mean SNR, fading around it, and a map to the rate."""

    kind: Literal["fading"]
    bandwidth_hz: Positive
    snr: Snr
    fading: Fading
    rate: RateMap

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        return _rates(self._signal(around), self.rate, self.bandwidth_hz, around)

    def snrs(self, around: Around) -> Steps:
        """The SNR over time, a ratio of powers."""
        return _steps(self._signal(around), lambda _, __, snr: snr)

    def _signal(self, around: Around) -> Gains:
        return _received(self.snr.mean(around), self.fading.gains(around))


def _received(mean: MeanSnr, gains: Gains) -> Gains:
    """The SNR: a mean, taken where a gain begins, times that gain."""

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        starts, powers = gains.stretch(k)
        begin_s = k * gains.period_s if k else 0.0
        return starts, mean.ratio(begin_s + starts) * powers

    return gains._replace(stretch=stretch)


def _rates(snr: Gains, rate: RateMap, bandwidth_hz: float, around: Around) -> Steps:
    """The rate at an SNR in bit/s."""
    law = rate.law(around)
    return _steps(snr, lambda k, starts, ratios: bandwidth_hz * law(k, starts, ratios))


def _steps(signal: Gains, law: Law) -> Steps:
    """What a law makes of a signal, as Steps."""
    if signal.period_s == math.inf:
        return Steps.constant(float(law(0, *signal.stretch(0))[0]))

    def chunk(k: int) -> Chunk:
        starts, values = signal.stretch(k)
        return Chunk(starts, law(k, starts, values), signal.period_s, signal.step_s)

    return Steps(chunk, signal.period_s)


HasSnr = AwgnChannel | FadingChannel
Channel = Annotated[
    ConstantChannel | AwgnChannel | FadingChannel | TraceChannel, Field(discriminator="kind")
]
