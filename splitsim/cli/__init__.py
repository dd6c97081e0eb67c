"""The command line: a thin skin over functions that a notebook can call.

Exit codes: 0 all is well, 1 a part failed, 2 bad input, 130 interrupted. Tables go to standard
output; progress, warnings and errors to standard error, an error per unwrapped line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.cli import dnn, outcomes, spikes, trace, train
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.results import Results

INTERRUPTED = 130
WIDE = 160  # columns of a table that is not printed on a terminal
SHOWN = 30  # rows of a table by phase

app = typer.Typer(
    help="Simulate split computing: devices, fading channels, loaded edge servers.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file (YAML).")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change a value, e.g. devices.nano.count=8; repeatable.",
    ),
]


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - raised again unless there is a line to say it in
        code = _failed(error)
    if code == INTERRUPTED:  # what Typer makes of Ctrl-C, too
        _complain("interrupted")
    sys.exit(code)


def _failed(error: Exception) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, BadInput):
        _complain(*error.problems)
        return 2
    if isinstance(error, BrokenPipeError):  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, OSError):
        _complain(f"splitsim: {_reason(error)}")
        return 1
    # Typer keeps the class of its usage errors to itself; this is what they have.
    message = getattr(error, "format_message", None)
    if message is None:
        raise error
    what = _NO_NUMBER.sub(lambda found: _NUMBERS[found[1]], message()).rstrip(".")
    _complain(f"splitsim: {what}; see 'splitsim --help'")
    return 2


# What Typer says of a text that is no number, and what we say of it.
_NO_NUMBER = re.compile(r"Input should be a valid (\w+), unable to parse string as an? \1")
_NUMBERS = {"number": "must be a number", "integer": "must be a whole number"}


def _reason(error: OSError) -> str:
    file = f"{error.filename}: " if error.filename else ""
    return f"{file}{error.strerror or error}"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"must be a whole number, 1 or more, not {text!r}")
    return int(text)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"splitsim {installed('splitsim')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def run(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Results folder. By default a new one in results/NAME/."),
    ] = None,
    overrides: Overrides = None,
    jobs: Annotated[
        int | None,
        typer.Option(parser=_count, metavar="PROCESSES", help="By default one per processor."),
    ] = None,
    shifts: Annotated[
        int | None,
        typer.Option(
            "--table-uncertainty",
            parser=_count,
            metavar="N",
            help="Also simulate everything under N shifts of the tables within their factors.",
        ),
    ] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in DIR; finished parts are kept.")
    ] = False,
) -> None:
    """Simulate a scenario: every policy, seed and point of its sweep; table and report."""
    from splitsim.cli.progress import Bar
    from splitsim.scenario import load_scenario

    if resume and out is None:
        raise BadInput("--resume: needs --out DIR, the folder to go on in")
    scenario = load_scenario(file, overrides or ())
    _complain(*(f"warning: {warning}" for warning in scenario.warnings))
    from splitsim import experiment
    from splitsim.folder import prepare

    folder = prepare(scenario, out, resume=resume, table_uncertainty=shifts)
    try:
        with Bar() as bar:
            results = experiment.simulate_missing(scenario, folder, jobs, bar.show)
        _finish(results)
    except (KeyboardInterrupt, OSError) as error:
        sets = [word for override in overrides or () for word in ("--set", override)]
        more = [] if shifts is None else ["--table-uncertainty", str(shifts)]
        where = ["--out", str(folder), "--resume"]
        again = shlex.join(["splitsim", "run", str(file), *sets, *more, *where])
        what = f"stopped ({_reason(error)})" if isinstance(error, OSError) else "interrupted"
        _complain(f"{what}: finished parts are kept in {folder}; go on with: {again}")
        sys.exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)


@app.command()
def validate(file: File, overrides: Overrides = None) -> None:
    """Check a scenario file and all tables and traces it names, without running it."""
    from splitsim.scenario import load_scenario

    scenario = load_scenario(file, overrides or ())
    _complain(*(f"warning: {warning}" for warning in scenario.warnings))
    parts = len(scenario.points) * len(scenario.policies) * len(scenario.seeds)
    print(
        f"{file}: valid; {len(scenario.points)} points x {len(scenario.policies)} policies x "
        f"{len(scenario.seeds)} seeds = {parts} parts"
    )


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from splitsim.scenario import Scenario

    print(json.dumps(Scenario.model_json_schema(), indent=1))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")],
) -> None:
    """Make summary.csv and report.html anew from the parts in a results folder."""
    from splitsim.results import Results

    results = Results(folder)
    results.write_summary()
    _finish(results)


app.command()(dnn.profile)
app.command()(outcomes.outcomes)
app.command()(outcomes.verify)
app.command()(spikes.count)
app.command()(train.train)
app.add_typer(trace.app, name="trace")


def _finish(results: Results) -> None:
    """Print the table, write the report, and tell of parts that failed."""
    from rich.console import Console

    from splitsim.cli.table import best_table, notes, phases_table, summary_table
    from splitsim.folder import failures
    from splitsim.report.page import write_report

    rows, swept = results.summary_rows, list(results.manifest["points"][0]["swept"])
    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    if rows:
        console.print(summary_table(rows, swept, console))
    if len(results.phase_rows) > SHOWN:
        count, where = len(results.phase_rows), results.folder / "phases.csv"
        _print(f"\nby phase between changes: {count} rows in {where}, and in the report")
    elif results.phase_rows:
        _print("")
        console.print(phases_table(results.phase_rows, swept, console))
    for note in notes(rows, swept, results.manifest.get("replayed", ())):
        _print(f"* {note}")
    if rows and results.shifts:
        _print("")
        console.print(best_table(rows, swept))
    failed = failures(results.folder)
    _complain(*(f"part {name} failed: {why}" for name, why in failed.items()))
    if failed:
        _complain(
            f"tracebacks are in {results.folder / 'failed'}; --resume tries these parts again"
        )
    elif results.missing:
        _complain(
            f"warning: {results.missing} of {results.parts} parts are missing; --resume makes them"
        )
    if rows:
        _print(f"report: {write_report(results)}")
    if failed:
        sys.exit(1)


def _print(line: str) -> None:
    print(line, flush=True)


def _complain(*lines: str) -> None:
    for line in lines:
        print(" ".join(line.splitlines()), file=sys.stderr)
