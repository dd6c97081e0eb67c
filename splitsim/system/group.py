"""A group of equal devices, as the scenario file says it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from splitsim.component import Component, ConstantCurve, Count, Curve, Name, Positive
from splitsim.entries import Hardware
from splitsim.system.battery import BatterySpec
from splitsim.system.clock import Clock
from splitsim.system.processor import Processor
from splitsim.system.stations import Fifo
from splitsim.system.thermal import Heat, ThermalSpec
from splitsim.world.arrivals import Arrivals
from splitsim.world.mobility import Mobility
from splitsim.world.presence import Times
from splitsim.world.service import ConstantService, Service

FAR_S = 1e12  # when no curve changes any more


class Timeout(Component):
    """Give up ``after_s`` from the creation or from the last byte sent; then fail, or go on here.

    ``then: local`` has the device compute the rest by itself, without further limit; it does
    not concern tasks that are computed locally anyway. ``then: exit`` takes the answer of the
    last exit before the cut, at once, if the head is through; the branch there is evaluated
    ahead, for every task, whatever threshold it has.
    """

    after_s: Positive
    since: Annotated[Literal["created", "sent"], Field(alias="from")]
    then: Literal["fail", "local", "exit"] = "fail"


class DeviceSpec(Component):
    """A group of equal devices in the scenario file.

    ``max_in_flight`` skips a frame while that many are unanswered. Servers that know classes
    serve those of the highest ``priority`` first. A device creates tasks and draws power from
    ``join_s`` to ``leave_s``; tasks under way when it leaves end as ``unfinished``, as when a
    battery is empty. ``speed`` multiplies how fast it computes, and its compute increment with
    it. With ``server`` that is the only one it sends to.
    """

    name: Name
    count: Count = 1
    hardware: str
    arrivals: Arrivals
    cell: str
    deadline_s: Positive | None = None
    timeout: Timeout | None = None
    service: Service = ConstantService()
    max_in_flight: Count | None = None
    battery: BatterySpec | None = None
    priority: int = 0
    mobility: Mobility | None = None
    join_s: Times | None = None
    leave_s: Times | None = None
    server: Name | None = None
    speed: Curve = ConstantCurve(value=1.0)
    thermal: ThermalSpec | None = None

    @model_validator(mode="after")
    def _joins_first(self) -> Self:
        if self.join_s is not None and self.leave_s is not None:
            for member in range(self.count):
                joined_s, left_s = self.join_s.bounds_s(member)[1], self.leave_s.bounds_s(member)[0]
                if left_s <= joined_s:
                    raise ValueError(
                        f"leave_s: {self.name}-{member} may leave at {left_s:g} s, before it has "
                        f"joined ({joined_s:g} s); let it leave later"
                    )
        return self

    @model_validator(mode="after")
    def _computes_on(self) -> Self:
        if not self.speed.steps().value(FAR_S):
            raise ValueError("speed: must not be 0 for good; let the device leave instead")
        return self

    def processor(self, clock: Clock, hardware: Hardware) -> Fifo | Processor:
        """The running compute unit."""
        steps = self.speed.steps()
        if self.thermal is None and steps.always == 1:
            return Fifo(clock)
        if self.thermal is None:
            return Processor(clock, steps, None)
        return Processor(clock, steps, Heat(self.thermal, hardware.idle_w, hardware.compute_w))
