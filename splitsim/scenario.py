"""Scenario files: the schema, strict reading with line numbers, overrides and sweeps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from splitsim.component import Component, Count, Name, NonNegative, Positive
from splitsim.document import Document, Path_, did_you_mean
from splitsim.errors import BadInput
from splitsim.explain import explain
from splitsim.policies.base import Policy
from splitsim.policies.kinds import KINDS, arguments, policy_class
from splitsim.profiles import Hardware, Tables, options, shipped
from splitsim.rng import stream
from splitsim.system.cell import CellSpec
from splitsim.system.device import DeviceSpec
from splitsim.system.server import ServerSpec
from splitsim.task import Option, Options, Radio
from splitsim.world.channel import TraceChannel
from splitsim.world.traces import Trace, read_trace

T = TypeVar("T")

NOT_SWEPT = ("name", "seeds", "sweep", "tables")


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
    created before ``warmup_s`` are simulated and kept, but not summarised. ``seeds`` is the
    number of replications. ``tables`` are folders of your own laid out like ``traces/``.
    """

    name: Name
    duration_s: Positive
    warmup_s: NonNegative = 0.0
    drain_s: NonNegative = 60.0
    seeds: Count = 1
    models: Annotated[Sequence[str], Field(min_length=1)]
    tables: Sequence[str] = ()
    devices: Annotated[Sequence[DeviceSpec], Field(min_length=1)]
    cells: Annotated[Mapping[Name, CellSpec], Field(min_length=1)]
    servers: Mapping[Name, ServerSpec] = {}
    policies: Annotated[Sequence[PolicySpec], Field(min_length=1)]
    sweep: Mapping[str, Annotated[Sequence[Any], Field(min_length=1)]] = {}


