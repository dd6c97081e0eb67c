"""What happened to a device that its scenario does not say: it was there, empty, too hot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from splitsim.system.device import Device
from splitsim.system.processor import Processor


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
    device: Device, end_s: float, point: int, policy: str, seed: int
) -> Iterator[EventRow]:
    """When a device was there, throttled and empty, once a simulation is over."""
    off_s, leave_s = device.board.off_s, device.leave_s

    def row(what: str, from_s: float, to_s: float, is_bad: int) -> EventRow:
        return EventRow(point, policy, seed, device.name, what, from_s, min(to_s, end_s), is_bad)

    if (device.join_s or leave_s < math.inf) and device.join_s < end_s:
        yield row("there", device.join_s, min(leave_s, off_s), 0)
    heat = device.compute.heat if isinstance(device.compute, Processor) else None
    for from_s, to_s in heat.throttled_s(min(off_s, leave_s, end_s)) if heat else ():
        yield row("throttled", from_s, to_s, 1)
    if off_s < leave_s:
        yield row("battery empty", off_s, leave_s, 1)


def pace(device: Device, duration_s: float, end_s: float) -> dict[str, Any]:
    """What a device's row says of how fast it could compute, once a simulation is over."""
    speed, on_s = device.spec.speed.steps(), min(device.leave_s, device.board.off_s)
    until_s = max(min(duration_s, on_s), device.join_s)
    capacity_s = speed.area(until_s) - speed.area(device.join_s)
    heat = device.compute.heat if isinstance(device.compute, Processor) else None
    if heat is None:
        return {"throttled_s": 0.0, "peak_c": None, "capacity_s": capacity_s}
    on_s = min(on_s, end_s)
    heat.rest(on_s)
    throttled_s = math.fsum(b - a for a, b in heat.throttled_s(on_s))
    return {"throttled_s": throttled_s, "peak_c": heat.peak_c, "capacity_s": capacity_s}
