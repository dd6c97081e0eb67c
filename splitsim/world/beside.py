"""Replaying what was recorded beside a rate: half the round trip, and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from splitsim.component import Positive
from splitsim.world.replay import Replay
from splitsim.world.traces import Trace, read_beside

MOST_LOST = 0.99  # of all packets: one that is always lost would be sent again for ever


class TraceLatency(Replay):
    """Half the recorded round trip over time; see ``Replay``.

    ``rtt`` is its column in a CSV file, in ``rtt_unit_s`` (1): the file also holds a rate. Where
    it was not measured the last value holds. It goes on from the beginning once it is over.
    """

    rtt: str | int | None = None
    rtt_unit_s: Positive | None = None

    def _trace(self, name: str, context: Mapping[str, Any]) -> Trace:
        read: Callable[..., Trace] = context.get("read_beside", read_beside)
        return read(name, "rtt_s", column=self.rtt, unit=self.rtt_unit_s, **self._how).scaled(0.5)

    def _useless(self) -> Iterator[str]:
        yield from _ending(self)


class TraceLoss(Replay):
    """The recorded share of lost packets over time, at most 0.99; see ``Replay``.

    ``loss`` is its column in a CSV file, in ``loss_unit`` (1; 0.01 for per cent): the file also
    holds a rate. Where it was not measured the last value holds. It goes on from the beginning
    once it is over.
    """

    loss: str | int | None = None
    loss_unit: Positive | None = None

    def _trace(self, name: str, context: Mapping[str, Any]) -> Trace:
        read: Callable[..., Trace] = context.get("read_beside", read_beside)
        return read(name, "loss", column=self.loss, unit=self.loss_unit, **self._how)

    def _useless(self) -> Iterator[str]:
        yield from _ending(self)
        if any(np.any(trace.rates_bps > 1) for trace in self._traces):
            yield f"scale {self.scale:g} makes more losses than there are packets"


def _ending(replay: Replay) -> Iterator[str]:
    if not replay.loop:
        yield "what is no rate goes on for ever; remove loop: false"
