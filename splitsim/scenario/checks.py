"""What only a look at several parts of a scenario, or at its tables, can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from splitsim.entries import Hardware
from splitsim.policies.kinds import KINDS, arguments, policy_class
from splitsim.profiles import Tables
from splitsim.rng import stream
from splitsim.scenario.cells import (
    cell_misfits,
    channel_oddities,
    fading_misfits,
    patience_misfits,
    place_misfits,
)
from splitsim.scenario.conditions import never_cool, too_late, unused_warmup
from splitsim.scenario.document import Document, Path_, did_you_mean, listed
from splitsim.scenario.explain import blame, explain
from splitsim.scenario.findings import Findings
from splitsim.scenario.samples import check_samples
from splitsim.scenario.schema import PolicySpec, Scenario, Spec
from splitsim.scenario.servers import server_misfits
from splitsim.system.group import DeviceSpec
from splitsim.system.server import ServerSpec


class Checks:
    """One point of a scenario, its document and its tables; mistakes pile up in ``found``."""

    def __init__(
        self, scenario: Scenario, document: Document, tables: Tables, folder: Path
    ) -> None:
        self.scenario = scenario
        self.tables = tables
        self.folder = folder
        self.found = Findings(document, tables)

    def spec(self, point: int, swept: Mapping[str, Any]) -> Spec | None:
        """The point, ready to be simulated; None if something is wrong."""
        scenario, found = self.scenario, self.found
        self._names()
        self._times()
        found.all_wrong(fading_misfits(scenario))
        found.all_wrong(patience_misfits(scenario))
        self._profiles()
        found.all_wrong(cell_misfits(scenario))
        found.all_wrong(place_misfits(scenario))
        check_samples(scenario, found)
        if found.problems:
            return None
        found.all_wrong(server_misfits(scenario, self.tables, swept))
        spec = Spec.of(point, swept, scenario, self.folder, self.tables)
        self._fallbacks(spec)
        self._policies(spec)
        return None if found.problems else spec

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
            self.found.wrong(path, what + did_you_mean(name, names))

    def _unlike(self, names: Sequence[tuple[Path_, str]]) -> None:
        """Names become file names, and not every file system tells A from a."""
        taken: set[str] = set()
        for path, name in names:
            if name.lower() in taken:
                self.found.wrong(path, f"the name {name!r} is taken; choose another")
            taken.add(name.lower())

    def _times(self) -> None:
        scenario, found = self.scenario, self.found
        if scenario.warmup_s >= scenario.duration_s:
            found.wrong(("warmup_s",), f"must be less than duration_s ({scenario.duration_s:g})")
        for path, what, is_wrong in too_late(scenario, found.document):
            (found.wrong if is_wrong else found.odd)(path, what)
        for what in unused_warmup(scenario):
            found.odd(("warmup_s",), what)
        for path, what in channel_oddities(scenario):
            found.odd(path, what)

    def _profiles(self) -> None:
        for name, cell in self.scenario.cells.items():
            self.found.ask(("cells", name, "radio"), self.tables.radio, cell.radio)
        for n, device in enumerate(self.scenario.devices):
            path: Path_ = ("devices", n, "hardware")
            board = self.found.ask(path, self.tables.hardware, device.hardware)
            self._watts(path, board)
            if device.battery is not None and board is not None and not board.has_watts:
                what = f"hardware {board.name!r} has no watts in hardware.csv"
                self.found.wrong(("devices", n, "battery"), f"cannot run down: {what}")
            for what in never_cool(device.thermal, board) if board is not None else ():
                self.found.wrong(("devices", n, "thermal"), what)
        for name, server in self.scenario.servers.items():
            path = ("servers", name, "hardware")
            self._watts(path, self.found.ask(path, self.tables.hardware, server.hardware))
        for m, model in enumerate(self.scenario.models):
            if self.found.ask(("models", m), self.tables.model, model) is None:
                continue
            for n, device in enumerate(self.scenario.devices):
                self._times_of(("devices", n), model, device)
            for name, server in self.scenario.servers.items():
                self._times_of(("servers", name), model, server)

    def _times_of(self, path: Path_, model: str, board: DeviceSpec | ServerSpec) -> None:
        """There must be a profile, and where tasks draw recorded runs, these."""
        found = self.found.ask((*path, "hardware"), self.tables.profile, model, board.hardware)
        if found is not None and board.service.kind == "recorded":
            self.found.ask((*path, "service"), self.tables.runs, model, board.hardware)

    def _watts(self, path: Path_, board: Hardware | None) -> None:
        if board is not None and not board.has_watts:
            what = f"{board.name!r} has no watts in hardware.csv; its energy is not known"
            self.found.odd(path, what)

    def _fallbacks(self, spec: Spec) -> None:
        for n, device in enumerate(self.scenario.devices):
            if device.timeout is None or device.timeout.then != "local":
                continue
            for option in spec.options[device.name]:
                if option.server and option.mean.whole_s is None:
                    what = f"{device.hardware} has no time for all of {option.model}"
                    self.found.wrong(
                        ("devices", n, "timeout", "then"), f"{what}: no way to fall back"
                    )
                    break

    def _policies(self, spec: Spec) -> None:
        for n, policy in enumerate(self.scenario.policies):
            path: Path_ = ("policies", n)
            try:
                accepts = arguments(policy_class(policy.kind, self.folder))
                accepts.model_validate(policy.model_extra or {})
            except ValidationError as error:
                for at, what in explain(error, accepts, policy.model_extra or {}):
                    self.found.wrong((*path, *at), what)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - code of the user's own
                self.found.wrong((*path, "kind"), blame(error) + did_you_mean(policy.kind, KINDS))
            else:
                self._options_suffice(path, policy, spec)

    def _options_suffice(self, path: Path_, policy: PolicySpec, spec: Spec) -> None:
        unlike = {(d.hardware, d.cell, d.server): d for d in self.scenario.devices}
        for device in unlike.values():
            rng = stream(0, "policy", device.name)
            try:
                policy.make(self.folder).reset(spec.device_options(device), rng)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - code of the user's own
                self.found.wrong(path, blame(error))
                return
