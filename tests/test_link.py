"""Measuring a link: what is recorded is what was carried, and nobody else is served."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from splitsim import BadInput
from splitsim.cli import main
from splitsim.measure import link
from splitsim.measure.link.flow import Bins, receive, send
from splitsim.measure.link.secret import proof, proves
from splitsim.measure.link.wire import Wire
from splitsim.world.traces import read_recording

SECRET = b"correct horse battery"
ROOT = Path(__file__).parents[1]


@contextmanager
def serving(limits: link.Limits | None = None, once: bool = False):
    """A server of this process, what it told, and its thread."""
    told: list[str] = []
    server = link.Server("127.0.0.1", 0, SECRET, limits, told.append)
    server.told = told
    server.thread = threading.Thread(target=server.run, kwargs={"once": once}, daemon=True)
    server.thread.start()
    try:
        yield server
    finally:
        server.close()
        server.thread.join(5)
        assert not server.thread.is_alive()


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


def terms(**changes) -> link.Terms:
    short = {"duration_s": 0.8, "interval_s": 0.2, "warmup_s": 0.1, "limit_bps": 8e6}
    return link.Terms(**(short | changes))


def record(server, port: int | None = None, secret: bytes = SECRET, **changes):
    return link.record("127.0.0.1", port or server.port, secret, terms(**changes))


# --- What is recorded ------------------------------------------------------------------------


def test_the_goodput_of_a_paced_sender_is_its_pace_each_way(server):
    made = record(server, duration_s=2.0, interval_s=0.25)
    assert made.ended == link.WHOLE
    assert [row.time_s for row in made.rows] == [0.25 * n for n in range(8)]
    for rates in ([r.uplink_bps for r in made.rows], [r.downlink_bps for r in made.rows]):
        assert statistics.mean(rates) == pytest.approx(8e6, rel=0.03)


def test_the_round_trip_on_this_machine_is_short(server):
    made = record(server)
    assert 0 < made.idle_rtt_s < 0.05
    assert all(row.rtt_s is not None and 0 < row.rtt_s < 0.1 for row in made.rows)


def test_without_a_pace_the_link_is_saturated(server):
    made = record(server, limit_bps=None, ways=["downlink"], duration_s=0.4)
    assert all(row.downlink_bps > 1e8 for row in made.rows)


@pytest.mark.parametrize(("way", "other"), [("uplink", "downlink"), ("downlink", "uplink")])
def test_one_way_alone(server, way, other):
    (*rows,) = record(server, ways=[way]).rows
    assert len(rows) == 4
    assert all(getattr(row, f"{other}_bps") is None for row in rows)
    mean_bps = statistics.mean(getattr(row, f"{way}_bps") for row in rows)
    assert mean_bps == pytest.approx(8e6, rel=0.05)


def test_streams_share_the_pace(server):
    rows = record(server, streams=3).rows
    assert statistics.mean(row.uplink_bps for row in rows) == pytest.approx(8e6, rel=0.05)


def test_rows_are_told_as_they_come(server):
    seen = []
    begun = time.monotonic()
    made = link.record(
        *("127.0.0.1", server.port, SECRET, terms()),
        on_row=lambda row: seen.append((row, time.monotonic() - begun)),
    )
    assert [row for row, _ in seen] == made.rows
    assert seen[0][1] < seen[-1][1] - 0.4


# --- A slow link between ---------------------------------------------------------------------


class Relay:
    """Carries connections to a server, slowly, late, and not at all while it is held up."""

    def __init__(self, port: int, up_bps: float, down_bps: float, delay_s: float) -> None:
        self._to = ("127.0.0.1", port)
        self._rates_bps = (up_bps, down_bps)
        self._delay_s = delay_s
        self.open = threading.Event()
        self.open.set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(self._to)
                for ends, bps in zip(((near, far), (far, near)), self._rates_bps, strict=True):
                    late: queue.Queue = queue.Queue(64)
                    for work in (self._take, self._give):
                        threading.Thread(target=work, args=(*ends, late, bps), daemon=True).start()

    def _take(self, source, sink, late, bps) -> None:
        chunk, due_s = b"-", time.monotonic()
        while chunk:
            try:
                chunk = source.recv(2048)
            except OSError:
                chunk = b""
            due_s = max(due_s, time.monotonic() - 0.05) + 8 * len(chunk) / bps
            time.sleep(max(due_s - time.monotonic(), 0.0))
            late.put((time.monotonic() + self._delay_s, chunk))

    def _give(self, source, sink, late, bps) -> None:
        with suppress(OSError), sink:
            while True:
                due_s, chunk = late.get()
                time.sleep(max(due_s - time.monotonic(), 0.0))
                self.open.wait()
                if not chunk:
                    return
                sink.sendall(chunk)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def relayed(server, up_bps=4e6, down_bps=8e6, delay_s=0.02):
    relay = Relay(server.port, up_bps, down_bps, delay_s)
    try:
        yield relay
    finally:
        relay.open.set()
        relay.close()


def test_goodput_is_counted_where_it_arrives_and_the_round_trip_is_the_links(server):
    with relayed(server) as relay:
        made = record(server, relay.port, limit_bps=None, duration_s=1.6, warmup_s=0.4)
    assert made.ended == link.WHOLE
    # The sender's buffers hold megabytes more than that.
    assert statistics.mean(r.uplink_bps for r in made.rows) == pytest.approx(4e6, rel=0.05)
    assert statistics.mean(r.downlink_bps for r in made.rows) == pytest.approx(8e6, rel=0.05)
    assert 0.04 <= made.idle_rtt_s < 0.08
    assert all(0.04 <= row.rtt_s < 0.1 for row in made.rows)


def test_an_outage_is_rows_of_zero_and_does_not_end_the_recording(server):
    with relayed(server) as relay:

        def break_off(_) -> None:
            down_s, up_s = 0.6 + 0.1, 1.4 + 0.1  # the warm-up before
            threading.Timer(down_s, relay.open.clear).start()
            threading.Timer(up_s, relay.open.set).start()

        made = link.record(
            *("127.0.0.1", relay.port, SECRET, terms(duration_s=2.4)), begun=break_off
        )
    assert made.ended == link.WHOLE
    assert len(made.rows) == 12
    for way in ("uplink_bps", "downlink_bps"):
        rates = [getattr(row, way) for row in made.rows]
        assert rates.count(0.0) >= 2
        assert 2 <= rates.index(0.0) <= 5
        assert all(rate > 1e6 for rate in (*rates[:2], *rates[-3:]))
    # A ping that was sent into the outage came back after it.
    assert max(row.rtt_s or 0.0 for row in made.rows) > 0.3


# --- Bounds ----------------------------------------------------------------------------------


def test_the_bytes_are_bounded(server):
    made = record(server, duration_s=60.0, max_bytes=600_000)
    assert made.ended == link.BYTES
    assert 2 <= len(made.rows) <= 3  # 0.6 s at 8 Mbit/s, warm-up included
    assert sum(r.uplink_bps for r in made.rows) * 0.2 / 8 <= 600_000
    assert statistics.mean(r.downlink_bps for r in made.rows) == pytest.approx(8e6, rel=0.05)


@pytest.mark.parametrize("streams", [1, 3])
def test_no_more_than_the_bound_arrives(server, streams, monkeypatch):
    kept = []
    original = Bins.__init__

    def keep(self, *arguments):
        original(self, *arguments)
        kept.append(self)

    monkeypatch.setattr(Bins, "__init__", keep)
    made = record(server, limit_bps=None, duration_s=60.0, max_bytes=3_000_000, streams=streams)
    assert made.ended == link.BYTES
    assert len(kept) == 2  # each side's
    assert all(0 < bins.total_bytes <= 3_000_000 for bins in kept)


def test_the_time_is_bounded(server):
    begun = time.monotonic()
    record(server, duration_s=0.6)
    assert 0.7 <= time.monotonic() - begun < 2.0


def test_the_server_has_bounds_of_its_own():
    with serving(link.Limits(duration_s=5.0, max_bytes=10_000)) as server:
        with pytest.raises(BadInput) as refused:
            record(server, duration_s=5.0)
        assert refused.value.problems == (
            "127.0.0.1: the server serves for at most 5 s, the warm-up included; ask for less",
            "127.0.0.1: the server sends and takes at most 10,000 bytes each way; ask for less",
        )
        assert record(server, max_bytes=9_000, duration_s=4.0).ended == link.BYTES


def test_a_client_that_sends_more_than_it_said_is_cut_off(server):
    wire = words(server)
    wire.send(terms=terms(ways=["uplink"], max_bytes=1000, duration_s=60.0).model_dump())
    token = wire.receive(2)["session"]
    data = admitted(server, "uplink", token)
    assert wire.receive(2)["ready"]
    wire.send(start=True)
    with suppress(OSError):
        data.connection.sendall(bytes(1_000_000))
    assert_closed(wire)
    data.close()


# --- Who is served ---------------------------------------------------------------------------


def greeted(server) -> tuple[Wire, str]:
    """A connection, and the server's nonce."""
    wire = Wire(socket.create_connection(("127.0.0.1", server.port)))
    return wire, wire.receive(2)["nonce"]


