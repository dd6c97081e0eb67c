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
        self._active_s: list[tuple[float, float]] = []
        self._records: list[Record] = []
        self.joules = 0.0

    def sent(self, record: Record, transfer: Transfer) -> None:
        """Charge a transfer on the uplink."""
        airtime_s, bits = transfer.airtime_s, transfer.sent_bits
        record.airtime_s = airtime_s
        record.sent_bytes = bits / 8
        record.tx_j = joules = self._radio.send_j(bits, airtime_s)
        self._active(record, transfer.start_s, airtime_s, joules)

    def received(self, record: Record, transfer: Transfer) -> None:
        """Charge a transfer on the downlink."""
        airtime_s, bits = transfer.airtime_s, transfer.sent_bits
        record.received_bytes = bits / 8
        record.rx_j = joules = self._radio.receive_j(bits, airtime_s)
        self._active(record, transfer.start_s, airtime_s, joules)

    def settle(self, until_s: float) -> None:
        """Charge the tails, once all activity up to ``until_s`` is known.

        A tail goes to the task whose last byte started it; the next activity cuts it short.
        """
        if not self._active_s or not self._radio.tail_w:
            return
        starts, ends = np.array(self._active_s).T
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
        quiet = np.maximum.accumulate(ends)  # the radio falls silent at the latest end so far
        owner = order[np.maximum.accumulate(np.where(ends == quiet, np.arange(len(ends)), 0))]
        gaps = np.append(starts[1:], until_s) - quiet
        tails_j = self._radio.tail_w * np.clip(gaps, 0.0, self._radio.tail_s)
        self.joules += float(tails_j.sum())
        for n, tail_j in zip(owner.tolist(), tails_j.tolist(), strict=True):
            self._records[n].tail_j += tail_j

    def _active(
        self, record: Record, start_s: float | None, airtime_s: float, joules: float
    ) -> None:
        if start_s is not None:
            self.joules += joules
            self._active_s.append((start_s, start_s + airtime_s))
            self._records.append(record)
