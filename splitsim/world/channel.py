"""Channels: the rate of one device in one direction, as Steps; and the SNR behind it, if any.

mean SNR x fading x rate map, or a rate trace, or a given rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, Curve, NonNegative, Positive
from splitsim.steps import Chunk, Steps
from splitsim.world.around import Around
from splitsim.world.fading import Fading, Gains
from splitsim.world.rate import Law, RateMap
from splitsim.world.snr import MeanSnr, Snr
from splitsim.world.traces import Trace, read_trace

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


class TraceChannel(Component):
    """A recorded rate, replayed: looped or stopped at its end, shifted, scaled.

    ``file`` is relative to the scenario file; a bare name is looked up in ``traces/channels``.
    The device joins the recording ``offset_s`` after its beginning. Without ``loop`` the rate
    is zero once the recording is over.
    """

    kind: Literal["trace"]
    file: str
    format: Literal["mahimahi", "two-column", "csv"] | None = None
    time: str | None = None
    rate: str | None = None
    time_unit_s: Positive | None = None
    rate_unit_bps: Positive | None = None
    hold: Literal["previous", "next"] | None = None
    loop: bool = True
    offset_s: NonNegative = 0.0
    scale: Positive = 1.0

    _trace: Trace = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        read: Callable[..., Trace] = (info.context or {}).get("read_trace", _read)
        self._trace = read(
            self.file,
            format=self.format,
            time=self.time,
            rate=self.rate,
            time_unit_s=self.time_unit_s,
            rate_unit_bps=self.rate_unit_bps,
            hold=self.hold,
        )
        if self.offset_s >= self._trace.period_s:
            raise ValueError(
                f"offset_s {self.offset_s:g} is beyond the trace's {self._trace.period_s:g} s"
            )
        return self

    @property
    def length_s(self) -> float:
        """Seconds until the recording is over."""
        return self._trace.period_s - self.offset_s

    def steps(self, around: Around) -> Steps:
        """The rate over time in bit/s."""
        trace = self._trace
        starts, rates = trace.starts_s, self.scale * trace.rates_bps
        first = int(np.searchsorted(starts, self.offset_s, side="right")) - 1
        later = np.maximum(starts[first:] - self.offset_s, 0.0)
        if not self.loop:
            return Steps.of([*later, self.length_s], [*rates[first:], 0.0])
        split = int(starts[first] < self.offset_s)  # a step that the offset cuts in two
        earlier = starts[: first + split] + self.length_s
        return Steps.loop(
            np.concatenate([later, earlier]),
            np.concatenate([rates[first:], rates[: first + split]]),
            trace.period_s,
        )


def _read(file: str, **how: str | float | None) -> Trace:
    return read_trace(Path(file), **how)  # type: ignore[arg-type]


HasSnr = AwgnChannel | FadingChannel
Channel = Annotated[
    ConstantChannel | AwgnChannel | FadingChannel | TraceChannel, Field(discriminator="kind")
]
