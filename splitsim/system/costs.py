"""What a transfer costs beside its bits: waiting for a grant, set-up, and TCP's slow start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


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


class Costs(NamedTuple):
    """Of every transfer in one direction, in seconds.

    ``ahead_s`` passes at the head of the device's own queue, before the transfer uses the medium,
    and ``grant_s`` as well if that queue was empty. ``setup_s`` is time of the medium itself.
    """

    ahead_s: float = 0.0
    grant_s: float = 0.0
    setup_s: float = 0.0
    slow_start: SlowStart | None = None

    def before_s(self, *, was_empty: bool, rtt_s: float) -> float:
        """From the head of the queue to the medium."""
        is_fresh = self.slow_start is not None and self.slow_start.is_fresh
        return self.ahead_s + (self.grant_s if was_empty else 0.0) + (rtt_s if is_fresh else 0.0)

    def windows(self, bits: float) -> Iterator[float]:
        """The parts in which bits are sent, with pauses for acknowledgements between them."""
        return iter((bits,)) if self.slow_start is None else self.slow_start.windows(bits)


NO_COSTS = Costs()
