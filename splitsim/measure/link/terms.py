"""What is to be measured, and what the serving side allows: bounds in time and bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, NonNegative, Positive
from splitsim.errors import BadInput

PORT = 5700

Way = Literal["uplink", "downlink"]
WAYS: tuple[Way, ...] = ("uplink", "downlink")
Bytes = Annotated[int, Field(ge=1, le=10**15)]


class Terms(Component):
    """What a client asks for.

    Data flows for ``warmup_s`` before the first interval, so that slow start is over.
    ``streams`` are TCP connections each way; ``limit_bps`` paces each way, ``max_bytes`` bounds
    it, the warm-up included.
    """

    duration_s: Annotated[Positive, Field(le=86_400)] = 60.0
    interval_s: Annotated[Positive, Field(ge=0.02, le=60)] = 0.5
    warmup_s: Annotated[NonNegative, Field(le=60)] = 2.0
    ways: Annotated[Sequence[Way], Field(min_length=1, max_length=2)] = WAYS
    streams: Annotated[int, Field(ge=1, le=16)] = 1
    limit_bps: Positive | None = None
    max_bytes: Bytes = 2_000_000_000

    @property
    def intervals(self) -> int:
        """How many whole intervals there are."""
        return self.before(self.duration_s)

    def before(self, time_s: float) -> int:
        """How many whole intervals end by a time."""
        return math.floor(time_s / self.interval_s + 1e-9)

    @property
    def stream_bps(self) -> float | None:
        """The pace of one connection."""
        return None if self.limit_bps is None else self.limit_bps / self.streams

    @property
    def stream_bytes(self) -> int:
        """What one connection may carry."""
        return max(self.max_bytes // self.streams, 1)


class Limits(Component):
    """What the serving side allows, whatever it is asked for.

    ``give_up_s`` is how long the other side may be silent: longer than the longest outage.
    """

    duration_s: Positive = 3600.0
    max_bytes: Bytes = 10_000_000_000
    give_up_s: Annotated[Positive, Field(le=3600)] = 90.0

    def broken_by(self, terms: Terms) -> Iterator[str]:
        """What is too much, each with the most there may be."""
        if terms.duration_s + terms.warmup_s > self.duration_s:
            yield f"serves for at most {self.duration_s:g} s, the warm-up included; ask for less"
        if terms.max_bytes > self.max_bytes:
            yield f"sends and takes at most {self.max_bytes:,} bytes each way; ask for less"


def address(text: str, option: str, port: int | None = None) -> tuple[str, int]:
    """``HOST:PORT``, or ``HOST`` if there is a default for the port; IPv6 as ``[::1]:5700``.

    Raises:
        BadInput: it is none, said of ``option``.
    """
    host, colon, number = text.rpartition(":")
    if not colon or "]" in number or (":" in host and not host.startswith("[")):
        host, number = text, "" if port is None else str(port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not number.isdecimal() or int(number) > 65_535:
        raise BadInput(f"{option}: {text!r} is no address; give one like 192.0.2.1:{PORT}")
    return host, int(number)
