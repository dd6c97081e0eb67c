"""Reading any file of ours in YAML strictly: every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from splitsim.errors import BadInput
from splitsim.scenario.document import Document
from splitsim.scenario.explain import explain, show

T = TypeVar("T", bound=BaseModel)


def read_as(path: Path, model: type[T]) -> tuple[T, Document]:
    """What a file says, as a model of it, and the document to tell later mistakes with.

    Raises:
        BadInput: with a line for every mistake.
    """
    document = Document.read(path)
    if not isinstance(document.data, dict):
        what = f"must be a mapping of keys to values, not {show(document.data)}"
        raise BadInput(document.problem((), what))
    try:
        return model.model_validate(document.data), document
    except ValidationError as error:
        problems = explain(error, model, document.data)
        raise BadInput(*(document.problem(at, what) for at, what in problems)) from error
