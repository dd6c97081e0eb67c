"""``splitsim train``: train a network by a recipe, and write its weights, tables and card."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.dnn.training.train import Trained

INTERRUPTED = 130
TRAINED = Path("results", "trained")

Option = typer.Option


def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recipe file (YAML).")],
    out: Annotated[
        Path,
        Option(metavar="DIR", help="Folder of tables; weights are looked for in it as well."),
    ] = TRAINED,
    overrides: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a value, e.g. student.bottleneck.channels=2; repeatable.",
        ),
    ] = None,
    seed: Annotated[int, Option(metavar="N", help="Of everything that is drawn.")] = 0,
    device: Annotated[str, Option(metavar="cpu|cuda", help="Where to compute.")] = "cpu",
    threads: Annotated[int, Option(metavar="N", help="Of the processor.")] = 1,
    *,
    resume: Annotated[
        bool, Option("--resume", help="Go on after the last whole epoch in DIR.")
    ] = False,
) -> None:
    """Train a network by a recipe: weights, network file, tables, curves and a card."""
    _check_folder(out)
    from splitsim.cli.share import ShareBar, complain
    from splitsim.dnn.training.recipe import load_recipe
    from splitsim.dnn.training.train import train

    loaded = load_recipe(file, overrides or ())
    try:
        with ShareBar(loaded.recipe.name) as bar:
            trained = train(
                loaded,
                out,
                seed=seed,
                resume=resume,
                device=device,
                threads=threads,
                progress=bar.show,
                warn=lambda note: complain(f"warning: {note}"),
            )
    except KeyboardInterrupt:
        _tell_how_to_go_on(out)
        sys.exit(INTERRUPTED)
    _tell(trained)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out: {out} is not a folder")


def _tell_how_to_go_on(out: Path) -> None:
    from splitsim.cli.share import complain

    again = shlex.join([*sys.argv[1:], *(() if "--resume" in sys.argv else ("--resume",))])
    complain(f"interrupted: whole epochs are kept in {out}; go on with: splitsim {again}")


def _tell(trained: Trained) -> None:
    """What came of it, and where it is."""
    print((trained.folder / "card.md").read_text(encoding="utf-8"))
    for path in (trained.weights, trained.network_file, trained.outcomes, trained.folder):
        if path is not None:
            print(path)
