"""``splitsim trace record`` and ``serve``: measure the link between two machines."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.cli.share import ShareBar
    from splitsim.measure.link import LinkRecording, Row, Terms

INTERRUPTED = 130
HERE = "127.0.0.1:5700"

Option = typer.Option


def _whole(text: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if number < 1 or number != int(number):
        raise typer.BadParameter(f"must be a whole number, 1 or more, not {text!r}")
    return int(number)


SecretFile = Annotated[
    Path | None,
    Option(metavar="FILE", help="Holds the shared secret; else the variable SPLITSIM_SECRET does."),
]


def record(
    host: Annotated[
        str, typer.Argument(metavar="HOST[:PORT]", help="Where 'splitsim trace serve' runs.")
    ],
    out: Annotated[Path, Option(metavar="FILE", help="The CSV to write; a new one.")],
    duration_s: Annotated[float, Option(metavar="S", help="How long to measure.")] = 60.0,
    interval_s: Annotated[float, Option(metavar="S", help="Time between rows.")] = 0.5,
    warmup_s: Annotated[
        float, Option(metavar="S", help="Data flows so long before the first row.")
    ] = 2.0,
    way: Annotated[
        str, Option(metavar="uplink|downlink|both", help="What is measured; both: at once.")
    ] = "both",
    streams: Annotated[int, Option(metavar="N", help="TCP connections each way.")] = 1,
    limit_bps: Annotated[
        float | None, Option(metavar="BPS", help="Send no faster, each way.")
    ] = None,
    max_bytes: Annotated[
        int, Option(parser=_whole, metavar="N", help="Send no more, each way, warm-up included.")
    ] = "2e9",  # type: ignore[assignment]  # for the parser
    secret_file: SecretFile = None,
) -> None:
    """Measure the link to a server: TCP goodput at the receiver each way, and round trips.

    It saturates the link, and costs whatever its bytes cost. Rows are written as they come: what
    there is is kept when it is interrupted. On a medium that both ways share, they share it
    here, too, unless one is measured at a time.
    """
    from splitsim.cli.share import ShareBar
    from splitsim.measure import link

    terms = _terms(way, duration_s, interval_s, warmup_s, streams, limit_bps, max_bytes)
    server, port = link.address(host, "HOST", link.PORT)
    secret = link.read_secret(secret_file)
    if out.suffix.lower() != ".csv":
        raise BadInput(f"--out: {out} must end in .csv")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"--out: {out.parent} is no folder; make it first")
    if out.exists():
        raise BadInput(f"--out: {out} is there already; a measurement is not written over")
    with ShareBar(f"recording {host}") as bar, _Sink(out, terms, host, bar) as sink:
        made = link.record(server, port, secret, terms, begun=sink.begin, on_row=sink.write)
        sink.end(made)
    _finish(out, made, terms)


def _terms(way: str, *numbers: Any) -> Terms:
    from pydantic import ValidationError

    from splitsim.measure.link import Terms

    names = ("duration_s", "interval_s", "warmup_s", "streams", "limit_bps", "max_bytes")
    given = dict(zip(names, numbers, strict=True))
    ways = ("uplink", "downlink") if way == "both" else (way,)
    try:
        terms = Terms(ways=ways, **given)  # type: ignore[arg-type]  # checked there
    except ValidationError as error:
        raise BadInput(*(_told(e) for e in error.errors())) from None
    if terms.intervals < 1:
        what = f"{terms.interval_s:g} s is longer than the {terms.duration_s:g} s to measure"
        raise BadInput(f"--interval-s: {what}")
    return terms


def _told(error: Any) -> str:
    if error["loc"][0] == "ways":
        return f"--way: must be uplink, downlink or both, not {error['input']!r}"
    option = str(error["loc"][0]).replace("_", "-")
    return f"--{option}: {_words(error)}, not {error['input']!r}"


def _words(error: Any) -> str:
    return str(error["msg"]).replace("Input should be", "must be").replace("greater", "more")


class _Sink:
    """The file and the progress bar that a recording goes to."""

    def __init__(self, out: Path, terms: Terms, host: str, bar: ShareBar) -> None:
        self._out = out
        self._terms = terms
        self._host = host
        self._bar = bar
        self._rows = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, made: LinkRecording) -> None:
        from splitsim.measure.link import RowFile

        ways = [f"{way}_bps" for way in self._terms.ways]
        comments = _comments(self._host, self._terms, made.idle_rtt_s)
        columns = ("time_s", *ways, "rtt_s")
        self._file = self._open.enter_context(RowFile(self._out, comments, columns))

    def write(self, row: Row) -> None:
        self._file.write(row)
        self._rows += 1
        self._bar.show(self._rows / self._terms.intervals, _row_text(row))

    def end(self, made: LinkRecording) -> None:
        self._file.end(self._rows * self._terms.interval_s, f"Ended: {made.ended}.")
        if not self._rows:
            self._open.close()
            self._out.unlink()


def _comments(host: str, terms: Terms, idle_rtt_s: float) -> list[str]:
    from datetime import UTC, datetime
    from importlib.metadata import version

    now = datetime.now(UTC).isoformat(timespec="seconds")
    at_once = " at once" if len(terms.ways) > 1 else ""
    paced = "" if terms.limit_bps is None else f", paced at {terms.limit_bps:g} bit/s"
    return [
        f"Measured against {host} from {now} on by splitsim {version('splitsim')}.",
        f"TCP goodput at the receiver, {' and '.join(terms.ways)}{at_once}, {terms.streams} "
        f"connections each way{paced}, in intervals of {terms.interval_s:g} s after "
        f"{terms.warmup_s:g} s of warm-up.",
        f"rtt_s: median round trip of pings under that load; {idle_rtt_s:.6f} s before it.",
    ]


def _row_text(row: Row) -> str:
    texts = [
        *([] if row.uplink_bps is None else [f"up {row.uplink_bps / 1e6:,.2f}"]),
        *([] if row.downlink_bps is None else [f"down {row.downlink_bps / 1e6:,.2f}"]),
    ]
    trip = "" if row.rtt_s is None else f", {1e3 * row.rtt_s:,.1f} ms"
    return f"{', '.join(texts)} Mbit/s{trip}"


def _finish(out: Path, made: LinkRecording, terms: Terms) -> None:
    from splitsim.cli.share import complain
    from splitsim.measure import link

    rows = made.rows
    if rows:
        print(f"{out}: {len(rows)} of {terms.intervals} intervals of {terms.interval_s:g} s")
        print(f"{_row_text(_mean(made))} on average, {1e3 * made.idle_rtt_s:,.1f} ms when idle")
    else:
        complain("no interval was whole; nothing was written")
    if made.ended != link.WHOLE:
        complain(f"ended early: {made.ended}")
    if made.ended == link.INTERRUPTED:
        sys.exit(INTERRUPTED)
    if not rows or made.ended not in {link.WHOLE, link.BYTES}:
        sys.exit(1)


def _mean(made: LinkRecording) -> Row:
    from splitsim.measure.link import Row

    columns = zip(*made.rows, strict=True)
    return Row(*(_average([v for v in column if v is not None]) for column in columns))  # type: ignore[arg-type]


def _average(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def serve(
    listen: Annotated[
        str, Option(metavar="ADDR:PORT", help="Where to listen, and nowhere else.")
    ] = HERE,
    max_duration_s: Annotated[
        float, Option(metavar="S", help="Most that a client may ask for.")
    ] = 3600.0,
    max_bytes: Annotated[
        int, Option(parser=_whole, metavar="N", help="Most that goes each way for a client.")
    ] = "10e9",  # type: ignore[assignment]  # for the parser
    give_up_s: Annotated[
        float, Option(metavar="S", help="How long a client may be silent, as in an outage.")
    ] = 90.0,
    secret_file: SecretFile = None,
    *,
    once: Annotated[bool, Option("--once", help="Leave when a client has been served.")] = False,
) -> None:
    """Be the other end of 'splitsim trace record': one client at a time that knows the secret.

    The secret never crosses the link, and nothing is encrypted: what is sent is random.
    """
    from splitsim.cli.share import complain
    from splitsim.measure import link

    host, port = link.address(listen, "--listen")
    secret = link.read_secret(secret_file)
    limits = _limits(max_duration_s, max_bytes, give_up_s)
    try:
        server = link.Server(host, port, secret, limits, complain)
    except OSError as error:
        known = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno or 0) if known else error.strerror or error
        raise BadInput(f"--listen: cannot listen at {listen} ({reason}); give another") from None
    complain(f"listening at {host}:{server.port}; end with Ctrl-C")
    try:
        server.run(once=once)
    finally:
        server.close()


def _limits(max_duration_s: float, max_bytes: int, give_up_s: float) -> Any:
    from pydantic import ValidationError

    from splitsim.measure.link import Limits

    options = {"duration_s": "--max-duration-s", "give_up_s": "--give-up-s"}
    try:
        return Limits(duration_s=max_duration_s, max_bytes=max_bytes, give_up_s=give_up_s)
    except ValidationError as error:
        told = (f"{options[str(e['loc'][0])]}: {_words(e)}" for e in error.errors())
        raise BadInput(*told) from None
