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
from splitsim.steps import Steps
from splitsim.system.battery import Battery, Draw, steady_j
from splitsim.system.sharing.link import Line, SharedLink
from splitsim.system.stations import Transfer
from splitsim.task import Record


class Way(NamedTuple):
    """A direction: its link, the law of its energy, and the column that is charged."""

    link: Line
    joules: Callable[[float, float, float], float]  # of bits, time on air, time at rate zero
    column: str


class Sending(NamedTuple):
    """What a battery gives for a transfer whose end is not known ahead."""

    transfer: Transfer
    joules: Callable[[float], float]  # that it has drawn by a time
    record: None = None
    column: None = None
    is_radio: bool = True

    @property
    def start_s(self) -> float:
        """When it begins; inf: not yet."""
        return math.inf if self.transfer.start_s is None else self.transfer.start_s

    @property
    def end_s(self) -> float:
        """When it ended; inf: not yet, -inf: its owner gave up before it began."""
        if self.transfer.over_s is not None:
            return self.transfer.over_s
        return -math.inf if self.transfer.gave_up else math.inf

    def between_j(self, from_s: float, to_s: float) -> float:
        """Joules in an interval that is over."""
        begin, end = max(from_s, self.start_s), min(to_s, self.end_s)
        return self.joules(end) - self.joules(begin) if end > begin else 0.0


class RadioMeter:
    """Charges what a radio draws to the tasks that cause it, and wakes it up for them.

    Args:
        radio: its parameters.
        uplink: its link for sending.
        downlink: its link for receiving.
        battery: what it draws from, if that is finite.
        more_attempts: how often bits are sent over time, in terms of what its joules per bit are
            for; None: just as often.
    """

    def __init__(
        self,
        radio: Radio,
        uplink: Line,
        downlink: Line,
        battery: Battery | None,
        more_attempts: Steps | None = None,
    ) -> None:
        self._radio = radio
        self._more_attempts = more_attempts
        self._battery = battery
        self.up = Way(uplink, radio.send_j, "tx_j")
        self.down = Way(downlink, radio.receive_j, "rx_j")
        self._zero_matters = radio.zero_w != radio.b_w
        for link in (uplink, downlink):
            if isinstance(link, SharedLink):
                link.watch(zeros=self._zero_matters, past=battery is not None)
        self._woken_s = -math.inf  # end of the last promotion
        self._active_s: list[tuple[float, float]] = []
        self._records: list[Record] = []
        self.undecided = 0  # tasks whose head's end will tell whether they send, or must wake it
        self.joules = 0.0

    def may_sleep(self, at_s: float) -> bool:
        """Whether only that time can tell if it must wake up for a transfer then.

        Activity that is not known yet can keep it awake, but not send it to sleep.
        """
        radio = self._radio
        if self.undecided > 0 or not radio.promotion_s:
            return self.undecided > 0
        until_s = self._active_until_s()
        # Where the end of its activity is not known it is awake, but only for now.
        return until_s == math.inf or at_s > until_s + radio.awake_s

    def _sleeps(self, at_s: float) -> bool:
        return self._radio.promotion_s > 0 and at_s > self._active_until_s() + self._radio.awake_s

    def _active_until_s(self) -> float:
        return max(self.up.link.free_s, self.down.link.free_s, self._woken_s)

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
            self._active(record, now_s, self._woken_s, radio.promotion_j)
            if self._battery is not None:
                drawn_j = partial(steady_j, radio.promotion_w, now_s)
                self._battery.add(Draw(now_s, self._woken_s, drawn_j, record, way.column))
        return self.awake_s(now_s)

    def submitted(self, transfer: Transfer, way: Way) -> None:
        """Tell the battery of a transfer."""
        if self._battery is None:
            return
        drawn_j = partial(self._joules, way, transfer)
        if isinstance(way.link, SharedLink):
            self._battery.add(Sending(transfer, drawn_j))
        elif transfer.start_s is not None and transfer.over_s is not None:
            self._battery.add(Draw(transfer.start_s, transfer.over_s, drawn_j))

    def charge(self, record: Record, transfer: Transfer, way: Way) -> None:
        """Charge a transfer that is over, or was cut."""
        if transfer.start_s is not None and transfer.over_s is not None:
            if self._zero_matters:
                joules = self._joules(way, transfer, transfer.over_s)
            else:
                on_air_s = transfer.airtime_s + transfer.pause_s
                bits = self._on_air_bits(transfer, transfer.sent_bits)
                joules = way.joules(bits, on_air_s, 0.0)
            _add(record, way.column, joules)
            self._active(record, transfer.start_s, transfer.over_s, joules)

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

    def _joules(self, way: Way, transfer: Transfer, to_s: float) -> float:
        """What it has drawn by a time; while it waits for acknowledgements, as at rate zero."""
        bits, airtime_s, zero_s, pause_s = way.link.sent(
            transfer, to_s, with_zeros=self._zero_matters
        )
        bits = self._on_air_bits(transfer, bits)
        return way.joules(bits, airtime_s + pause_s, zero_s + pause_s)

    def _on_air_bits(self, transfer: Transfer, bits: float) -> float:
        """Bits of a transfer, more where they were sent more often than expected."""
        if self._more_attempts is None or transfer.start_s is None:
            return bits
        return bits * self._more_attempts.value(transfer.start_s)

    def _active(self, record: Record, start_s: float, end_s: float, joules: float) -> None:
        self.joules += joules
        self._active_s.append((start_s, end_s))
        self._records.append(record)


def _add(record: Record, column: str, joules: float) -> None:
    setattr(record, column, getattr(record, column) + joules)
