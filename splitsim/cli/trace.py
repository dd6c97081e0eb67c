"""``splitsim trace``: look at traces, convert them, make them of a scenario's channel."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.cli.trace_fetch import fetch
from splitsim.cli.trace_link import record, serve
from splitsim.cli.trace_read import (
    Files,
    Format,
    Hold,
    Missing,
    NoHeader,
    Rate,
    RateUnit,
    Time,
    TimeUnit,
    Way,
    direction,
    one_direction,
    origin,
    rates,
    read_all,
    read_one,
    read_options,
    warn,
)
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from splitsim.world.traces import Recording, Trace

MOST_BINS = 10_000_000
SPARE = ("min", "5 %", "median", "max", "lag 1", "95 %", "outages", "zero", "std", "longest")
WIDE = 200  # columns of a table that is not printed on a terminal
RATE_FILES = (".csv", ".up", ".down")

Option = typer.Option

Bin = Annotated[float, Option(metavar="S", help="Width of the bins.")]

app = typer.Typer(help="Rate traces: look at them, convert, make, fetch and record them.")
app.command()(fetch)
app.command()(record)
app.command()(serve)


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
    how = read_options(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    traces = read_all(files, how, way)
    _check_bin(bin_s, traces)
    warn(traces)
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(_table(traces, bin_s, console))


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
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"--out: {out} must end in .html")
    how = read_options(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    traces = read_all(files, how, way)
    _check_bin(bin_s, traces)
    warn(traces)
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
    if out.suffix.lower() not in RATE_FILES:
        raise BadInput(f"--out: {out} must end in one of {', '.join(RATE_FILES)}")
    how = read_options(form, time, rate, time_unit_s, rate_unit_bps, hold, missing, no_header)
    path, recording = read_one(file, how, way)
    if out.exists() and out.samefile(path):
        raise BadInput(f"--out: {out} is what is converted; give another name")
    made = _part(recording, way, out)
    warn(read_all([file], how, way))
    _write(out, made, [origin(path, how)])
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

    towards = one_direction(way)
    scenario = load_scenario(file, overrides or ())
    for warning in scenario.warnings:
        complain(f"warning: {warning}")
    at = scenario.points[min(max(point, 0), len(scenario.points) - 1)]
    device = device_in(at, cell, device)
    made = (scenario, device, towards)
    with ShareBar(f"{way} of {device}") as bar:
        trace = synthetic_trace(
            *made,
            seed=seed,
            point=point,
            duration_s=duration_s,
            step_s=step_s,
            progress=bar.show,
        )
    comments = provenance(*made, seed=seed, point=point, overrides=overrides or ())
    _write(out, trace, comments)
    print(out)


def _check_bin(bin_s: float, traces: Mapping[str, Trace]) -> None:
    if not 0 < bin_s < math.inf:
        raise BadInput(f"--bin-s: must be above 0, not {bin_s:g}")
    longest_s = max(trace.period_s for trace in traces.values())
    if longest_s / bin_s > MOST_BINS:
        what = f"{bin_s:g} s makes more than {MOST_BINS:,} bins of {longest_s:g} s"
        raise BadInput(f"--bin-s: {what}; give a longer one")


def _part(recording: Recording, way: str | None, out: Path) -> Trace | Recording:
    """What of a recording goes into a file: all into a CSV, one direction into Mahimahi's."""
    suffix = out.suffix.lower()
    if way is not None:
        return recording.trace(direction(way))
    if suffix == ".csv":
        return recording
    meant = direction("downlink" if suffix == ".down" else "uplink")
    return recording.trace(meant if len(rates(recording)) > 1 else None)


def _write(out: Path, made: Trace | Recording, comments: list[str]) -> None:
    """Write a file that is whole or not there."""
    from splitsim.parts import whole
    from splitsim.world.traces import Trace, write_csv, write_mahimahi

    with whole(out) as partial:
        if out.suffix.lower() == ".csv" or not isinstance(made, Trace):
            write_csv(partial, made, comments)
        else:
            write_mahimahi(partial, made)


def _table(traces: Mapping[str, Trace], bin_s: float, console: Console) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from splitsim.cli.fit import fitting
    from splitsim.report.traces import HEADINGS, statistics_cells
    from splitsim.world.traces import trace_statistics

    titles = [title for title, _ in HEADINGS]
    lines = {
        name: dict(zip(titles, statistics_cells(trace_statistics(trace, bin_s)), strict=True))
        for name, trace in traces.items()
    }

    def build(shown: Sequence[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
        table.add_column("trace", overflow="fold")
        for title, unit in HEADINGS:
            if title in shown:
                table.add_column(f"{title}\n{unit}", justify="right", no_wrap=True)
        for name, cells in lines.items():
            table.add_row(escape(name), *(cells[title] for title in shown))
        return table

    return fitting(console, titles, SPARE, build)