def admitted(server, role: str, token: str = "") -> Wire:
    wire, nonce = greeted(server)
    said = proof(SECRET, nonce, "mine", role, token)
    wire.send(role=role, session=token, nonce="mine", proof=said)
    assert proves(SECRET, wire.receive(2)["proof"], "mine", nonce, "server", token)
    return wire


def words(server) -> Wire:
    return admitted(server, "words")


def wait_for(true) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_a_wrong_secret_is_told_and_others_are_served(server):
    with pytest.raises(BadInput, match="another secret; give the same on both sides"):
        record(server, secret=b"another secret")
    wait_for(lambda: "127.0.0.1: does not know the secret" in server.told)
    assert record(server, duration_s=0.4).rows


def test_a_server_that_does_not_know_the_secret_gets_no_data():
    """One that lets everybody in, to see what they send."""
    with socket.create_server(("127.0.0.1", 0)) as trap:

        def pretend() -> None:
            wire = Wire(trap.accept()[0])
            wire.send(splitsim=1, nonce="n")
            wire.receive(2)
            wire.send(proof="0" * 64)
            wire.close()

        threading.Thread(target=pretend, daemon=True).start()
        with pytest.raises(BadInput, match="the server does not know the secret"):
            link.record("127.0.0.1", trap.getsockname()[1], SECRET, terms())


