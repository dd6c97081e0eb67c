"""A progress bar: parts, simulated time, tasks per second, time left."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from splitsim.experiment import Progress


class Bar:
    """Shows an experiment's progress on standard error, where that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.fields[parts]} parts"),
            BarColumn(),
            TextColumn("{task.fields[simulated]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0, parts="", simulated="", speed="")
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Take in how far it is."""
        seconds = time.perf_counter() - self._started
        self._bar.update(
            self._task,
            completed=progress.simulated_s,
            total=progress.to_simulate_s or 1.0,
            parts=f"{progress.parts_done}/{progress.parts}",
            simulated=f"{progress.simulated_s:,.0f}/{progress.to_simulate_s:,.0f} s simulated",
            speed=f"{progress.tasks / seconds:,.0f} tasks/s",
        )
