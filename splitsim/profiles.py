"""Tables of models, profiles, hardware, radios and fits, read strictly."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from splitsim.csvtable import Table, reason
from splitsim.entries import Fit, Hardware, Model, Profile, Radio, Watts
from splitsim.errors import BadInput
from splitsim.outcome_table import read_outcomes
from splitsim.outcomes import Outcomes
from splitsim.runs import Runs, read_runs
from splitsim.times import read_profile
from splitsim.uncertainty import BASES, FACTORS, Shift

RADIO_COLUMNS = (
    *("a_up_j_per_bit", "a_down_j_per_bit", "b_w", "zero_w"),
    *("promotion_s", "promotion_w"),
)
TAIL_COLUMNS = ("tail_s", "tail_w")  # a number per state of the tail

T = TypeVar("T")


def shipped() -> Path:
    """The folder of the tables that come with splitsim, in a checkout or in a wheel."""
    package = Path(__file__).parent
    beside = package.parent / "traces"
    return beside if (beside / "hardware.csv").is_file() else package / "traces"


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

    def runs(self, model: str, hardware: str) -> Runs:
        """Whole runs behind a profile: ``profiles/<model>@<hardware>.runs.parquet``."""
        return self._once(("runs", model, hardware), lambda: self._runs(model, hardware))

    def hardware(self, name: str) -> Hardware:
        """A row of ``hardware.csv``; without one, or with empty watts, its energy is not known."""
        return self._once(("hardware", name), lambda: self._hardware(name))

    def radio(self, name: str) -> Radio:
        """A row of ``radios.csv``."""
        return self._once(("radio", name), lambda: self._radio(name))

    def outcomes(self, model: str, dataset: str) -> Outcomes:
        """What a model gave for each sample: ``outcomes/<model>@<dataset>.parquet``."""
        return self._once(("outcomes", model, dataset), lambda: self._outcomes(model, dataset))

    def fits(self, hardware: str) -> list[Fit]:
        """The rows of ``fits.csv`` for a hardware; none if nothing was scaled by a fit."""
        return self._once(("fits", hardware), lambda: self._fits(hardware))

    def shifted(self, number: int) -> Tables:
        """What was read so far, under a shift; nothing else is found in it."""
        shift = Shift(number)
        kinds = Model | Profile | Runs | Hardware | Radio | Outcomes
        read = {k: v.shifted(shift) for k, v in self._read.items() if isinstance(v, kinds)}
        return Tables((), _read=read)

    def profiled(self, model: str) -> list[str]:
        """The hardware ids a model has a profile on."""
        return sorted(name.split("@", 1)[1] for name in self._names("profiles", f"{model}@*"))

    def _once(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        if key not in self._read:
            self._read[key] = read()
        found: T = self._read[key]
        return found

    def tail_bytes(self, models: Sequence[str]) -> dict[str, float]:
        """Memory that the largest tail of each model takes on a server; without those not known."""
        known = {name: [b for b in self.model(name).tail_bytes if b is not None] for name in models}
        return {name: max(sizes) for name, sizes in known.items() if sizes}

    def _note(self, table: str, basis: Mapping[str, str], source: str) -> None:
        self.provenance.append({"table": table, "basis": dict(basis), "source": source})

    def _model(self, name: str) -> Model:
        self._no_lone_card(name)
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
            sides = {key: table.cells(key) for key in ("head_bytes", "tail_bytes")}
        basis = {"top1": str(card.get("top1_basis", ""))}
        self._note(name, basis, " ".join(str(card.get(k, "")) for k in ("source", "notes")).strip())
        network = str(card.get("network", name))
        answer_bytes, top1 = (float(card[key]) for key in ("answer_bytes", "top1"))
        return Model(name, network, layers, wire, answer_bytes, top1, **sides)

    def _no_lone_card(self, name: str) -> None:
        """A model's two files must lie in one folder, or one of them would silently not count."""
        for folder in self.folders:
            table, card = (folder / "models" / f"{name}.{kind}" for kind in ("csv", "toml"))
            if card.is_file() and not table.is_file():
                raise BadInput(f"{card}: there must be {table.name} beside it")

    def _card(self, path: Path) -> dict[str, Any]:
        try:
            card = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"{path}: cannot be read as TOML: {reason(error)}") from error
        self.used.add(path)
        limits = {"answer_bytes": 1e12, "top1": 1.0}
        problems = [
            f"{path}: {key}: is missing"
            if key not in card
            else f"{path}: {key}: must be a number from 0 to {limit:g}, not {card[key]!r}"
            for key, limit in limits.items()
            if isinstance(card.get(key), bool)
            or not isinstance(card.get(key), int | float)
            or not 0 <= card[key] <= limit
        ]
        if not isinstance(card.get("network", ""), str):
            problems.append(f"{path}: network: must be a model's name, not {card['network']!r}")
        if problems:
            raise BadInput(*problems)
        return card

    def _profile(self, model: str, hardware: str) -> Profile:
        path = self._path("profiles", f"{model}@{hardware}.csv")
        if path is None:
            have = ", ".join(self.profiled(model)) or "none"
            what = f"no profile of model {model!r} on hardware {hardware!r}"
            raise BadInput(f"{what}; there are profiles on {have}")
        network = self.model(model).network
        with self._table(path) as table:
            profile = read_profile(table, network, hardware, len(self.model(model).layers))
        bases = {n: ", ".join(dict.fromkeys(filter(None, b))) for n, b in profile.basis.items()}
        sources = dict.fromkeys(row.get("source", "") for row in table.rows)
        self._note(path.stem, {n: b for n, b in bases.items() if b}, " | ".join(sources))
        if network != model:
            profile = replace(profile, origin=self._origin(network, hardware))
        self._check_memory(path, self.model(model), profile)
        return profile

    def _check_memory(self, path: Path, model: Model, profile: Profile) -> None:
        """What has a time on a hardware must fit into its memory."""
        needs = [
            (needed, step, layer)
            for step, sides in (("head", model.head_bytes), ("tail", model.tail_bytes))
            for needed, layer, time_s in zip(sides, model.layers, profile.times[step], strict=True)
            if needed is not None and time_s is not None
        ]
        most, step, layer = max(needs, default=(0.0, "", ""))
        board = self.hardware(profile.hardware) if needs else Hardware("")
        if most > board.memory_bytes:
            raise BadInput(
                f"{path}: {step}_s: the {step} at {layer!r} needs {most:,.0f} B of memory, and "
                f"{board.name!r} has {board.memory_bytes:,.0f} B (memory_bytes in hardware.csv); "
                "leave its times empty where it is too little"
            )

    def _runs(self, model: str, hardware: str) -> Runs:
        what = f"no recorded runs of model {model!r} on hardware {hardware!r}"
        remedy = "record them with splitsim profile"
        path = self._parquet("profiles", model, hardware, what, remedy, suffix=".runs")
        return read_runs(path, self.profile(model, hardware))

    def _origin(self, network: str, hardware: str) -> Profile | None:
        if self._path("profiles", f"{network}@{hardware}.csv") is None:
            return None
        card = self._path("models", f"{network}.toml")
        if card is not None and self._card(card).get("network", network) != network:
            raise BadInput(
                f"{card}: network: must be {network!r} itself or left out, for others name it"
            )
        return self.profile(network, hardware)

    def _hardware(self, name: str) -> Hardware:
        found = self._find("hardware.csv", "hardware", name)
        if found is None:
            return Hardware(name)
        table, row = found
        with table.check_columns("idle_w", "compute_w", "idle_basis", "compute_basis"):
            memory_bytes = (
                table.number(row, "memory_bytes") if row.get("memory_bytes") else math.inf
            )
            if not row["idle_w"] and not row["compute_w"]:  # one alone is a mistake
                return Hardware(name, memory_bytes=memory_bytes)
            idle, compute = _watts(table, row, "idle"), _watts(table, row, "compute")
        point = row.get("measuring_point", "")
        note = f"Measuring point: {point}. {row.get('source', '')}"
        self._note(name, {"idle": idle.basis, "compute": compute.basis}, note)
        return Hardware(name, idle, compute, point, memory_bytes)

    def _radio(self, name: str) -> Radio:
        found = self._find("radios.csv", "radio", name)
        if found is None:
            have = ", ".join(self._column("radios.csv", "radio")) or "none"
            raise BadInput(f"no radio {name!r} in radios.csv; there are {have}")
        table, row = found
        with table.check_columns(*RADIO_COLUMNS, *TAIL_COLUMNS, "basis"):
            numbers = {key: table.number(row, key) for key in RADIO_COLUMNS}
            tail_s, tail_w = (table.numbers(row, key) for key in TAIL_COLUMNS)
            if tail_s and tail_w and len(tail_s) != len(tail_w):
                table.wrong(row, "tail_w", f"must be {len(tail_s)} numbers, as in tail_s")
            basis = table.one_of(row, "basis", BASES)
            factor = table.factor(row, "factor", FACTORS[basis])
        self._note(f"radio {name}", {"radio": basis}, row.get("source", ""))
        return Radio(name=name, tail_s=tail_s, tail_w=tail_w, basis=basis, factor=factor, **numbers)

    def _outcomes(self, model: str, dataset: str) -> Outcomes:
        what = f"no outcomes of model {model!r} on data set {dataset!r}"
        remedy = "make them with splitsim outcomes"
        path = self._parquet("outcomes", model, dataset, what, remedy)
        outcomes, source = read_outcomes(path, model, dataset, self.model(model).layers)
        self._note(path.stem, {"outcomes": "measured"}, source)
        return outcomes

    def _fits(self, hardware: str) -> list[Fit]:
        path = self._path("fits.csv")
        if path is None:
            return []
        with self._table(path).check_columns(*(column.name for column in fields(Fit))) as table:
            return [_fit(table, row) for row in table.rows if row["hardware"] == hardware]

    def _find(self, file: str, key: str, name: str) -> tuple[Table, dict[str, str]] | None:
        """The first row of that name, in the first folder that has one."""
        for table in self._all(file):
            with table.check_columns(key):
                found = [row for row in table.rows if row[key] == name]
                for row in found[1:]:
                    table.wrong(row, key, "must differ from those before")
            if found:
                return table, found[0]
        return None

    def _column(self, file: str, key: str) -> list[str]:
        return [row.get(key, "") for table in self._all(file) for row in table.rows]

    def _all(self, file: str) -> Iterator[Table]:
        paths = (folder / file for folder in self.folders)
        return (self._table(path) for path in paths if path.is_file())

    def _parquet(
        self, room: str, model: str, of: str, lacking: str, remedy: str, suffix: str = ""
    ) -> Path:
        """A table of a model and something else that is not text."""
        path = self._path(room, f"{model}@{of}{suffix}.parquet")
        if path is None:
            have = ", ".join(self._names(room, f"{model}@*{suffix}", "parquet")) or "none"
            raise BadInput(f"{lacking}; there are {have}; {remedy}")
        self.used.add(path)
        return path

    def _path(self, *parts: str) -> Path | None:
        paths = (folder.joinpath(*parts) for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def _names(self, folder: str, pattern: str, kind: str = "csv") -> list[str]:
        return sorted(
            {p.stem for f in self.folders for p in f.joinpath(folder).glob(f"{pattern}.{kind}")}
        )

    def _table(self, path: Path) -> Table:
        self.used.add(path)
        return Table(path)


def _watts(table: Table, row: dict[str, str], what: str) -> Watts:
    basis = table.one_of(row, f"{what}_basis", BASES)
    factor = table.factor(row, f"{what}_factor", FACTORS[basis])
    return Watts(table.number(row, f"{what}_w"), basis, factor)


def _fit(table: Table, row: dict[str, str]) -> Fit:
    return Fit(
        hardware=row["hardware"],
        networks=table.count(row, "networks"),
        a_s_per_layer=table.number(row, "a_s_per_layer"),
        b_s_per_gmac=table.number(row, "b_s_per_gmac"),
        rms_error=table.number(row, "rms_error"),
        worst_error=table.number(row, "worst_error", least=-1),
        worst_network=row["worst_network"],
    )
