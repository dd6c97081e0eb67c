"""The measuring side: asks a server for data, sends it data, and pings it meanwhile."""

from __future__ import annotations

import secrets
import socket
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

from splitsim.errors import BadInput
from splitsim.measure.link.flow import Bins, hang_up, receive, send, threads
from splitsim.measure.link.rows import Row
from splitsim.measure.link.secret import proof, proves
from splitsim.measure.link.terms import Terms
from splitsim.measure.link.wire import LinkFailed, Wire, Word

CONNECT_S = 10.0
STEP_S = 15.0  # how long the server may take for a step of the beginning
GRACE_S = 0.05  # after an interval, until its bytes are counted
TICK_S = 0.05
LATE_S = 2.0  # a ping that is not back by then is left out
PING_S = (0.02, 0.5)  # between pings: a quarter of an interval within these
IDLE_PINGS = 5

WHOLE = "all intervals are there"
BYTES = "the bytes that it may take are used up"
INTERRUPTED = "it was interrupted"
GONE = "the server was lost"


@dataclass
class LinkRecording:
    """What was measured.

    Attributes:
        rows: the intervals that are whole.
        idle_rtt_s: median round trip before data flowed.
        ended: why there are no more rows: WHOLE, BYTES, INTERRUPTED, or GONE and how.
    """

    rows: list[Row] = field(default_factory=list)
    idle_rtt_s: float = 0.0
    ended: str = WHOLE


def record(
    host: str,
    port: int,
    secret: bytes,
    terms: Terms,
    *,
    begun: Callable[[LinkRecording], None] = lambda _: None,
    on_row: Callable[[Row], None] = lambda _: None,
) -> LinkRecording:
    """Measure the link to a server.

    Goodput is counted where it arrives, in intervals that begin ``warmup_s`` after the start; the
    server's begin later by the time that the start takes to it. The round trips are those of
    pings on a connection of their own while data flows: with the queues it builds up.

    Args:
        host: where the server is.
        port: where it listens.
        secret: shared with it.
        terms: what to measure.
        begun: told once the server has agreed, before data flows.
        on_row: told each interval once it is known.

    Returns:
        All rows there are, also where it was interrupted (Ctrl-C) or the server was lost.

    Raises:
        BadInput: the server has another secret, or refuses the terms.
        LinkFailed: the server cannot be reached or is busy, or was lost before data flowed.
    """
    dial = partial(_dial, host, port, secret)
    wire = dial("words", "")
    connections: dict[str, list[socket.socket]] = {"uplink": [], "downlink": []}
    try:
        wire.send(terms=terms.model_dump())
        token = str(_expect(wire, "session")["session"])
        for way in terms.ways:
            connections[way] += [dial(way, token).connection for _ in range(terms.streams)]
        give_up_s = float(_expect(wire, "ready")["give_up_s"])
        recording = LinkRecording(idle_rtt_s=_idle_rtt_s(wire))
        begun(recording)
        _Run(wire, terms, connections, recording, on_row, give_up_s).run()
    finally:
        for connection in (c for each in connections.values() for c in each):
            hang_up(connection)
        wire.close()
    return recording


def _dial(host: str, port: int, secret: bytes, role: str, token: str) -> Wire:
    """Connect, and prove to each other to know the secret."""
    try:
        connection = socket.create_connection((host, port), CONNECT_S)
    except OSError as error:
        remedy = "is 'splitsim trace serve' running there, and listening at that address?"
        what = f"{host}:{port}: cannot be reached ({error.strerror or error}); {remedy}"
        raise LinkFailed(what) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire, mine = Wire(connection), secrets.token_hex(16)
    with ExitStack() as undo:
        undo.callback(wire.close)
        nonce = str(_expect(wire, "nonce")["nonce"])
        said = proof(secret, nonce, mine, role, token)
        wire.send(role=role, session=token, nonce=mine, proof=said)
        if not proves(secret, _expect(wire, "proof")["proof"], mine, nonce, "server", token):
            raise BadInput(f"{host}:{port}: the server does not know the secret; is it ours?")
        undo.pop_all()
    return wire


def _expect(wire: Wire, key: str) -> Word:
    """The next word, which must have a key."""
    word = wire.receive(STEP_S)
    if word is None:
        raise LinkFailed(f"{wire.peer}: the server fell silent; try again")
    if "error" in word:
        raise _refusal(wire.peer, word)
    if key not in word:
        raise LinkFailed(f"{wire.peer}: what listens there is no splitsim server of this version")
    return word


def _refusal(peer: str, word: Word) -> Exception:
    if word["error"] == "secret":
        return BadInput(f"{peer}: the server has another secret; give the same on both sides")
    if word["error"] == "terms":
        return BadInput(*(f"{peer}: the server {problem}" for problem in word["problems"]))
    if word["error"] == "busy":
        return LinkFailed(f"{peer}: the server is measuring with another client; try again later")
    return LinkFailed(f"{peer}: the server was closed")


def _idle_rtt_s(wire: Wire) -> float:
    """The median round trip while nothing else is sent."""
    trips_s = []
    for n in range(IDLE_PINGS):
        sent_s = time.monotonic()
        wire.send(ping=n)
        _expect(wire, "pong")
        trips_s.append(time.monotonic() - sent_s)
    return statistics.median(trips_s)


