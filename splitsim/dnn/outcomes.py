"""Outcomes: what a split network sends and answers for every sample, at every cut and loss."""

from __future__ import annotations

import io
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splitsim.csvtable import Table
from splitsim.dnn import cache
from splitsim.dnn.memory import memory
from splitsim.dnn.partition import Cut
from splitsim.dnn.study import Plan, Study
from splitsim.dnn.tables import check_name, model_files, write
from splitsim.errors import BadInput

ANSWER_BYTES = 100  # labels and scores
CACHE = Path(".cache", "outcomes.sqlite")

Progress = Callable[[float], object]
Rows = dict[tuple[float, int], np.ndarray]  # by loss and cut, an array of crossing.ROW


def outcomes(
    plan: Plan,
    out: Path,
    name: str,
    *,
    kept: Path | None = None,
    progress: Progress = lambda _share: None,
) -> Path:
    """Runs a split network over a data set and writes the outcomes table and the model table.

    Args:
        plan: what to run.
        out: a folder of tables; the file it returns is ``outcomes/<name>@<data set>.parquet``.
        name: of the model in tables and scenarios.
        kept: the file of what was computed before; by default in ``.cache`` below ``out``.
        progress: is told which share is done.

    Raises:
        BadInput: see ``Study.of``; or the model table has a profile, and is of another network.
    """
    problems = check_name("--name", name)
    if problems:
        raise BadInput(*problems)
    table = out / "models" / f"{name}.csv"
    profiled = table.is_file() and any((out / "profiles").glob(f"{name}@*.csv"))
    study = Study.of(plan, table if profiled else None)
    study.crossings  # noqa: B018 - what is wrong is told before anything is written
    found = _run(study, out / CACHE if kept is None else kept, progress)
    files = _model(study, found, name, table if profiled else None)
    path = f"outcomes/{name}@{study.data.name}.parquet"
    write(out, {path: _parquet(study, found, name, out / path), **files})
    return out / path


def _run(study: Study, kept: Path, progress: Progress) -> Rows:
    """The rows of all samples; what is not cached is computed batch by batch."""
    found: dict[tuple[float, int], list[np.ndarray]] = {
        (loss, cut.index): [] for loss, cut in product(study.plan.levels, study.chosen)
    }
    total = len(study.starts) * len(study.chosen)
    with study.threads(), cache.Cache(kept) as file:
        for done, (loss_rows, cut) in enumerate(_batches(study, file), start=1):
            for loss, rows in loss_rows.items():
                found[loss, cut.index].append(rows)
            progress(done / total)
    return {key: np.concatenate(rows) for key, rows in found.items()}


def _batches(study: Study, file: cache.Cache) -> Iterator[tuple[Mapping[float, np.ndarray], Cut]]:
    for start in study.starts:
        samples = study.take(start)
        digest = cache.samples_sha256(samples)
        for cut in study.chosen:
            keys = study.keys(start, digest, cut)
            found = {loss: rows for loss, k in keys.items() if (rows := file.get(k)) is not None}
            missing = [loss for loss in keys if loss not in found]
            if missing:
                new = study.crossings[cut.index].rows(samples, start, missing)
                file.put({keys[loss]: rows for loss, rows in new.items()})
                found |= new
            yield found, cut


def _model(study: Study, found: Rows, name: str, table: Path | None) -> dict[str, bytes]:
    """The model table: mean bytes where a cut was run, and counted accuracy."""
    plan = study.plan
    sent = [float(row["wire_bytes"]) for row in Table(table).rows] if table else []
    wire = dict(enumerate(sent))
    wire |= {cut.index: float(found[0.0, cut.index]["bytes"].mean()) for cut in study.chosen}
    old = tomllib.loads(table.with_suffix(".toml").read_text()) if table else {}
    card = {
        "network": name,
        "answer_bytes": ANSWER_BYTES,
        **old,
        "dataset": study.data.name,
        "top1": float(found[0.0, study.chosen[-1].index]["correct"].mean()),
        "top1_basis": "measured",
        "wire_format": f"cut 0: {plan.wire if plan.image == 'none' else plan.image}; "
        f"inner cuts: {plan.wire}; means over the data set",
        "weights_sha256": cache.weights_sha256(study.network.module),
        "source": _source(study),
    }
    sides = memory(study.traced, study.network.example(), study.table)
    return model_files(name, study.table, [wire[cut.index] for cut in study.table], card, sides)


def _source(study: Study) -> str:
    named = study.plan.weights
    weights = f"weights {Path(named).name}" if named else "random weights"
    data = f"{study.data.samples} samples of {study.plan.dataset}"
    return f"{study.plan.network} ({weights}) run over {data} by splitsim outcomes"


def _parquet(study: Study, found: Rows, name: str, path: Path) -> bytes:
    """The outcomes table: a row per loss, cut and sample, in this order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.concatenate([found[key] for key in found])
    samples = study.data.samples
    where = np.array(list(found))
    columns = {
        "sample": np.tile(np.arange(samples), len(found)),
        "cut": np.repeat(where[:, 1].astype(int), samples),
        "loss": np.repeat(where[:, 0], samples),
        **{column: rows[column] for column in rows.dtype.names or ()},
    }
    about = _about(study, name, path)
    table = pa.table({**columns, "correct": rows["correct"].astype(np.int8)})
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), file, compression="zstd")
    return file.getvalue()


def _about(study: Study, name: str, path: Path) -> dict[str, str]:
    """What verifying has to know; files are named from where the table stands."""
    plan: dict[str, Any] = asdict(study.plan)
    if plan["weights"] is not None and Path(plan["weights"]).is_file():
        plan["weights"] = Path(os.path.relpath(plan["weights"], path.parent)).as_posix()
    made = {
        "plan": plan,
        "model": name,
        "weights_sha256": cache.weights_sha256(study.network.module),
        "layers": [cut.name for cut in study.table],
        "torch": torch.__version__,
    }
    return {"source": _source(study), "splitsim": json.dumps(made)}
