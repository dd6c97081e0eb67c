"""Energy is additive: a board draws idle + compute increment + radio increments.

So the joules of the rows plus idle power times time are the joules of the board. If a device
sends and receives at once, each direction draws its own increment.
"""

from __future__ import annotations

import math
from operator import itemgetter

from splitsim.system.stations import Transfer
from splitsim.task import Radio, Record


class RadioMeter:
    """What a device's radio draws, charged to the tasks that cause it."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._activities: list[tuple[float, float, Record]] = []
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
        owner, quiet_s = None, math.inf  # who was active last, and until when
        for start_s, end_s, record in sorted(self._activities, key=itemgetter(0)):
            self._tail(owner, start_s - quiet_s)
            if owner is None or end_s >= quiet_s:
                owner, quiet_s = record, end_s
        self._tail(owner, until_s - quiet_s)

    def _tail(self, owner: Record | None, gap_s: float) -> None:
        if owner is not None and gap_s > 0:
            joules = self._radio.tail_w * min(gap_s, self._radio.tail_s)
            owner.tail_j += joules
            self.joules += joules

    def _active(self, record: Record, transfer: Transfer, joules: float) -> None:
        self.joules += joules
        start_s = transfer.start_s
        if start_s is not None:
            self._activities.append((start_s, start_s + transfer.airtime_s, record))
