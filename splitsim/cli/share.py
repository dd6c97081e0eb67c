"""A progress bar of one piece of work, and lines for standard error."""

from __future__ import annotations

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class ShareBar:
    """Shows which share of a piece of work is done on standard error, if that is a terminal."""

    def __init__(self, what: str) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=1.0, text="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, share: float, text: str = "") -> None:
        """Take in how much is done, from 0 to 1, and what there is to say of it."""
        self._bar.update(self._task, completed=share, text=text)


def complain(line: str) -> None:
    """A warning, unwrapped."""
    print(line, file=sys.stderr)
