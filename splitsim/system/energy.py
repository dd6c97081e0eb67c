"""Energy is additive: a board draws idle + compute increment + radio increments.

So the joules of the rows plus idle power times time are the joules of the board. If a device
sends and receives at once, each direction draws its own increment.
"""

from __future__ import annotations

import numpy as np

from splitsim.system.stations import Transfer
from splitsim.task import Radio, Record


class RadioMeter:
    """What a device's radio draws, charged to the tasks that cause it."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._records: list[Record] = []
        self.joules = 0.0

    def sent(self, record: Record, transfer: Transfer) -> None:
        """Charge a transfer on the uplink."""
        record.airtime_s = transfer.airtime_s
        record.sent_bytes = transfer.sent_bits / 8
        record.tx_j = self._radio.send_j(transfer.sent_bits, transfer.airtime_s)
        self._active(record, transfer, record.tx_j)

    def received(self, record: Record, transfer: Transfer) -> None:
        """Charge a transfer on the downlink."""
        record.received_bytes = transfer.sent_bits / 8
        record.rx_j = self._radio.receive_j(transfer.sent_bits, transfer.airtime_s)
        self._active(record, transfer, record.rx_j)

    def settle(self, until_s: float) -> None:
        """Charge the tails, once all activity up to ``until_s`` is known.

        A tail goes to the task whose last byte started it; the next activity cuts it short.
        """
        if not self._starts or not self._radio.tail_s:
            return
        order = np.argsort(self._starts, kind="stable")
        starts = np.array(self._starts)[order]
        ends = np.array(self._ends)[order]
        quiet = np.maximum.accumulate(ends)  # the radio falls silent at the latest end so far
        gaps = np.append(starts[1:], until_s) - quiet
        last = np.maximum.accumulate(np.where(ends == quiet, np.arange(len(ends)), 0))
        for n in np.flatnonzero(gaps > 0):
            joules = self._radio.tail_w * min(float(gaps[n]), self._radio.tail_s)
            self._records[order[last[n]]].tail_j += joules
            self.joules += joules

    def _active(self, record: Record, transfer: Transfer, joules: float) -> None:
        self.joules += joules
        if transfer.start_s is not None:
            self._starts.append(transfer.start_s)
            self._ends.append(transfer.start_s + transfer.airtime_s)
            self._records.append(record)
