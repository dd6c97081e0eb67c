"""Dynamic batching: requests for the same part of the same model are computed together."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, Count, NonNegative, Positive
from splitsim.csvtable import Table
from splitsim.system.clock import Clock
from splitsim.system.disciplines.crew import Crew
from splitsim.system.disciplines.meter import Meter
from splitsim.system.disciplines.reactive import Reactive, Site
from splitsim.system.disciplines.waiting import Other
from splitsim.system.stations import Group, Job

SLACK = 1e-12  # of a throughput, which rounding may let fall


class BatchTable(Component):
    """Latency of a batch by its size: ``relative`` to a batch of one, or ``latency_s``.

    Seconds count relative to those of one, whose time is the profile's. Sizes begin with 1, and
    each is at most twice the one before; between them latency is linear. Or a measured ``file``
    with columns ``batch`` and ``median_s``, beside the scenario or in ``batches/`` of the tables,
    as ``splitsim profile`` writes it: no larger batch is taken to need less time than a smaller.
    """

    batch: Sequence[Count] = ()
    relative: Sequence[Positive] | None = None
    latency_s: Sequence[Positive] | None = None
    file: str | None = None

    _sizes: Sequence[int] = PrivateAttr()
    _values: Sequence[float] = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        if [self.relative, self.latency_s, self.file].count(None) != 2:
            raise ValueError("must have one of relative, latency_s and file")
        if self.file is not None and self.batch:
            raise ValueError("the file says which sizes there are; leave out batch")
        if self.file is not None:
            find: Callable[..., Path] = (info.context or {}).get("find_path", _as_it_is)
            self._sizes, self._values = _measured(find(self.file, "batches"))
        else:
            self._sizes, self._values = self.batch, self.latency_s or self.relative or ()
        _check_sizes(self._sizes, self._values)
        return self

    def factors(self, largest: int) -> list[float]:
        """How long batches of 1, 2, ... take, in batches of one."""
        sizes = np.arange(1, largest + 1)
        found: list[float] = np.interp(sizes, self._sizes, self._values).tolist()
        return [factor / self._values[0] for factor in found]

    def problem(self, largest: int) -> str | None:
        """Why it is no table for batches of up to some size, if it is none."""
        if (last := self._sizes[-1]) < largest:
            remedy = f"add sizes up to {largest}, or make largest {last}"
            return f"ends at a batch of {last}, and largest is {largest}; {remedy}"
        factors = self.factors(largest)
        for size, (one, other) in enumerate(pairwise(factors), 2):
            if other < one:
                what = f"a batch of {size} takes less time than one of {size - 1}"
                return f"{what}; give it as much at least"
            if size / other < (size - 1) / one * (1 - SLACK):
                what = f"a batch of {size} brings less throughput than one of {size - 1}"
                return f"{what}; make largest {size - 1}"
        return None


def _as_it_is(file: str, _: str) -> Path:
    return Path(file)


def _measured(path: Path) -> tuple[list[int], list[float]]:
    """Sizes and seconds of a file."""
    with Table(path).check_columns("batch", "median_s") as table:
        sizes = [table.count(row, "batch") for row in table.rows]
        medians_s = [table.number(row, "median_s") for row in table.rows]
    return sizes, np.maximum.accumulate(medians_s).tolist()


def _check_sizes(sizes: Sequence[int], values: Sequence[float]) -> None:
    if len(sizes) != len(values):
        raise ValueError(f"{len(sizes)} batch but {len(values)} latencies")
    if not sizes or sizes[0] != 1:
        raise ValueError(f"batch must begin with 1{f', not {sizes[0]}' if sizes else ''}")
    if not values[0] > 0:
        raise ValueError("a batch of 1 must take some time")
    for a, b in pairwise(sizes):
        if b <= a:
            raise ValueError("batch must rise")
        if b > 2 * a:
            raise ValueError(
                f"batch has a hole between {a} and {b}: each may be at most twice the one "
                f"before; add {2 * a}"
            )


class BatchingDiscipline(Component):
    """Batches of up to ``largest`` requests for the same cut of the same model.

    A worker that is free takes the group whose oldest request came first, among those that are
    ready: with ``largest`` requests, or with one that has waited for ``longest_wait_s``. A batch
    takes ``table`` times the mean of what its members would take alone; ``tables`` are those of
    single models. Others' jobs are computed one by one.
    """

    kind: Literal["batching"]
    largest: Count
    longest_wait_s: NonNegative = 0.0
    table: BatchTable
    tables: Mapping[str, BatchTable] = {}

    knows: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _suffice(self) -> Self:
        every = {"table": self.table} | {f"tables.{n}": t for n, t in self.tables.items()}
        found = {name: table.problem(self.largest) for name, table in every.items()}
        problems = [f"{name}: {what}" for name, what in found.items() if what]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def station(self, clock: Clock, site: Site) -> Reactive:
        """The running station."""
        return Batching(clock, site, self)

    def gain(self) -> float:
        """Work done by a worker per second, at full speed, if all batches are the largest."""
        tables = (self.table, *self.tables.values())
        return min(self.largest / table.factors(self.largest)[-1] for table in tables)


class Batching(Reactive):
    """Batches are made when a worker is free.

    A task costs at most three events: its end, and an alarm each for its batch's becoming ready
    and for a worker's becoming free.
    """

    def __init__(self, clock: Clock, site: Site, spec: BatchingDiscipline) -> None:
        super().__init__(clock, site)
        self._crew = Crew(site)
        self._spec = spec
        self._factors = {name: t.factors(spec.largest) for name, t in spec.tables.items()}
        self._usual = spec.table.factors(spec.largest)
        self._groups: dict[Group, Line] = {}
        self._come = 0
        self._waiting = 0
        self._waiting_s = 0.0

    def wait_s(self) -> float:
        """How long a job would wait that comes now, if all that wait went in largest batches."""
        now = self._clock.now
        self._catch_up(now)
        waiting_s = self._waiting_s / self._spec.gain() if self._waiting else 0.0
        return self._crew.wait_s(now, waiting_s)

    def _is_full(self) -> bool:
        return self._waiting >= self._site.queue_limit and not (
            self._crew.is_idle and self._waiting == 0
        )

    def _enter(self, now_s: float, job: Job | Other) -> None:
        line = self._groups.get(job.group)
        if line is None:
            alone = job.group is None
            most = 1 if alone else self._spec.largest
            line = self._groups[job.group] = Line(most, 0.0 if alone else self._spec.longest_wait_s)
        job.held = True
        line.add(self._come, job)
        self._come += 1
        self._waiting += 1
        self._waiting_s += job.work
        self._serve(now_s)

    def _lapse(self, job: Job) -> None:
        self._groups[job.group].died(job)
        self._left(job)
        self._gave_up += 1
        self._settle(job)

    def _change_s(self) -> float:
        """A worker's being through or, with one idle, a group's being ready."""
        if not (self._crew.is_idle and self._waiting):
            return self._crew.next_s
        ready_s = min(line.ready_s() for line in self._groups.values())
        return min(ready_s, self._crew.next_s)

    def _change(self, now_s: float) -> None:
        while self._crew.next_s <= now_s:
            shift = self._crew.end()
            self._account(shift.began_s, shift.end_s, shift.tasks, cut=shift.cut)
        self._serve(now_s)

    def _read(self, meter: Meter, time_s: float) -> None:
        self._crew.read(meter, time_s)

    def _in_service(self) -> int:
        return self._crew.tasks

    def _serve(self, now_s: float) -> None:
        while self._crew.is_idle and self._waiting:
            ready = [line for line in self._groups.values() if line.ready_s() <= now_s]
            if not ready:
                return
            self._begin(now_s, min(ready, key=Line.oldest).take())

    def _begin(self, now_s: float, batch: Sequence[Job | Other]) -> None:
        group, tasks = batch[0].group, [job for job in batch if isinstance(job, Job)]
        factors = self._factors.get(group[0], self._usual) if group else [1.0]
        work_s = factors[len(batch) - 1] * (sum(job.work for job in batch) / len(batch))
        patience_s = max((job.give_up_s for job in tasks), default=math.inf)
        until_s = patience_s if self._aborts else math.inf
        shift = self._crew.begin(now_s, group, work_s, len(tasks), until_s)
        for job in batch:
            self._left(job)
        for job in tasks:
            job.start_s = now_s
            if not shift.cut and shift.end_s <= job.give_up_s:
                job.end_s = shift.end_s
            self._settle(job)
            self._patience.died()

    def _left(self, job: Job | Other) -> None:
        job.held = False
        self._waiting -= 1
        self._waiting_s -= job.work
        if isinstance(job, Job):
            self._tasks -= 1


class Line:
    """The requests of one group, by arrival.

    Args:
        most: of them in a batch.
        longest_s: after which the oldest waits no more for others.
    """

    def __init__(self, most: int, longest_s: float) -> None:
        self._most = most
        self._longest_s = longest_s
        self._jobs: deque[tuple[int, Job | Other]] = deque()
        self._alive = 0

    def add(self, number: int, job: Job | Other) -> None:
        """The last to come; numbers rise in the order of arrival at the server."""
        self._jobs.append((number, job))
        self._alive += 1

    def died(self, job: Job | Other) -> None:
        """One gave up."""
        job.held = False
        self._alive -= 1
        self._tidy()

    def oldest(self) -> int:
        """The number of the first, who is there."""
        return self._jobs[0][0]

    def ready_s(self) -> float:
        """From when on a batch can be made; inf: nobody is there."""
        if not self._jobs:
            return math.inf
        return 0.0 if self._alive >= self._most else self._jobs[0][1].arrived_s + self._longest_s

    def take(self) -> list[Job | Other]:
        """A batch."""
        batch: list[Job | Other] = []
        while self._jobs and len(batch) < self._most:
            _, job = self._jobs.popleft()
            if job.held:
                batch.append(job)
        self._alive -= len(batch)
        self._tidy()
        return batch

    def _tidy(self) -> None:
        while self._jobs and not self._jobs[0][1].held:
            self._jobs.popleft()