def test_a_proof_is_for_one_challenge_one_purpose_and_one_side():
    said = proof(SECRET, "a", "b", "words", "")
    assert proves(SECRET, said, "a", "b", "words", "")
    for other in (
        ("c", "b", "words", ""),
        ("a", "c", "words", ""),
        ("a", "b", "uplink", ""),
        ("b", "a", "server", ""),
        ("a", "bw", "ords", ""),
    ):
        assert not proves(SECRET, said, *other)
    assert not proves(b"another secret", said, "a", "b", "words", "")
    assert not proves(SECRET, None, "a", "b", "words", "")
    assert not proves(SECRET, "\N{SNOWMAN}", "a", "b", "words", "")


def test_a_second_client_is_refused_and_the_first_one_is_not_disturbed(server):
    first = {}
    thread = threading.Thread(target=lambda: first.update(made=record(server, duration_s=1.6)))
    thread.start()
    time.sleep(0.3)
    with pytest.raises(link.LinkFailed, match="measuring with another client; try again later"):
        record(server)
    thread.join()
    assert first["made"].ended == link.WHOLE
    rates = [row.uplink_bps for row in first["made"].rows]
    assert statistics.mean(rates) == pytest.approx(8e6, rel=0.05)
    assert record(server, duration_s=0.2).ended == link.WHOLE


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 40_000, b"[1]\n", b"{}\n", b'{"nonce": 3}\n']
)
def test_strangers_are_sent_away(server, rubbish):
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.settimeout(5)
        with suppress(OSError):
            stranger.sendall(rubbish)
            while stranger.recv(4096):
                pass
    assert record(server, duration_s=0.2).rows


def test_who_says_nothing_keeps_nobody_out(server):
    strangers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    assert record(server, duration_s=0.2).rows
    for stranger in strangers:
        stranger.close()


