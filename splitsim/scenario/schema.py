"""What a scenario file may say, and what is left of it once it is read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from splitsim.component import Component, Count, Name, NonNegative, Positive
from splitsim.entries import Fit, Hardware, Radio
from splitsim.exits import Exits
from splitsim.options import options
from splitsim.policies.base import Policy
from splitsim.policies.kinds import policy_class
from splitsim.profiles import Tables
from splitsim.scenario.changes import Event, events, phases_s
from splitsim.scenario.document import Path_
from splitsim.system.cell import CellSpec
from splitsim.system.group import DeviceSpec
from splitsim.system.server import ServerSpec
from splitsim.task import Option
from splitsim.view import Options

MOST = 10_000  # points, and seeds: parts are numbered with four digits


class PolicySpec(Component):
    """A policy: its name, its kind, and the parameters of its class."""

    model_config = ConfigDict(extra="allow")

    name: Name
    kind: str

    def make(self, folder: Path) -> Policy:
        """A fresh instance."""
        return policy_class(self.kind, folder)(**(self.model_extra or {}))


class Scenario(Component):
    """A scenario file, at one point of its sweep.

    Arrivals stop at ``duration_s``; then the system drains for at most ``drain_s``. Tasks
    created before ``warmup_s`` are simulated and kept, but not summarised; where conditions
    change, there is no steady state to warm up to, and all tasks count. ``seeds`` is the
    number of replications. ``tables`` are folders of your own laid out like ``traces/``. With a
    ``dataset`` each task is a real sample: its bytes and answer are what the models gave for it.
    With ``exits`` models that have some may end tasks early: an option per threshold.
    """

    name: Name
    duration_s: Positive
    warmup_s: NonNegative = 0.0
    drain_s: NonNegative = 60.0
    seeds: Annotated[Count, Field(le=MOST)] = 1
    models: Annotated[Sequence[str], Field(min_length=1)]
    dataset: str | None = None
    exits: Exits | None = None
    tables: Sequence[str] = ()
    devices: Annotated[Sequence[DeviceSpec], Field(min_length=1)]
    cells: Annotated[Mapping[Name, CellSpec], Field(min_length=1)]
    servers: Mapping[Name, ServerSpec] = {}
    policies: Annotated[Sequence[PolicySpec], Field(min_length=1)]
    sweep: Mapping[str, Annotated[Sequence[Any], Field(min_length=1)]] = {}

    @property
    def phases_s(self) -> list[float]:
        """Where phases begin and end, between changes; nothing where conditions stay the same."""
        return phases_s(self, self.devices, self.duration_s)

    @property
    def is_terminating(self) -> bool:
        """Whether conditions change, so that the run is no sample of a steady state."""
        return bool(self.phases_s)

    @property
    def counted_s(self) -> float:
        """From when on tasks count."""
        return 0.0 if self.is_terminating else self.warmup_s

    @property
    def events(self) -> list[Event]:
        """The changes that the file says, in words."""
        names: dict[Path_, str] = {("devices", n): d.name for n, d in enumerate(self.devices)}
        return events(self, names, self.duration_s)


@dataclass(frozen=True)
class Spec:
    """One point of a scenario with all that was loaded for it; what a simulation needs."""

    point: int
    swept: Mapping[str, Any]
    scenario: Scenario
    folder: Path
    options: Mapping[str, Sequence[Option]]  # by group of devices
    hardware: Mapping[str, Hardware]  # by group of devices
    server_hardware: Mapping[str, Hardware]  # by server
    radios: Mapping[str, Radio]  # by cell
    samples: int  # in the data set; 1 without one
    tail_bytes: Mapping[str, float] = field(default_factory=dict)  # by model, where it is known

    @classmethod
    def of(
        cls, point: int, swept: Mapping[str, Any], scenario: Scenario, folder: Path, tables: Tables
    ) -> Self:
        """A point, with what its tables say."""
        devices, servers, cells = scenario.devices, scenario.servers, scenario.cells
        boards = {name: server.hardware for name, server in servers.items()}
        drawn = tuple(name for name, s in servers.items() if s.service.kind == "recorded")
        kinds = {
            d.name: (
                d.hardware,
                cells[d.cell].transport.erased,
                (None, *drawn) if d.service.kind == "recorded" else drawn,
                d.timeout is not None and d.timeout.then == "exit",
                cells[d.cell].snr_db,
            )
            for d in devices
        }
        models, dataset, exits = scenario.models, scenario.dataset, scenario.exits
        ways = {
            at: options(
                *(tables, models, at[0], boards, dataset, *at[1:3], exits),
                spare=at[3],
                snr_db=at[4],
            )
            for at in dict.fromkeys(kinds.values())
        }
        radios = {
            name: tables.radio(cell.radio).sending(cell.transport.attempts)
            for name, cell in cells.items()
        }
        return cls(
            point,
            swept,
            scenario,
            folder,
            options={name: ways[kind] for name, kind in kinds.items()},
            hardware={device.name: tables.hardware(device.hardware) for device in devices},
            server_hardware={name: tables.hardware(board) for name, board in boards.items()},
            radios=radios,
            samples=tables.outcomes(scenario.models[0], dataset).samples if dataset else 1,
            tail_bytes=tables.tail_bytes(scenario.models),
        )

    def device_options(self, device: DeviceSpec) -> Options:
        """What the devices of a group can choose among."""
        cell = self.scenario.cells[device.cell]
        servers = self.scenario.servers
        ways = self.options[device.name]
        if device.server is not None:
            ways = [way for way in ways if way.server in (None, device.server)]
        return Options(
            ways,
            servers=tuple(servers),
            latency_s=cell.expected_latency_s,
            backhaul_s=[server.backhaul_s.first for server in servers.values()],
            places_m=[server.position_m for server in servers.values()],
            compute_w=self.hardware[device.name].compute_w,
            radio=self.radios[device.cell],
            costs=cell.costs,
            report_every_s=[server.report_every_s for server in servers.values()],
        )


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario file, read and checked: its points, and the files they rest on."""

    path: Path
    text: str
    resolved: Mapping[str, Any]  # the file's data after overrides
    points: Sequence[Spec]
    tables: Tables
    fits: Sequence[Fit]  # by which times on its hardware were scaled
    files: Sequence[Path]
    warnings: Sequence[str]
    _shifted: dict[int, Tables] = field(default_factory=dict, repr=False, compare=False)

    def spec(self, point: int, shift: int = 0) -> Spec:
        """A point as its tables say or, with a shift 1, 2, ..., as they may be off; reads nothing.

        Raises:
            IndexError: there is no such point.
        """
        plain = self.points[point]
        if not shift:
            return plain
        if shift not in self._shifted:
            self._shifted.clear()  # parts come shift by shift
            self._shifted[shift] = self.tables.shifted(shift)
        tables = self._shifted[shift]
        return Spec.of(point, plain.swept, plain.scenario, plain.folder, tables)

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.points[0].scenario.name

    @property
    def policies(self) -> Sequence[str]:
        """The names of the policies."""
        return [policy.name for policy in self.points[0].scenario.policies]

    @property
    def seeds(self) -> range:
        """The replications."""
        return range(self.points[0].scenario.seeds)
