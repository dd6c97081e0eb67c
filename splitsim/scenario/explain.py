"""What pydantic found wrong, in the words of somebody who wrote the file."""

from __future__ import annotations

import traceback
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from splitsim.component import ConstantCurve, Curve
from splitsim.errors import BadInput
from splitsim.scenario.document import Path_, did_you_mean, listed, scalar

UNIONS: tuple[Any, ...] = (Union, types.UnionType)
MAPPING = "a mapping of keys to values"
TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "dict_type": MAPPING,
    "mapping_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "list_type": "a list",
    "sequence_type": "a list",
    "is_instance_of": "a list",
    "sequence_str": "a list",
    "tuple_type": "a list",
    "none_required": "nothing",
}
LIMITS = {
    "greater_than": "must be more than {gt:,.10g}",
    "greater_than_equal": "must be {ge:,.10g} or more",
    "less_than": "must be less than {lt:,.10g}",
    "less_than_equal": "must be {le:,.10g} or less",
    "too_short": "must have {min_length} or more members",
    "too_long": "must have {max_length} members at most",
    "string_too_long": "must have {max_length} letters at most",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must be A-Z, a-z, 0-9, - and _ only, and not begin with - or _",
}
SIZES = ("too_short", "too_long", "string_too_long")
LONGEST = 60  # letters of a value that are shown


@dataclass(frozen=True)
class _Site:
    """Where something is wrong: its path, the keys there could be, the kinds, and the model."""

    path: Path_
    keys: Sequence[str]
    kinds: Sequence[str]
    model: Any


def explain(
    error: ValidationError, model: type[BaseModel], data: Any
) -> Iterator[tuple[Path_, str]]:
    """Path and mistake of everything that is wrong.

    Args:
        error: what validation raised.
        model: the model that was validated against.
        data: what was validated.
    """
    sites = [(_site(d["loc"], model, data), d) for d in error.errors(include_url=False)]
    for path, group in groupby(sites, key=lambda pair: pair[0].path):
        for at, what in _merged(list(group)):
            yield (*path, *at), what


def _merged(found: Sequence[tuple[_Site, ErrorDetails]]) -> Iterator[tuple[Path_, str]]:
    """What is wrong at a path; a union of types is one mistake, not one of each."""
    kinds = [details["type"] for _, details in found]
    if len(found) > 1 and all(kind in TYPES for kind in kinds):
        value = found[0][1]["input"]
        names = dict.fromkeys(TYPES[kind] for kind in kinds)
        yield (), f"must be {' or '.join(names)}, not {show(value)}"
        return
    for site, details in found:
        yield from _words(details, site)


def _words(details: ErrorDetails, site: _Site) -> Iterator[tuple[Path_, str]]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, BadInput):
        yield from (((), problem) for problem in cause.problems)
    elif kind.startswith("union_tag"):
        yield ("kind",), _kind(value, site.kinds)
    elif kind in LIMITS:
        its = "its name " if details["loc"][-1] == "[key]" else ""
        yield (), f"{its}{LIMITS[kind].format(**context)}, not {_amount(kind, value)}"
    elif kind in TYPES and isinstance(value, dict) and value.get("kind") in _kinds(Curve):
        there = listed(dict.fromkeys(changeable(site.model)))
        yield (), f"cannot change over time, must be {TYPES[kind]}; what can change: {there}"
    elif kind in TYPES:
        kinds = f", of a kind {_either(site.kinds)}" if _is_mapping(kind, site) else ""
        yield (), f"must be {TYPES[kind]}{kinds}, not {show(value)}{_remedy(kind, value)}"
    else:
        yield (), _word(details, site)


def _word(details: ErrorDetails, site: _Site) -> str:
    if details["type"] == "missing":
        return "is missing"
    if details["type"] == "extra_forbidden":
        near = did_you_mean(str(details["loc"][-1]), site.keys)
        there = f"there are {listed(site.keys)}" if site.keys else "remove it"
        return f"unknown key{near or '; ' + there}"
    text = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = text.replace("should be", "must be").replace("should have", "must have")
    value = details["input"]
    return text if isinstance(value, dict | BaseModel) else f"{text}, not {show(value)}"


