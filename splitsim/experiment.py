"""An experiment: points x policies x seeds, in parallel, resumable, and nothing lost."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import platform
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from splitsim.document import dump, listed
from splitsim.errors import BadInput
from splitsim.explain import blame
from splitsim.parts import PartName, whole, write_part, write_rows
from splitsim.results import Results
from splitsim.scenario import LoadedScenario, Spec
from splitsim.simulation import channel, simulate

TICK_S = 0.2  # how often progress is looked at
TIMELINE_S = 60.0  # length of the report's time line
TIMELINE_STEP_S = 0.1
GUARD = "in a script, call run() below \"if __name__ == '__main__':\", or with jobs=1"
LIBRARIES = ("splitsim", "numpy", "scipy", "simpy", "pyarrow", "pandas", "plotly", "pydantic")


@dataclass(frozen=True)
class Progress:
    """How far an experiment is."""

    parts: int
    parts_done: int
    simulated_s: float
    to_simulate_s: float
    tasks: int


@dataclass
class ChannelRow:
    """A moment of the time line: mean rates over one step."""

    point: int
    seed: int
    device: str
    time_s: float
    uplink_bps: float
    downlink_bps: float


def run(
    scenario: LoadedScenario,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """Simulate every part of a scenario that is not there yet, and summarise.

    Args:
        scenario: from ``load_scenario``.
        out: the results folder; by default a new one under ``results/<name>/``.
        jobs: processes; by default as many as there are processors.
        resume: go on in a folder that an earlier run of the same scenario left.
        progress: told how far it is, a few times a second.

    Returns:
        The results. Parts that failed are missing; ``failed/`` in the folder says why.

    Raises:
        BadInput: the folder cannot be used.
        KeyboardInterrupt: interrupted; finished parts are kept.
        RuntimeError: no processes can be started.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f"a process that run() starts would call it again; {GUARD}")
    return simulate_missing(scenario, prepare(scenario, out, resume=resume), jobs, progress)


