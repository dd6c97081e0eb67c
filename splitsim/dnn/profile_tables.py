"""The tables of a profiled network: times by cut, recorded runs, batch latencies, their card."""

from __future__ import annotations

import io
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from splitsim.csvtable import Table
from splitsim.dnn.machine import machine, memory_bytes
from splitsim.dnn.partition import Cut
from splitsim.dnn.profile import Measured, Plan
from splitsim.dnn.tables import as_csv, as_toml, model_files
from splitsim.dnn.zoo import LoadedModel
from splitsim.entries import TIMES, Hardware
from splitsim.errors import BadInput

ANSWER_BYTES = 100  # labels and scores
QUANTILES = (5, 25, 75, 95)
BRANCHES = ("exit_s", "exit_basis")
SPREAD = ("head", "tail")  # the steps whose quantiles are in the profile
WATTS = (
    *("idle_w", "compute_w", "idle_basis", "compute_basis"),
    *("memory_bytes", "measuring_point", "source"),
)
NOT_ANSWERED = (
    "top1 is chance, for nothing was answered: splitsim outcomes counts answers, and means of "
    "bytes over a data set. answer_bytes is assumed."
)


def profile_files(
    name: str, hardware: Hardware, model: LoadedModel, plan: Plan, measured: Measured, note: str
) -> dict[str, bytes]:
    """All that tells of the times, by paths below the tables' folder.

    Args:
        name: of the model.
        hardware: on which it was measured, with the watts that its table has.
        model: that was measured.
        plan: what was measured.
        measured: what came out.
        note: what else there is to say.
    """
    card = _card(hardware, model, plan, measured, note)
    stem = f"{name}@{hardware.name}"
    return {
        f"profiles/{stem}.csv": _profile(measured, _source(card)),
        f"profiles/{stem}.toml": as_toml(card),
        f"profiles/{stem}.runs.parquet": _runs(measured),
        f"batches/{stem}.csv": _batches(measured),
    }


def network_files(
    name: str, folder: Path, model: LoadedModel, measured: Measured
) -> dict[str, bytes]:
    """The model table, unless there is one that counted answers, or that nobody profiled made.

    Raises:
        BadInput: there is one with other cuts.
    """
    check_cuts(name, folder, measured.cuts)
    path = folder / "models" / f"{name}.toml"
    if path.is_file() and "splitsim profile" not in tomllib.loads(path.read_text()).get(
        "source", ""
    ):
        return {}
    card = {
        "network": name,
        "top1": round(1 / model.classes, 6) if model.classes else 0.0,
        "top1_basis": "assumed",
        "wire_format": f"{measured.formats.told}; of one sample",
        "answer_bytes": ANSWER_BYTES,
        "source": f"{model.name}, cut, counted and coded by splitsim profile",
        "notes": NOT_ANSWERED,
    }
    sides, exits = measured.memory, measured.exits
    return model_files(name, measured.cuts, measured.wire_bytes, card, sides, exits)


def check_cuts(name: str, folder: Path, cuts: Sequence[Cut]) -> None:
    """A model has one list of cuts, whatever was measured of it.

    Raises:
        BadInput: the model's table has another.
    """
    path = folder / "models" / f"{name}.csv"
    if not path.is_file():
        return
    known = [row.get("layer") for row in Table(path).rows]
    if known != [cut.name for cut in cuts]:
        what = "has other cuts than are to be measured"
        raise BadInput(f"{path}: {what}; take these (no --cuts), or call the model another --name")


def hardware_file(
    folder: Path, hardware: Hardware, measured: Measured, device: str
) -> dict[str, bytes]:
    """``hardware.csv`` with a row of this hardware, if there is something to say.

    There is, where watts were measured, or nobody knows the hardware.

    Args:
        folder: of the tables.
        hardware: as it is known so far.
        measured: on it.
        device: ``cpu`` or ``cuda``: whose memory is meant.
    """
    path = folder / "hardware.csv"
    power = measured.power
    if power is None and (hardware.has_watts or hardware.memory_bytes < math.inf):
        return {}
    table = Table(path) if path.is_file() else None
    header = dict.fromkeys(["hardware", *(table.header if table else ()), *WATTS])
    rows = [row for row in (table.rows if table else ()) if row["hardware"] != hardware.name]
    row: dict[str, object] = {"hardware": hardware.name, "source": "splitsim profile"}
    row["memory_bytes"] = memory_bytes(device)
    if power is not None:
        row |= {"idle_w": f"{power.idle_w:.3f}", "compute_w": f"{power.increment_w:.3f}"}
        row |= {"idle_basis": "measured", "compute_basis": "measured"}
        row["measuring_point"] = f"{power.point}, by {power.meter}"
    every: list[Mapping[str, object]] = [*rows, row]
    return {"hardware.csv": as_csv(list(header), [[r.get(k, "") for k in header] for r in every])}


