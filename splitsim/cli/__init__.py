"""The command line: a thin skin over functions that a notebook can call.

Exit codes: 0 all is well, 1 a part failed, 2 bad input, 130 interrupted. Tables go to standard
output; progress, warnings and errors to standard error, an error per unwrapped line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.results import Results

WIDE = 160  # columns of a table that is not printed on a terminal

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
        sys.exit(app(standalone_mode=False) or 0)
    except BadInput as error:
        _complain(*error.problems)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        # Typer keeps the class of its usage errors to itself; this is what they have.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        _complain(f"splitsim: {message()} See 'splitsim --help'.")
        sys.exit(2)


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
        typer.Option(metavar="DIR", help="Results folder. [default: a new one in results/NAME/]"),
    ] = None,
    overrides: Overrides = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one per processor]")
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

    folder = experiment.prepare(scenario, out, resume=resume)
    try:
        with Bar() as bar:
            results = experiment.simulate_missing(scenario, folder, jobs, bar.show)
    except KeyboardInterrupt:
        again = f"splitsim run {file} --out {folder} --resume"
        _complain(f"interrupted: finished parts are kept in {folder}; go on with '{again}'")
        sys.exit(130)
    _finish(results)


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


def _finish(results: Results) -> None:
    """Print the table, write the report, and tell of parts that failed."""
    from rich.console import Console

    from splitsim.cli.table import notes, summary_table
    from splitsim.experiment import failures
    from splitsim.report.page import write_report

    rows, swept = results.summary_rows, list(results.manifest["points"][0]["swept"])
    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    if rows:
        console.print(summary_table(rows, swept))
    for note in notes(rows, swept):
        console.print(f"* {note}", highlight=False, soft_wrap=True)
    failed = failures(results.folder)
    if rows:
        console.print(f"report: {write_report(results)}", highlight=False, soft_wrap=True)
    if failed:
        lines = (f"part {name} failed: {why}" for name, why in failed.items())
        _complain(*lines, f"tracebacks are in {results.folder / 'failed'}")
        sys.exit(1)


def _complain(*lines: str) -> None:
    for line in lines:
        print(" ".join(line.splitlines()), file=sys.stderr)
