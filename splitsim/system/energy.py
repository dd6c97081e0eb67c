"""Energy is additive: a board draws idle + compute increment + radio increments.

So the joules of the rows plus idle power times time are the joules of the board.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from splitsim.entries import Hardware, Radio
from splitsim.steps import Steps
from splitsim.system.battery import Battery, BatterySpec, Draw, steady_j
from splitsim.system.radio import RadioMeter
from splitsim.system.sharing.link import Line
from splitsim.system.stations import Job
from splitsim.task import Record


def _paced_j(watts: float, times_s: np.ndarray, done_s: np.ndarray, to_s: float) -> float:
    """Joules of a computation whose pace changes, which draws power in proportion to it."""
    return watts * float(np.interp(to_s, times_s, done_s))


class Board:
    """The account of a device's board; of a hardware without watts all of it is NaN.

    Args:
        hardware: its watts.
        radio: its radio's.
        uplink: the radio's link for sending.
        downlink: the radio's link for receiving.
        battery: what it draws from, if that is finite.
        join_s: from when on it draws.
        leave_s: until when.
        more_attempts: how often bits are sent over time, in terms of what the radio's joules
            per bit are for; None: just as often.
    """

    def __init__(
        self,
        hardware: Hardware,
        radio: Radio,
        uplink: Line,
        downlink: Line,
        battery: BatterySpec | None,
        join_s: float = 0.0,
        leave_s: float = math.inf,
        more_attempts: Steps | None = None,
    ) -> None:
        self._hardware = hardware
        self._join_s = join_s
        self.battery = None
        if battery is not None or leave_s < math.inf:
            charge_j = math.inf if battery is None else battery.capacity_j
            self.battery = Battery(charge_j, hardware.idle_w, radio, join_s, leave_s)
        self.radio = RadioMeter(radio, uplink, downlink, self.battery, more_attempts)
        self.no_j = 0.0 * hardware.compute_w  # NaN where the watts are not known
        self.compute_j = self.no_j

    def compute(self, record: Record, job: Job, energy_j: float | None = None) -> None:
        """Charge a computation that has begun: it runs out, even if nobody waits for it.

        Args:
            record: of the task.
            job: the computation, queued.
            energy_j: what it draws over idle, where a table says so.
        """
        if job.start_s is None:
            return
        joules = job.work * self._hardware.compute_w if energy_j is None else energy_j
        record.compute_j += joules
        self.compute_j += joules
        if self.battery is not None and job.work:
            drawn_j: Callable[[float], float] = partial(steady_j, joules / job.work, job.start_s)
            end_s = job.start_s + job.work
            if job.progress is not None:
                drawn_j = partial(_paced_j, joules / job.work, *job.progress)
                end_s = float(job.progress[0][-1])
            draw = Draw(job.start_s, end_s, drawn_j, record, "compute_j", is_radio=False)
            self.battery.add(draw)

    def is_off(self, now_s: float) -> bool:
        """Whether its battery is empty by now, or it has left; charges ahead are taken back."""
        if self.battery is None or not self.battery.is_empty(now_s):
            return False
        for record, column, joules in self.battery.overcharged():
            setattr(record, column, getattr(record, column) - joules)
            if column == "compute_j":
                self.compute_j -= joules
            else:
                self.radio.joules -= joules
        return True

    @property
    def off_s(self) -> float:
        """Since when it is off, once ``is_off`` was true; inf before."""
        return math.inf if self.battery is None else self.battery.empty_s

    def left_j(self, now_s: float) -> float:
        """What is left in the battery; inf without one."""
        return math.inf if self.battery is None else self.battery.left_j(now_s)

    def settle(self, end_s: float) -> float:
        """Charge the radio's tails up to a time; the joules of being on until then."""
        on_s = self.off_s if self.is_off(end_s) else max(end_s, self._join_s)
        self.radio.settle(on_s)
        return self._hardware.idle_w * (on_s - self._join_s)