@dataclass(frozen=True)
class Spec:
    """One point of a scenario with all that was loaded for it; what a simulation needs."""

    point: int
    swept: Mapping[str, Any]
    scenario: Scenario
    folder: Path
    options: Mapping[str, Sequence[Option]]  # by group of devices
    hardware: Mapping[str, Hardware]  # by group of devices
    radios: Mapping[str, Radio]  # by cell

    def device_options(self, device: DeviceSpec) -> Options:
        """What the devices of a group can choose among."""
        cell = self.scenario.cells[device.cell]
        servers = self.scenario.servers
        return Options(
            self.options[device.name],
            servers=tuple(servers),
            latency_s=cell.latency_s,
            backhaul_s=[server.backhaul_s for server in servers.values()],
            compute_w=self.hardware[device.name].compute_w,
            radio=self.radios[device.cell],
        )


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario file, read and checked: its points, and the files they rest on."""

    path: Path
    text: str
    resolved: Mapping[str, Any]  # the file's data after overrides
    points: Sequence[Spec]
    files: Sequence[Path]
    provenance: Sequence[Mapping[str, Any]]  # by table: what its times rest on
    warnings: Sequence[str]

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


def load_scenario(
    path: str | Path, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> LoadedScenario:
    """Read a scenario file.

    Args:
        path: the YAML file.
        overrides: values by dotted path, or texts ``path=value`` as on the command line.

    Raises:
        BadInput: with a line for every mistake in the file, the overrides, the tables and
            traces it names.
    """
    path = Path(path)
    document = _override(Document.read(path), overrides)
    return _Loader(path, document).load()


def _override(document: Document, overrides: Mapping[str, Any] | Sequence[str]) -> Document:
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_pair, overrides)
    problems = []
    for dotted, value in pairs:
        mark = f"--set {dotted}={value}"
        try:
            document = document.with_value(document.find(dotted), value, mark)
        except LookupError as error:
            problems.append(f"{mark}: {error.args[0]}")
    if problems:
        raise BadInput(*problems)
    return document


def _pair(text: str) -> tuple[str, Any]:
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise BadInput(f"--set {text}: must be PATH=VALUE")
    return dotted, Document.parse(value, f"--set {text}").data if value else None


class _Loader:
    """Reads the points of a document; mistakes pile up and are raised together."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._folder = path.parent.resolve()
        self._document = document
        self._problems: dict[str, None] = {}
        self._warnings: dict[str, None] = {}
        self._traces: set[Path] = set()
        self._read_once = lru_cache(read_trace)
        self._tables = Tables((shipped(),))

    def load(self) -> LoadedScenario:
        data = self._document.data
        if not isinstance(data, dict):
            raise BadInput(
                f"{self._path}: must be a mapping of keys to values, see 'splitsim schema'"
            )
        self._tables = Tables((*self._own_tables(data), shipped()))
        points = [self._spec(*point) for point in enumerate(self._points(data))]
        if self._problems:
            raise BadInput(*self._problems)
        return LoadedScenario(
            path=self._path,
            text=self._path.read_text(encoding="utf-8"),
            resolved=data,
            points=[point for point in points if point is not None],
            files=sorted(self._tables.used | self._traces),
            provenance=self._tables.provenance,
            warnings=list(self._warnings),
        )

    def _own_tables(self, data: dict[str, Any]) -> Iterator[Path]:
        named = data.get("tables")
        for n, name in enumerate(named if isinstance(named, list) else ()):
            folder = self._folder / str(name)
            if folder.is_dir():
                yield folder
            else:
                self._wrong(self._document, ("tables", n), f"no folder {str(folder)!r}")

    def _points(self, data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Document]]:
        """The product of the sweep, each point with its own document."""
        sweep = data.get("sweep")
        axes = sweep if isinstance(sweep, dict) else {}
        paths = {dotted: self._swept_path(dotted) for dotted in axes}
        lists = [values if isinstance(values, list) else [values] for values in axes.values()]
        for values in itertools.product(*lists):
            document = self._document
            for (dotted, path), value in zip(paths.items(), values, strict=True):
                if path is not None:
                    mark = self._document.where(("sweep", dotted))
                    document = document.with_value(path, value, mark)
            yield dict(zip(axes, values, strict=True)), document

    def _swept_path(self, dotted: str) -> Path_ | None:
        if dotted.split(".")[0] in NOT_SWEPT:
            self._wrong(self._document, ("sweep", dotted), "cannot be swept")
            return None
        try:
            return self._document.find(dotted)
        except LookupError as error:
            self._wrong(self._document, ("sweep", dotted), str(error.args[0]))
            return None

    def _spec(self, point: int, at: tuple[dict[str, Any], Document]) -> Spec | None:
        swept, document = at
        try:
            scenario = Scenario.model_validate(
                document.data, context={"read_trace": self._read_trace}
            )
        except ValidationError as error:
            for path, what in explain(error, Scenario, document.data):
                self._wrong(document, path, what)
            return None
        checks = _Checks(scenario, document, self._tables, self._folder)
        spec = checks.spec(point, swept)
        self._problems.update(dict.fromkeys(checks.problems))
        self._warnings.update(dict.fromkeys(checks.warnings))
        return spec

    def _read_trace(self, file: str, **how: Any) -> Trace:
        """Relative to the scenario file; a bare name is also looked up among ours."""
        path = self._folder / file
        if not path.exists() and "/" not in file:
            path = next(
                (
                    f / "channels" / file
                    for f in self._tables.folders
                    if (f / "channels" / file).exists()
                ),
                path,
            )
        self._traces.add(path)
        return self._read_once(path, **how)

    def _wrong(self, document: Document, path: Path_, what: str) -> None:
        self._problems[document.problem(path, what)] = None


