"""The serving side: listens where it is told, and serves one client at a time."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from pydantic import ValidationError

from splitsim.measure.link.flow import Bins, hang_up, receive, send, threads
from splitsim.measure.link.secret import proof, proves
from splitsim.measure.link.terms import Limits, Terms
from splitsim.measure.link.wire import LinkFailed, Wire, Word

VERSION = 1
STEP_S = 10.0  # how long a step of the beginning may take
WRONG_S = 0.5  # what a wrong secret costs
GRACE_S = 0.05  # after an interval, until its bytes are counted
LEAVE_S = 1.0  # how long the client before may take to leave
POLL_S = 0.2
MOST_STRANGERS = 64  # connections that have not yet proved anything

Tell = Callable[[str], None]


class Server:
    """Serves clients that know the secret, one after the other.

    Args:
        host: to listen at; nowhere else.
        port: 0 takes a free one.
        secret: shared with the clients.
        limits: what a client may ask for.
        tell: told what happens, a line at a time.

    Raises:
        OSError: it cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        secret: bytes,
        limits: Limits | None = None,
        tell: Tell = lambda _: None,
    ) -> None:
        self._secret = secret
        self._limits = limits or Limits()
        self._tell = tell
        self._serving = threading.Lock()  # one client
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._strangers = threading.BoundedSemaphore(MOST_STRANGERS)
        self._closed = threading.Event()
        self._served = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self._socket.settimeout(POLL_S)
        self.port = int(self._socket.getsockname()[1])

    def run(self, *, once: bool = False) -> None:
        """Serve until closed or, if ``once``, until one client has been served."""
        with self._socket:
            while not self._closed.is_set() and not (once and self._served.is_set()):
                with suppress(TimeoutError):
                    connection, _ = self._socket.accept()
                    self._take(connection)
        self.close()

    def close(self) -> None:
        """End the session, and let ``run`` return."""
        self._closed.set()
        with self._lock:
            if self._session is not None:
                self._session.stop.set()

    def _take(self, connection: socket.socket) -> None:
        if self._strangers.acquire(blocking=False):
            threads([partial(self._welcome, connection)])
        else:
            hang_up(connection)

    def _welcome(self, connection: socket.socket) -> None:
        """Find out who it is; what carries data joins the session, what carries words makes one."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(connection)
        try:
            try:
                role, token = self._admit(wire)
            finally:
                self._strangers.release()
            if role == "words":
                self._serve(wire)
            elif not self._join(role, token, connection):
                wire.close()
        except LinkFailed as error:
            self._tell(f"{wire.peer}: {error}")
            wire.close()

    def _admit(self, wire: Wire) -> tuple[str, str]:
        """The role and session of whoever proves to know the secret."""
        nonce = secrets.token_hex(16)
        wire.send(splitsim=VERSION, nonce=nonce)
        word = wire.receive(STEP_S)
        if word is None:
            raise LinkFailed("said nothing")
        role, token, theirs = (str(word.get(key, "")) for key in ("role", "session", "nonce"))
        if not proves(self._secret, word.get("proof"), nonce, theirs, role, token):
            self._closed.wait(WRONG_S)
            wire.send(error="secret")
            raise LinkFailed("does not know the secret")
        wire.send(proof=proof(self._secret, theirs, nonce, "server", token))
        return role, token

    def _join(self, role: str, token: str, connection: socket.socket) -> bool:
        with self._lock:
            session = self._session
        return session is not None and session.join(role, token, connection)

    def _serve(self, wire: Wire) -> None:
        if not self._serving.acquire(timeout=LEAVE_S):
            wire.send(error="busy")
            raise LinkFailed("refused: another client is being served")
        try:
            session = _Session(wire, self._limits)
            with self._lock:
                self._session = session
                if self._closed.is_set():
                    session.stop.set()
            self._tell(f"{wire.peer}: comes")
            session.run()
            self._tell(f"{wire.peer}: served")
        finally:
            with self._lock:
                self._session = None
            self._served.set()
            self._serving.release()
            wire.close()


class _Session:
    """One client: its terms, its connections, and the measurement."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire = wire
        self._limits = limits
        self._token = secrets.token_hex(16)
        self._joined = threading.Condition()
        self._connections: dict[str, list[socket.socket]] = {"uplink": [], "downlink": []}
        self._terms = Terms()
        self.stop = threading.Event()

    def join(self, role: str, token: str, connection: socket.socket) -> bool:
        """Take a connection that carries data, if it is one of ours and wanted."""
        with self._joined:
            known = secrets.compare_digest(token.encode(), self._token.encode())
            wanted = role in self._terms.ways and known and not self.stop.is_set()
            if not wanted or len(self._connections[role]) >= self._terms.streams:
                return False
            self._connections[role].append(connection)
            self._joined.notify()
            return True

    def run(self) -> None:
        """Agree, wait for the connections, measure, and leave nothing behind."""
        working: list[threading.Thread] = []
        try:
            self._agree()
            working = self._measure()
            self._converse()
        finally:
            with self._joined:
                self.stop.set()
            for thread in working:
                thread.join()
            for connection in (c for each in self._connections.values() for c in each):
                hang_up(connection)

    def _agree(self) -> None:
        word = self._expect("terms")
        try:
            terms = Terms.model_validate(word["terms"])
        except ValidationError as error:
            self._refuse(
                [f"{e['loc'][0] if e['loc'] else 'terms'}: {e['msg']}" for e in error.errors()]
            )
        if problems := list(self._limits.broken_by(terms)):
            self._refuse(problems)
        with self._joined:
            self._terms = terms
        self._wire.send(session=self._token)
        with self._joined:
            if not self._joined.wait_for(self._complete, STEP_S):
                raise LinkFailed("did not open all its connections")
        self._wire.send(ready=True, give_up_s=self._limits.give_up_s)

    def _refuse(self, problems: list[str]) -> None:
        self._wire.send(error="terms", problems=problems)
        raise LinkFailed("refused: " + "; ".join(problems))

    def _complete(self) -> bool:
        terms = self._terms
        return all(len(self._connections[way]) == terms.streams for way in terms.ways)

    def _expect(self, key: str) -> Word:
        """The next word that has a key; until it comes, pings are answered."""
        end_s = time.monotonic() + STEP_S
        while (left_s := end_s - time.monotonic()) > 0 and not self.stop.is_set():
            word = self._wire.receive(min(left_s, POLL_S))
            if word is not None and key in word:
                return word
            self._answer(word)
        raise LinkFailed("said nothing" if left_s <= 0 else "was cut off")

    def _answer(self, word: Word | None) -> None:
        if word is not None and "ping" in word:
            self._wire.send(pong=word["ping"])

    def _measure(self) -> list[threading.Thread]:
        """From the client's start on, count what comes in and send what goes out."""
        self._expect("start")
        terms, now_s = self._terms, time.monotonic()
        self._end_s = now_s + terms.warmup_s + terms.duration_s + self._limits.give_up_s
        bins = Bins(terms.interval_s, terms.intervals, now_s + terms.warmup_s)
        pace = (self.stop, terms.stream_bytes, terms.stream_bps)
        return threads(
            [
                *(partial(self._take_in, c, bins) for c in self._connections["uplink"]),
                *(partial(send, c, *pace) for c in self._connections["downlink"]),
                *([partial(self._report, bins)] if "uplink" in terms.ways else []),
            ]
        )

    def _take_in(self, connection: socket.socket, bins: Bins) -> None:
        ended_s = receive(connection, self.stop, bins, self._terms.max_bytes)
        if bins.total_bytes > self._terms.max_bytes:  # not what was agreed
            self.stop.set()
        elif ended_s is not None:
            with suppress(LinkFailed):
                used_up = bins.total_bytes >= self._terms.stream_bytes
                self._wire.send(uplink_end_s=ended_s - bins.start_s, used_up=used_up)

    def _report(self, bins: Bins) -> None:
        """Tell the client of each interval, once it is over."""
        for n in range(self._terms.intervals):
            over_s = bins.start_s + (n + 1) * bins.interval_s + GRACE_S
            if self.stop.wait(max(over_s - time.monotonic(), 0.0)):
                return
            try:
                self._wire.send(report=n, bytes=bins[n])
            except LinkFailed:
                self.stop.set()

    def _converse(self) -> None:
        """Answer pings until the client is done, gone or silent, or its time is up."""
        heard_s = time.monotonic()
        while not self.stop.is_set():
            word, now_s = self._wire.receive(POLL_S), time.monotonic()
            self._answer(word)
            if word is not None:
                heard_s = now_s
                if "done" in word:
                    return
            if now_s - heard_s > self._limits.give_up_s:
                raise LinkFailed("fell silent")
            if now_s > self._end_s:
                raise LinkFailed("overstayed")
        self._wire.send(error="closed")
