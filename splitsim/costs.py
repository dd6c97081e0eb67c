"""What a transfer costs beside its bits: waiting for a grant, set-up, and TCP's slow start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np

Bits = TypeVar("Bits", float, np.ndarray)


class SlowStart(NamedTuple):
    """TCP's slow start: a window of bits, doubled from round trip to round trip.

    A window goes out as fast as the link takes it. The next one, twice as large, begins when its
    first acknowledgement is back, a round trip after the window began: once a window lasts as
    long as the round trip there are no pauses any more. Each transfer begins with the initial
    window, as after an idle time (RFC 5681; the initial window of RFC 6928 is 14,600 bytes).
    """

    window_bits: float
    is_fresh: bool = False  # a connection for every transfer: a round trip before the first bit

    def windows(self, bits: float) -> Iterator[float]:
        """The parts in which bits are sent."""
        window = self.window_bits
        while bits > window:
            yield window
            bits -= window
            window *= 2
        yield bits

    def pauses_s(self, bits: np.ndarray, s_per_bit: float, rtt_s: np.ndarray) -> np.ndarray:
        """The pauses between the windows at a steady rate.

        Args:
            bits: of some transfers, shape (transfers,).
            s_per_bit: one over the rate.
            rtt_s: round trips, shape (transfers,).

        Returns:
            Seconds, shape (windows but one, transfers); 0 where there is no pause.
        """
        most = float(bits.max(initial=0.0))
        count = math.ceil(math.log2(most / self.window_bits + 1)) - 1 if most else 0
        windows = self.window_bits * 2.0 ** np.arange(max(count, 0))[:, None]
        follows = 2 * windows - self.window_bits < bits
        return np.where(follows, np.maximum(rtt_s - windows * s_per_bit, 0.0), 0.0)


class Costs(NamedTuple):
    """Of every transfer in one direction, in seconds.

    ``ahead_s`` passes at the head of the device's own queue, before the transfer uses the medium,
    and ``grant_s`` as well if that queue was empty. ``setup_s`` is time of the medium itself.
    """

    ahead_s: float = 0.0
    grant_s: float = 0.0
    setup_s: float = 0.0
    slow_start: SlowStart | None = None

    def before_s(self, *, was_empty: bool, rtt_s: Bits) -> Bits:
        """From the head of the queue to the medium."""
        is_fresh = self.slow_start is not None and self.slow_start.is_fresh
        return self.ahead_s + (self.grant_s if was_empty else 0.0) + rtt_s * is_fresh

    def windows(self, bits: float) -> Iterator[float]:
        """The parts in which bits are sent, with pauses for acknowledgements between them."""
        return iter((bits,)) if self.slow_start is None else self.slow_start.windows(bits)


NO_COSTS = Costs()


class CellCosts(NamedTuple):
    """What transfers cost in a cell: each way, and in bits beside the message's own."""

    up: Costs = NO_COSTS
    down: Costs = NO_COSTS
    byte_overhead: float = 1.0
    overhead_bits: float = 0.0

    def on_air(self, bits: Bits) -> Bits:
        """Bits on the air for those of a message."""
        return self.byte_overhead * bits + self.overhead_bits


FREE = CellCosts()
