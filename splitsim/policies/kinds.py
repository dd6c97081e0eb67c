"""Policies by the name a scenario gives them: ours, or ``module:Class`` of your own."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, create_model

from splitsim.policies.base import Policy
from splitsim.policies.fixed import Local, Offload, Random, Split
from splitsim.policies.predictive import Fastest, Frugal

KINDS: dict[str, type[Policy]] = {
    "local": Local,
    "offload": Offload,
    "split": Split,
    "random": Random,
    "fastest": Fastest,
    "frugal": Frugal,
}


def policy_class(kind: str, folder: Path) -> type[Policy]:
    """The class behind a kind; a module of your own is also looked for in ``folder``.

    Raises:
        LookupError: there is none.
    """
    if kind in KINDS:
        return KINDS[kind]
    module, colon, name = kind.partition(":")
    if not colon:
        raise LookupError(f"unknown kind {kind!r}; there are {', '.join(KINDS)}, or module:Class")
    found = getattr(_import(module, folder), name, None)
    if not isinstance(found, type) or not callable(getattr(found, "choose", None)):
        raise LookupError(  # noqa: TRY004 - a name that leads nowhere
            f"{kind!r} is no class with a method choose(view)"
        )
    return cast("type[Policy]", found)


def arguments(policy: type[Policy]) -> type[BaseModel]:
    """A model of the parameters of a policy's ``__init__``, to check a scenario's keys with."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(policy, eval_str=True).parameters.items():
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(policy.__name__, __config__=config, **fields)


def _import(module: str, folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise LookupError(f"cannot import {module!r}: {error}") from error
    finally:
        sys.path.remove(str(folder))
