"""What a piece of work takes, and what of it is above the idle machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from splitsim.errors import BadInput
from splitsim.measure.meter import Meter


@dataclass(frozen=True)
class Consumption:
    """Energy and power of some work, with those of the idle machine before it.

    Attributes:
        meter: the kind of sensor.
        point: what its joules have in them.
        idle_w: mean power before the work.
        busy_s: how long the work took.
        busy_j: what the measuring point took meanwhile, idle power included.
    """

    meter: str
    point: str
    idle_w: float
    busy_s: float
    busy_j: float

    @property
    def busy_w(self) -> float:
        """Mean power during the work."""
        return self.busy_j / self.busy_s

    @property
    def increment_w(self) -> float:
        """Mean power above the idle machine: the hardware table's compute increment."""
        return self.busy_w - self.idle_w

    @property
    def increment_j(self) -> float:
        """Joules above the idle machine."""
        return self.increment_w * self.busy_s


def consumption(work: Callable[[], object], meter: Meter, *, idle_s: float = 5.0) -> Consumption:
    """Measure some work, after an idle while.

    Sensors renew their values 1 to 1000 times a second: repeat what is short until it takes
    seconds, and divide.

    Args:
        work: is called once.
        meter: an open meter.
        idle_s: how long to stay idle before, more than 0.

    Raises:
        BadInput: the meter fails, or did not move during the work.
    """
    start_s = meter.mark()
    time.sleep(idle_s)
    idle_end_s = meter.mark()
    work()
    end_s = meter.mark()
    start_j, idle_end_j, end_j = map(meter.joules, (start_s, idle_end_s, end_s))
    busy_s, busy_j = end_s - idle_end_s, end_j - idle_end_j
    if busy_j <= 0:
        raise BadInput(
            f"{meter.name}: did not move within {busy_s:.3g} s of work; measure more runs at once"
        )
    return Consumption(
        meter=meter.name,
        point=meter.point,
        idle_w=(idle_end_j - start_j) / (idle_end_s - start_s),
        busy_s=busy_s,
        busy_j=busy_j,
    )
