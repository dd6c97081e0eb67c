"""Channels: the rate of one device in one direction, as Steps; and the SNR behind it, if any.

mean SNR x fading x rate map, or a rate trace, or a given rate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, Curve, NonNegative, Number, Positive
from splitsim.steps import Chunk, Steps
from splitsim.world.fading import HOP, Fading, Streams
from splitsim.world.rate import RateMap
from splitsim.world.traces import Trace, read_trace


class ConstantChannel(Component):
    """A rate that does not depend on chance; a number or a curve."""

    kind: Literal["constant"]
    rate_bps: Curve

    def steps(self, streams: Streams) -> Steps:
        """The rate over time in bit/s."""
        return self.rate_bps.steps()


class ConstantSnr(Component):
    """The same mean SNR all the time."""

    kind: Literal["constant"]
    mean_db: Annotated[Number, Field(ge=-200, le=200)]

    @property
    def mean(self) -> float:
        """As a ratio of powers."""
        return float(10 ** (self.mean_db / 10))


class AwgnChannel(Component):
    """A constant SNR, white Gaussian noise being all there is, and a map to the rate."""

    kind: Literal["awgn"]
    bandwidth_hz: Positive
    snr: Annotated[ConstantSnr, Field(discriminator="kind")]
    rate: RateMap

    def steps(self, streams: Streams) -> Steps:
        """The rate over time in bit/s."""
        bps_hz = self.rate.bps_hz(np.array([self.snr.mean]))
        return Steps.constant(self.bandwidth_hz * float(bps_hz[0]))

    def snrs(self, streams: Streams) -> Steps:
        """The SNR over time, a ratio of powers."""
        return Steps.constant(self.snr.mean)


class FadingChannel(Component):
    """A mean SNR, fading around it, and a map to the rate."""

    kind: Literal["fading"]
    bandwidth_hz: Positive
    snr: Annotated[ConstantSnr, Field(discriminator="kind")]
    fading: Fading
    rate: RateMap

    def steps(self, streams: Streams) -> Steps:
        """The rate over time in bit/s."""
        return self._steps(streams, lambda snr: self.bandwidth_hz * self.rate.bps_hz(snr))

    def snrs(self, streams: Streams) -> Steps:
        """The SNR over time, a ratio of powers."""
        return self._steps(streams, lambda snr: snr)

    def _steps(self, streams: Streams, law: Callable[[np.ndarray], np.ndarray]) -> Steps:
        powers = self.fading.powers(streams)
        starts = self.fading.step_s * np.arange(HOP)
        length_s = self.fading.step_s * HOP
        mean = self.snr.mean

        def chunk(k: int) -> Chunk:
            return Chunk(starts, law(mean * powers(k)), length_s, self.fading.step_s)

        return Steps(chunk, length_s)


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

    def steps(self, streams: Streams) -> Steps:
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
