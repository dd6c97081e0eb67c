"""The results folder around its parts: made, recognised, and what its manifest says."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from splitsim.basis import OptionRow, option_rows
from splitsim.errors import BadInput
from splitsim.parts import SHIFTS, PartName, home, whole, write_rows
from splitsim.results import Results
from splitsim.scenario import LoadedScenario, Spec
from splitsim.scenario.cells import replays
from splitsim.scenario.document import dump, listed
from splitsim.scenario.schema import MOST
from splitsim.simulation import channel
from splitsim.system.cell import WAYS

FAILED = "failed"
TIMELINE_S = 60.0  # length of the report's time line
TIMELINE_STEP_S = 0.1
LIBRARIES = ("splitsim", "numpy", "scipy", "simpy", "pyarrow", "pandas", "plotly", "pydantic")


@dataclass
class ChannelRow:
    """A moment of the time line: mean rates over one step."""

    point: int
    seed: int
    device: str
    time_s: float
    uplink_bps: float
    downlink_bps: float


def failures(folder: Path) -> dict[str, str]:
    """The parts that failed, and why: the first lines of their notes."""
    notes = [
        *sorted((folder / FAILED).glob("*.txt")),
        *sorted((folder / SHIFTS).glob(f"*/{FAILED}/*.txt")),
    ]
    return {_part_of(note, folder): _first_line(note) for note in notes}


def failure_note(folder: Path, name: PartName) -> Path:
    """Where it stands why a part failed."""
    return home(folder, name.shift) / FAILED / f"{name.stem}.txt"


def _part_of(note: Path, folder: Path) -> str:
    """A part's name, from where its note stands."""
    return (note.relative_to(folder).parent.parent / note.stem).as_posix()


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0]


def prepare(
    scenario: LoadedScenario,
    out: str | Path | None,
    *,
    resume: bool,
    table_uncertainty: int | None = None,
) -> Path:
    """Make the results folder, with everything in it that is known before the first part.

    Without ``table_uncertainty`` a folder keeps the shifts it has, and none is taken away.
    """
    shifts = _shifts(table_uncertainty)
    folder = Path(out) if out is not None else _new_folder(Path("results") / scenario.name)
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder}: is a file; give a folder as --out")
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            _check_occupied(scenario, folder, resume=resume)
        _open_folder(scenario, folder)
        _ask_for_shifts(folder, shifts)
    except OSError as error:
        why = f"{error.strerror or error}; give another --out"
        raise BadInput(f"{folder}: cannot be used as a results folder: {why}") from error
    return folder


def _shifts(wanted: int | None) -> int:
    if wanted is None:
        return 0
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted < MOST:
        what = f"must be a whole number from 1 to {MOST - 1:,}, not {wanted!r}"
        raise BadInput(f"table_uncertainty: {what}")
    return wanted


def _ask_for_shifts(folder: Path, shifts: int) -> None:
    manifest = dict(Results(folder).manifest)
    if shifts > manifest.get("shifts", 0):
        _write(folder / "manifest.json", _json(manifest | {"shifts": shifts}))


