"""Tables of models, profiles, hardware and radios, read strictly, and the options they give."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from splitsim.csvtable import Cells, Table, reason
from splitsim.errors import BadInput
from splitsim.task import Demand, Option, Radio

BASES = ("measured", "published", "scaled", "assumed")
TIMES = ("pre", "head", "encode", "decode", "tail")
RADIO_COLUMNS = ("a_up_j_per_bit", "a_down_j_per_bit", "b_w", "tail_s", "tail_w")

T = TypeVar("T")


def shipped() -> Path:
    """The folder of the tables that come with splitsim, in a checkout or in a wheel."""
    package = Path(__file__).parent
    beside = package.parent / "traces"
    return beside if (beside / "hardware.csv").is_file() else package / "traces"


@dataclass(frozen=True, slots=True)
class Model:
    """A network's cuts 0..L: ``layers[c]`` names cut c, ``wire_bytes[c]`` crosses the link."""

    name: str
    layers: tuple[str, ...]
    wire_bytes: tuple[float, ...]
    answer_bytes: float
    top1: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A model's seconds per cut on one hardware; None where the table is empty.

    ``times[name][c]`` and ``basis[name][c]`` with name one of pre, head, encode, decode, tail:
    how long it takes at cut c, and what that figure rests on.
    """

    times: Mapping[str, Cells]
    basis: Mapping[str, tuple[str, ...]]
    energy_j: Cells

    def sum_s(self, cut: int, *names: str) -> float | None:
        """The sum of some times at a cut; None if one of them is missing."""
        parts = [self.times[name][cut] for name in names]
        return None if None in parts else math.fsum(part for part in parts if part is not None)

    def device_s(self, cut: int) -> float | None:
        """Pre-processing, head and encoding."""
        return self.sum_s(cut, "pre", "head", "encode")

    def server_s(self, cut: int) -> float | None:
        """Decoding (with the server's pre-processing) and tail."""
        return self.sum_s(cut, "decode", "tail")

    def rest_s(self, cut: int) -> float | None:
        """What the device computes after a head at ``cut`` to finish by itself.

        The tensor is at hand, so nothing is decoded. Measured heads need not rise with the
        cut: a difference below zero counts as zero.
        """
        whole, head = self.times["head"][-1], self.times["head"][cut]
        if whole is None or head is None:
            return None
        pre = self.times["pre"][-1] or 0.0 if cut == 0 else 0.0
        return pre + max(whole - head, 0.0)


@dataclass(frozen=True, slots=True)
class Hardware:
    """A board's watts: idle, and the increment over idle while it computes."""

    name: str
    idle_w: float
    compute_w: float
    measuring_point: str


@dataclass
class Tables:
    """Folders laid out like ``traces/``, in order; the first that has a table gives it.

    Every method raises BadInput with a line per mistake, listing what there is instead.
    ``used`` collects the files read, and ``provenance`` what each table says it rests on:
    its name, the basis of each column, and the source.
    """

    folders: Sequence[Path] = field(default_factory=lambda: (shipped(),))
    used: set[Path] = field(default_factory=set)
    provenance: list[dict[str, Any]] = field(default_factory=list)
    _read: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """A model: ``models/<name>.csv`` and ``.toml``."""
        return self._once(("model", name), lambda: self._model(name))

    def profile(self, model: str, hardware: str) -> Profile:
        """The times of a model on a hardware: ``profiles/<model>@<hardware>.csv``."""
        return self._once(("profile", model, hardware), lambda: self._profile(model, hardware))

    def hardware(self, name: str) -> Hardware:
        """A row of ``hardware.csv``."""
        return self._once(("hardware", name), lambda: self._hardware(name))

    def radio(self, name: str) -> Radio:
        """A row of ``radios.csv``."""
        return self._once(("radio", name), lambda: self._radio(name))

    def profiled(self, model: str) -> list[str]:
        """The hardware ids a model has a profile on."""
        return sorted(name.split("@", 1)[1] for name in self._names("profiles", f"{model}@*"))

    def _once(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        if key not in self._read:
            self._read[key] = read()
        found: T = self._read[key]
        return found

    def _note(self, table: str, basis: Mapping[str, str], source: str) -> None:
        self.provenance.append({"table": table, "basis": dict(basis), "source": source})

    def _model(self, name: str) -> Model:
        path = self._path("models", f"{name}.csv")
        if path is None:
            have = ", ".join(self._names("models", "*")) or "none"
            raise BadInput(f"no table for model {name!r}; there are {have}")
        card = self._card(path.with_suffix(".toml"))
        with self._table(path).check_columns("cut", "layer", "wire_bytes") as table:
            table.check_cuts()
            table.check_distinct("layer")
            layers = tuple(row["layer"] for row in table.rows)
            wire = tuple(table.number(row, "wire_bytes") for row in table.rows)
        basis = {"top1": str(card.get("top1_basis", ""))}
        self._note(name, basis, " ".join(str(card.get(k, "")) for k in ("source", "notes")).strip())
        return Model(name, layers, wire, float(card["answer_bytes"]), float(card["top1"]))

    def _card(self, path: Path) -> dict[str, Any]:
        try:
            card = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"{path}: cannot be read as TOML: {reason(error)}") from error
        self.used.add(path)
        limits = {"answer_bytes": math.inf, "top1": 1.0}
        problems = [
            f"{path}: {key}: is missing"
            if key not in card
            else f"{path}: {key}: must be a number from 0 to {limit:g}, not {card[key]!r}"
            for key, limit in limits.items()
            if not isinstance(card.get(key), int | float) or not 0 <= card[key] <= limit
        ]
        if problems:
            raise BadInput(*problems)
        return card

    def _profile(self, model: str, hardware: str) -> Profile:
        path = self._path("profiles", f"{model}@{hardware}.csv")
        if path is None:
            have = ", ".join(self.profiled(model)) or "none"
            what = f"no profile of model {model!r} on hardware {hardware!r}"
            raise BadInput(f"{what}; there are profiles on {have}")
        needed = (f"{name}_{what}" for name in TIMES for what in ("s", "basis"))
        with self._table(path).check_columns("cut", *needed) as table:
            table.check_cuts(len(self.model(model).layers))
            times = {n: table.cells(f"{n}_s") for n in TIMES}
            basis = {n: table.bases(f"{n}_basis", times[n], BASES) for n in TIMES}
            energy = (
                table.cells("energy_j") if "energy_j" in table.header else (None,) * len(table.rows)
            )
        known = {n: ", ".join(dict.fromkeys(b for b in basis[n] if b)) for n in TIMES}
        sources = dict.fromkeys(row.get("source", "") for row in table.rows)
        self._note(path.stem, {n: b for n, b in known.items() if b}, " | ".join(sources))
        return Profile(times, basis, energy)

    def _hardware(self, name: str) -> Hardware:
        table, row = self._row("hardware", name)
        with table:
            idle_w, compute_w = (table.number(row, key) for key in ("idle_w", "compute_w"))
        point = row.get("measuring_point", "")
        basis = {key: row.get(f"{key}_basis", "") for key in ("idle", "compute")}
        self._note(name, basis, f"Measuring point: {point}. {row.get('source', '')}")
        return Hardware(name, idle_w, compute_w, point)

    def _radio(self, name: str) -> Radio:
        table, row = self._row("radio", name)
        with table:
            values = [table.number(row, key) for key in RADIO_COLUMNS]
        self._note(f"radio {name}", {"radio": row.get("basis", "")}, row.get("source", ""))
        return Radio(name, *values)

    def _row(self, kind: str, name: str) -> tuple[Table, dict[str, str]]:
        file = {"hardware": "hardware.csv", "radio": "radios.csv"}[kind]
        have: list[str] = []
        for folder in self.folders:
            if not (folder / file).is_file():
                continue
            table = self._table(folder / file)
            for row in table.rows:
                if row.get(kind) == name:
                    return table, row
                have.append(row.get(kind, ""))
        raise BadInput(f"no {kind} {name!r} in {file}; there are {', '.join(have) or 'none'}")

    def _path(self, *parts: str) -> Path | None:
        paths = (folder.joinpath(*parts) for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def _names(self, folder: str, pattern: str) -> list[str]:
        return sorted(
            {p.stem for f in self.folders for p in f.joinpath(folder).glob(f"{pattern}.csv")}
        )

    def _table(self, path: Path) -> Table:
        self.used.add(path)
        return Table(path)


def options(
    tables: Tables, models: Sequence[str], hardware: str, servers: Mapping[str, str]
) -> list[Option]:
    """Every way a device can run the models: each cut, with each server that can take it.

    Args:
        tables: where the tables are.
        models: model names.
        hardware: of the device.
        servers: hardware by server name.

    Raises:
        BadInput: a model has no table on some hardware; all such mistakes at once.
    """
    problems: list[str] = []
    found: list[Option] = []
    for name in models:
        try:
            found.extend(_model_options(tables, name, hardware, servers))
        except BadInput as error:
            problems.extend(error.problems)
    if problems:
        raise BadInput(*dict.fromkeys(problems))
    return found


def _model_options(
    tables: Tables, name: str, hardware: str, servers: Mapping[str, str]
) -> Iterator[Option]:
    model, device = tables.model(name), tables.profile(name, hardware)
    remote = {server: tables.profile(name, board) for server, board in servers.items()}
    last = len(model.layers) - 1
    for cut, layer in enumerate(model.layers):
        head_s = device.device_s(cut)
        if head_s is None:
            continue
        if cut == last:
            local = Demand(head_s, correct=model.top1, energy_j=device.energy_j[cut])
            yield Option(name, cut, layer, None, (local,))
            continue
        for server, profile in remote.items():
            tail_s = profile.server_s(cut)
            if tail_s is not None:
                demand = Demand(
                    head_s=head_s,
                    send_bytes=model.wire_bytes[cut],
                    tail_s=tail_s,
                    answer_bytes=model.answer_bytes,
                    correct=model.top1,
                    rest_s=device.rest_s(cut),
                    whole_s=device.device_s(last),
                    energy_j=device.energy_j[cut],
                )
                yield Option(name, cut, layer, server, (demand,))
