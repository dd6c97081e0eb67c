"""A recipe: what is trained, on what, how; read strictly, every mistake with its line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from splitsim.component import Component, Count, Name, Number, Share
from splitsim.dnn.networks import Base, NetworkSpec
from splitsim.dnn.training.augment import Augment
from splitsim.dnn.training.stages import Stage
from splitsim.dnn.training.strategy import AnyStrategy
from splitsim.errors import BadInput
from splitsim.scenario.document import Document, Path_
from splitsim.scenario.strict import Overrides, read_as


class Data(Component):
    """Which samples, by names of data sets, and how they are taken.

    ``validation`` is the share of the training part that is held back to watch; the test part is
    looked at once, in the end. ``workers`` are the processes that read images which do not fit
    into memory.
    """

    train: str
    test: str
    validation: Share = 0.1
    augment: Augment | None = None
    batch: Count = 64
    workers: Annotated[int, Field(ge=0, le=256)] = 4


class Tables(Component):
    """How the tables of the trained network are made, as by ``splitsim outcomes``."""

    wire: str | None = None
    image: str = "jpeg90"
    losses: Sequence[Annotated[float, Field(ge=0, le=1)]] = ()
    snrs_db: Sequence[Number] = ()
    limit: Count | None = None


class Recipe(Component):
    """What a recipe file says.

    The student is a network, of which the base may have weights or random ones; the teacher is
    the student's base where none is named. ``outcomes: null`` leaves the tables out.
    """

    name: Name
    student: NetworkSpec
    teacher: Base | None = None
    data: Data
    stages: Annotated[Sequence[Stage], Field(min_length=1)] | None = None
    strategy: AnyStrategy | None = None
    outcomes: Tables | None = Tables()
    mixed_precision: bool = True  # on CUDA only

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.student.weights is not None:
            raise ValueError("student.weights: are what is trained; leave them out, or name base's")
        if (self.stages is None) == (self.strategy is None):
            raise ValueError("stages or strategy: give one of them")
        if self.data.validation == 0 and any(stage.watch for stage in self.stages or ()):
            raise ValueError("stages: watch needs data.validation, a share of the training part")
        return self

    @property
    def steps(self) -> Sequence[Stage]:
        """The stages, spelled out."""
        return self.stages or (self.strategy.stages if self.strategy else ())

    def spelled_out(self) -> dict[str, Any]:
        """As plain data, with stages instead of a strategy."""
        stages = [stage.model_dump(mode="json", exclude_none=True) for stage in self.steps]
        plain = self.model_dump(mode="json", exclude_none=True, exclude={"stages", "strategy"})
        tables = {} if self.outcomes else {"outcomes": None}
        return {**plain, "stages": stages, **tables}


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, and where it stands.

    Attributes:
        recipe: what it says.
        folder: to which the files that it names are relative.
        document: to tell mistakes by their lines.
    """

    recipe: Recipe
    folder: Path
    document: Document

    def problems(self) -> Problems:
        """A list of mistakes, empty as yet."""
        return Problems(self.document)

    def stage(self, number: int, *path: str) -> Path_:
        """Where a part of a stage stands in the file."""
        return ("strategy",) if self.recipe.stages is None else ("stages", number, *path)


class Problems:
    """Mistakes in several parts of a file, told together."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lines: list[str] = []

    @contextmanager
    def at(self, path: Path_) -> Iterator[None]:
        """Within, bad input is a mistake of a part of the file."""
        try:
            yield
        except BadInput as error:
            self.add(path, *error.problems)

    def add(self, path: Path_, *problems: str) -> None:
        """Mistakes of a part of the file."""
        self._lines += [self._document.problem(path, problem) for problem in problems]

    def tell(self) -> None:
        """Raises BadInput if there are any."""
        if self._lines:
            raise BadInput(*self._lines)


def load_recipe(path: str | Path, overrides: Overrides = ()) -> LoadedRecipe:
    """Read a recipe file.

    Args:
        path: the YAML file.
        overrides: values by dotted path, or texts ``path=value`` as on the command line.

    Raises:
        BadInput: with a line for every mistake in the file and the overrides.
    """
    recipe, document = read_as(Path(path), Recipe, overrides)
    return LoadedRecipe(recipe, Path(path).parent, document)


def differences(one: Any, other: Any, path: str = "") -> Iterable[str]:
    """What differs between two pieces of plain data, as ``path: was 1, is 2``."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{path}.{number}")
    elif one != other:
        yield f"{path}: was {json.dumps(one)}, is {json.dumps(other)}"
