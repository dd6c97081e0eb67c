"""Where traces lie that were fetched: a cache of the user's, or a folder that holds them already.

Both are laid out alike, ``DATASET/FILE``. Nothing here reaches for a network.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from splitsim.errors import BadInput
from splitsim.profiles import shipped

HELD = "SPLITSIM_TRACES"  # names a folder that holds the public traces
CACHE = "SPLITSIM_CACHE"  # names the cache, instead of the platform's


def cache_folder(environment: Mapping[str, str] | None = None, platform: str | None = None) -> Path:
    """Where fetched traces are kept: ``$SPLITSIM_CACHE``, or where the platform keeps caches.

    Args:
        environment: by default that of this process.
        platform: as ``sys.platform`` spells it; by default this one.
    """
    environment = os.environ if environment is None else environment
    if own := environment.get(CACHE):
        return Path(own).expanduser() / "traces"
    return _caches(environment, platform or sys.platform) / "splitsim" / "traces"


def _caches(environment: Mapping[str, str], platform: str) -> Path:
    home = Path.home()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if platform == "darwin":
        return home / "Library" / "Caches"
    # The XDG specification has a relative path ignored.
    given = Path(environment.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else home / ".cache"


def held_folder() -> Path | None:
    """The folder that ``$SPLITSIM_TRACES`` names, if it does.

    Raises:
        BadInput: it is no folder.
    """
    named = os.environ.get(HELD)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise BadInput(f"{HELD}: there is no folder {named!r}; correct or unset the variable")
    return folder


@lru_cache
def public() -> dict[str, Any]:
    """What the catalogue says of the data sets that can be fetched, by name."""
    return tomllib.loads((shipped() / "datasets.toml").read_text(encoding="utf-8"))


def origin(path: Path) -> str:
    """What is known of where a trace comes from: its data set, or the first line it begins with."""
    known = public().get(path.parent.name)
    if known and path.parent.parent in folders():
        return f"{known['title']}. {known['citation']}"
    if path.parent == shipped() / "channels" and path.suffix != ".csv":
        return "Shipped with splitsim; traces/README.md says how it was made."
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline().strip()
    return first.lstrip("# ") if first.startswith("#") else "Its file does not say."


def folders() -> list[Path]:
    """Where a fetched trace may lie, in the order in which they are looked at."""
    held = held_folder()
    return [*([] if held is None else [held]), cache_folder()]


def fetched(name: str) -> Path | None:
    """The file of a fetched trace.

    Args:
        name: ``DATASET/FILE``, or ``FILE`` alone if one data set only has it.

    Returns:
        Where it is; None where it is not.

    Raises:
        BadInput: several data sets have a file of this name.
    """
    parts = PurePosixPath(name).parts
    if len(parts) not in {1, 2} or parts[0] == "/" or ".." in parts:
        return None
    for folder in folders():
        found = list(_in_folder(folder, parts))
        if len(found) > 1:
            names = " and ".join(path.relative_to(folder).as_posix() for path in found)
            raise BadInput(f"{name}: {folder} has {names}; name one of them")
        if found:
            return found[0]
    return None


def _in_folder(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    if not folder.is_dir():
        return
    homes = [folder] if len(parts) == 2 else sorted(p for p in folder.iterdir() if p.is_dir())
    for home in homes:
        path = home.joinpath(*parts)
        if path.is_file():
            yield path