class _Run:
    """A measurement in progress."""

    def __init__(
        self,
        wire: Wire,
        terms: Terms,
        connections: dict[str, list[socket.socket]],
        recording: LinkRecording,
        on_row: Callable[[Row], None],
        give_up_s: float,
    ) -> None:
        self._wire = wire
        self._terms = terms
        self._connections = connections
        self._recording = recording
        self._on_row = on_row
        self._give_up_s = give_up_s
        self._stop = threading.Event()
        self._uplink_bytes: dict[int, int] = {}  # by interval, as the server tells
        self._sent_s: list[float] = []  # pings
        self._pings: defaultdict[int, list[int]] = defaultdict(list)  # by interval
        self._trips_s: dict[int, float] = {}  # by ping
        self._last = terms.intervals  # intervals there will be, as far as is known

    def run(self) -> None:
        """Measure to the end, whatever ends it."""
        terms = self._terms
        self._wire.send(start=True)
        start_s = time.monotonic() + terms.warmup_s
        self._bins = Bins(terms.interval_s, terms.intervals, start_s)
        pace = (self._stop, terms.stream_bytes, terms.stream_bps)
        working = threads(
            [
                *(partial(send, c, *pace) for c in self._connections["uplink"]),
                *(partial(self._take_in, c) for c in self._connections["downlink"]),
                self._ping,
            ]
        )
        try:
            self._listen()
        except KeyboardInterrupt:
            self._recording.ended = INTERRUPTED
        except LinkFailed as error:
            self._recording.ended = f"{GONE}: {error}"
        finally:
            self._stop.set()
            for thread in working:
                thread.join()
        self._tell(patient=False)
        with suppress(LinkFailed):
            self._wire.send(done=True)

    @property
    def _now_s(self) -> float:
        """Since the first interval began."""
        return time.monotonic() - self._bins.start_s

    def _listen(self) -> None:
        """Take in what the server says, and tell of rows, until the last one is known."""
        heard_s = self._now_s
        while len(self._recording.rows) < self._last:
            word, now_s = self._wire.receive(TICK_S), self._now_s
            if word is not None:
                heard_s = now_s
                self._hear(word, now_s)
            if now_s - heard_s > self._give_up_s:
                raise LinkFailed(f"nothing was heard of it for {self._give_up_s:g} s")
            self._tell(patient=True)

    def _hear(self, word: Word, now_s: float) -> None:
        if "pong" in word:
            n = int(word["pong"])
            self._trips_s[n] = now_s - self._sent_s[n]
        elif "report" in word:
            self._uplink_bytes[int(word["report"])] = int(word["bytes"])
        elif "uplink_end_s" in word:
            self._end(float(word["uplink_end_s"]), used_up=bool(word["used_up"]))
        elif "error" in word:
            raise _refusal(self._wire.peer, word)

    def _end(self, time_s: float, *, used_up: bool) -> None:
        """Data ended in one direction: later intervals are not told of."""
        last = max(self._terms.before(time_s), 0)
        if last < self._last:
            self._last = last
            self._recording.ended = BYTES if used_up else f"{GONE}: a connection broke"

    def _take_in(self, connection: socket.socket) -> None:
        ended_s = receive(connection, self._stop, self._bins, self._terms.max_bytes)
        if ended_s is not None:
            used_up = self._bins.total_bytes >= self._terms.stream_bytes
            self._end(ended_s - self._bins.start_s, used_up=used_up)

    def _ping(self) -> None:
        low_s, high_s = PING_S
        every_s = min(max(self._terms.interval_s / 4, low_s), high_s)
        with suppress(LinkFailed):  # whoever listens finds out
            while not self._stop.wait(every_s):
                now_s, n = self._now_s, len(self._sent_s)
                self._sent_s.append(now_s)
                self._pings[int(now_s // self._terms.interval_s)].append(n)
                self._wire.send(ping=n)

    def _tell(self, *, patient: bool) -> None:
        """Tell of the intervals that are known; without patience those without late pings."""
        rows = self._recording.rows
        while len(rows) < self._last and self._is_known(len(rows), patient=patient):
            row = self._row(len(rows))
            rows.append(row)
            self._on_row(row)

    def _is_known(self, n: int, *, patient: bool) -> bool:
        over_s = self._now_s - (n + 1) * self._terms.interval_s
        counted = "uplink" not in self._terms.ways or n in self._uplink_bytes
        if over_s < GRACE_S or not counted:
            return False
        return not patient or over_s > LATE_S or all(p in self._trips_s for p in self._pings[n])

    def _row(self, n: int) -> Row:
        width_s, ways = self._terms.interval_s, self._terms.ways
        trips_s = [self._trips_s[p] for p in self._pings[n] if p in self._trips_s]
        return Row(
            time_s=n * width_s,
            uplink_bps=8 * self._uplink_bytes[n] / width_s if "uplink" in ways else None,
            downlink_bps=8 * self._bins[n] / width_s if "downlink" in ways else None,
            rtt_s=statistics.median(trips_s) if trips_s else None,
        )
