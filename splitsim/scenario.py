"""Scenario files: the schema, strict reading with line numbers, overrides and sweeps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from splitsim.component import Component, Count, Name, NonNegative, Positive
from splitsim.document import Document, Path_, did_you_mean, listed
from splitsim.errors import BadInput
from splitsim.explain import blame, explain, show
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
    created before ``warmup_s`` are simulated and kept, but not summarised. ``seeds`` is the
    number of replications. ``tables`` are folders of your own laid out like ``traces/``.
    """

    name: Name
    duration_s: Positive
    warmup_s: NonNegative = 0.0
    drain_s: NonNegative = 60.0
    seeds: Annotated[Count, Field(le=MOST)] = 1
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
    document = Document.read(path)
    if not isinstance(document.data, dict):
        what = f"must be a mapping of keys to values, not {show(document.data)}"
        raise BadInput(document.problem((), f"{what}; see 'splitsim schema'"))
    return _Loader(path, _override(document, overrides)).load()


def _override(document: Document, overrides: Mapping[str, Any] | Sequence[str]) -> Document:
    problems: list[str] = []
    for mark, dotted, value in _pairs(overrides, problems):
        try:
            document = document.with_value(document.find(dotted), value, mark)
        except LookupError as error:
            problems.append(f"{mark}: {error.args[0]}")
    if problems:
        raise BadInput(*problems)
    return document


def _pairs(
    overrides: Mapping[str, Any] | Sequence[str], problems: list[str]
) -> Iterator[tuple[str, str, Any]]:
    """Place, path and value of every override; those that cannot be read become problems."""
    if isinstance(overrides, Mapping):
        yield from (
            (f"override {path}={value!r}", path, value) for path, value in overrides.items()
        )
        return
    for text in overrides:
        try:
            yield _pair(text)
        except BadInput as error:
            problems.extend(error.problems)


def _pair(text: str) -> tuple[str, str, Any]:
    mark = f"--set {text}"
    dotted, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"{mark}: must be PATH=VALUE, such as devices.nano.count=8")
    return mark, dotted.strip(), Document.parse(value, lambda _: mark).data


