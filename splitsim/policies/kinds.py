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
from splitsim.policies.predictive import Frugal, Predictive

KINDS: dict[str, type[Policy]] = {
    "local": Local,
    "offload": Offload,
    "split": Split,
    "random": Random,
    "fastest": Predictive,
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
    if not module or not name:
        raise LookupError(f"{kind!r} must be module:Class, such as mylab.policies:Bandit")
    found = getattr(_import(module, folder), name, None)
    if not isinstance(found, type):
        raise LookupError(f"{module!r} has no class {name!r}")  # noqa: TRY004 - a name, not a type
    for method in ("reset", "choose"):
        if not callable(getattr(found, method, None)):
            what = f"class {kind!r} has no method {method}; see splitsim.check_policy"
            raise LookupError(what)  # noqa: TRY004 - the name leads to something else
    return cast("type[Policy]", found)


def arguments(policy: type[Policy]) -> type[BaseModel]:
    """A model of the parameters of a policy's ``__init__``, to check a scenario's keys with."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(policy, eval_str=True).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(policy.__name__, __config__=config, **fields)


def _import(module: str, folder: Path) -> Any:
    """A module; that of the folder, even if one of the same name came from elsewhere."""
    top = module.partition(".")[0]
    home = getattr(sys.modules.get(top), "__file__", None)
    here = [folder / f"{top}.py", folder / top / "__init__.py"]
    if home is not None and any(path.is_file() for path in here) and Path(home) not in here:
        for name in [name for name in sys.modules if name.partition(".")[0] == top]:
            del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise LookupError(f"cannot import {module!r}: {error}") from error
    finally:
        sys.path.remove(str(folder))
