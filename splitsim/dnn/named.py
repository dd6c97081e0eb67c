"""``module:callable``: code of the user's own, imported because it is named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from splitsim.errors import BadInput


def callable_of(name: str) -> Callable[..., Any]:
    """The callable of a name ``module:callable``.

    Raises:
        BadInput: there is no such module, or nothing callable of that name in it.
    """
    module, _, attribute = name.partition(":")
    try:
        with current_folder():
            found = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        what = " ".join(f"{kind}{error}".split())
        raise BadInput(f"{name}: cannot import {module!r}: {what}") from error
    if not callable(found):
        raise BadInput(f"{name}: {module!r} has no function {attribute!r}")
    return found  # type: ignore[no-any-return]


@contextmanager
def current_folder() -> Iterator[None]:
    """Modules of the current folder can be imported as well."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
