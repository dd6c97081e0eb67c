"""What the trace commands read: files, names of fetched ones, and how they are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.world.traces import Recording, Trace
    from splitsim.world.traces import Way as Direction

WAYS = ("uplink", "downlink")

Option = typer.Option

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Traces, or names of fetched ones: DATASET/FILE."),
]
Format = Annotated[
    str | None,
    Option("--format", metavar="FORMAT", help="By default what the name tells (.up .down .csv)."),
]
Way = Annotated[str | None, Option(metavar="uplink|downlink", help="Of a file that holds both.")]
Time = Annotated[str | None, Option(metavar="COLUMN", help="Where the time stands.")]
Rate = Annotated[str | None, Option(metavar="COLUMN", help="Where the rate stands.")]
TimeUnit = Annotated[float | None, Option(metavar="S", help="Unit of the time, e.g. 0.001.")]
RateUnit = Annotated[float | None, Option(metavar="BPS", help="Unit of the rate, e.g. 1e6.")]
Hold = Annotated[
    str | None,
    Option(metavar="previous|next", help="Whether a rate holds from its time on, or up to it."),
]
Missing = Annotated[
    str | None, Option(metavar="error|zero|skip", help="What a missing rate means.")
]
NoHeader = Annotated[
    bool, Option("--no-header", help="A CSV without a header: columns are called 1, 2, ...")
]


def read_options(
    form: str | None,
    time: str | None,
    rate: str | None,
    time_unit_s: float | None,
    rate_unit_bps: float | None,
    hold: str | None,
    missing: str | None,
    no_header: bool,
) -> dict[str, Any]:
    """Those that were given, as ``read_trace`` takes them."""
    given = {
        "format": form,
        "time": time,
        "rate": rate,
        "time_unit_s": time_unit_s,
        "rate_unit_bps": rate_unit_bps,
        "hold": hold,
        "missing": missing,
        "header": False if no_header else None,
    }
    return {key: value for key, value in given.items() if value is not None}


def read_one(file: str, how: Mapping[str, Any], way: str | None) -> tuple[Path, Recording]:
    """Where a trace is, and all that it holds; a fetched one is taken as the catalogue says."""
    from splitsim.measure.datasets import trace_file
    from splitsim.world.traces import read_recording

    path, known = trace_file(file)
    return path, read_recording(path, **{**known, **how}, way=direction(way))


def read_all(files: Sequence[str], how: Mapping[str, Any], way: str | None) -> dict[str, Trace]:
    """The traces in some files, by name; one of each direction where a file holds both.

    Raises:
        BadInput: with the mistakes of all files.
    """
    found: dict[str, Trace] = {}
    problems: list[str] = []
    for file in dict.fromkeys(files):
        try:
            _, recording = read_one(file, how, way)
            for each in rates(recording) if way is None else [direction(way)]:
                many = way is None and len(rates(recording)) > 1
                found[f"{file} {each}" if many else file] = recording.trace(each)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(*problems)
    return found


def rates(recording: Recording) -> list[Direction | None]:
    """The directions in which a recording holds a rate that is not always zero."""
    both = [way for way in WAYS if f"{way}_bps" in recording.series]
    used = [way for way in both if recording.series[f"{way}_bps"].any()]
    return [direction(way) for way in used or both] or [None]


def direction(way: str | None) -> Direction | None:
    """Of ``--way``."""
    return None if way is None else one_direction(way)


def one_direction(way: str) -> Direction:
    """Of ``--way``, where it must be given."""
    if way == "uplink":
        return "uplink"
    if way == "downlink":
        return "downlink"
    raise BadInput(f"--way: must be uplink or downlink, not {way!r}")


def warn(traces: Mapping[str, Trace]) -> None:
    """Say what is odd about some traces."""
    from splitsim.cli.share import complain
    from splitsim.world.traces.units import implausible

    odd = {name: implausible(trace, None) for name, trace in traces.items()}
    told = [f"{name}: {what}" for name, what in odd.items() if what]
    for warning in dict.fromkeys([*(w for t in traces.values() for w in t.warnings), *told]):
        complain(f"warning: {warning}")


def origin(path: Path, how: Mapping[str, Any]) -> str:
    """What a converted file says of where it comes from."""
    import hashlib
    from importlib.metadata import version

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    read_as = f", read with {dict(how)}" if how else ""
    return (
        f"Converted from {path.name} (sha256 {digest}){read_as} by splitsim {version('splitsim')}."
    )
