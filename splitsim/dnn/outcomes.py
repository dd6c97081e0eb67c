"""Outcomes: what a split network sends and answers for every sample, at every cut and level."""

from __future__ import annotations

import io
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from splitsim.csvtable import Table
from splitsim.dnn import cache
from splitsim.dnn.answers import EXIT, NONE, OWN
from splitsim.dnn.bottlenecks.base import notes
from splitsim.dnn.crossing import Level
from splitsim.dnn.exits import counts
from splitsim.dnn.formats import check_formats
from splitsim.dnn.memory import memory
from splitsim.dnn.networks import is_file
from splitsim.dnn.partition import Cut
from splitsim.dnn.profile_tables import NOT_ANSWERED
from splitsim.dnn.study import Plan, Study
from splitsim.dnn.tables import check_name, model_files, write
from splitsim.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

ANSWER_BYTES = 100  # labels and scores
CACHE = Path(".cache", "outcomes.sqlite")

Progress = Callable[[float], object]
Rows = dict[tuple[Level, int], np.ndarray]  # by level of the link and cut, an array of ROW


def outcomes(
    plan: Plan,
    out: Path,
    name: str,
    *,
    kept: Path | None = None,
    progress: Progress = lambda _share: None,
    say: Callable[[str], object] = lambda _line: None,
) -> Path:
    """Runs a split network over a data set and writes the outcomes table and the model table.

    Args:
        plan: what to run.
        out: a folder of tables; the file it returns is ``outcomes/<name>@<data set>.parquet``.
        name: of the model in tables and scenarios.
        kept: the file of what was computed before; by default in ``.cache`` below ``out``.
        progress: is told which share is done.
        say: is told what else there is to know.

    Raises:
        BadInput: see ``Study.of``; or the model table has a profile, and is of another network, or
            was made with another wire format.
    """
    problems = check_name("--name", name)
    if problems:
        raise BadInput(*problems)
    table = out / "models" / f"{name}.csv"
    profiled = table.is_file() and any((out / "profiles").glob(f"{name}@*.csv"))
    study = Study.of(plan, table if profiled else None)
    study.crossings  # noqa: B018 - what is wrong is told before anything is written
    path = f"outcomes/{name}@{study.data.name}.parquet"
    check_formats(out, name, study.formats, but=out / path)
    for note in notes(study.network):
        say(f"{study.network.name}: {note}")
    found = _run(study, out / CACHE if kept is None else kept, progress)
    files = _model(study, found, name, table if profiled else None)
    write(out, {path: _parquet(study, found, name, out / path), **files})
    return out / path


def _run(study: Study, kept: Path, progress: Progress) -> Rows:
    """The rows of all samples; what is not cached is computed batch by batch."""
    found: dict[tuple[Level, int], list[np.ndarray]] = {
        (level, cut.index): []
        for level, cut in product(study.plan.levels, study.chosen)
        if level in study.levels(cut)
    }
    total = len(study.starts) * len(study.chosen)
    with study.threads(), cache.Cache(kept) as file:
        for done, (level_rows, cut) in enumerate(_batches(study, file), start=1):
            for level, rows in level_rows.items():
                found[level, cut.index].append(rows)
            progress(done / total)
    return {key: np.concatenate(rows) for key, rows in found.items()}


def _batches(study: Study, file: cache.Cache) -> Iterator[tuple[Mapping[Level, np.ndarray], Cut]]:
    for start in study.starts:
        samples = study.take(start)
        digest = cache.samples_sha256(samples)
        for cut in study.chosen:
            keys = study.keys(start, digest, cut)
            found = {level: rows for level, k in keys.items() if (rows := file.get(k)) is not None}
            missing = [level for level in keys if level not in found]
            if missing:
                new = study.crossings[cut.index].rows(samples, start, missing)
                file.put({keys[level]: rows for level, rows in new.items()})
                found |= new
            yield found, cut


