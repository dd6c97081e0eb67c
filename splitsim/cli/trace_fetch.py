"""``splitsim trace fetch``: public traces, from where they are published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from splitsim.measure.datasets import Dataset, DatasetFile

WIDE = 160  # columns of a table that is not printed on a terminal
PUBLISHED_AT = "https://raw.githubusercontent.com"

Option = typer.Option


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Data sets; without one, list what there is."),
    ] = None,
    mirror: Annotated[
        str, Option(metavar="URL", help="Fetch from below this address, laid out alike.")
    ] = PUBLISHED_AT,
    *,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Only say what would be fetched, and where it would go.")
    ] = False,
) -> None:
    """Fetch public traces, checked by size and SHA-256, into the user's cache.

    They are other people's data: licence and citation are shown. The variable SPLITSIM_TRACES
    names a folder that already holds them (DATASET/FILE), SPLITSIM_CACHE another cache. A
    scenario names a fetched trace as file: DATASET/FILE.
    """
    from splitsim.measure.datasets import catalogue, chosen
    from splitsim.measure.fetch import check_base

    known = catalogue()
    check_base(mirror)
    if not names:
        if dry_run:
            raise BadInput("--dry-run: needs the name of a data set")
        _list(known)
    for dataset in chosen(known, names or []):
        _tell(dataset)
        if dry_run:
            _plan(dataset, mirror)
        else:
            _fetch(dataset, mirror)


def _fetch(dataset: Dataset, mirror: str) -> None:
    from splitsim.cli.share import ShareBar
    from splitsim.measure.fetch import fetch as fetch_files

    with ShareBar(f"fetching {dataset.name}") as bar:
        places = fetch_files(
            dataset,
            base=mirror,
            progress=lambda got, size: bar.show(got / size, f"{got:,} of {size:,} bytes"),
        )
    for file, place in zip(dataset.files, places, strict=True):
        _tell_file(dataset, file, place)


def _plan(dataset: Dataset, mirror: str) -> None:
    from splitsim.measure.fetch import plan

    for file in dataset.files:
        place = dataset.here(file)
        if place is None:
            print(f"  would fetch {plan(file, dataset.place(file), mirror)}")
        else:
            print(f"  is here already: {place}")


def _tell(dataset: Dataset) -> None:
    """Whose data it is, before any of it is fetched."""
    print(f"{dataset.name}: {dataset.title}")
    print(f"  licence: {dataset.licence}")
    print(f"  cite: {dataset.citation}")
    print(f"  {dataset.way}. {dataset.note}")


def _tell_file(dataset: Dataset, file: DatasetFile, place: Path) -> None:
    keys = [f"file: {dataset.name}/{file.name}"]
    keys += [f"{key}: {_yaml(value)}" for key, value in dataset.read_options(file).items()]
    print(f"  {place}")
    print(f"    {{kind: trace, {', '.join(keys)}}}")


def _yaml(value: str | float | bool) -> str:
    """A value as a scenario file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if value.replace("_", "").replace("-", "").isalnum() else f'"{value}"'
    return f"{value:g}"


def _list(known: dict[str, Dataset]) -> None:
    from rich.console import Console

    from splitsim.world.traces.library import cache_folder, held_folder

    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(_table(known))
    held = held_folder()
    where = f"{held} (SPLITSIM_TRACES), then " if held else ""
    print(f"looked for in {where}{cache_folder()}; get one with: splitsim trace fetch NAME")


def _table(known: dict[str, Dataset]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for heading in ("name", "what", "way", "licence"):
        table.add_column(heading, overflow="fold")
    for heading in ("files", "kB", "here"):
        table.add_column(heading, justify="right", no_wrap=True)
    for dataset in known.values():
        here = sum(dataset.here(file) is not None for file in dataset.files)
        counts = (f"{len(dataset.files)}", f"{dataset.size_bytes / 1e3:,.0f}", f"{here}")
        table.add_row(dataset.name, dataset.title, dataset.way, dataset.licence, *counts)
    return table
