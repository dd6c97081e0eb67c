"""Rates of learning for every way of training: four trials each, on the validation part of seed 0.

Each group of subjects (a method and a strategy) tries four rates on its networks of all widths and
takes the one that answers most of the validation part rightly, of equal ones that of the least
loss there; the test part is not looked at. Head distillation chooses the rate for heads; two stages
take that one and choose the other rate, so that each way of training has four trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from methods_plan import SUBJECTS, Job, Rates, candidates
from methods_train import Row, row_of, train_all

Group = tuple[str, str]
Trial = Sequence[Job]  # a rate, over the widths of a group
HEAD = ("bottlefit", "head_distillation")


def groups() -> list[Group]:
    """All of them, in their order."""
    return list(dict.fromkeys(one.group for one in SUBJECTS))


def choose(work: Path, workers: int) -> dict[Group, Rates]:
    """The rates of every group."""
    after = {one.group for one in SUBJECTS if one.has_head} - {HEAD}
    first = {group: trials(group, None) for group in groups() if group not in after}
    found = _chosen(first, work, workers)
    rest = {group: trials(group, found[HEAD].head) for group in groups() if group in after}
    return found | _chosen(rest, work, workers)


def trials(group: Group, head: float | None) -> list[Trial]:
    """What a group tries."""
    own = [one for one in SUBJECTS if one.group == group]
    return [[Job(one, 0, rates) for one in own] for rates in candidates(own[0], head)]


def _chosen(tried: dict[Group, list[Trial]], work: Path, workers: int) -> dict[Group, Rates]:
    every = chain.from_iterable(tried.values())
    train_all([*chain.from_iterable(every)], work, workers, "rates")
    return {group: best(found, work)[0].rates for group, found in tried.items()}


def best(tried: Sequence[Trial], work: Path) -> Trial:
    """The trial with most right answers on the validation part; of equal ones the least loss."""
    return max(tried, key=lambda trial: _merit(trial, work))


def _merit(trial: Trial, work: Path) -> tuple[float, float]:
    rows = [_whole(job, work) for job in trial]
    return _mean(rows, "validation"), -_mean(rows, "validation_loss")


def _mean(rows: Sequence[Row], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _whole(job: Job, work: Path) -> Row:
    row = row_of(work, job)
    assert row is not None, f"{job.name} has been trained"
    return row


def rates_table(work: Path) -> pd.DataFrame:
    """A row per trial and width; nothing is trained that has been."""
    chosen = choose(work, 1)
    rows = []
    for group in groups():
        for job in chain.from_iterable(trials(group, chosen[HEAD].head)):
            row = _whole(job, work)
            keys = ("method", "channels", "strategy", "head_lr", "tune_lr", "validation")
            kept = {key: row[key] for key in keys}
            rows.append(kept | {"chosen": job.rates == chosen[group]})
    return pd.DataFrame(rows)