def test_data_needs_the_secret_and_the_session(server):
    wire = words(server)
    wire.send(terms=terms().model_dump())
    token = wire.receive(2)["session"]
    for role, said in (("uplink", "0" * 32), ("sideways", token)):
        assert_closed(admitted(server, role, said))
    kept = [admitted(server, way, token) for way in ("uplink", "downlink")]
    assert_closed(admitted(server, "uplink", token))  # one more than agreed
    assert wire.receive(2)["ready"]
    for each in (wire, *kept):
        each.close()


def assert_closed(wire: Wire) -> None:
    """Whatever else it said before."""
    with suppress(link.LinkFailed):
        while wire.receive(2) is not None:
            pass
        pytest.fail("it is still open")
    wire.close()


@pytest.mark.parametrize("nonsense", [{}, {"duration_s": -1}, {"limit_bps": "x"}, 3])
def test_terms_that_are_none_are_refused(server, nonsense):
    wire = words(server)
    good = terms().model_dump()
    wire.send(terms={**good, **nonsense, "more": 1} if isinstance(nonsense, dict) else nonsense)
    word = wire.receive(2)
    assert word["error"] == "terms"
    assert word["problems"]
    wire.close()


# --- Whoever is lost -------------------------------------------------------------------------


def test_a_silent_client_frees_the_server():
    with serving(link.Limits(give_up_s=0.4)) as server:
        wire = words(server)
        wire.send(terms=terms(ways=["uplink"]).model_dump())
        token = wire.receive(2)["session"]
        data = admitted(server, "uplink", token)
        wire.receive(2)
        wire.send(start=True)
        wait_for(lambda: "127.0.0.1: fell silent" in server.told)
        assert record(server, duration_s=0.2).rows
        wire.close()
        data.close()


def command(*arguments: str, **environment: str) -> subprocess.Popen:
    path = {"PYTHONPATH": str(ROOT), "SPLITSIM_SECRET": SECRET.decode()}
    return subprocess.Popen(
        [sys.executable, "-m", "splitsim", "trace", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **path, **environment},
    )


LONG = ("--duration-s", "60", "--interval-s", "0.1", "--warmup-s", "0.1", "--limit-bps", "8e6")


def rows_in(path: Path) -> int:
    if not path.exists():
        return 0
    return sum(line[:1].isdigit() for line in path.read_text().splitlines())


def test_a_killed_client_frees_the_server_and_leaves_its_rows(server, tmp_path):
    out = tmp_path / "m.csv"
    process = command("record", f"127.0.0.1:{server.port}", "--out", str(out), *LONG)
    wait_for(lambda: rows_in(out) >= 3)
    process.kill()
    process.communicate()
    assert record(server, duration_s=0.2).rows
    assert rows_in(out) >= 3
    assert read_recording(out).series["uplink_bps"].mean() == pytest.approx(8e6, rel=0.1)


def test_ctrl_c_keeps_what_there_is(server, tmp_path):
    out = tmp_path / "m.csv"
    process = command("record", f"127.0.0.1:{server.port}", "--out", str(out), *LONG)
    wait_for(lambda: rows_in(out) >= 3)
    process.send_signal(signal.SIGINT)
    told, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "ended early: it was interrupted" in err
    assert "Traceback" not in err
    recording = read_recording(out)
    assert f"{out}: {len(recording.starts_s)} of 600 intervals of 0.1 s" in told
    assert recording.period_s == pytest.approx(0.1 * len(recording.starts_s))
    assert out.read_text().endswith("# Ended: it was interrupted.\n")


def test_a_server_that_is_gone_is_told_and_the_rows_are_kept(tmp_path):
    serving = command("serve", "--listen", "127.0.0.1:0")
    assert serving.stderr is not None
    port = int(serving.stderr.readline().split(":")[1].split(";")[0])
    out = tmp_path / "m.csv"
    process = command("record", f"127.0.0.1:{port}", "--out", str(out), *LONG)
    wait_for(lambda: rows_in(out) >= 2)
    serving.kill()
    serving.communicate()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "ended early: the server was lost" in err
    assert len(read_recording(out).starts_s) >= 2