def _new_folder(parent: Path) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    tries = (parent / (stamp + suffix) for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(folder for folder in tries if not folder.exists())


def _open_folder(scenario: LoadedScenario, folder: Path) -> None:
    """Write what is not there yet; the manifest comes first, so that a killed run can go on."""
    _write_once(folder / "manifest.json", _json(_manifest(scenario)))
    _write_once(folder / "scenario.yaml", scenario.text)
    _write_once(folder / "resolved.yaml", dump(json.loads(json.dumps(scenario.resolved))))
    for spec in scenario.points:
        name = f"p{spec.point:04d}.parquet"
        if not (folder / "channels" / name).exists():
            write_rows(folder / "channels" / name, ChannelRow, _channels(spec))
        if not (folder / "options" / name).exists():
            write_rows(folder / "options" / name, OptionRow, option_rows(spec, scenario.tables))


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _channels(spec: Spec) -> list[ChannelRow]:
    """The time line of the first device with the first seed, from the end of the warm-up on."""
    group = spec.scenario.devices[0]
    name = f"{group.name}-0"
    ways = [channel(spec, group, name, 0, way) for way in WAYS]
    start_s, length_s = spec.scenario.counted_s, _timeline_s(spec)
    step_s = TIMELINE_STEP_S * max(length_s / TIMELINE_S, 1.0)
    times_s = [start_s + n * step_s for n in range(math.ceil(length_s / step_s))]
    return [
        ChannelRow(spec.point, 0, name, at, *(way.mean(at, at + step_s) for way in ways))
        for at in times_s
    ]


def _timeline_s(spec: Spec) -> float:
    """How long the time line is: a while, or the whole run where conditions change."""
    scenario = spec.scenario
    if scenario.is_terminating:
        return scenario.duration_s
    return min(TIMELINE_S, scenario.duration_s - scenario.counted_s)


def _check_occupied(scenario: LoadedScenario, folder: Path, *, resume: bool) -> None:
    if not resume:
        raise BadInput(f"{folder}: is not empty; give another --out, or --resume to go on in it")
    manifest = Results(folder).manifest
    if manifest["scenario_sha256"] != _scenario_hash(scenario):
        raise BadInput(
            f"{folder}: holds results of another scenario; give another --out, "
            f"or the scenario and --set that {folder / 'resolved.yaml'} shows"
        )
    known = set(manifest["files"].values())
    changed = [path for path, digest in _file_hashes(scenario).items() if digest not in known]
    if changed:
        raise BadInput(
            f"{folder}: was made with other tables, {listed(changed)} changed since; "
            "give another --out"
        )


def _manifest(scenario: LoadedScenario) -> dict[str, Any]:
    """What the results rest on."""
    return {
        "scenario": scenario.name,
        "scenario_sha256": _scenario_hash(scenario),
        "parts": len(scenario.points) * len(scenario.policies) * len(scenario.seeds),
        "shifts": 0,
        "policies": list(scenario.policies),
        "seeds": len(scenario.seeds),
        "points": [
            {
                "swept": dict(spec.swept),
                "duration_s": spec.scenario.duration_s,
                "warmup_s": spec.scenario.counted_s,
                "phases_s": spec.scenario.phases_s,
                "timeline_s": _timeline_s(spec),
                "events": [event._asdict() for event in spec.scenario.events],
            }
            for spec in scenario.points
        ],
        "files": _file_hashes(scenario),
        "replayed": _replayed(scenario),
        "provenance": list(scenario.tables.provenance),
        "fits": [asdict(fit) for fit in scenario.fits],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "runs": [],
        "wall_s": {},
    }


def _replayed(scenario: LoadedScenario) -> list[str]:
    """Recordings that every seed replays in the same way: intervals are conditional on them."""
    cells = (cell for spec in scenario.points for cell in spec.scenario.cells.values())
    same = (replay for cell in cells for _, replay in replays(cell) if replay.conditional)
    return sorted({name for replay in same for name in replay.names})


def _scenario_hash(scenario: LoadedScenario) -> str:
    text = json.dumps(scenario.resolved, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_hashes(scenario: LoadedScenario) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in scenario.files}


def note_run(
    folder: Path, started: datetime, wall_s: float, jobs: int, walls: dict[str, float]
) -> None:
    """Add to the manifest when, where and how long."""
    manifest = dict(Results(folder).manifest)
    run_note = {
        "started": started.isoformat(timespec="seconds"),
        "host": platform.node(),
        "jobs": jobs,
        "wall_s": round(wall_s, 3),
    }
    manifest["runs"] = [*manifest["runs"], run_note]
    manifest["wall_s"] = manifest["wall_s"] | {name: round(s, 3) for name, s in walls.items()}
    _write(folder / "manifest.json", _json(manifest))


def note_growth(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the manifest which queues grow without bound, by point and policy."""
    keys = ("point", "policy", "grows", "unstable_seeds")
    growth = [{key: row[key] for key in keys} for row in rows if not row["stable"]]
    _write(folder / "manifest.json", _json({**Results(folder).manifest, "unstable": growth}))


def _json(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1) + "\n"
