"""Verifying: the real split network, run again on some tasks of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from splitsim.dnn.finished import Run, Task
from splitsim.dnn.study import Study
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Check:
    """A task's row, and what the real network sent and answered for its sample."""

    part: str
    device: str
    task: int
    option: str
    sample: int
    row_bytes: float
    row_correct: float
    real_bytes: int
    real_correct: bool

    @property
    def agrees(self) -> bool:
        """Whether bytes and answer are the same."""
        return self.row_bytes == self.real_bytes and self.row_correct == self.real_correct


def verify(
    folder: Path,
    tasks: int = 20,
    *,
    seed: int = 0,
    weights: Path | None = None,
    source: str | None = None,
    progress: Callable[[float], object] = lambda _share: None,
) -> list[Check]:
    """Runs the real split network again for some tasks, drawn at random among those done.

    Args:
        folder: of results.
        tasks: how many.
        seed: of the draw; another one draws others.
        weights: a state-dict file, if it is not where it was.
        source: of the data set, if it is not where it was.
        progress: is told which share is done.

    Raises:
        BadInput: the run has no outcomes table, or what it rests on is no longer there.
    """
    run = Run(folder)
    drawn = sorted(run.draw(tasks, seed), key=lambda task: task.model)
    checks: list[Check] = []
    for model, group in groupby(drawn, key=lambda task: task.model):
        study = run.tables[model].study(weights, source)
        own = list(group)
        wrong = [t for t in own if not 0 <= t.row["sample"] < study.data.samples]
        if wrong:
            what = f"sample {wrong[0].row['sample']} is none of {study.data.source}"
            raise BadInput(f"{folder}: part {wrong[0].part}: {what}")
        for check in _checks(study, own):
            checks.append(check)
            progress(len(checks) / len(drawn))
    return checks


def _checks(study: Study, tasks: Sequence[Task]) -> Iterator[Check]:
    """Whole batches are computed as they were: the last bits of tensors depend on them."""

    def batch(task: Task) -> tuple[int, int, int]:
        return task.batch(study)

    with study.threads():
        for (cut, start, number), group in groupby(sorted(tasks, key=batch), key=batch):
            level = study.plan.levels[number]
            rows = study.crossings[cut].rows(study.take(start), start, [level])[level]
            yield from (_check(task, rows[task.sample - start]) for task in group)


def _check(task: Task, real: np.void) -> Check:
    row = task.row
    return Check(
        part=str(task.part),
        device=str(row["device"]),
        task=int(row["task"]),
        option=str(row["option"]),
        sample=task.sample,
        row_bytes=float(row["sent_bytes"]),
        row_correct=float(row["correct"]),
        real_bytes=0 if task.exited else int(real["bytes"]),
        real_correct=bool(real["exit_correct" if task.exited else "correct"]),
    )
