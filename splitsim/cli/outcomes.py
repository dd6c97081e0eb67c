"""``splitsim outcomes`` and ``splitsim verify``: real networks on real data, before and after."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.cli.arguments import (
    Classes,
    ImageFormat,
    ModelName,
    Network,
    Out,
    Shape,
    TensorFormat,
    Weights,
    model_name,
)
from splitsim.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from splitsim.dnn.verify import Check

WIDE = 160  # columns of a table that is not printed on a terminal
SHOWN = {"correct": "accuracy", "exit_correct": "exit's", "snr_db": "SNR dB"}

Option = typer.Option


def outcomes(
    model: Network,
    dataset: Annotated[
        str,
        Option(
            metavar="D",
            help="digits, digits-test, cifar10:FOLDER, cifar100:FOLDER, imagefolder:FOLDER, "
            "imagenet:FOLDER, or module:callable.",
        ),
    ],
    out: Out,
    name: ModelName = None,
    weights: Weights = None,
    classes: Classes = None,
    shape: Shape = None,
    cuts: Annotated[
        str | None,
        Option(
            metavar="CUTS",
            help="natural, all or NAME,NAME; by default those of the model's profile in DIR, "
            "or the bottleneck, or natural. Input, output and exits are always among them.",
        ),
    ] = None,
    wire: TensorFormat = None,
    image: ImageFormat = "jpeg90",
    loss: Annotated[
        str | None, Option(metavar="SHARE,SHARE", help="Also with so many packets lost.")
    ] = None,
    snr: Annotated[
        str | None,
        Option(metavar="DB,DB", help="Also with the bottleneck's numbers as symbols, so loud."),
    ] = None,
    batch: Annotated[int, Option(metavar="N", help="Samples computed together.")] = 64,
    threads: Annotated[int, Option(metavar="N", help="Of the processor.")] = 1,
    limit: Annotated[int | None, Option(metavar="N", help="Only the first N samples.")] = None,
    cache: Annotated[
        Path | None, Option(metavar="FILE", help="What was computed; by default below DIR.")
    ] = None,
) -> None:
    """Run a split network over a data set: what it sends and answers, per sample and cut."""
    _check_folder(out)
    losses = _numbers("--loss", loss, "shares of packets, as 0.01,0.05")
    snrs = _numbers("--snr", snr, "numbers in dB, as 0,5,10")
    sizes = None if shape is None else _shape(shape)
    from splitsim.cli.share import ShareBar
    from splitsim.dnn.outcomes import outcomes
    from splitsim.dnn.study import Plan

    plan = Plan(
        network=model,
        dataset=dataset,
        weights=weights,
        classes=classes,
        shape=sizes,
        limit=limit,
        cuts=cuts,
        wire=wire,
        image=image,
        losses=losses,
        snrs=snrs,
        batch=batch,
        threads=threads,
    )
    name = name or model_name(model)
    with ShareBar(f"{model} over {dataset}") as bar:
        path = outcomes(plan, out, name, kept=cache, progress=bar.show, say=_warn)
    _print(_summary(path))
    print(path)


def verify(
    folder: Annotated[Path, typer.Argument(metavar="RESULTS", help="Results folder.")],
    tasks: Annotated[int, Option(metavar="N", help="How many, drawn at random.")] = 20,
    seed: Annotated[int, Option(metavar="N", help="Of the draw; another one draws others.")] = 0,
    weights: Annotated[
        Path | None, Option(metavar="FILE", help="State dict, if it is not where it was.")
    ] = None,
    dataset: Annotated[
        str | None, Option(metavar="D", help="Data set, if it is not where it was.")
    ] = None,
) -> None:
    """Run the real split network again for some tasks of a run; exit code 1 if a row differs."""
    if tasks < 1:
        raise BadInput(f"--tasks: must be a whole number, 1 or more, not {tasks}")
    from splitsim.cli.share import ShareBar
    from splitsim.dnn.verify import verify

    with ShareBar("verifying") as bar:
        checks = verify(
            folder, tasks, seed=seed, weights=weights, source=dataset, progress=bar.show
        )
    _print(_verdicts(checks))
    agree = sum(check.agrees for check in checks)
    print(f"{agree} of {len(checks)} tasks agree with the real network")
    if agree < len(checks):
        sys.exit(1)


def _warn(line: str) -> None:
    from splitsim.cli.share import complain

    complain(f"warning: {line}")


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out: {out} is not a folder")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"--out: there is no folder {out.absolute().parent}; make it first")


def _numbers(option: str, text: str | None, what: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(","))) if text else ()
    except ValueError as error:
        raise BadInput(f"{option}: must be {what}, not {text!r}") from error


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", text):
        raise BadInput(f"--shape: must be sizes with an x between them, as 3x32x32, not {text!r}")
    return tuple(map(int, text.split("x")))


def _summary(path: Path) -> Table:
    """Mean bytes and accuracy, a row per level of the link and cut."""
    import pyarrow.parquet as pq
    from rich.table import Table

    rows = pq.read_table(path)
    levels = [name for name in ("loss", "snr_db") if name in rows.column_names]
    means = {"bytes": "{:,.1f}", "correct": "{:.4f}", "exit_correct": "{:.4f}"}
    means = {name: text for name, text in means.items() if name in rows.column_names}
    table = Table(box=None)
    for name in [*levels, "cut", *means]:
        table.add_column(SHOWN.get(name, name), justify="right")
    groups = rows.group_by([*levels, "cut"]).aggregate([(name, "mean") for name in means])
    order = [(name, "ascending") for name in (*levels, "cut")]
    for at in groups.sort_by(order).to_pylist():
        where = [_cell("{:g}", at[name]) for name in levels]
        cells = [_cell(text, at[f"{name}_mean"]) for name, text in means.items()]
        table.add_row(*where, str(at["cut"]), *cells)
    return table


def _cell(text: str, value: float | None) -> str:
    return "" if value is None else text.format(value)


def _verdicts(checks: Sequence[Check]) -> Table:
    """A row per task."""
    from rich.table import Table

    table = Table("part", "device", "task", "option", "sample", "bytes", "correct", "", box=None)
    for check in checks:
        table.add_row(
            *(check.part, check.device, str(check.task), check.option, str(check.sample)),
            _both(check.row_bytes, check.real_bytes),
            _both(check.row_correct, check.real_correct),
            "" if check.agrees else "differs",
        )
    return table


def _both(row: float, real: float) -> str:
    return f"{row:g}" if row == real else f"{row:g}, really {real:g}"


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    console.print(table)
