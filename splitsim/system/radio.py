"""A device's radio: whether it sleeps, and what it draws over the board's idle power.

If a device sends and receives at once, each direction draws its own increment.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from splitsim.entries import Radio
from splitsim.system.battery import Battery, Draw, steady_j
from splitsim.system.stations import Link, Transfer
from splitsim.task import Record


class Way(NamedTuple):
    """A direction: its link, the law of its energy, and the column that is charged."""

    link: Link
    joules: Callable[[float, float, float], float]  # of bits, time on air, time at rate zero
    column: str


class RadioMeter:
    """Charges what a radio draws to the tasks that cause it, and wakes it up for them.

    Args:
        radio: its parameters.
        uplink: its link for sending.
        downlink: its link for receiving.
        battery: what it draws from, if that is finite.
    """

    def __init__(self, radio: Radio, uplink: Link, downlink: Link, battery: Battery | None) -> None:
        self._radio = radio
        self._battery = battery
        self.up = Way(uplink, radio.send_j, "tx_j")
        self.down = Way(downlink, radio.receive_j, "rx_j")
        self._zero_matters = radio.zero_w != radio.b_w
        self._woken_s = -math.inf  # end of the last promotion
        self._active_s: list[tuple[float, float]] = []
        self._records: list[Record] = []
        self.undecided = 0  # tasks whose head's end will tell whether they send, or must wake it
        self.joules = 0.0

    def may_sleep(self, at_s: float) -> bool:
        """Whether only that time can tell if it must wake up for a transfer then.

        Activity that is not known yet can keep it awake, but not send it to sleep.
        """
        return self.undecided > 0 or self._sleeps(at_s)

    def _sleeps(self, at_s: float) -> bool:
        radio = self._radio
        if not radio.promotion_s:
            return False
        active_s = max(self.up.link.free_s, self.down.link.free_s, self._woken_s)
        return at_s > active_s + radio.awake_s

    def awake_s(self, at_s: float) -> float:
        """When a transfer that is ready at a time can begin, if the radio does not sleep."""
        return max(at_s, self._woken_s)

    def wake(self, record: Record, now_s: float, way: Way) -> float:
        """Wake up for a task's transfer if need be; when it can begin at the earliest.

        A promotion runs out even if the task gives up meanwhile.
        """
        if self._sleeps(now_s):
            radio = self._radio
            self._woken_s = now_s + radio.promotion_s
            _add(record, way.column, radio.promotion_j)
            self._active(record, now_s, radio.promotion_s, radio.promotion_j)
            if self._battery is not None:
                drawn_j = partial(steady_j, radio.promotion_w, now_s)
                self._battery.add(Draw(now_s, self._woken_s, drawn_j, record, way.column))
        return self.awake_s(now_s)

    def submitted(self, transfer: Transfer, way: Way) -> None:
        """Tell the battery of a transfer whose times are known."""
        if self._battery is not None and transfer.start_s is not None:
            end_s = transfer.start_s + transfer.airtime_s
            drawn_j = partial(self._joules, way, transfer.start_s)
            self._battery.add(Draw(transfer.start_s, end_s, drawn_j))

    def charge(self, record: Record, transfer: Transfer, way: Way) -> None:
        """Charge a transfer that is over, or was cut."""
        start_s, airtime_s = transfer.start_s, transfer.airtime_s
        if start_s is not None:
            zero_s = self._zero_s(way, start_s, start_s + airtime_s)
            joules = way.joules(transfer.sent_bits, airtime_s, zero_s)
            _add(record, way.column, joules)
            self._active(record, start_s, airtime_s, joules)

    def settle(self, until_s: float) -> None:
        """Charge the tails, once all activity up to ``until_s`` is known.

        A tail goes to the task whose last byte started it; the next activity cuts it short.
        """
        if not self._active_s or not any(self._radio.tail_w):
            return
        starts, ends = np.array(self._active_s).T
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
        quiet = np.maximum.accumulate(ends)  # the radio falls silent at the latest end so far
        owner = order[np.maximum.accumulate(np.where(ends == quiet, np.arange(len(ends)), 0))]
        gaps = np.append(starts[1:], until_s) - quiet
        tails_j = self._radio.tail_j(np.maximum(gaps, 0.0))
        self.joules += float(tails_j.sum())
        for n, tail_j in zip(owner.tolist(), tails_j.tolist(), strict=True):
            self._records[n].tail_j += tail_j

    def _joules(self, way: Way, from_s: float, to_s: float) -> float:
        bits, zero_s = way.link.sent_bits(from_s, to_s), self._zero_s(way, from_s, to_s)
        return way.joules(bits, to_s - from_s, zero_s)

    def _zero_s(self, way: Way, from_s: float, to_s: float) -> float:
        return way.link.zero_s(from_s, to_s) if self._zero_matters else 0.0

    def _active(self, record: Record, start_s: float, lasts_s: float, joules: float) -> None:
        self.joules += joules
        self._active_s.append((start_s, start_s + lasts_s))
        self._records.append(record)


def _add(record: Record, column: str, joules: float) -> None:
    setattr(record, column, getattr(record, column) + joules)
