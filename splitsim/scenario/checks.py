"""What only a look at several parts of a scenario, or at its tables, can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from splitsim.entries import Hardware
from splitsim.errors import BadInput
from splitsim.exits import branches
from splitsim.outcomes import Outcomes
from splitsim.policies.kinds import KINDS, arguments, policy_class
from splitsim.profiles import Tables
from splitsim.rng import stream
from splitsim.scenario.conditions import never_cool, too_late, unused_warmup
from splitsim.scenario.document import Document, Path_, did_you_mean, listed
from splitsim.scenario.explain import blame, explain
from splitsim.scenario.schema import PolicySpec, Scenario, Spec
from splitsim.scenario.servers import server_misfits
from splitsim.system.device import DeviceSpec
from splitsim.system.server import ServerSpec
from splitsim.system.transport import Analogue
from splitsim.world.fading import Scattered
from splitsim.world.fading_replay import RecordedFading
from splitsim.world.latency import shortest_s
from splitsim.world.replay import TraceChannel

T = TypeVar("T")


@dataclass
class Checks:
    """One point of a scenario, its document and its tables; mistakes pile up."""

    scenario: Scenario
    document: Document
    tables: Tables
    folder: Path
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def spec(self, point: int, swept: Mapping[str, Any]) -> Spec | None:
        """The point, ready to be simulated; None if something is wrong."""
        self._names()
        self._times()
        self._fading()
        self._patience()
        self._profiles()
        self._symbols()
        self._places()
        self._outcomes()
        if self.problems:
            return None
        for path, what in server_misfits(self.scenario, self.tables, swept):
            self._wrong(path, what)
        spec = Spec.of(point, swept, self.scenario, self.folder, self.tables)
        self._fallbacks(spec)
        self._policies(spec)
        return None if self.problems else spec

    def _names(self) -> None:
        self._unlike([(("models", n), name) for n, name in enumerate(self.scenario.models)])
        for key in ("devices", "policies"):
            members = enumerate(getattr(self.scenario, key))
            self._unlike([((key, n, "name"), member.name) for n, member in members])
        for n, device in enumerate(self.scenario.devices):
            self._known(("devices", n, "cell"), device.cell, self.scenario.cells)
            if device.server is not None:
                self._known(("devices", n, "server"), device.server, self.scenario.servers)

    def _known(self, path: Path_, name: str, names: Mapping[str, Any]) -> None:
        if name not in names:
            what = f"no {path[-1]} {name!r}; there are {listed(names)}"
            self._wrong(path, what + did_you_mean(name, names))

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
        self._changes()
        for name, cell in scenario.cells.items():
            for way, channel in (("uplink", cell.uplink), ("downlink", cell.downlink)):
                if isinstance(channel, TraceChannel):
                    at: Path_ = ("cells", name, way)
                    odd = (*channel.warnings, *self._replay(name, way, channel))
                    self.warnings += [self.document.problem(at, what) for what in odd]

    def _changes(self) -> None:
        for path, what, is_wrong in too_late(self.scenario, self.document):
            found = self.problems if is_wrong else self.warnings
            found.append(self.document.problem(path, what))
        for what in unused_warmup(self.scenario):
            self.warnings.append(self.document.problem(("warmup_s",), what))

    def _replay(self, cell: str, way: str, channel: TraceChannel) -> Iterator[str]:
        """What is allowed in the replay of a trace, and hardly meant."""
        for other in sorted(channel.ways - {way}):
            yield (
                f"the {way} replays what was measured on the {other} ({', '.join(channel.names)}); "
                f"rates of the two are not alike: take one of the {way}"
            )
        if not channel.loop and channel.length_s < self.scenario.duration_s:
            yield (
                f"the trace ends after {channel.length_s:g} s, and nothing is sent until "
                f"duration_s ({self.scenario.duration_s:g}); 'loop: true' would go on"
            )
        for device in self.scenario.devices if channel.segments else ():
            if device.cell == cell and device.count > channel.segments:
                yield (
                    f"the trace has {channel.segments} segments of {channel.segment_s:g} s, and "
                    f"{device.name} is {device.count} devices: some replay the same"
                )

    def _fading(self) -> None:
        """What counts the distance needs devices that say how fast they go."""
        for name, cell in self.scenario.cells.items():
            mobility = all(d.mobility for d in self.scenario.devices if d.cell == name)
            for way, channel in (("uplink", cell.uplink), ("downlink", cell.downlink)):
                at: Path_ = ("cells", name, way, "fading")
                fading = getattr(channel, "fading", None)
                if isinstance(fading, RecordedFading):
                    self.warnings += [self.document.problem(at, odd) for odd in fading.warnings]
                elif isinstance(fading, Scattered):
                    carrier = cell.geometry is not None
                    if what := fading.lacks(mobility=mobility, carrier=carrier):
                        self._wrong(at, what)

    def _patience(self) -> None:
        """Who gives up before the last byte has arrived never gets an answer."""
        far_s = max((s.backhaul_s.extremes[0] for s in self.scenario.servers.values()), default=0.0)
        for n, device in enumerate(self.scenario.devices):
            cell = self.scenario.cells.get(device.cell)
            timeout = device.timeout
            if timeout is None or cell is None or timeout.since != "sent":
                continue
            if timeout.after_s <= (least_s := shortest_s(cell.latency_s) + far_s):
                what = f"must be more than the one-way latency ({least_s:g} s)"
                self._wrong(("devices", n, "timeout", "after_s"), what)

    def _profiles(self) -> None:
        for name, cell in self.scenario.cells.items():
            self._ask(("cells", name, "radio"), self.tables.radio, cell.radio)
        for n, device in enumerate(self.scenario.devices):
            path: Path_ = ("devices", n, "hardware")
            board = self._ask(path, self.tables.hardware, device.hardware)
            self._watts(path, board)
            if device.battery is not None and board is not None and not board.has_watts:
                what = f"hardware {board.name!r} has no watts in hardware.csv"
                self._wrong(("devices", n, "battery"), f"cannot run down: {what}")
            for what in never_cool(device.thermal, board) if board is not None else ():
                self._wrong(("devices", n, "thermal"), what)
        for name, server in self.scenario.servers.items():
            path = ("servers", name, "hardware")
            self._watts(path, self._ask(path, self.tables.hardware, server.hardware))
        for m, model in enumerate(self.scenario.models):
            if self._ask(("models", m), self.tables.model, model) is None:
                continue
            for n, device in enumerate(self.scenario.devices):
                self._times_of(("devices", n), model, device)
            for name, server in self.scenario.servers.items():
                self._times_of(("servers", name), model, server)

    def _times_of(self, path: Path_, model: str, board: DeviceSpec | ServerSpec) -> None:
        """There must be a profile, and where tasks draw recorded runs, these."""
        found = self._ask((*path, "hardware"), self.tables.profile, model, board.hardware)
        if found is not None and board.service.kind == "recorded":
            self._ask((*path, "service"), self.tables.runs, model, board.hardware)

    def _outcomes(self) -> None:
        """Samples must be the same for all models, and what loss does must be known."""
        dataset = self.scenario.dataset
        tables: dict[str, Outcomes] = {}
        for m, model in enumerate(self.scenario.models if dataset else ()):
            found = self._ask(("models", m), self.tables.outcomes, model, str(dataset))
            if found is None:
                continue
            tables[model] = found
            for name, cell in self.scenario.cells.items():
                self._ask(("cells", name, "transport"), found.by_cut, cell.transport.erased)
        counts = {model: found.samples for model, found in tables.items()}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count} of {model}" for model, count in counts.items())
            self._wrong(("dataset",), f"the models must have the same samples, not {said}")
        for name, cell in self.scenario.cells.items():
            if cell.transport.erased and dataset is None:
                what = "loses packets for good: name a dataset with outcomes at that loss"
                self._wrong(("cells", name, "transport"), what)
            if isinstance(cell.transport, Analogue) and dataset is None:
                what = "what is heard depends on the sample: name a dataset with outcomes at SNRs"
                self._wrong(("cells", name, "transport"), what)
        self._exits(tables)
        self._heard(tables)

    def _exits(self, tables: Mapping[str, Outcomes]) -> None:
        """Who may end early needs exits whose answers and times are known."""
        if self.scenario.exits is None:
            for n, device in enumerate(self.scenario.devices):
                if device.timeout is not None and device.timeout.then == "exit":
                    what = "needs exits; add exits: {by: confidence, thresholds: [0.9]}, or fail"
                    self._wrong(("devices", n, "timeout", "then"), what)
        elif self.scenario.dataset is None:
            what = "samples decide who ends early; name a dataset with outcomes of exits"
            self._wrong(("exits",), what)
        elif len(tables) == len(self.scenario.models) and not any(
            found.exits for found in tables.values()
        ):
            what = "no model has exits in its outcomes on the dataset; add one, or remove this"
            self._wrong(("exits",), what)
        else:
            self._branches(tables)

    def _branches(self, tables: Mapping[str, Outcomes]) -> None:
        """The exits in the outcomes of each model must be those in its profile on each device."""
        unlike = {device.hardware: n for n, device in enumerate(self.scenario.devices)}
        for hardware, n in unlike.items():
            for name, found in tables.items():
                with suppress(BadInput):  # a table that is missing was told of before
                    model, profile = self.tables.model(name), self.tables.profile(name, hardware)
                    self._ask(("devices", n, "hardware"), branches, model, profile, found)

    def _symbols(self) -> None:
        for name, cell in self.scenario.cells.items():
            for path, what in cell.misfits():
                self._wrong(("cells", name, *path), what)

    def _places(self) -> None:
        """Where an SNR follows from places, they must be known, and within the law's range."""
        for n, device in enumerate(self.scenario.devices):
            cell = self.scenario.cells.get(device.cell)
            if cell is None or not cell.placed:
                continue
            if device.mobility is None:
                what = f"where is it? the SNR of cell {device.cell} depends on it; give a mobility"
                self._wrong(("devices", n), what)
            elif cell.geometry is not None:
                for what in cell.geometry.beyond(device.mobility):
                    self._wrong(("devices", n, "mobility"), what)

    def _heard(self, tables: Mapping[str, Outcomes]) -> None:
        """What noise does to symbols must be known of some model."""
        whole = len(tables) == len(self.scenario.models)
        unknown = tables and whole and not any(found.heard for found in tables.values())
        for name, cell in self.scenario.cells.items():
            if isinstance(cell.transport, Analogue) and unknown:
                what = "no model has outcomes of symbols at an SNR (a column snr_db); add one"
                self._wrong(("cells", name, "transport"), f"{what}, or send bits")

    def _watts(self, path: Path_, board: Hardware | None) -> None:
        if board is not None and not board.has_watts:
            what = f"{board.name!r} has no watts in hardware.csv; its energy is not known"
            self.warnings.append(self.document.problem(path, what))

    def _fallbacks(self, spec: Spec) -> None:
        for n, device in enumerate(self.scenario.devices):
            if device.timeout is None or device.timeout.then != "local":
                continue
            for option in spec.options[device.name]:
                if option.server and option.mean.whole_s is None:
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
        unlike = {(d.hardware, d.cell, d.server): d for d in self.scenario.devices}
        for device in unlike.values():
            rng = stream(0, "policy", device.name)
            try:
                policy.make(self.folder).reset(spec.device_options(device), rng)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - code of the user's own
                self._wrong(path, blame(error))
                return

    def _ask(self, path: Path_, table: Callable[..., T], *names: Any) -> T | None:
        """A table, or its mistakes blamed on the part of the scenario that asked for it."""
        try:
            return table(*names)
        except BadInput as error:
            problems: Sequence[str] = error.problems
        except OSError as error:
            problems = [f"{'@'.join(map(str, names))!r} cannot be looked up: {error.strerror}"]
        for problem in problems:
            self._table_wrong(path, problem)
        return None

    def _table_wrong(self, path: Path_, problem: str) -> None:
        """A mistake in a file is told once: a student's profile needs its teacher's, too."""
        in_file = problem.startswith(tuple(str(folder) for folder in self.tables.folders))
        if not in_file or problem not in self._told:
            self._wrong(path, problem)
        self._told.add(problem)

    def _wrong(self, path: Path_, what: str) -> None:
        self.problems.append(self.document.problem(path, what))