def _kind(value: Any, kinds: Sequence[str]) -> str:
    if not isinstance(value, dict) or "kind" not in value:
        return f"is missing; there are {listed(kinds)}"
    near = did_you_mean(str(value["kind"]), kinds) or f"; there are {listed(kinds)}"
    return f"there is no kind {show(value['kind'])}{near}"


def _is_mapping(kind: str, site: _Site) -> bool:
    return TYPES[kind] == MAPPING and bool(site.kinds)


def _either(words: Sequence[str]) -> str:
    return " or ".join(word for word in (", ".join(words[:-1]), words[-1]) if word)


def _amount(kind: str, value: Any) -> str:
    sized = isinstance(value, list | dict | str) and kind in SIZES
    return str(len(value)) if sized else show(value)


def _remedy(kind: str, value: Any) -> str:
    """What to do about a value of a wrong type that could be meant as the right one."""
    if isinstance(value, str) and kind in ("int_type", "float_type", "bool_type"):
        return "; leave out the quotes" if scalar(value) != value else ""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if kind.startswith("int_") and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    return ""


def show(value: Any) -> str:
    """A value in a message, as a file has it."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def blame(error: BaseException) -> str:
    """What went wrong in a user's own class: in its words if it gave any, and where."""
    words = " ".join(str(error).split())
    if type(error) in (LookupError, ValueError) and words:
        return words
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {words} ({frame.filename}:{frame.lineno})"


def _site(loc: Sequence[str | int], model: Any, data: Any) -> _Site:
    """Where in the data an error's location is.

    A location also names the chosen members of unions, which are no part of the data.
    """
    path: list[str | int] = []
    node, here = data, model
    keys = _keys(here)
    chosen = False
    for step in loc:
        member = None if chosen else _tagged(here, step)
        chosen = member is not None
        if member is not None:
            here, keys = member, _keys(member)
            continue
        known = isinstance(node, dict) and step in node
        known = known or (isinstance(node, list) and isinstance(step, int) and step < len(node))
        if step == "[key]" or (not known and not isinstance(node, dict | list)):
            break
        keys = _keys(here)
        path.append(step)
        node = node[step] if known else None
        here = _inside(here, step)
    return _Site(tuple(path), keys, _kinds(here), model)


def changeable(kind: Any, path: str = "") -> Iterator[str]:
    """What may be a curve in a file of some type, ``*`` standing for names and members."""
    if ConstantCurve in _models(kind):
        yield path
        return
    for model in _models(kind):
        for name, field in model.model_fields.items():
            yield from changeable(field.annotation, f"{path}.{field.alias or name}".lstrip("."))
    for part in _parts(kind):
        if get_args(part):
            yield from changeable(get_args(part)[-1], f"{path}.*")


def _parts(kind: Any) -> list[Any]:
    """The alternatives of a type, without None and annotations."""
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    if get_origin(kind) in UNIONS:
        return [part for alternative in get_args(kind) for part in _parts(alternative)]
    return [] if kind in (None, type(None)) else [kind]


def _models(kind: Any) -> list[type[BaseModel]]:
    return [p for p in _parts(kind) if isinstance(p, type) and issubclass(p, BaseModel)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """What a model may have for its kind; nothing if it has none, or any."""
    kind: Any = model.model_fields["kind"].annotation if "kind" in model.model_fields else None
    return get_args(kind) if get_origin(kind) is Literal else ()


def _tagged(kind: Any, step: str | int) -> type[BaseModel] | None:
    """The one of several models whose kind is called ``step``."""
    return next((model for model in _models(kind) if step in _tags(model)), None)


def _kinds(kind: Any) -> list[str]:
    """The kinds among which a file may choose there."""
    return [tag for model in _models(kind) for tag in _tags(model)]


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
