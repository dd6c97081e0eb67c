"""Tables that fit the terminal: what matters least is left out where there is no room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

ENDLESS = 100_000  # columns of a terminal that has room for everything


def fitting(
    console: Console,
    names: Sequence[str],
    spare: Sequence[str],
    build: Callable[[Sequence[str]], Table],
) -> Table:
    """A table with as many columns as the console has room for, and a word on the others.

    Args:
        console: what it will be printed on.
        names: of the columns that may be left out or in, in order.
        spare: those that may be left out, the first ones first.
        build: makes the table of some of the columns.
    """
    left = [name for name in spare if name in names]
    for count in range(len(left) + 1):
        table = build([name for name in names if name not in left[:count]])
        if _width(table) <= console.width:
            break
    if count:
        table.caption = f"{count} more column{'s' * (count > 1)} in a wider terminal"
        table.caption_justify = "left"
    return table


def _width(table: Table) -> int:
    console = Console(width=ENDLESS)
    return console.measure(table).maximum
