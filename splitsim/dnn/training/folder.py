"""What a training leaves behind: weights, network file, tables, card and curves.

They lie as ``traces/`` does: ``weights/``, ``networks/``, ``models/`` and ``outcomes/`` are for
scenarios and commands, ``training/<name>/`` tells how the network came about.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from splitsim.dnn.formats import Formats
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.study import SYMBOLS, Plan
from splitsim.dnn.tables import as_toml, write
from splitsim.dnn.training.card import Told, at_cuts, card
from splitsim.dnn.training.curves import page
from splitsim.dnn.training.learners import WEIGHTS, find_weights
from splitsim.dnn.training.recipe import LoadedRecipe
from splitsim.dnn.training.words import as_markdown
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput
from splitsim.scenario.document import dump

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Folder:
    """Where the files of a training are.

    Attributes:
        out: a folder of tables.
        name: of the recipe.
    """

    out: Path
    name: str

    @property
    def weights(self) -> Path:
        """The state dict of the whole network."""
        return self.out / WEIGHTS / f"{self.name}.pt"

    @property
    def network(self) -> Path:
        """The network file."""
        return self.out / "networks" / f"{self.name}.yaml"

    @property
    def training(self) -> Path:
        """The folder of everything about the training."""
        return self.out / "training" / self.name

    @property
    def checkpoint(self) -> Path:
        """The training so far."""
        return self.training / CHECKPOINT

    def check(self, *, resume: bool) -> None:
        """Whether a training may be put there.

        Raises:
            BadInput: one of this name is there already.
        """
        if not resume and self.training.is_dir() and any(self.training.iterdir()):
            what = "holds a training already; --resume goes on with it, or give another --out"
            raise BadInput(f"{self.training}: {what}")

    def make(self) -> None:
        """The folder.

        Raises:
            BadInput: it cannot be made.
        """
        try:
            self.training.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"cannot be made: {error.strerror or error}; give another --out"
            raise BadInput(f"{self.training}: {what}") from error


def check_tables(loaded: LoadedRecipe, student: LoadedModel) -> None:
    """Whether the tables that a recipe wants can be made, before hours are spent.

    Raises:
        BadInput: there is no such format, or nothing is sent as symbols.
    """
    problems, tables = loaded.problems(), loaded.recipe.outcomes
    if tables is None:
        return
    with problems.at(("outcomes",)):
        Formats.parse(student, tables.wire, tables.image)
    analogue = student.wire is not None and Wire.parse(student.wire) == SYMBOLS
    if tables.snrs_db and not analogue:
        what = "the student has no bottleneck whose numbers are sent as symbols; leave it out"
        problems.add(("outcomes", "snrs_db"), what)
    problems.tell()


def keep(folder: Folder, told: Told, *, report: bool) -> Path | None:
    """Writes everything; the outcomes table, if the recipe wants one.

    Args:
        folder: where to.
        told: what was trained, on the CPU.
        report: whether the curves are drawn as well.

    Raises:
        BadInput: the tables cannot be made.
    """
    recipe = dump(_to_run_again(told.loaded, folder))
    write(folder.out, _network(folder, told))
    table = _outcomes(folder, told)
    rows = [] if table is None else at_cuts(folder.out, folder.name, table)
    made = card(told, rows)
    files = {
        "recipe.yaml": recipe.encode(),
        "card.toml": as_toml(made),
        "card.md": as_markdown(made, rows).encode(),
        **({"report.html": page(made, rows, told.history, recipe).encode()} if report else {}),
    }
    write(folder.training, files)
    return table


def _network(folder: Folder, told: Told) -> dict[str, bytes]:
    """The weights, and the network file that they are for."""
    content = io.BytesIO()
    torch.save(told.student.module.state_dict(), content)
    spec = told.recipe.student
    weights = Path(os.path.relpath(folder.weights, folder.network.parent)).as_posix()
    base = spec.base.model_copy(update={"weights": None})
    alone = spec.model_copy(update={"base": base, "weights": weights})
    return {
        f"{WEIGHTS}/{folder.weights.name}": content.getvalue(),
        f"networks/{folder.network.name}": dump(
            alone.model_dump(mode="json", exclude_none=True)
        ).encode(),
    }


def _outcomes(folder: Folder, told: Told) -> Path | None:
    tables = told.recipe.outcomes
    if tables is None:
        return None
    plan = Plan(
        network=str(folder.network),
        dataset=told.recipe.data.test,
        weights=str(folder.weights),
        limit=tables.limit,
        wire=tables.wire,
        image=tables.image,
        losses=tuple(tables.losses),
        snrs=tuple(tables.snrs_db),
        threads=told.machine.threads,
    )
    return outcomes(plan, folder.out, folder.name)


def _to_run_again(loaded: LoadedRecipe, folder: Folder) -> dict[str, Any]:
    """The recipe with its stages spelled out, and files named from where it will stand."""
    plain = loaded.recipe.spelled_out()
    for base in (plain["student"]["base"], plain.get("teacher", {})):
        found = find_weights(base.get("weights"), loaded.folder, folder.out)
        if found is not None:
            base["weights"] = Path(os.path.relpath(found, folder.training)).as_posix()
    return plain
