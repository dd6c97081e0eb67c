"""``splitsim trace``: look at traces, convert them, make them of a scenario's channel."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splitsim.cli import trace_fetch, trace_link
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.world.traces import Recording, Trace

WIDE = 160  # columns of a table that is not printed on a terminal
RATE_FILES = (".csv", ".up", ".down")

Option = typer.Option

app = typer.Typer(help="Rate traces: look at them, convert, make, fetch and record them.")
app.command()(trace_fetch.fetch)
app.command()(trace_link.record)
app.command()(trace_link.serve)

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Traces, or names of fetched ones: DATASET/FILE."),
]
Format = Annotated[
    str | None,
    Option("--format", metavar="FORMAT", help="By default what the name tells (.up .down .csv)."),
]
Way = Annotated[
    str | None, Option(metavar="uplink|downlink", help="Of a file that holds both.")
]
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
Bin = Annotated[float, Option(metavar="S", help="Width of the bins.")]


@app.callback(invoke_without_command=True)
def _trace(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def info(
    files: Files,
    form: Format = None,
    way: Way = None,
    time: Time = None,
    rate: Rate = None,
    time_unit_s: TimeUnit = None,
    rate_unit_bps: RateUnit = None,
    hold: Hold = None,
    missing: Missing = None,
    bin_s: Bin = 1.0,
    *,
    no_header: NoHeader = False,
) -> None:
    """Tell of traces: length, mean, deviation, percentiles, outages, correlation."""
    _check_bin(bin_s)
    how = _how(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    traces = _traces(files, how, way)
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(_table(traces, bin_s))


@app.command()
def plot(
    files: Files,
    out: Annotated[Path, Option(metavar="PAGE", help="The HTML file to write.")],
    form: Format = None,
    way: Way = None,
    time: Time = None,
    rate: Rate = None,
    time_unit_s: TimeUnit = None,
    rate_unit_bps: RateUnit = None,
    hold: Hold = None,
    missing: Missing = None,
    bin_s: Bin = 1.0,
    *,
    no_header: NoHeader = False,
) -> None:
    """Draw traces over each other: rate over time and its distribution, as a page."""
    _check_bin(bin_s)
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"--out: {out} must end in .html")
    how = _how(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    traces = _traces(files, how, way)
    from splitsim.report.traces import write_trace_page

    write_trace_page(out, traces, bin_s)
    print(out)


@app.command()
def convert(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A trace, or a fetched one's name.")],
    out: Annotated[
        Path, Option(metavar="FILE", help="Ends in .csv, or in .up or .down for Mahimahi.")
    ],
    form: Format = None,
    way: Way = None,
    time: Time = None,
    rate: Rate = None,
    time_unit_s: TimeUnit = None,
    rate_unit_bps: RateUnit = None,
    hold: Hold = None,
    missing: Missing = None,
    *,
    no_header: NoHeader = False,
) -> None:
    """Write a trace as a CSV that needs no options, or for Mahimahi's emulator."""
    suffix = out.suffix.lower()
    if suffix not in RATE_FILES:
        raise BadInput(f"--out: {out} must end in one of {', '.join(RATE_FILES)}")
    how = _how(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    path, recording = _recording(file, how)
    if out.exists() and out.samefile(path):
        raise BadInput(f"--out: {out} is what is converted; give another name")
    way = way or ("downlink" if suffix == ".down" and len(_ways(recording)) > 1 else way)
    if suffix == ".csv":
        made = recording if way is None else recording.trace(_known_way(way))
        _write_csv(out, made, [_origin(path, how)])
    else:
        _write_mahimahi(out, recording.trace(_known_way(way)))
    print(out)


@app.command()
def generate(
    file: Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (YAML).")],
    out: Annotated[Path, Option(metavar="FILE", help="Ends in .csv.")],
    cell: Annotated[
        str | None, Option(metavar="CELL", help="Whose channel; by default that of the device.")
    ] = None,
    device: Annotated[
        str | None, Option(metavar="DEVICE", help="E.g. nano-0; by default the first in the cell.")
    ] = None,
    way: Annotated[str, Option(metavar="uplink|downlink", help="The direction.")] = "uplink",
    seed: Annotated[int, Option(metavar="N", help="The replication.")] = 0,
    point: Annotated[int, Option(metavar="N", help="Of the scenario's sweep, from 0 on.")] = 0,
    duration_s: Annotated[float, Option(metavar="S", help="Length of the trace.")] = 300.0,
    step_s: Annotated[float, Option(metavar="S", help="How long a rate holds.")] = 0.1,
    overrides: Annotated[
        list[str] | None,
        Option("--set", metavar="PATH=VALUE", help="Change a value of the scenario; repeatable."),
    ] = None,
) -> None:
    """Make a trace of a channel of a scenario: synthetic, and its head says so."""
    if out.suffix.lower() != ".csv":
        remedy = "it holds how it was made; convert makes other forms of it"
        raise BadInput(f"--out: {out} must end in .csv: {remedy}")
    from splitsim.cli.share import ShareBar, complain
    from splitsim.scenario import load_scenario
    from splitsim.synthetic import device_in, provenance, synthetic_trace

    scenario = load_scenario(file, overrides or ())
    for warning in scenario.warnings:
        complain(f"warning: {warning}")
    at = scenario.points[min(max(point, 0), len(scenario.points) - 1)]
    device = device_in(at, cell, device)
    with ShareBar(f"{way} of {device}") as bar:
        trace = synthetic_trace(
            *(scenario, device, way),
            seed=seed,
            point=point,
            duration_s=duration_s,
            step_s=step_s,
            progress=bar.show,
        )
    comments = provenance(
        scenario, device, way, seed=seed, point=point, overrides=overrides or ()
    )
    _write_csv(out, trace, comments)
    print(out)


def _check_bin(bin_s: float) -> None:
    if not 0 < bin_s < float("inf"):
        raise BadInput(f"--bin-s: must be above 0, not {bin_s:g}")


def _how(
    form: str | None,
    time: str | None,
    rate: str | None,
    time_unit_s: float | None,
    rate_unit_bps: float | None,
    hold: str | None,
    missing: str | None,
    no_header: bool,
) -> dict[str, Any]:
    """The options that were given, as the reader takes them."""
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


def _traces(files: Sequence[str], how: Mapping[str, Any], way: str | None) -> dict[str, Trace]:
    """The traces in some files, by name; one of each direction where a file holds both."""
    found: dict[str, Trace] = {}
    problems: list[str] = []
    for file in dict.fromkeys(files):
        try:
            _, recording = _recording(file, how)
            ways = _ways(recording) if way is None else [_known_way(way)]
            for each in ways:
                name = file if len(ways) == 1 else f"{file} {each}"
                found[name] = recording.trace(each)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(*problems)
    for trace in found.values():
        _warn(trace.warnings)
    return found


def _table(traces: Mapping[str, Trace], bin_s: float) -> Any:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from splitsim.report.traces import HEADINGS, statistics_cells
    from splitsim.world.traces import trace_statistics

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    table.add_column("trace", overflow="fold")
    for title, unit in HEADINGS:
        table.add_column(f"{title}\n{unit}", justify="right", no_wrap=True)
    for name, trace in traces.items():
        table.add_row(escape(name), *statistics_cells(trace_statistics(trace, bin_s)))
    return table