def test_ctrl_c_ends_the_server(tmp_path):
    serving = command("serve", "--listen", "127.0.0.1:0")
    assert serving.stderr is not None
    assert serving.stderr.readline().endswith("; end with Ctrl-C\n")
    serving.send_signal(signal.SIGINT)
    _, err = serving.communicate(timeout=10)
    assert (serving.returncode, err) == (130, "interrupted\n")


def test_a_server_that_is_closed_says_so():
    with serving() as server:
        threading.Timer(0.5, server.close).start()
        made = record(server, duration_s=30.0)
    assert made.ended.startswith(link.GONE)
    assert 1 <= len(made.rows) <= 4


def test_a_server_may_serve_once():
    with serving(once=True) as server:
        assert record(server, duration_s=0.2).rows
        server.thread.join(5)
        assert not server.thread.is_alive()
        with pytest.raises(link.LinkFailed, match="cannot be reached"):
            record(server)


def test_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(link.LinkFailed, match=f"127.0.0.1:{port}: cannot be reached .*serve'"):
        link.record("127.0.0.1", port, SECRET, terms())


def test_what_listens_there_is_something_else():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            with other.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(link.LinkFailed, match="talks something else"):
            link.record("127.0.0.1", other.getsockname()[1], SECRET, terms())


# --- Parts -----------------------------------------------------------------------------------


def test_bytes_are_counted_by_interval():
    bins = Bins(0.5, 3, 10.0)
    for now_s, amount in ((9.9, 1), (10.0, 2), (10.49, 3), (10.5, 4), (11.49, 5), (11.5, 6)):
        bins.add(now_s, amount)
    assert [bins[n] for n in range(3)] == [5, 4, 5]
    assert bins.total_bytes == 21


def test_a_pace_makes_up_for_little_after_a_stall():
    near, far = socket.socketpair()
    stop, bins = threading.Event(), Bins(0.1, 1, time.monotonic())
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sender = threading.Thread(target=send, args=(near, stop, 10**9, 8e6))
    sender.start()
    time.sleep(0.6)  # nobody reads: it could catch up with 600 kB
    receiver = threading.Thread(target=receive, args=(far, stop, bins, 10**9))
    receiver.start()
    time.sleep(0.4)
    stop.set()
    for thread in (sender, receiver):
        thread.join()
    near.close()
    far.close()
    assert bins.total_bytes < 0.4 * 1e6 + 0.1 * 1e6 + 0.2e6


def test_a_file_of_rows_reads_back(tmp_path):
    path = tmp_path / "m.csv"
    rows = [link.Row(0.0, 1e6, 2e6, 0.03), link.Row(0.5, 0.0, 1.5e6, None)]
    with link.RowFile(path, ["Measured."]) as file:
        for row in rows:
            file.write(row)
        file.end(1.0, "Ended: well.")
    recording = read_recording(path)
    assert recording.period_s == 1.0
    assert recording.starts_s.tolist() == [0.0, 0.5]
    assert recording.series["uplink_bps"].tolist() == [1e6, 0.0]
    assert recording.series["downlink_bps"].tolist() == [2e6, 1.5e6]
    assert recording.series["rtt_s"][0] == 0.03
    assert path.read_text().startswith("# Measured.\ntime_s,uplink_bps,downlink_bps,rtt_s\n")
    with pytest.raises(FileExistsError), link.RowFile(path, []):
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1:99", ("192.0.2.1", 99)),
        ("host", ("host", 5700)),
        ("[::1]:99", ("::1", 99)),
        ("[::1]", ("::1", 5700)),
        ("::1", ("::1", 5700)),
    ],
)
def test_addresses(text, expected):
    assert link.address(text, "HOST", 5700) == expected


@pytest.mark.parametrize("text", ["", ":99", "host:", "host:x", "host:70000", "host"])
def test_what_is_no_address(text):
    with pytest.raises(BadInput, match=r"is no address; give one like 192\.0\.2\.1:5700"):
        link.address(text, "--listen")