def _model(study: Study, found: Rows, name: str, table: Path | None) -> dict[str, bytes]:
    """The model table: mean bytes where a cut was run, and counted accuracy."""
    places = study.table
    sent = [float(row["wire_bytes"]) for row in Table(table).rows] if table else []
    wire = dict(enumerate(sent))
    wire |= {cut.index: float(found[Level(), cut.index]["bytes"].mean()) for cut in study.chosen}
    old = _kept(table) if table else {}
    card = {
        "network": name,
        "answer_bytes": ANSWER_BYTES,
        **old,
        "dataset": study.data.name,
        "top1": float(found[Level(), study.chosen[-1].index]["correct"].mean()),
        "top1_basis": "measured",
        "wire_format": f"{study.formats.told}; means over the data set",
        "weights_sha256": cache.weights_sha256(study.network.module),
        "source": _source(study),
    }
    sides = memory(study.traced, study.network.example(), places, study.branches)
    exits = counts(study.branches, places)
    return model_files(name, places, [wire[cut.index] for cut in places], card, sides, exits)


def _kept(table: Path) -> dict[str, Any]:
    """What a model's card said before; that nothing was answered is no longer so."""
    card = tomllib.loads(table.with_suffix(".toml").read_text())
    return {k: v for k, v in card.items() if k != "notes" or v != NOT_ANSWERED}


def _source(study: Study) -> str:
    named, file = study.plan.weights, is_file(study.plan.network)
    weights = f"weights {Path(named).name}" if named else "random weights"
    weights = "new layers with random weights" if file and not named else weights
    network = Path(study.plan.network).name
    data = f"{study.data.samples} samples of {study.plan.dataset}"
    return f"{network} ({weights}) run over {data} by splitsim outcomes"


def _parquet(study: Study, found: Rows, name: str, path: Path) -> bytes:
    """The outcomes table: a row per level, cut and sample, in this order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, samples = np.concatenate(list(found.values())), study.data.samples
    snrs = np.repeat([math.nan if at.snr_db is None else at.snr_db for at, _ in found], samples)
    symbols = ~np.isnan(snrs)
    columns = {
        "sample": np.tile(np.arange(samples), len(found)),
        "cut": np.repeat([cut for _, cut in found], samples),
        "loss": pa.array(np.repeat([at.loss for at, _ in found], samples), mask=symbols),
        **({"snr_db": pa.array(snrs, mask=~symbols)} if symbols.any() else {}),
        **{column: rows[column] for column in OWN},
        **(_exits(rows) if study.branches else {}),
    }
    about = _about(study, name, path)
    table = pa.table({**columns, "correct": rows["correct"].astype(np.int8)})
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), file, compression="zstd")
    return file.getvalue()


def _exits(rows: np.ndarray) -> dict[str, pa.Array]:
    """What the branches answer; null at cuts without one."""
    import pyarrow as pa

    none = rows["exit_prediction"] == NONE
    values = {column: rows[column] for column in EXIT}
    values["exit_correct"] = values["exit_correct"].astype(np.int8)
    return {column: pa.array(numbers, mask=none) for column, numbers in values.items()}


def _about(study: Study, name: str, path: Path) -> dict[str, str]:
    """What verifying has to know; files are named from where the table stands."""
    plan: dict[str, Any] = asdict(study.plan)
    network = Path(study.plan.network) if is_file(study.plan.network) else None
    if plan["weights"] is not None and Path(plan["weights"]).is_file():
        plan["weights"] = _from(path, plan["weights"])
    if network is not None:
        plan["network"] = _from(path, network)
    made = {
        "plan": plan,
        "formats": study.formats.texts,
        "model": name,
        "network_sha256": None if network is None else cache.file_sha256(network),
        "weights_sha256": cache.weights_sha256(study.network.module),
        "layers": [cut.name for cut in study.table],
        "torch": torch.__version__,
    }
    return {"source": _source(study), "splitsim": json.dumps(made)}


def _from(path: Path, file: str | Path) -> str:
    """Where a file is, seen from the folder of another."""
    return Path(os.path.relpath(file, path.parent)).as_posix()
