"""The catalogue of public traces: what there is, whose it is, and where it is published."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, ValidationError

from splitsim.component import Component, Name
from splitsim.errors import BadInput
from splitsim.profiles import shipped
from splitsim.world.traces.library import cache_folder, fetched

PUBLISHED_AT = "https://raw.githubusercontent.com"

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Options = Mapping[str, str | float | bool]  # of read_trace: the keys of a scenario


class DatasetFile(Component):
    """A file of a data set: where it is published, and what it must be.

    Of several ``paths`` the first that exists has it. An ``archive`` is a zip of which the file
    is the member of this size and hash.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    commit: Hex
    paths: Annotated[Sequence[str], Field(min_length=1)]
    archive: bool = False
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256
    read: Mapping[str, str | float | bool] = {}

    def addresses(self, base: str = PUBLISHED_AT) -> list[str]:
        """Where it may be had, below a base address laid out like GitHub's."""
        home = f"{base.rstrip('/')}/{self.repository}/{self.commit}"
        return [f"{home}/{quote(path)}" for path in self.paths]


class Dataset(Component):
    """A published set of traces."""

    name: Name
    title: str
    way: str
    licence: str
    citation: str
    note: str = ""
    read: Mapping[str, str | float | bool] = {}
    files: Annotated[Sequence[DatasetFile], Field(min_length=1)]

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    def read_options(self, file: DatasetFile) -> Options:
        """How ``read_trace`` takes a file."""
        return {**self.read, **file.read}

    def place(self, file: DatasetFile) -> Path:
        """Where the cache keeps a file."""
        return cache_folder() / self.name / file.name

    def here(self, file: DatasetFile) -> Path | None:
        """Where a file lies already, if it does."""
        return fetched(f"{self.name}/{file.name}")


def catalogue(path: Path | None = None) -> dict[str, Dataset]:
    """The data sets by name.

    Args:
        path: a TOML file; by default the one that comes with splitsim.

    Raises:
        BadInput: the file is not a catalogue, with a line per mistake.
    """
    path = path or shipped() / "datasets.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); reinstall splitsim") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: is not TOML ({error}); correct it") from None
    problems: list[str] = []
    found = {name: _dataset(path, name, table, problems) for name, table in tables.items()}
    if problems:
        raise BadInput(*problems)
    return {name: dataset for name, dataset in found.items() if dataset is not None}


def _dataset(path: Path, name: str, table: object, problems: list[str]) -> Dataset | None:
    try:
        return Dataset.model_validate({"name": name, **table} if isinstance(table, dict) else table)
    except ValidationError as error:
        problems += [f"{path}: {name}{_where(e['loc'])}: {e['msg']}" for e in error.errors()]
        return None


def _where(location: Sequence[str | int]) -> str:
    return "".join(f".{key}" for key in location)


def chosen(datasets: Mapping[str, Dataset], names: Sequence[str]) -> Iterator[Dataset]:
    """Data sets by name.

    Raises:
        BadInput: there is none of a name, with a line for each.
    """
    unknown = [name for name in names if name not in datasets]
    if unknown:
        raise BadInput(*(_no_such(name, datasets) for name in unknown))
    return (datasets[name] for name in dict.fromkeys(names))


def _no_such(name: str, datasets: Mapping[str, Dataset]) -> str:
    close = difflib.get_close_matches(name, datasets, n=1)
    hint = f"did you mean {close[0]}?" if close else f"give one of {', '.join(datasets)}"
    return f"there is no data set {name!r}; {hint}"


def trace_file(name: str) -> tuple[Path, Options]:
    """A trace by its path or, where there is none, by its name in the catalogue.

    Returns:
        Where it is, and how the catalogue says that ``read_trace`` takes it.

    Raises:
        BadInput: the catalogue has it, but it was not fetched.
    """
    path = Path(name)
    if path.exists():
        return path, {}
    data_set, _, file_name = name.rpartition("/")
    known = [
        (dataset, file)
        for dataset in catalogue().values()
        for file in dataset.files
        if file.name == file_name and data_set in {"", dataset.name}
    ]
    if not known:
        return fetched(name) or path, {}
    dataset, file = known[0]
    here = dataset.here(file)
    if here is None:
        raise BadInput(f"{name}: is not here; get it with: splitsim trace fetch {dataset.name}")
    return here, dataset.read_options(file)
