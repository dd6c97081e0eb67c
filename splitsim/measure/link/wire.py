"""Words between the two sides: a JSON object per line over a TCP connection."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from typing import Any

SEND_S = 10.0  # a word that cannot be sent for so long
LONGEST_BYTES = 16_384  # of a line

Word = dict[str, Any]


class LinkFailed(OSError):
    """The other side cannot be reached, refused, or is gone."""


class Wire:
    """One end of a connection that carries words; any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.peer = _peer(connection)
        self._lock = threading.Lock()
        self._buffer = b""

    def send(self, **word: Any) -> None:
        """Send a word.

        Raises:
            LinkFailed: it cannot be sent.
        """
        try:
            with self._lock:
                self.connection.settimeout(SEND_S)
                self.connection.sendall(json.dumps(word).encode() + b"\n")
        except OSError as error:
            raise LinkFailed(f"the other side is gone ({error.strerror or error})") from error

    def receive(self, timeout_s: float) -> Word | None:
        """The next word; None if none comes in time.

        Raises:
            LinkFailed: the other side is gone, or says what is no word.
        """
        end_s = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            if not self._more(max(end_s - time.monotonic(), 0.0)):
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return _word(line)

    def _more(self, timeout_s: float) -> bool:
        if len(self._buffer) > LONGEST_BYTES:
            raise LinkFailed("the other side talks something else")
        try:
            if not select.select([self.connection], [], [], timeout_s)[0]:
                return False
            got = self.connection.recv(4096)
        except (OSError, ValueError) as error:  # ValueError: closed by ourselves
            why = (isinstance(error, OSError) and error.strerror) or error
            raise LinkFailed(f"the other side is gone ({why})") from error
        if not got:
            raise LinkFailed("the other side has closed the connection")
        self._buffer += got
        return True

    def close(self) -> None:
        """Close the connection, whatever state it is in; what was said still arrives."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
        self.connection.close()


def _peer(connection: socket.socket) -> str:
    """The address at the other end."""
    try:
        name = connection.getpeername()
    except OSError:  # gone already
        return "?"
    return str(name[0]) if name else "?"


def _word(line: bytes) -> Word:
    try:
        word = json.loads(line)
    except ValueError:
        word = None
    if not isinstance(word, dict):
        raise LinkFailed("the other side talks something else")
    return word
