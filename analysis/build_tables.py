"""Build the tables of ``traces/`` from the published figures in ``traces/published/``.

    python analysis/build_tables.py           writes every table
    python analysis/build_tables.py --check   exits with 1 if a committed table differs, or if one
                                              lies in models/ or profiles/ that nobody makes;
                                              what was measured has a card that says so

What is built, and from what, stands in the modules of ``analysis/tables/``; each has a function
``tables()`` that returns the text of its files by their paths below ``traces/``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tables import fits, furcifer, power, radios, splinter, students, times
from tables.source import TRACES

MAKERS = (students, times, fits, power, radios, furcifer, splinter)
GENERATED = ("models", "profiles")  # folders in which every file is made here, or measured
MEASURED = re.compile(r"splitsim (profile|outcomes|count)")


def texts() -> dict[str, str]:
    """The text of every generated file, by its path below ``traces/``."""
    return {name: text for maker in MAKERS for name, text in maker.tables().items()}


def differs(name: str, text: str) -> bool:
    path = TRACES / name
    return not path.is_file() or path.read_bytes() != text.encode()


def is_measured(path: Path) -> bool:
    """Whether the card of a table says that one of our own commands measured it."""
    stem = path.name.removesuffix(path.suffix).removesuffix(".runs")
    card = path.with_name(f"{stem}.toml")
    return card.is_file() and bool(MEASURED.search(card.read_text(encoding="utf-8")))


def orphans(made: Collection[str]) -> list[str]:
    """Files of the generated folders that no module makes, and that were not measured."""
    found = (path for folder in GENERATED for path in (TRACES / folder).glob("*"))
    paths = (path for path in found if not is_measured(path))
    return sorted({path.relative_to(TRACES).as_posix() for path in paths} - set(made))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the tables of traces/.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if one differs")
    check = parser.parse_args(arguments).check
    made = texts()
    stale = {name: text for name, text in made.items() if differs(name, text)}
    lost = orphans(made)
    for name, text in stale.items():
        print(f"{'differs' if check else 'written'}: traces/{name}")
        if not check:
            (TRACES / name).parent.mkdir(parents=True, exist_ok=True)
            (TRACES / name).write_bytes(text.encode())
    for name in lost:
        print(f"nobody makes: traces/{name}")
    return int(check and bool(stale or lost))


if __name__ == "__main__":
    sys.exit(main())
