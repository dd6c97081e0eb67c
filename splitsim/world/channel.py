"""Channels: the rate of one device in one direction, as Steps; and the SNR behind it, if any.

mean SNR x fading x rate map, or a rate trace, or a given rate.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from splitsim.chunk import Chunk
from splitsim.component import Component, Curve, Positive
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.fading import Fading, NoFading
from splitsim.world.rate import RateMap
from splitsim.world.replay import TraceChannel
from splitsim.world.snr import MeanSnr, Snr
from splitsim.world.traces.units import in_words
from splitsim.world.travel import Gains
from splitsim.world.wifi import Wifi

FEW = 1000.0  # bit/s or Hz, below which megas were meant
STEPS = 256  # of a mean SNR, in a stretch without fading


class ConstantChannel(Component):
    """A rate that does not depend on chance; a number or a curve."""

    kind: Literal["constant"]
    rate_bps: Curve

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about it: a rate that is likely to be meant in another unit."""
        most_bps = self.rate_bps.extremes[1]
        few = f"rate_bps: {in_words(most_bps)} is what few links have; is the unit right?"
        return [few] if 0 < most_bps < FEW else []

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        return self.rate_bps.steps()


class _Heard(Component):
    """A signal with an SNR, and a map to the rate."""

    kind: str
    bandwidth_hz: Positive
    snr: Snr
    rate: RateMap

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _agrees(self.rate, self.bandwidth_hz)
        return self

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about it: a bandwidth that is likely to be meant in another unit."""
        few = f"bandwidth_hz: {self.bandwidth_hz:g} Hz is what few radios have; is the unit right?"
        return [few] if self.bandwidth_hz < FEW else []

    @abstractmethod
    def _gains(self, around: Around) -> Gains:
        """What fading does to the mean SNR."""

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        return _rates(self._signal(around), self.rate, self.bandwidth_hz, around)

    def snrs(self, around: Around) -> Steps:
        """The SNR over time, a ratio of powers."""
        return _steps(self._signal(around))

    def _signal(self, around: Around) -> Gains:
        mean = self.snr.mean(around, self.bandwidth_hz)
        return _received(mean, self._gains(around))


class AwgnChannel(_Heard):
    """A mean SNR, white Gaussian noise being all there is, and a map to the rate."""

    kind: Literal["awgn"]

    def _gains(self, around: Around) -> Gains:
        return NoFading(kind="none").gains(around)


class FadingChannel(_Heard):
    """A mean SNR, fading around it, and a map to the rate."""

    kind: Literal["fading"]
    fading: Fading

    def _gains(self, around: Around) -> Gains:
        return self.fading.gains(around)


def _received(mean: MeanSnr, gains: Gains) -> Gains:
    """The SNR: a mean times a gain, taken where either begins."""
    if mean.step_s < math.inf:
        gains = _finer(_endful(gains, mean.step_s), mean.step_s)

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        starts, powers = gains.stretch(k)
        begin_s = k * gains.period_s if k else 0.0
        return starts, mean.ratio(begin_s + starts) * powers

    return gains._replace(stretch=stretch)


def _endful(gains: Gains, step_s: float) -> Gains:
    """A gain that never changes, in stretches of ``STEPS`` steps."""
    if gains.period_s < math.inf:
        return gains
    (power,) = gains.stretch(0)[1]
    starts, powers = step_s * np.arange(STEPS), np.full(STEPS, power)
    return Gains(step_s * STEPS, lambda _: (starts, powers), step_s)


def _finer(gains: Gains, step_s: float) -> Gains:
    """Gains that also begin at all multiples of a step, if they do not begin more often anyway."""
    if gains.step_s is not None and gains.step_s <= step_s:
        return gains

    def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
        starts, powers = gains.stretch(k)
        begin_s = k * gains.period_s
        first = math.floor(begin_s / step_s) + 1
        last = math.ceil((begin_s + gains.period_s) / step_s)
        edges = step_s * np.arange(first, last) - begin_s
        edges = edges[(edges > 0) & (edges < gains.period_s)]
        both = np.union1d(starts, edges)
        return both, powers[np.searchsorted(starts, both, side="right") - 1]

    return Gains(gains.period_s, stretch)


def _rates(snr: Gains, rate: RateMap, bandwidth_hz: float, around: Around) -> Steps:
    """The rate at an SNR in bit/s."""
    return _steps(rate.rates(snr, around), bandwidth_hz)


def _steps(signal: Gains, factor: float = 1.0) -> Steps:
    """A signal times a factor, as Steps."""
    if signal.period_s == math.inf:
        return Steps.constant(float(factor * signal.stretch(0)[1][0]))

    def chunk(k: int) -> Chunk:
        starts, values = signal.stretch(k)
        return Chunk(starts, factor * values, signal.period_s, signal.step_s)

    return Steps(chunk, signal.period_s, signal.step_s)


def _agrees(rate: RateMap, bandwidth_hz: float) -> None:
    """WiFi's rates are those of a nominal bandwidth, which must be the channel's."""
    if isinstance(rate, Wifi) and rate.bandwidth_hz != bandwidth_hz:
        raise ValueError(
            f"bandwidth_hz {bandwidth_hz:g} of the channel is not the {rate.bandwidth_hz:g} of its "
            "rate {kind: wifi}; give both the same"
        )


HasSnr = AwgnChannel | FadingChannel
Channel = Annotated[
    ConstantChannel | AwgnChannel | FadingChannel | TraceChannel, Field(discriminator="kind")
]