def simulate_missing(
    scenario: LoadedScenario,
    folder: Path,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """What ``run`` does once the folder is prepared."""
    names = [
        PartName(spec.point, policy, seed)
        for spec in scenario.points
        for policy in scenario.policies
        for seed in scenario.seeds
    ]
    missing = [name for name in names if not name.is_whole(folder)]
    _Runner(scenario, folder, missing, len(names), progress).run(jobs or os.cpu_count() or 1)
    results = Results(folder)
    results.write_summary()
    return results


class _Stopped(Exception):
    """The experiment was interrupted while this part was simulated."""


class _Board:
    """What the parts being simulated say of themselves, shared between processes.

    ``begun[n]``, ``seconds[n]`` and ``tasks[n]`` are of part n; ``stop`` asks everybody to leave
    off. Nothing has a lock, which a process that dies would keep.
    """

    def __init__(self, parts: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.begun = context.Array("b", max(parts, 1), lock=False)
        self.seconds = context.Array("d", max(parts, 1), lock=False)
        self.tasks = context.Array("q", max(parts, 1), lock=False)
        self.stop = context.Value("b", 0, lock=False)


@dataclass
class _Bench:
    """Where parts are made: what a process needs for it."""

    specs: Sequence[Spec]
    folder: Path
    names: Sequence[PartName]
    board: _Board

    def make(self, n: int) -> tuple[float, str | None]:
        """Simulate and write part n; its wall time, and why it failed if it did."""
        name, started = self.names[n], time.perf_counter()
        self.board.begun[n] = 1

        def progress(now_s: float, tasks: int) -> None:
            self.board.seconds[n], self.board.tasks[n] = now_s, tasks
            if self.board.stop.value:
                raise _Stopped

        try:
            part = simulate(self.specs[name.point], name.policy, name.seed, progress)
            write_part(self.folder, name, part)
        except _Stopped:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other parts go on
            why = f"{blame(error)}\n\n{traceback.format_exc()}"
            return time.perf_counter() - started, why
        progress(self.specs[name.point].scenario.duration_s, len(part.tasks))
        return time.perf_counter() - started, None


_bench: list[_Bench] = []  # of a worker process; a pool's initialiser has no other place for it


def _open_worker(bench: _Bench) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and no worker outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    _bench.append(bench)


def _leave_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _make(n: int) -> tuple[float, str | None]:
    return _bench[0].make(n)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold Ctrl-C back; processes started meanwhile never see it, not even while they load."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Runner:
    """Has the missing parts made, here or by other processes."""

    def __init__(
        self,
        scenario: LoadedScenario,
        folder: Path,
        missing: Sequence[PartName],
        parts: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._folder = folder
        self._missing = missing
        self._parts = parts
        self._progress = progress
        self._board = _Board(len(missing))
        self._bench = _Bench(scenario.points, folder, missing, self._board)
        self._to_simulate_s = sum(scenario.points[n.point].scenario.duration_s for n in missing)
        self._done = 0
        self._walls: dict[str, float] = {}

    def run(self, jobs: int) -> None:
        """Make them; what is finished when interrupted is kept."""
        started, began = datetime.now(UTC), time.perf_counter()
        try:
            if min(jobs, len(self._missing)) > 1:
                self._in_processes(min(jobs, len(self._missing)))
            else:
                self._here()
        finally:
            _note_run(self._folder, started, time.perf_counter() - began, jobs, self._walls)

    def _here(self) -> None:
        ticking = threading.Event()
        ticker = threading.Thread(target=self._tick_until, args=(ticking,), daemon=True)
        ticker.start()
        try:
            for n in range(len(self._missing)):
                self._finished(n, *self._bench.make(n))
        finally:
            ticking.set()
            ticker.join()

    def _tick_until(self, over: threading.Event) -> None:
        while not over.wait(TICK_S):
            self._tell()
        self._tell()

    def _in_processes(self, jobs: int) -> None:
        """If a process dies, what was being simulated then is tried again, each part alone."""
        left = list(range(len(self._missing)))
        while left:
            try:
                self._in_pool(min(jobs, len(left)), left)
            except BrokenProcessPool as error:
                left = [n for n in left if not self._missing[n].is_whole(self._folder)]
                lost = [n for n in left if self._board.begun[n]]
                if not lost:
                    raise RuntimeError(f"no process could be started; {GUARD}") from error
                for n in lost:
                    self._alone(n)
                left = [n for n in left if n not in lost]

    def _alone(self, n: int) -> None:
        try:
            self._in_pool(1, [n])
        except BrokenProcessPool:
            self._finished(n, 0.0, "the process that simulated it died (out of memory?)")

    def _in_pool(self, jobs: int, parts: list[int]) -> None:
        """Have parts made by processes; those that are finished leave the list."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, _open_worker, (self._bench,)) as pool:
            try:
                with _interrupts_wait():
                    waiting = {pool.submit(_make, n): n for n in parts}
                while waiting:
                    self._collect(waiting)
                    parts[:] = waiting.values()
            except BrokenProcessPool:
                raise
            except BaseException:
                self._board.stop.value = 1
                pool.shutdown(cancel_futures=True)
                raise

    def _collect(self, waiting: dict[Future[tuple[float, str | None]], int]) -> None:
        done, _ = wait(waiting, TICK_S, FIRST_COMPLETED)
        for future in done:
            self._finished(waiting.pop(future), *future.result())
        self._tell()

    def _finished(self, n: int, wall_s: float, failure: str | None) -> None:
        name = str(self._missing[n])
        self._walls[name] = wall_s
        self._done += 1
        note = self._folder / "failed" / f"{name}.txt"
        if failure is not None:
            note.parent.mkdir(exist_ok=True)
            note.write_text(failure, encoding="utf-8")
        else:
            note.unlink(missing_ok=True)

    def _tell(self) -> None:
        if self._progress is not None:
            done = self._parts - len(self._missing) + self._done
            seconds, tasks = sum(self._board.seconds), sum(self._board.tasks)
            self._progress(Progress(self._parts, done, seconds, self._to_simulate_s, tasks))


def failures(folder: Path) -> dict[str, str]:
    """The parts that failed, and why: the first lines of their notes."""
    notes = sorted((folder / "failed").glob("*.txt"))
    return {note.stem: note.read_text(encoding="utf-8").partition("\n")[0] for note in notes}


def prepare(scenario: LoadedScenario, out: str | Path | None, *, resume: bool) -> Path:
    """Make the results folder, with everything in it that is known before the first part."""
    folder = Path(out) if out is not None else _new_folder(Path("results") / scenario.name)
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder}: is a file; give a folder as --out")
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            _check_occupied(scenario, folder, resume=resume)
        _open_folder(scenario, folder)
    except OSError as error:
        why = f"{error.strerror or error}; give another --out"
        raise BadInput(f"{folder}: cannot be used as a results folder: {why}") from error
    return folder


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
        path = folder / "channels" / f"p{spec.point:04d}.parquet"
        if not path.exists():
            write_rows(path, ChannelRow, _channels(spec))


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _channels(spec: Spec) -> list[ChannelRow]:
    """The time line of the first device with the first seed, from the end of the warm-up."""
    group = spec.scenario.devices[0]
    name = f"{group.name}-0"
    ways = [channel(spec, group, name, 0, way) for way in ("uplink", "downlink")]
    start_s = spec.scenario.warmup_s
    steps = math.ceil(min(TIMELINE_S, spec.scenario.duration_s - start_s) / TIMELINE_STEP_S)
    times_s = [start_s + n * TIMELINE_STEP_S for n in range(steps)]
    return [
        ChannelRow(spec.point, 0, name, at, *(way.mean(at, at + TIMELINE_STEP_S) for way in ways))
        for at in times_s
    ]


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
        "policies": list(scenario.policies),
        "seeds": len(scenario.seeds),
        "points": [
            {
                "swept": dict(spec.swept),
                "duration_s": spec.scenario.duration_s,
                "warmup_s": spec.scenario.warmup_s,
            }
            for spec in scenario.points
        ],
        "files": _file_hashes(scenario),
        "provenance": list(scenario.provenance),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "runs": [],
        "wall_s": {},
    }


def _scenario_hash(scenario: LoadedScenario) -> str:
    text = json.dumps(scenario.resolved, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_hashes(scenario: LoadedScenario) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in scenario.files}


def _note_run(
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


def _json(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1) + "\n"
