"""Data in one direction: sent as fast as it goes or at a pace, counted where it arrives."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

POLL_S = 0.2  # how soon a stop is noticed
CHUNK_BYTES = 1 << 16
PACE_S = 0.005  # what is sent at a time, if there is a pace
BURST_S = 0.1  # what a pace makes up for after a stall


class Bins:
    """Bytes that arrived, by interval; threads may add.

    Args:
        interval_s: width of an interval.
        count: how many there are; what arrives before and after only counts as a whole.
        start_s: when the first one begins, on ``time.monotonic``.
    """

    def __init__(self, interval_s: float, count: int, start_s: float) -> None:
        self.interval_s = interval_s
        self.start_s = start_s
        self.total_bytes = 0
        self._bytes = [0] * count
        self._lock = threading.Lock()

    def add(self, now_s: float, amount_bytes: int) -> None:
        """Count what has just arrived."""
        n = int((now_s - self.start_s) // self.interval_s)
        with self._lock:
            self.total_bytes += amount_bytes
            if 0 <= n < len(self._bytes):
                self._bytes[n] += amount_bytes

    def __getitem__(self, n: int) -> int:
        """The bytes of an interval."""
        return self._bytes[n]


def send(
    connection: socket.socket,
    stop: threading.Event,
    most_bytes: int,
    limit_bps: float | None = None,
) -> None:
    """Send random bytes until told to stop, or all there may be; these end with an end of data.

    Args:
        connection: gone afterwards if it broke.
        stop: looked at every ``POLL_S`` at least.
        most_bytes: what may be sent.
        limit_bps: the pace; as fast as it goes by default.
    """
    payload = memoryview(os.urandom(_chunk_bytes(limit_bps)))
    connection.settimeout(POLL_S)
    due_s = time.monotonic()
    with suppress(OSError):
        while most_bytes and not stop.wait(max(due_s - time.monotonic(), 0.0)):
            sent_bytes = _send_some(connection, payload[:most_bytes])
            most_bytes -= sent_bytes
            if limit_bps is not None:
                due_s = max(due_s, time.monotonic() - BURST_S) + 8 * sent_bytes / limit_bps
        if not most_bytes:
            connection.shutdown(socket.SHUT_WR)


def _chunk_bytes(limit_bps: float | None) -> int:
    if limit_bps is None:
        return CHUNK_BYTES
    return min(max(int(limit_bps * PACE_S / 8), 1), CHUNK_BYTES)


def _send_some(connection: socket.socket, payload: memoryview) -> int:
    try:
        return connection.send(payload)
    except TimeoutError:  # a full buffer: the link stands still
        return 0


def receive(
    connection: socket.socket, stop: threading.Event, bins: Bins, most_bytes: int
) -> float | None:
    """Count what arrives until told to stop.

    Args:
        connection: that carries data.
        stop: looked at every ``POLL_S`` at least.
        bins: where it counts.
        most_bytes: more than that is not taken.

    Returns:
        When the data ended, on ``time.monotonic``; None if it was stopped.
    """
    buffer = memoryview(bytearray(4 * CHUNK_BYTES))
    connection.settimeout(POLL_S)
    while not stop.is_set():
        try:
            got_bytes = connection.recv_into(buffer)
        except TimeoutError:
            continue
        except OSError:
            got_bytes = 0
        now_s = time.monotonic()
        if not got_bytes or bins.total_bytes > most_bytes:
            return now_s
        bins.add(now_s, got_bytes)
    return None


def hang_up(connection: socket.socket) -> None:
    """Close a connection at once; what the system has not sent yet is dropped, not sent."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def threads(works: Iterable[Callable[[], object]]) -> list[threading.Thread]:
    """Start a thread for each piece of work; none of them keeps the process alive."""
    started = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in started:
        thread.start()
    return started