def _card(
    hardware: Hardware, model: LoadedModel, plan: Plan, measured: Measured, note: str
) -> dict[str, object]:
    power = measured.power
    watts: dict[str, object] = {}
    if power is not None:
        watts = {"power_w": power.increment_w, "power_basis": "measured"}
        watts["measuring_point"] = f"{power.point}, by {power.meter}"
    elif hardware.has_watts:
        watts = {"power_w": hardware.compute_w, "power_basis": "published"}
        watts["measuring_point"] = hardware.measuring_point
    whole_s = float(np.median(measured.whole_s))
    return {
        "measured_by": "splitsim profile",
        "model": model.name,
        "device": plan.device,
        "threads": plan.threads,
        "batch": plan.batch,
        "runs": plan.runs,
        **measured.formats.texts,
        **machine(plan.device),
        "whole_s": round(whole_s, 9),
        "marked_s": round(measured.marked_s, 9),
        "p95_over_p50": round(measured.spread, 3),
        **watts,
        **({"note": note} if note else {}),
    }


def _source(card: Mapping[str, object]) -> str:
    threads = f"{card['threads']} thread" + "s" * (card["threads"] != 1)
    shared = ", virtual machine" if card["virtual_machine"] else ""
    runs = f"medians of {card['runs']} runs on {card['date']}"
    return (
        f"splitsim profile: {card['processor']}{shared}, {threads}, torch {card['torch']}, {runs}"
    )


def _profile(measured: Measured, source: str) -> bytes:
    quantiles = [f"{step}_p{q:02d}_s" for step in SPREAD for q in QUANTILES]
    steps = [column for step in TIMES for column in (f"{step}_s", f"{step}_basis")]
    energy = ["energy_j"] * (measured.power is not None)
    exits = BRANCHES if measured.exits_s else ()
    header = ["cut", *steps, *exits, *quantiles, *energy, "source"]
    return as_csv(header, _profile_rows(measured, source))


def _profile_rows(measured: Measured, source: str) -> Iterator[list[object]]:
    at = [TIMES.index(step) for step in SPREAD]
    spread_s = np.quantile(measured.runs_s, np.array(QUANTILES) / 100, axis=0)[:, at]
    increment_w = measured.power.increment_w if measured.power else None
    for cut in range(len(measured.cuts)):
        times_s = measured.median_s[:, cut]
        cells: list[object] = [cut]
        for seconds in times_s:
            cells += [_text(seconds), "measured"]
        cells += _exit_cells(measured, cut)
        cells += map(_text, spread_s[:, :, cut].T.ravel())
        if increment_w is not None:
            cells.append(f"{max(increment_w, 0.0) * times_s[:3].sum():.6g}")
        yield [*cells, source]


def _exit_cells(measured: Measured, cut: int) -> list[str]:
    """Of the branch at a cut, empty where there is none; no cells at all without exits."""
    if cut in measured.exits_s:
        return [_text(float(np.median(measured.exits_s[cut]))), "measured"]
    return ["", ""] if measured.exits_s else []


def _runs(measured: Measured) -> bytes:
    """A row per run and cut, in this order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    runs, _, cuts = measured.runs_s.shape
    numbers = {"run": np.repeat(np.arange(runs), cuts), "cut": np.tile(np.arange(cuts), runs)}
    columns = {key: pa.array(values.astype(np.int32)) for key, values in numbers.items()}
    columns |= {f"{s}_s": pa.array(measured.runs_s[:, n].ravel()) for n, s in enumerate(TIMES)}
    if measured.exits_s:
        none = np.full(runs, np.nan)
        exits_s = np.column_stack([measured.exits_s.get(cut, none) for cut in range(cuts)])
        columns["exit_s"] = pa.array(exits_s.ravel(), from_pandas=True)  # null where there is none
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()


def _batches(measured: Measured) -> bytes:
    """The whole network's latency by batch size: seconds of a whole batch."""
    header = ["batch", "median_s", *(f"p{q:02d}_s" for q in QUANTILES)]
    points = [0.5, *(q / 100 for q in QUANTILES)]
    rows = [
        [size, *map(_text, np.quantile(seconds, points))]
        for size, seconds in measured.batches_s.items()
    ]
    return as_csv(header, rows)


def _text(seconds: float) -> str:
    """To the nanosecond."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".")
