"""Trainings of the study of methods: one in a process, many beside one another, none twice."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from methods_plan import EXITS, TEACHER, Job

from splitsim.cli.share import ShareBar
from splitsim.csvtable import Table
from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.message import Header
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.tables import write
from splitsim.dnn.training.recipe import load_recipe
from splitsim.dnn.training.train import Trained, train
from splitsim.dnn.wire import Wire

Row = dict[str, Any]
ROW = "row.json"  # is written last: where it lies, a training is whole
RANGE_BYTES = 8  # the least and the greatest value, in messages of codes
WITHOUT_RANGE = ("float32", "spikes")
CUT, CONFIDENCE = "layer2", 0.9  # where a network with exits is split, and when it leaves


def folder_of(work: Path, job: Job) -> Path:
    """A seed's folder of tables."""
    return work / f"seed{job.seed}"


def row_of(work: Path, job: Job) -> Row | None:
    """What came of a training; None if it is not whole."""
    path = folder_of(work, job) / "training" / job.name / ROW
    return json.loads(path.read_text()) if path.is_file() else None


def train_all(jobs: Sequence[Job], work: Path, workers: int, what: str) -> list[Row]:
    """The rows of some trainings; those that are not there are done."""
    missing = [job for job in jobs if row_of(work, job) is None]
    started = partial(ProcessPoolExecutor, workers, mp_context=get_context("spawn"))
    with ShareBar(what) as bar, started() as pool:
        running = {pool.submit(train_one, job, work): job for job in missing}
        for future in as_completed(running):
            future.result()
            done = sum(one.done() for one in running)
            bar.show(done / len(running), running[future].name)
    return [row for job in jobs if (row := row_of(work, job)) is not None]


def train_one(job: Job, work: Path) -> None:
    """A training from its recipe to its row."""
    out, started_s = folder_of(work, job), time.process_time()
    recipe = load_recipe(job.recipe, job.overrides)
    trained = train(recipe, out, seed=job.seed, resume=True, report=False)
    told = {
        "method": job.subject.method,
        "channels": job.subject.channels,
        "strategy": job.subject.strategy,
        "seed": job.seed,
        "head_lr": job.rates.head,
        "tune_lr": job.rates.tune,
        **_sizes(job, trained),
        **_answers(job, trained),
        "validation": trained.history[-1].validation_accuracy,
        "validation_loss": trained.history[-1].validation_loss,
        "cpu_s": time.process_time() - started_s,
    }
    write(trained.folder, {ROW: json.dumps(told).encode()})


def _sizes(job: Job, trained: Trained) -> Row:
    """Multiply-accumulates and parameters; payload and message where there is a bottleneck."""
    *_, whole = every = cuts(trained.network.module, trained.network.example())
    found: Row = {"params": whole.params, "macs": whole.macs}
    if job.subject.strategy in (EXITS, TEACHER.strategy):
        return found
    narrow = find(every, BOTTLENECK)
    bits = (torch.arange(narrow.elements) % 2).float()  # every format carries them
    message = Wire.parse(str(trained.network.wire)).encode(bits.view(narrow.shapes[0]))
    header = Header.read(message)[1]
    ranges = 0 if trained.network.wire in WITHOUT_RANGE else RANGE_BYTES
    return found | {
        "head_macs": narrow.macs,
        "head_params": narrow.params,
        "elements": narrow.elements,
        "overhead_bytes": header + ranges,
    }


def _answers(job: Job, trained: Trained) -> Row:
    """Accuracy, mean bytes, and which of the test samples were right."""
    rows = pq.read_table(trained.outcomes).to_pandas()
    if job.subject.strategy == EXITS:
        return _early(trained, rows)
    last = TEACHER.strategy == job.subject.strategy
    at = rows[rows.cut == (rows.cut.max() if last else _cut(trained, BOTTLENECK))]
    if "snr_db" in rows:
        at = at[at.snr_db.notna()]  # at the one SNR it was trained for
    right = at.sort_values("sample")["correct"].to_numpy()
    sent = None if last or "snr_db" in rows else float(at["bytes"].mean())
    return {"top1": float(right.mean()), "message_bytes": sent, "right": right.tolist()}


def _early(trained: Trained, rows: Any) -> Row:
    """A network with exits, split at a cut: who is sure at an exit before it sends nothing."""
    table, end = _model_table(trained), _cut(trained, CUT)
    right, sent = (_of_cut(rows, end, column) for column in ("correct", "bytes"))
    macs, gone, spent = np.zeros(len(right)), np.zeros(len(right), bool), 0.0
    for at in (n for n, row in enumerate(table) if row["exit_macs"] and n <= end):
        macs[~gone] = float(table[at]["macs"]) + (spent := spent + float(table[at]["exit_macs"]))
        leaves = ~gone & (_of_cut(rows, at, "exit_confidence") >= CONFIDENCE)
        right[leaves], sent[leaves] = _of_cut(rows, at, "exit_correct")[leaves], 0
        gone |= leaves
    macs[~gone] = float(table[end]["macs"]) + spent
    costs = {"message_bytes": float(sent.mean()), "head_macs": float(macs.mean())}
    return {"top1": float(right.mean()), **costs, "right": right.tolist()}


def _of_cut(rows: Any, cut: int, column: str) -> np.ndarray:
    return rows[rows.cut == cut].sort_values("sample")[column].to_numpy(float)


def _cut(trained: Trained, name: str) -> int:
    return next(n for n, row in enumerate(_model_table(trained)) if row["layer"] == name)


def _model_table(trained: Trained) -> Sequence[Mapping[str, str]]:
    return Table(trained.folder.parents[1] / "models" / f"{trained.name}.csv").rows
