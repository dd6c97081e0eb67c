"""``splitsim count``: a network's operations over a data set, and what they cost an accelerator."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.cli.arguments import ModelName, Network, Out, Weights, model_name
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from splitsim.dnn.spikes.account import Account
    from splitsim.entries import Model, Radio
    from splitsim.profiles import Tables

WIDE = 160  # columns of a table that is not printed on a terminal

Option = typer.Option


def count(
    model: Network,
    dataset: Annotated[str, Option(metavar="D", help="As for splitsim outcomes.")],
    hardware: Annotated[
        str, Option(metavar="ID", help="An accelerator: a row of hardware.csv with mac_j.")
    ],
    out: Out,
    name: ModelName = None,
    weights: Weights = None,
    batch: Annotated[int, Option(metavar="N", help="Samples computed together.")] = 16,
    threads: Annotated[int, Option(metavar="N", help="Of the processor.")] = 1,
    limit: Annotated[int | None, Option(metavar="N", help="Only the first N samples.")] = None,
    link_rate_bps: Annotated[
        float | None, Option(metavar="R", help="Also what sending takes, at this rate.")
    ] = None,
    radio: Annotated[
        str | None, Option(metavar="ID", help="What sends: a row of radios.csv.")
    ] = None,
) -> None:
    """Count a network's operations, spikes exactly, and write what they cost an accelerator."""
    name = name or model_name(model)
    _check({"--batch": batch, "--threads": threads, "--limit": limit}, link_rate_bps, radio)
    from splitsim.cli.share import ShareBar, complain
    from splitsim.dnn.data import dataset as data_of
    from splitsim.dnn.networks import load
    from splitsim.dnn.spikes.account import account
    from splitsim.dnn.spikes.energy import accelerator
    from splitsim.dnn.tables import write
    from splitsim.profiles import Tables, shipped

    tables = Tables((out, shipped()))
    sender = None if radio is None else tables.radio(radio)
    path = _model_table(tables, name)
    known = tables.model(name)
    board = accelerator(hardware, tables.folders)
    with ShareBar(f"counting {name}") as bar:
        network, data = load(model, weights=weights), data_of(dataset, limit)
        made = account(network, data, path, board, batch=batch, threads=threads, progress=bar.show)
    if network.exits:
        complain("warning: the branches of its exits are not counted")
    files = made.files(name)
    write(out, files)
    for table in (_layers(made), _cuts(made, known, sender, link_rate_bps)):
        _print(table)
    for file in files:
        print(out / file)


def _check(numbers: Mapping[str, int | None], rate_bps: float | None, radio: str | None) -> None:
    problems = [
        f"{option}: must be a whole number, 1 or more, not {number}"
        for option, number in numbers.items()
        if number is not None and number < 1
    ]
    if (rate_bps is None) != (radio is None):
        problems.append("--link-rate-bps, --radio: go together; give both or none")
    if rate_bps is not None and not 0 < rate_bps < math.inf:
        problems.append(f"--link-rate-bps: must be above 0, not {rate_bps:g}")
    if problems:
        raise BadInput(*problems)


def _model_table(tables: Tables, name: str) -> Path:
    """The table of a model, in the first folder that has one."""
    paths = [folder / "models" / f"{name}.csv" for folder in tables.folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        what = (
            "is missing; make it with splitsim outcomes, or say what the model is called by --name"
        )
        raise BadInput(f"{paths[0]}: {what}")
    return found


def _layers(made: Account) -> Table:
    """A row per layer, and one for all."""
    from rich.table import Table

    headings = ("layer", "in head of", "input rate", "MAC", "AC", "AC by rate", "uJ")
    table = Table(*headings, box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for layer in made.counts.layers:
        rate = "" if layer.rate is None else f"{layer.rate:.4f}"
        work = (*made.accelerator.operations(layer), layer.estimated_acs)
        joules = f"{1e6 * made.accelerator.layer_j(layer):,.4g}"
        cells = [f"{number:,.0f}" if number else "" for number in work]
        table.add_row(layer.name, made.cuts[made.cut_of(layer)].name, rate, *cells, joules)
    return table


def _cuts(made: Account, model: Model, radio: Radio | None, rate_bps: float | None) -> Table:
    """A row per cut: time and joules of the head; with a radio also what sending adds."""
    from rich.table import Table

    from splitsim.dnn.spikes.energy import transmit_j

    sending = ("ms to send", "uJ to send", "uJ both") if radio and rate_bps else ()
    table = Table("cut", "bytes", "head ms", "uJ to compute", *sending, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    parts = zip(made.cuts, model.wire_bytes, made.heads_s, made.energies_j, strict=True)
    for cut, sent_bytes, head_s, compute_j in parts:
        numbers = [1e3 * head_s, 1e6 * compute_j]
        if radio and rate_bps:
            sent_j = transmit_j(radio, sent_bytes, rate_bps)
            numbers += [8e3 * sent_bytes / rate_bps, 1e6 * sent_j, 1e6 * (compute_j + sent_j)]
        table.add_row(cut.name, f"{sent_bytes:,.1f}", *(f"{number:,.4g}" for number in numbers))
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(table)
