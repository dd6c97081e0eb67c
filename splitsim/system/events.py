"""What happens to a device that its scenario does not say: told in rows of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from splitsim.system.device import Device


@dataclass
class EventRow:
    """Something that happened to a device of a part, or was so for a while."""

    point: int
    policy: str
    seed: int
    device: str
    what: str
    start_s: float
    end_s: float
    is_bad: int  # 1: it was down or slow


def device_events(
    point: int, policy: str, seed: int, device: Device, end_s: float
) -> Iterator[EventRow]:
    """When a device was there and when its battery was empty, once a simulation is over."""
    off_s, leave_s = device.board.off_s, device.leave_s

    def row(what: str, from_s: float, to_s: float, is_bad: int) -> EventRow:
        return EventRow(point, policy, seed, device.name, what, from_s, min(to_s, end_s), is_bad)

    if device.join_s or leave_s < math.inf:
        yield row("there", device.join_s, min(leave_s, off_s), 0)
    if off_s < leave_s:
        yield row("battery empty", off_s, leave_s, 1)