@dataclass
class _Checks:
    """What only a look at several parts of a scenario, or at the tables, can tell."""

    scenario: Scenario
    document: Document
    tables: Tables
    folder: Path
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def spec(self, point: int, swept: Mapping[str, Any]) -> Spec | None:
        """The point, ready to be simulated; None if something is wrong."""
        self._names()
        self._times()
        self._patience()
        self._profiles()
        if self.problems:
            return None
        cells, devices = self.scenario.cells, self.scenario.devices
        radios = {name: self.tables.radio(cell.radio) for name, cell in cells.items()}
        hardware = {device.name: self.tables.hardware(device.hardware) for device in devices}
        boards = {name: server.hardware for name, server in self.scenario.servers.items()}
        found = {
            device.name: options(self.tables, self.scenario.models, device.hardware, boards)
            for device in self.scenario.devices
        }
        spec = Spec(point, swept, self.scenario, self.folder, found, hardware, radios)
        self._fallbacks(spec)
        self._policies(spec)
        return None if self.problems else spec

    def _names(self) -> None:
        for key in ("devices", "policies"):
            names = [member.name for member in getattr(self.scenario, key)]
            for n, name in enumerate(names):
                if name in names[:n]:
                    self._wrong((key, n, "name"), f"the name {name!r} is taken; choose another")
        cells = self.scenario.cells
        for n, device in enumerate(self.scenario.devices):
            if device.cell not in cells:
                what = f"no cell {device.cell!r}; there are {', '.join(cells)}"
                self._wrong(("devices", n, "cell"), what + did_you_mean(device.cell, cells))

    def _times(self) -> None:
        scenario = self.scenario
        if scenario.warmup_s >= scenario.duration_s:
            self._wrong(("warmup_s",), f"must be less than duration_s ({scenario.duration_s:g})")
        for name, cell in scenario.cells.items():
            for way, channel in (("uplink", cell.uplink), ("downlink", cell.downlink)):
                if isinstance(channel, TraceChannel) and not channel.loop:
                    self._trace_end(("cells", name, way), channel.length_s)

    def _trace_end(self, path: Path_, length_s: float) -> None:
        if length_s < self.scenario.duration_s:
            what = (
                f"the trace ends after {length_s:g} s, and nothing is sent until duration_s "
                f"({self.scenario.duration_s:g}); 'loop: true' would go on"
            )
            self.warnings.append(self.document.problem(path, what))

    def _patience(self) -> None:
        """Who gives up before the last byte has arrived never gets an answer."""
        far_s = max((s.backhaul_s for s in self.scenario.servers.values()), default=0.0)
        for n, device in enumerate(self.scenario.devices):
            cell = self.scenario.cells.get(device.cell)
            timeout = device.timeout
            if timeout is None or cell is None or timeout.since != "sent":
                continue
            if timeout.after_s <= cell.latency_s + far_s:
                what = f"must be more than the one-way latency ({cell.latency_s + far_s:g} s)"
                self._wrong(("devices", n, "timeout", "after_s"), what)

    def _profiles(self) -> None:
        for name, cell in self.scenario.cells.items():
            self._ask(("cells", name, "radio"), self.tables.radio, cell.radio)
        for n, device in enumerate(self.scenario.devices):
            self._ask(("devices", n, "hardware"), self.tables.hardware, device.hardware)
        for m, model in enumerate(self.scenario.models):
            if self._ask(("models", m), self.tables.model, model) is None:
                continue
            for n, device in enumerate(self.scenario.devices):
                path: Path_ = ("devices", n, "hardware")
                self._ask(path, self.tables.profile, model, device.hardware)
            for name, server in self.scenario.servers.items():
                path = ("servers", name, "hardware")
                self._ask(path, self.tables.profile, model, server.hardware)

    def _fallbacks(self, spec: Spec) -> None:
        for n, device in enumerate(self.scenario.devices):
            if device.timeout is None or device.timeout.then != "local":
                continue
            for option in spec.options[device.name]:
                if option.server and any(d.whole_s is None for d in option.demands):
                    what = f"{device.hardware} has no time for all of {option.model}"
                    self._wrong(("devices", n, "timeout", "then"), f"{what}: no way to fall back")
                    break

    def _policies(self, spec: Spec) -> None:
        for n, policy in enumerate(self.scenario.policies):
            path: Path_ = ("policies", n)
            try:
                accepts = arguments(policy_class(policy.kind, self.folder))
                accepts.model_validate(policy.model_extra or {})
            except LookupError as error:
                near = did_you_mean(policy.kind, KINDS)
                self._wrong((*path, "kind"), f"{error.args[0]}{near}")
            except ValidationError as error:
                for at, what in explain(error, accepts, policy.model_extra or {}):
                    self._wrong((*path, *at), what)
            else:
                self._options_suffice(path, policy, spec)

    def _options_suffice(self, path: Path_, policy: PolicySpec, spec: Spec) -> None:
        for device in self.scenario.devices:
            rng = stream(0, "policy", device.name)
            try:
                policy.make(self.folder).reset(spec.device_options(device), rng)
            except (LookupError, ValueError, TypeError) as error:
                self._wrong(path, str(error.args[0]) if error.args else repr(error))
                return

    def _ask(self, path: Path_, table: Callable[..., T], *names: str) -> T | None:
        """A table, or its mistakes blamed on the part of the scenario that asked for it."""
        try:
            return table(*names)
        except BadInput as error:
            for problem in error.problems:
                self._wrong(path, problem)
            return None

    def _wrong(self, path: Path_, what: str) -> None:
        self.problems.append(self.document.problem(path, what))
