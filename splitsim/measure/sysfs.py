"""Files of the kernel with one value each, read so that what is wrong with them is told."""

from __future__ import annotations

import math
from pathlib import Path

from splitsim.csvtable import reason
from splitsim.errors import BadInput

SYS = Path("/sys")


def text(path: Path) -> str:
    """What a file says.

    Raises:
        BadInput: it may not or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except PermissionError:
        remedy = f"until the next boot: sudo chmod a+r {path}"
        raise BadInput(f"{path}: you may not read it; allow it {remedy}") from None
    except FileNotFoundError:
        raise BadInput(f"{path}: is not there (any more); is the driver still loaded?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {reason(error)}; choose another meter") from error


def number(path: Path) -> float:
    """The number in a file.

    Raises:
        BadInput: it cannot be read, or holds no number.
    """
    content = text(path)
    try:
        value = float(content)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(f"{path}: must be a number, not {content!r}; choose another meter")
    return value


def check_numbers(*paths: Path) -> None:
    """Tell of all files at once that hold no number or cannot be read."""
    problems: list[str] = []
    for path in paths:
        try:
            number(path)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(*problems)


def named(folder: Path, pattern: str, name: str) -> list[Path]:
    """Folders like ``pattern`` whose file ``name`` is there, in order."""
    return sorted(found for found in folder.glob(pattern) if (found / name).exists())
