"""Replaying recordings: one over and over, or several in a drawn order, from some offset on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.errors import BadInput
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.world.around import Around
from splitsim.world.traces import Format, Trace, Way, read_trace
from splitsim.world.windows import joined, laid_out, rotated, shared, window_s, windows

MOST_PIECES = 10_000_000

READING = (
    *("format", "way", "header", "time", "rate", "time_unit_s", "rate_unit_bps"),
    *("hold", "missing", "repeats", "max_hold_s", "gaps"),
)
PLACING = (
    *("file", "files", "from_s", "to_s", "resample_s"),
    *("loop", "offset_s", "offset", "segment_s"),
)


class Replay(Component):
    """Something recorded, replayed: looped or stopped at its end, shifted, scaled.

    ``file`` is relative to the scenario file; a bare name is looked up in ``traces/channels``.
    ``files`` are several, each played whole, one after the other in an order that is drawn anew
    for every round, device and seed. How a file is read say ``format`` to ``gaps``, see
    ``read_trace``; ``way`` is which rate to take of a file with both directions, or what the
    rate is of where the file does not tell.

    Of each file the stretch ``from_s`` to ``to_s`` is used, in means over ``resample_s`` if that
    is given, times ``scale``. The device joins the recording ``offset_s`` after its beginning,
    or with ``offset: drawn`` anywhere, drawn for every device and seed, at the same place in
    both directions. With ``segment_s`` the recording is cut into segments of so long, and every
    device replays one of its own, drawn for every seed; devices of one group have different
    ones while there are enough. What else was recorded has the same place as the rate if it is
    placed in the same words.
    """

    kind: Literal["trace"]
    file: str | None = None
    files: Annotated[Sequence[str], Field(min_length=1)] | None = None
    format: Format | None = None
    way: Way | None = None
    header: bool | None = None
    time: str | int | None = None
    rate: str | int | None = None
    time_unit_s: Positive | None = None
    rate_unit_bps: Positive | None = None
    hold: Literal["previous", "next"] | None = None
    missing: Literal["error", "zero", "skip"] | None = None
    repeats: Literal["last", "first", "mean"] | None = None
    max_hold_s: Positive | None = None
    gaps: Literal["join", "zero"] | None = None
    from_s: NonNegative = 0.0
    to_s: Positive | None = None
    resample_s: Positive | None = None
    scale: Positive = 1.0
    loop: bool = True
    offset_s: NonNegative = 0.0
    offset: Literal["fixed", "drawn"] = "fixed"
    segment_s: Positive | None = None

    _traces: tuple[Trace, ...] = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        _refuse(self._at_odds())
        whole = [*self._read(info.context or {})]
        _refuse(self._outside(whole))
        self._traces = tuple(map(self._used, whole))
        _refuse(self._unusable())
        return self

    @abstractmethod
    def _trace(self, name: str, context: Mapping[str, Any]) -> Trace:
        """What a file holds; the context may have a way to read it."""

    @property
    def names(self) -> Sequence[str]:
        """The files as the scenario names them."""
        return self.files or ([self.file] if self.file is not None else [])

    @property
    def length_s(self) -> float:
        """Seconds until the recording is over."""
        return (self.segment_s or self._total_s) - self.offset_s

    @property
    def segments(self) -> int:
        """How many devices can have a segment of their own; 0 where nobody has."""
        return int(self._total_s / self.segment_s + 1e-9) if self.segment_s else 0

    @property
    def conditional(self) -> bool:
        """Whether every seed replays the same: intervals are then conditional on it."""
        return len(self.names) == 1 and self.offset == "fixed" and not self.segment_s

    @property
    def ways(self) -> set[Way]:
        """The directions in which the traces were measured, as far as they are known."""
        return {trace.way for trace in self._traces if trace.way}

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about the files."""
        return [*dict.fromkeys(text for trace in self._traces for text in trace.warnings)]

    @property
    def place(self) -> Sequence[Any]:
        """What says where in a recording a device is."""
        return [getattr(self, key) for key in PLACING]

    @property
    def mean(self) -> float:
        """The mean over all of it."""
        return sum(t.mean_bps * t.period_s for t in self._traces) / self._total_s

    @property
    def least(self) -> float:
        """The least value in it."""
        return min(float(t.rates_bps.min()) for t in self._traces)

    def steps(self, around: Around) -> Steps:
        """What it is over time: a rate in bit/s, or in its own unit."""
        if len(self._traces) > 1:
            return self._in_turn(around)
        if self.segment_s is None and self.offset == "fixed":
            return laid_out(shared(self._traces[0], self.offset_s, self.loop))
        trace = self._segment(around)
        if not np.any(trace.rates_bps):
            return Steps.constant(0.0)
        if self.offset == "fixed":
            return laid_out(rotated(trace, self.offset_s, self.loop))
        offset_s = trace.period_s * float(around.common("replay-offset").random())
        return windows(lambda _: trace, offset_s, window_s([trace]))

    def _segment(self, around: Around) -> Trace:
        """The device's part of the recording; all of it where there are no segments."""
        (trace,) = self._traces
        if self.segment_s is None:
            return trace
        group, _, number = around.device.rpartition("-")
        turn, place = divmod(int(number) if number.isdecimal() else 0, self.segments)
        order = stream(around.seed, "replay-segments", group, turn).permutation(self.segments)
        from_s = int(order[place]) * self.segment_s
        return trace.part(from_s, min(from_s + self.segment_s, trace.period_s))

    def _in_turn(self, around: Around) -> Steps:
        """The files in drawn orders."""
        count = len(self._traces)

        @lru_cache(maxsize=4)
        def order(turn: int) -> Sequence[int]:
            drawn: list[int] = around.common("replay-order", turn).permutation(count).tolist()
            return drawn

        def block(n: int) -> Trace:
            return self._traces[order(n // count)[n % count]]

        if not self.loop:
            once = joined([block(n) for n in range(count)])
            return laid_out(rotated(once, self.offset_s, loop=False))
        offset_s = self.offset_s
        if self.offset == "drawn":
            offset_s = self._total_s * float(around.common("replay-offset").random())
        return windows(block, offset_s, window_s(self._traces))

    @property
    def _total_s(self) -> float:
        return sum(trace.period_s for trace in self._traces)

    @property
    def _how(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in READING}

    def _read(self, context: Mapping[str, Any]) -> Iterator[Trace]:
        """Every file; the mistakes of all of them are raised together."""
        problems: list[str] = []
        for name in self.names:
            try:
                yield self._trace(name, context)
            except BadInput as error:
                problems += error.problems
        _refuse(dict.fromkeys(problems))

    def _used(self, trace: Trace) -> Trace:
        to_s = self.to_s or trace.period_s
        if (self.from_s, to_s) != (0.0, trace.period_s):
            trace = trace.part(self.from_s, to_s)
        if self.resample_s is not None:
            trace = trace.resampled(self.resample_s)
        return trace.scaled(self.scale)

    def _at_odds(self) -> Iterator[str]:
        """Keys that do not go together."""
        if (self.file is None) == (self.files is None):
            yield "needs a file, or files; name one of the two"
        if self.files is not None and self.segment_s is not None:
            yield "segment_s cuts one recording; give file, or remove it"
        if self.to_s is not None and self.to_s <= self.from_s:
            yield f"to_s {self.to_s:g} must be more than from_s ({self.from_s:g})"
        if self.offset == "drawn" and self.offset_s:
            yield "offset: drawn draws where to join; remove offset_s"
        if self.offset == "drawn" and not self.loop:
            yield "offset: drawn joins anywhere, so that it must loop; remove loop: false"

    def _outside(self, traces: Sequence[Trace]) -> Iterator[str]:
        """A stretch that a file does not have."""
        for name, trace in zip(self.names, traces, strict=True):
            for key, value in (("from_s", self.from_s), ("to_s", self.to_s or 0.0)):
                if value > trace.period_s or (key == "from_s" and value == trace.period_s):
                    yield f"{key} {value:g} is beyond the {trace.period_s:g} s of {name}"
            for key, piece_s in (("resample_s", self.resample_s), ("segment_s", self.segment_s)):
                if piece_s is not None and trace.period_s / piece_s > MOST_PIECES:
                    cuts = f"cuts the {trace.period_s:g} s of {name} into more than"
                    yield f"{key} {piece_s:g} {cuts} {MOST_PIECES:,} pieces; give a longer one"

    def _unusable(self) -> Iterator[str]:
        whole_s = self._total_s
        if self.segment_s is not None and not self.segments:
            yield f"segment_s {self.segment_s:g} is more than the trace's {whole_s:g} s"
        elif self.offset_s >= self.length_s + self.offset_s:
            whose = "the trace's" if self.segment_s is None else "the segment's"
            yield f"offset_s {self.offset_s:g} is beyond {whose} {self.segment_s or whole_s:g} s"
        yield from self._useless()

    @abstractmethod
    def _useless(self) -> Iterator[str]:
        """What makes the recordings useless for what they are meant for."""


class TraceChannel(Replay):
    """A recorded rate, replayed; see ``Replay``. Without ``loop`` it is zero once all is over."""

    expected_mean_bps: Positive | None = None

    def _trace(self, name: str, context: Mapping[str, Any]) -> Trace:
        read: Callable[..., Trace] = context.get("read_trace", read_trace)
        return read(name, expected_mean_bps=self.expected_mean_bps, **self._how)

    def _useless(self) -> Iterator[str]:
        for name, trace in zip(self.names, self._traces, strict=True):
            if not np.any(trace.rates_bps):
                yield f"{name} has a rate of zero all the time from from_s to to_s"


def _refuse(problems: Any) -> None:
    if found := list(problems):
        raise BadInput(*found)
