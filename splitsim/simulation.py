"""One part of an experiment: ``simulate(spec, policy, seed)``, a pure function to tables."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat

import numpy as np

from splitsim.accounts import Part, Whose, device_row, server_row
from splitsim.cells import cell_row
from splitsim.luck import Luck
from splitsim.policies.base import Policy
from splitsim.rng import endless, stream
from splitsim.scenario import PolicySpec, Spec
from splitsim.steps import Steps
from splitsim.system.cell import WAYS, Cell, Way
from splitsim.system.clock import Clock
from splitsim.system.device import Device
from splitsim.system.group import DeviceSpec
from splitsim.system.happened import device_events
from splitsim.system.life import arrivals
from splitsim.system.server import Server
from splitsim.task import Record
from splitsim.view import Options
from splitsim.world.around import Around
from splitsim.world.latency import draws_s
from splitsim.world.presence import when_s

SLICES = 100  # how often progress is reported


def simulate(
    spec: Spec, policy: str, seed: int, progress: Callable[[float, int], None] | None = None
) -> Part:
    """Simulate one policy at one point with one seed.

    Args:
        spec: the point.
        policy: the name of one of its policies.
        seed: the replication.
        progress: told the simulated time and the tasks created so far, now and then.
    """
    chosen = next(p for p in spec.scenario.policies if p.name == policy)
    with _no_garbage():
        world = _World(spec, chosen, seed)
        world.run(progress)
        return world.part()


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Without the search for reference cycles: a task's life makes none, and rows are many."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _World:
    """Everything that runs in one simulation."""

    def __init__(self, spec: Spec, policy: PolicySpec, seed: int) -> None:
        self._spec = spec
        self._policy = policy
        self._seed = seed
        self._scenario = spec.scenario
        self._horizon_s = self._scenario.duration_s + self._scenario.drain_s
        self._tasks: list[Record] = []
        self._shared: Policy | None = None
        self.clock = Clock()
        self._servers = [
            Server(
                *(self.clock, name, server, seed),
                hardware=spec.server_hardware[name],
                tail_bytes=spec.tail_bytes,
            )
            for name, server in self._scenario.servers.items()
        ]
        self._cells = {
            name: Cell(self.clock, name, cell) for name, cell in self._scenario.cells.items()
        }
        self._options = {group.name: spec.device_options(group) for group in self._scenario.devices}
        members = [(group, n) for group in self._scenario.devices for n in range(group.count)]
        self._devices = [self._device(index, group, n) for index, (group, n) in enumerate(members)]

    def run(self, progress: Callable[[float, int], None] | None) -> None:
        """Simulate until the last task has ended."""
        for server in self._servers:
            self.clock.spawn(server.reporting(self._horizon_s))
        others = len(self._devices)
        for cell in self._cells.values():
            for life in cell.crowd(self._seed, others, self._horizon_s, self._is_over):
                self.clock.spawn(life)
            others += cell.crowd_size
        for device in self._devices:
            times = device.spec.arrivals.times(stream(self._seed, "arrivals", device.name))
            create = partial(self._create, device)
            self.clock.spawn(arrivals(device, times, self._scenario.duration_s, create))
        if progress is not None:
            for n in range(1, SLICES):
                self.clock.run(until=self._scenario.duration_s * n / SLICES)
                progress(self.clock.now, len(self._tasks))
        self.clock.run()

    def _is_over(self) -> bool:
        """Whether all tasks there will be have ended."""
        is_late = self.clock.now >= self._scenario.duration_s
        return is_late and not any(device.in_flight for device in self._devices)

    def part(self) -> Part:
        """Settle the accounts."""
        duration_s = self._scenario.duration_s
        left_s = max((record.left_s or 0.0 for record in self._tasks), default=0.0)
        end_s = max(duration_s, left_s, *(d.busy_until_s for d in self._devices))
        whose, span = Whose(self._spec.point, self._policy.name, self._seed), (duration_s, end_s)
        cells = self._cells.values()
        return Part(
            self._tasks,
            [device_row(whose, device, *span) for device in self._devices],
            [server_row(whose, server, *span) for server in self._servers],
            [cell_row(whose, cell, way, *span) for cell in cells for way in WAYS],
            [row for device in self._devices for row in device_events(device, end_s, *whose)],
        )

    def _create(self, device: Device, task: int) -> Record:
        record = Record()
        record.point, record.policy, record.seed = self._spec.point, self._policy.name, self._seed
        record.device, record.task = device.name, task
        record.compute_j = device.board.no_j
        device.created += 1
        self._tasks.append(record)
        return record

    def _device(self, index: int, group: DeviceSpec, member: int) -> Device:
        name = f"{group.name}-{member}"
        cell = self._cells[group.cell]
        options = self._options[group.name]
        uplink, downlink = (
            cell.link(way, channel(self._spec, group, name, self._seed, way), index) for way in WAYS
        )
        return Device(
            self.clock,
            index,
            name,
            group,
            cell.spec,
            hardware=self._spec.hardware[group.name],
            options=options,
            policy=self._instance(options, name),
            servers=self._servers,
            uplink=uplink,
            downlink=downlink,
            around=around(self._spec, group, name, self._seed, "uplink"),
            luck=self._luck(group, name),
            horizon_s=self._horizon_s,
            join_s=when_s(group.join_s, "join", self._seed, name, 0.0),
            leave_s=when_s(group.leave_s, "leave", self._seed, name, math.inf),
        )

    def _instance(self, options: Options, device: str) -> Policy:
        """A fresh policy for each device, or one for all if its class says ``shared``."""
        if self._shared is not None:
            return self._shared
        policy = self._policy.make(self._spec.folder)
        policy.reset(options, stream(self._seed, "policy", device))
        if getattr(policy, "shared", False):
            self._shared = policy
        return policy

    def _luck(self, group: DeviceSpec, name: str) -> Iterator[Luck]:
        samples = self._samples(stream(self._seed, "sample", name))
        heads = group.service.factors(stream(self._seed, "head", name))
        tails = [
            server.spec.service.factors(stream(self._seed, "tail", f"{server.name}/{name}"))
            for server in self._servers
        ]
        # None of them ends; without servers there are no tails.
        each = zip(*tails, strict=False) if tails else repeat(())
        latency_s = self._scenario.cells[group.cell].latency_s
        ups, downs = (draws_s(latency_s, stream(self._seed, f"{w}-latency", name)) for w in WAYS)
        return map(Luck, samples, heads, each, ups, downs)

    def _samples(self, rng: np.random.Generator) -> Iterator[int]:
        """Samples of the data set, at random; without one it is always the only one."""
        count = self._spec.samples
        return endless(lambda size: rng.integers(count, size=size)) if count > 1 else repeat(0)


def around(spec: Spec, group: DeviceSpec, device: str, seed: int, way: Way) -> Around:
    """What the channel of a device depends on."""
    path = None
    if group.mobility is not None:
        path = group.mobility.path(partial(stream, seed, "mobility", device))
    return Around(seed, device, way, group.cell, path, spec.scenario.cells[group.cell].geometry)


def channel(spec: Spec, group: DeviceSpec, device: str, seed: int, way: Way) -> Steps:
    """The rate of a device alone, in a direction: a function of the world alone."""
    return spec.scenario.cells[group.cell].rate(around(spec, group, device, seed, way))