def test_the_secret_is_in_a_file_or_a_variable_and_long_enough(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text("from a file\n")
    monkeypatch.setenv("SPLITSIM_SECRET", "from a variable")
    assert link.read_secret(file) == b"from a file"
    assert link.read_secret() == b"from a variable"
    for text, what in (("", "there is no secret"), ("short", "too short; give 8 bytes or more")):
        monkeypatch.setenv("SPLITSIM_SECRET", text)
        with pytest.raises(BadInput, match=f"SPLITSIM_SECRET: .*{what}"):
            link.read_secret()
    with pytest.raises(BadInput, match="cannot be read"):
        link.read_secret(tmp_path / "none")


# --- The commands ----------------------------------------------------------------------------


def test_a_recording_by_the_commands(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("in a file, not in the arguments")
    serving = command("serve", "--listen", "127.0.0.1:0", "--once", "--secret-file", str(secret))
    assert serving.stderr is not None
    port = serving.stderr.readline().split(":")[1].split(";")[0]
    out = tmp_path / "m.csv"
    short = ("--duration-s", "1", "--interval-s", "0.25", "--warmup-s", "0.1")
    made = command(
        *("record", f"127.0.0.1:{port}", "--out", str(out), "--secret-file", str(secret)),
        *(*short, "--limit-bps", "8e6"),
    )
    told, err = made.communicate(timeout=20)
    assert (made.returncode, err) == (0, "")
    assert f"{out}: 4 of 4 intervals of 0.25 s" in told
    assert "up 8.0" in told
    serving.communicate(timeout=10)
    assert serving.returncode == 0
    recording = read_recording(out)
    assert recording.period_s == 1.0
    assert set(recording.series) == {"uplink_bps", "downlink_bps", "rtt_s"}
    assert recording.mean("uplink_bps") == pytest.approx(8e6, rel=0.05)


@pytest.fixture
def trace(tmp_path, capsys, monkeypatch):
    """``trace(...)``: exit code, and lines of standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPLITSIM_SECRET", SECRET.decode())

    def trace(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["splitsim", "trace", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, capsys.readouterr().err.splitlines()

    return trace


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--duration-s", "-1"), ["--duration-s: must be more than 0, not -1.0"]),
        (("--way", "up"), ["--way: must be uplink, downlink or both, not 'up'"]),
        (("--interval-s", "50", "--duration-s", "9"), ["--interval-s: 50 s is longer than the 9"]),
        (("--streams", "0", "--limit-bps", "nan"), ["--streams: must be", "--limit-bps: must be"]),
        (("--max-bytes", "1.5"), ["must be a whole number, 1 or more, not '1.5'"]),
    ],
)
def test_wrong_terms_are_told_at_once(trace, arguments, expected):
    code, lines = trace("record", "127.0.0.1", "--out", "m.csv", *arguments)
    assert (code, len(lines)) == (2, len(expected))
    assert all(words in line for words, line in zip(expected, lines, strict=True))


def test_a_measurement_is_not_written_over(trace):
    Path("m.csv").write_text("precious")
    code, (line,) = trace("record", "127.0.0.1", "--out", "m.csv")
    assert code == 2
    assert line == "--out: m.csv is there already; a measurement is not written over"
    assert Path("m.csv").read_text() == "precious"


def test_nothing_is_written_where_nobody_serves(trace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, (line,) = trace("record", f"127.0.0.1:{port}", "--out", "m.csv")
    assert code == 1
    assert line.startswith(f"splitsim: 127.0.0.1:{port}: cannot be reached (Connection refused); ")
    assert not Path("m.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--listen", "nowhere"), "--listen: 'nowhere' is no address"),
        (("--listen", "192.0.2.1:1"), "--listen: cannot listen at 192.0.2.1:1 ("),
        (("--give-up-s", "0"), "--give-up-s: must be more than 0"),
        (("--secret-file", "none"), "none: cannot be read (No such file"),
    ],
)
def test_what_cannot_be_served(trace, arguments, expected):
    code, (line,) = trace("serve", *arguments)
    assert code == 2
    assert line.startswith(expected)


def test_words_are_json_lines():
    near, far = socket.socketpair()
    with near, far:
        Wire(near).send(ping=1)
        assert json.loads(far.recv(100)) == {"ping": 1}
