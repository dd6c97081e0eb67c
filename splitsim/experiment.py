"""An experiment: points x policies x seeds, in parallel, resumable, and nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import pickle
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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from splitsim.folder import failure_note, note_growth, note_run, prepare
from splitsim.parts import PartName, write_part
from splitsim.results import Results
from splitsim.scenario import LoadedScenario
from splitsim.scenario.explain import blame
from splitsim.simulation import simulate

TICK_S = 0.2  # how often progress is looked at
GUARD = "in a script, call run() below \"if __name__ == '__main__':\", or with jobs=1"


@dataclass(frozen=True)
class Progress:
    """How far an experiment is."""

    parts: int
    parts_done: int
    simulated_s: float
    to_simulate_s: float
    tasks: int


def run(
    scenario: LoadedScenario,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    resume: bool = False,
    table_uncertainty: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """Simulate every part of a scenario that is not there yet, and summarise.

    Args:
        scenario: from ``load_scenario``.
        out: the results folder; by default a new one under ``results/<name>/``.
        jobs: processes; by default as many as there are processors.
        resume: go on in a folder that an earlier run of the same scenario left.
        table_uncertainty: simulate everything again under so many shifts of the tables, in
            ``shifts/`` of the folder; by default as many as an earlier run asked for.
        progress: told how far it is, a few times a second.

    Returns:
        The results. Parts that failed are missing; ``failed/`` in the folder says why.

    Raises:
        BadInput: the folder cannot be used, or so many shifts cannot be made.
        KeyboardInterrupt: interrupted; finished parts are kept.
        RuntimeError: no processes can be started.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f"a process that run() starts would call it again; {GUARD}")
    folder = prepare(scenario, out, resume=resume, table_uncertainty=table_uncertainty)
    return simulate_missing(scenario, folder, jobs, progress)


def simulate_missing(
    scenario: LoadedScenario,
    folder: Path,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Results:
    """What ``run`` does once the folder is prepared."""
    names = [
        PartName(spec.point, policy, seed, shift)
        for shift in range(Results(folder).shifts + 1)
        for spec in scenario.points
        for policy in scenario.policies
        for seed in scenario.seeds
    ]
    missing = [name for name in names if not name.is_whole(folder)]
    _Runner(scenario, folder, missing, len(names), progress).run(jobs or os.cpu_count() or 1)
    results = Results(folder)
    results.write_summary()
    note_growth(folder, results.summary_rows)
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

    scenario: LoadedScenario
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
            spec = self.scenario.spec(name.point, name.shift)
            part = simulate(spec, name.policy, name.seed, progress)
            write_part(self.folder, name, part)
        except _Stopped:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other parts go on
            why = f"{blame(error)}\n\n{traceback.format_exc()}"
            return time.perf_counter() - started, why
        progress(spec.scenario.duration_s, len(part.tasks))
        return time.perf_counter() - started, None


_bench: list[_Bench] = []  # of a worker process; a pool's initialiser has no other place for it


def _open_worker(luggage: Path, board: _Board) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and no worker outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    scenario, folder, names = pickle.loads(luggage.read_bytes())  # noqa: S301 - our own
    _bench.append(_Bench(scenario, folder, names, board))


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
        self._bench = _Bench(scenario, folder, missing, self._board)
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
            note_run(self._folder, started, time.perf_counter() - began, jobs, self._walls)

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
        # Through a file: a child that dies before it has read all that its parent writes into
        # a pipe would leave the parent waiting for ever.
        with TemporaryDirectory(prefix="splitsim-") as name:
            luggage, bench = Path(name) / "bench.pickle", self._bench
            luggage.write_bytes(pickle.dumps((bench.scenario, bench.folder, bench.names)))
            opening = (_open_worker, (luggage, self._board))
            self._serve(ProcessPoolExecutor(jobs, context, *opening), parts)

    def _serve(self, processes: ProcessPoolExecutor, parts: list[int]) -> None:
        with processes as pool:
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
        note = failure_note(self._folder, self._missing[n])
        self._walls[str(self._missing[n])] = wall_s
        self._done += 1
        if failure is not None:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(failure, encoding="utf-8")
        else:
            note.unlink(missing_ok=True)

    def _tell(self) -> None:
        if self._progress is not None:
            done = self._parts - len(self._missing) + self._done
            seconds, tasks = sum(self._board.seconds), sum(self._board.tasks)
            self._progress(Progress(self._parts, done, seconds, self._to_simulate_s, tasks))
