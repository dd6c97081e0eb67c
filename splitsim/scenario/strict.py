"""Reading any file of ours in YAML strictly: overrides, and every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from splitsim.errors import BadInput
from splitsim.scenario.document import Document
from splitsim.scenario.explain import explain, show

T = TypeVar("T", bound=BaseModel)
# Values by dotted path, or texts ``path=value`` as on the command line.
Overrides: TypeAlias = Mapping[str, Any] | Sequence[str]


def read_as(path: Path, model: type[T], overrides: Overrides = ()) -> tuple[T, Document]:
    """What a file says, as a model of it, and the document to tell later mistakes with.

    Raises:
        BadInput: with a line for every mistake in the file and the overrides.
    """
    document = read_mapping(path, overrides)
    try:
        return model.model_validate(document.data), document
    except ValidationError as error:
        problems = explain(error, model, document.data)
        raise BadInput(*(document.problem(at, what) for at, what in problems)) from error


def read_mapping(path: Path, overrides: Overrides = (), remedy: str = "") -> Document:
    """A file that must be a mapping of keys to values, with some of them overridden.

    Args:
        path: of the file.
        overrides: what is.
        remedy: said where it is no mapping.

    Raises:
        BadInput: it cannot be read, is no mapping, or has no such key.
    """
    document = Document.read(path)
    if not isinstance(document.data, dict):
        what = f"must be a mapping of keys to values, not {show(document.data)}{remedy}"
        raise BadInput(document.problem((), what))
    return _overridden(document, overrides)


def _overridden(document: Document, overrides: Overrides) -> Document:
    problems: list[str] = []
    for mark, dotted, value in _pairs(overrides, problems):
        try:
            document = document.with_value(document.find(dotted), value, mark)
        except LookupError as error:
            problems.append(f"{mark}: {error.args[0]}")
    if problems:
        raise BadInput(*problems)
    return document


def _pairs(overrides: Overrides, problems: list[str]) -> Iterator[tuple[str, str, Any]]:
    """Place, path and value of every override; those that cannot be read become problems."""
    if isinstance(overrides, Mapping):
        yield from (
            (f"override {path}={value!r}", path, value) for path, value in overrides.items()
        )
        return
    for text in overrides:
        try:
            yield _pair(text)
        except BadInput as error:
            problems.extend(error.problems)


def _pair(text: str) -> tuple[str, str, Any]:
    mark = f"--set {text}"
    dotted, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"{mark}: must be PATH=VALUE, such as devices.nano.count=8")
    return mark, dotted.strip(), Document.parse(value, lambda _: mark).data
