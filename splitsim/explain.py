"""What pydantic found wrong, in the words of somebody who wrote the file."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from splitsim.document import Path_, did_you_mean
from splitsim.errors import BadInput

UNIONS: tuple[Any, ...] = (Union, types.UnionType)
TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "list_type": "a list",
    "sequence_type": "a list",
    "is_instance_of": "a list",
    "sequence_str": "a list",
}


def explain(
    error: ValidationError, model: type[BaseModel], data: Any
) -> Iterator[tuple[Path_, str]]:
    """Path and mistake of everything that is wrong.

    Args:
        error: what validation raised.
        model: the model that was validated against.
        data: what was validated.
    """
    for details in error.errors(include_url=False):
        path, names = _walk(details["loc"], model, data)
        for what in _words(details, names):
            yield path, what


def _words(details: ErrorDetails, names: Sequence[str]) -> Sequence[str]:
    kind, value = details["type"], details["input"]
    context = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, BadInput):
        return cause.problems
    return [
        _word(kind, str(details["loc"][-1]) if details["loc"] else "", value, names, context)
        or _plain(details["msg"], value)
    ]


def _word(kind: str, key: str, value: Any, names: Sequence[str], context: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(key, names) or _choices(names)}"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return f"must be a mapping with a key 'kind', not {_show(value)}"
    if kind == "union_tag_invalid":
        tags = str(context["expected_tags"]).replace("'", "").split(", ")
        near = did_you_mean(str(context["tag"]), tags)
        return f"unknown kind {context['tag']!r}; there are {', '.join(tags)}{near}"
    if kind == "literal_error":
        return f"must be {context['expected']}, not {_show(value)}"
    if kind == "string_pattern_mismatch":
        return f"must be letters, digits, - and _ only, not {_show(value)}"
    if kind in TYPES:
        return f"must be {TYPES[kind]}, not {_show(value)}"
    return ""


def _plain(message: str, value: Any) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    text = text.replace("should be", "must be").replace("should have", "must have")
    return text if isinstance(value, dict | BaseModel) else f"{text}, not {_show(value)}"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "nothing" if value is None else repr(value)


def _choices(names: Sequence[str]) -> str:
    return f"; there are {', '.join(names)}" if names else ""


def _walk(loc: Sequence[str | int], model: Any, data: Any) -> tuple[Path_, Sequence[str]]:
    """The path in the data of an error's location, and the keys there are where it happened.

    A location also names the chosen members of unions, which are no part of the data.
    """
    path: list[str | int] = []
    node, here = data, model
    names = _keys(here)
    chosen = False
    for step in loc:
        member = None if chosen else _tagged(here, step)
        chosen = member is not None
        if member is not None:
            here, names = member, _keys(member)
            continue
        known = isinstance(node, dict) and step in node
        known = known or (isinstance(node, list) and isinstance(step, int) and step < len(node))
        if not known and not isinstance(node, dict | list):
            break
        names = _keys(here)
        path.append(step)
        node = node[step] if known else None
        here = _inside(here, step)
    return tuple(path), names


def _parts(kind: Any) -> list[Any]:
    """The alternatives of a type, without None and annotations."""
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    if get_origin(kind) in UNIONS:
        return [part for alternative in get_args(kind) for part in _parts(alternative)]
    return [] if kind in (None, type(None)) else [kind]


def _models(kind: Any) -> list[type[BaseModel]]:
    return [p for p in _parts(kind) if isinstance(p, type) and issubclass(p, BaseModel)]


def _tagged(kind: Any, step: str | int) -> type[BaseModel] | None:
    """The one of several models whose kind is called ``step``."""
    for model in _models(kind):
        tag: Any = model.model_fields["kind"].annotation if "kind" in model.model_fields else 0
        if str(get_origin(tag)) == "typing.Literal" and step in get_args(tag):
            return model
    return None


def _keys(kind: Any) -> list[str]:
    """The keys a file may give there."""
    models = _models(kind)
    fields = models[0].model_fields if len(models) == 1 else {}
    return [field.alias or name for name, field in fields.items()]


def _inside(kind: Any, step: str | int) -> Any:
    """The type of what stands at a key or index."""
    for model in _models(kind):
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
    for part in _parts(kind):
        if get_args(part):
            return get_args(part)[-1]
    return None