class _Loader:
    """Reads the points of a document; mistakes pile up and are raised together."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._folder = path.parent.resolve()
        self._document = document
        self._problems: dict[str, list[Mapping[str, Any]]] = {}  # and what is swept where it is
        self._warnings: dict[str, None] = {}
        self._traces: set[Path] = set()
        self._read_once = lru_cache(read_trace)
        self._tables = Tables((shipped(),))

    def load(self) -> LoadedScenario:
        data = self._document.data
        self._tables = Tables((*self._own_tables(data), shipped()))
        sweep = self._sweep(data)
        points = [self._spec(n, *at) for n, at in enumerate(self._points(sweep))]
        self._same_policies(points)
        if self._problems:
            raise BadInput(*(_told(*found, len(points)) for found in self._problems.items()))
        return LoadedScenario(
            path=self._path,
            text=self._document.text,
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
            elif isinstance(name, str):
                self._wrong(self._document, ("tables", n), f"there is no folder {str(folder)!r}")

    def _sweep(self, data: dict[str, Any]) -> dict[str, tuple[Path_, list[Any]]]:
        """Path and values by what is swept; axes that cannot be are left out and reported."""
        sweep = data.get("sweep")
        axes: dict[str, tuple[Path_, list[Any]]] = {}
        for dotted, values in sweep.items() if isinstance(sweep, dict) else ():
            if not isinstance(values, list) or not values:
                continue  # the schema says so
            try:
                axes[dotted] = self._swept_path(dotted, axes), values
            except LookupError as error:
                self._wrong(self._document, ("sweep", dotted), str(error.args[0]))
        count = math.prod(len(values) for _, values in axes.values())
        if count > MOST:
            what = f"makes {count:,} points, must be {MOST:,} or less; sweep fewer values"
            raise BadInput(self._document.problem(("sweep",), what))
        return axes

    def _swept_path(self, dotted: str, axes: Mapping[str, tuple[Path_, Any]]) -> Path_:
        path = self._document.find(dotted)
        if path[0] in NOT_SWEPT or path[-1] == "name":
            raise LookupError("cannot be swept; make a scenario of its own of each value")
        for other, (taken, _) in axes.items():
            short = min(len(path), len(taken))
            if path[:short] == taken[:short]:
                raise LookupError(f"is the same as {other}, or a part of it; sweep one of them")
        return path

    def _points(
        self, sweep: Mapping[str, tuple[Path_, list[Any]]]
    ) -> Iterator[tuple[dict[str, Any], Document]]:
        """The product of the sweep, each point with its own document."""
        for values in itertools.product(*(values for _, values in sweep.values())):
            document = self._document
            for (dotted, (path, _)), value in zip(sweep.items(), values, strict=True):
                mark = self._document.where(("sweep", dotted))
                document = document.with_value(path, value, mark)
            yield dict(zip(sweep, values, strict=True)), document

    def _spec(self, point: int, swept: Mapping[str, Any], document: Document) -> Spec | None:
        try:
            scenario = Scenario.model_validate(
                document.data, context={"read_trace": self._read_trace}
            )
        except ValidationError as error:
            for path, what in explain(error, Scenario, document.data):
                self._wrong(document, path, what, swept)
            return None
        checks = _Checks(scenario, document, self._tables, self._folder)
        spec = checks.spec(point, swept)
        for problem in dict.fromkeys(checks.problems):
            self._problems.setdefault(problem, []).append(swept)
        self._warnings.update(dict.fromkeys(checks.warnings))
        return spec

    def _same_policies(self, points: Sequence[Spec | None]) -> None:
        """Results are by point and policy."""
        names = {tuple(p.name for p in at.scenario.policies) for at in points if at is not None}
        if len(names) > 1:
            what = "the policies must have the same names at all points of the sweep"
            self._wrong(self._document, ("sweep",), what)

    def _read_trace(self, file: str, **how: Any) -> Trace:
        """Relative to the scenario file; a bare name is also looked up among ours."""
        paths = [self._folder / file]
        if "/" not in file:
            paths += [folder / "channels" / file for folder in self._tables.folders]
        path = next((path for path in paths if _is_there(path)), paths[0])
        self._traces.add(path)
        return self._read_once(path, **how)

    def _wrong(
        self, document: Document, path: Path_, what: str, swept: Mapping[str, Any] | None = None
    ) -> None:
        self._problems.setdefault(document.problem(path, what), []).append(swept or {})


def _told(problem: str, found: Sequence[Mapping[str, Any]], points: int) -> str:
    """A problem that only some points of a sweep have says which."""
    if len(found) == points:
        return problem
    first, *others = found
    common = [f"{k} is {show(v)}" for k, v in first.items() if all(o.get(k) == v for o in others)]
    return f"{problem} (where {', '.join(common)})" if common else problem


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null byte: said when it is read
        return False


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
        ways = {
            board: options(self.tables, self.scenario.models, board, boards)
            for board in dict.fromkeys(device.hardware for device in devices)
        }
        found = {device.name: ways[device.hardware] for device in devices}
        spec = Spec(point, swept, self.scenario, self.folder, found, hardware, radios)
        self._fallbacks(spec)
        self._policies(spec)
        return None if self.problems else spec

    def _names(self) -> None:
        self._unlike([(("models", n), name) for n, name in enumerate(self.scenario.models)])
        for key in ("devices", "policies"):
            members = enumerate(getattr(self.scenario, key))
            self._unlike([((key, n, "name"), member.name) for n, member in members])
        cells = self.scenario.cells
        for n, device in enumerate(self.scenario.devices):
            if device.cell not in cells:
                what = f"no cell {device.cell!r}; there are {listed(cells)}"
                self._wrong(("devices", n, "cell"), what + did_you_mean(device.cell, cells))

    def _unlike(self, names: Sequence[tuple[Path_, str]]) -> None:
        """Names become file names, and not every file system tells A from a."""
        taken: set[str] = set()
        for path, name in names:
            if name.lower() in taken:
                self._wrong(path, f"the name {name!r} is taken; choose another")
            taken.add(name.lower())

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
            except ValidationError as error:
                for at, what in explain(error, accepts, policy.model_extra or {}):
                    self._wrong((*path, *at), what)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - code of the user's own
                self._wrong((*path, "kind"), blame(error) + did_you_mean(policy.kind, KINDS))
            else:
                self._options_suffice(path, policy, spec)

    def _options_suffice(self, path: Path_, policy: PolicySpec, spec: Spec) -> None:
        unlike = {(device.hardware, device.cell): device for device in self.scenario.devices}
        for device in unlike.values():
            rng = stream(0, "policy", device.name)
            try:
                policy.make(self.folder).reset(spec.device_options(device), rng)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - code of the user's own
                self._wrong(path, blame(error))
                return

    def _ask(self, path: Path_, table: Callable[..., T], *names: str) -> T | None:
        """A table, or its mistakes blamed on the part of the scenario that asked for it."""
        try:
            return table(*names)
        except BadInput as error:
            problems: Sequence[str] = error.problems
        except OSError as error:
            problems = [f"{'@'.join(names)!r} cannot be looked up: {error.strerror}"]
        for problem in problems:
            self._wrong(path, problem)
        return None

    def _wrong(self, path: Path_, what: str) -> None:
        self.problems.append(self.document.problem(path, what))
