"""Rates of learning for every way of training: four trials each, on the validation part of seed 0.

Each group of subjects (a method and a strategy) tries four rates on its narrowest network and
takes the one that answers most of the validation part rightly, of equal ones that of the least
loss there; the test part is not looked at. Head distillation chooses the rate for heads; two stages
take that one and choose the other rate, so that each way of training has four trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
from methods_plan import SUBJECTS, Job, Rates, Subject, candidates
from methods_train import Row, row_of, train_all

Group = tuple[str, str]
HEAD = ("bottlefit", "head_distillation")


def narrowest() -> list[Subject]:
    """The first subject of each group."""
    first = {one.group: one for one in reversed(SUBJECTS)}
    return [one for one in SUBJECTS if first[one.group] is one]


def choose(work: Path, workers: int) -> dict[Group, Rates]:
    """The rates of every group."""
    alone = [one for one in narrowest() if one.group == HEAD or not one.has_head]
    after = [one for one in narrowest() if one not in alone]
    found = _chosen(_trials(alone, None), work, workers)
    return found | _chosen(_trials(after, found[HEAD].head), work, workers)


def _trials(subjects: Sequence[Subject], head: float | None) -> list[list[Job]]:
    return [[Job(one, 0, rates) for rates in candidates(one, head)] for one in subjects]


def _chosen(trials: Sequence[Sequence[Job]], work: Path, workers: int) -> dict[Group, Rates]:
    train_all([*chain.from_iterable(trials)], work, workers, "rates")
    return {jobs[0].subject.group: best(jobs, work).rates for jobs in trials}


def best(jobs: Sequence[Job], work: Path) -> Job:
    """The trial with most right answers on the validation part; of equal ones the least loss."""
    return max(jobs, key=lambda job: _merit(_whole(job, work)))


def _merit(row: Row) -> tuple[float, float]:
    return row["validation"], -row["validation_loss"]


def _whole(job: Job, work: Path) -> Row:
    row = row_of(work, job)
    assert row is not None, f"{job.name} has been trained"
    return row


def rates_table(work: Path) -> pd.DataFrame:
    """A row per trial; nothing is trained that has been."""
    chosen = choose(work, 1)
    rows = []
    for one in narrowest():
        for rates in candidates(one, chosen[HEAD].head):
            row = _whole(Job(one, 0, rates), work)
            kept = {key: row[key] for key in ("method", "channels", "strategy", "head_lr")}
            kept |= {"tune_lr": row["tune_lr"], "validation": row["validation"]}
            rows.append(kept | {"chosen": rates == chosen[one.group]})
    return pd.DataFrame(rows)
