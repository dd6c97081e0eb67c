"""Reading a scenario file: overrides, the sweep, and every mistake with its place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from splitsim.errors import BadInput
from splitsim.profiles import Tables, shipped
from splitsim.scenario.checks import Checks
from splitsim.scenario.document import Document, Path_, did_you_mean
from splitsim.scenario.explain import explain, show
from splitsim.scenario.schema import MOST, LoadedScenario, Scenario, Spec
from splitsim.scenario.strict import Overrides, read_mapping
from splitsim.world.traces import FadingTrace, Trace, read_beside, read_fading, read_trace
from splitsim.world.traces.library import fetched, origin, public
from splitsim.world.traces.read import Beside

Recorded = TypeVar("Recorded", Trace, FadingTrace)

NOT_SWEPT = ("name", "seeds", "sweep", "tables")


def load_scenario(path: str | Path, overrides: Overrides = ()) -> LoadedScenario:
    """Read a scenario file.

    Args:
        path: the YAML file.
        overrides: values by dotted path, or texts ``path=value`` as on the command line.

    Raises:
        BadInput: with a line for every mistake in the file, the overrides, the tables and
            traces it names.
    """
    path = Path(path)
    return _Loader(path, read_mapping(path, overrides, "; see 'splitsim schema'")).load()


class _Loader:
    """Reads the points of a document; mistakes pile up and are raised together."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._folder = path.parent.resolve()
        self._document = document
        self._problems: dict[str, list[Mapping[str, Any]]] = {}  # and what is swept where it is
        self._warnings: dict[str, None] = {}
        self._read: set[Path] = set()
        self._read_once = lru_cache(read_trace)
        self._read_beside_once = lru_cache(read_beside)
        self._read_fading_once = lru_cache(read_fading)
        self._tables = Tables((shipped(),))
        self._origins: dict[str, str] = {}  # of recordings, by name

    def load(self) -> LoadedScenario:
        data = self._document.data
        self._tables = Tables((*self._own_tables(data), shipped()))
        sweep = self._sweep(data)
        points = [self._spec(n, *at) for n, at in enumerate(self._points(sweep))]
        self._same_policies(points)
        if self._problems:
            raise BadInput(*(_told(*found, len(points)) for found in self._problems.items()))
        specs = [point for point in points if point is not None]
        for name, source in self._origins.items():
            self._tables.provenance.append({"table": name, "basis": {}, "source": source})
        fits = [fit for name in _hardware(specs) for fit in self._tables.fits(name)]
        return LoadedScenario(
            path=self._path,
            text=self._document.text,
            resolved=data,
            points=specs,
            tables=self._tables,
            fits=fits,
            files=sorted(self._tables.used | self._read),
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
        context: dict[str, Any] = {"read_trace": self._read_trace, "find_path": self._find}
        context["read_beside"], context["read_fading"] = self._read_beside, self._read_fading
        context["find_file"] = partial(self._find, room="loads")
        context["locate"] = partial(self._find, room="curves")
        try:
            scenario = Scenario.model_validate(document.data, context=context)
        except ValidationError as error:
            for path, what in explain(error, Scenario, document.data):
                self._wrong(document, path, what, swept)
            return None
        checks = Checks(scenario, document, self._tables, self._folder)
        spec = checks.spec(point, swept)
        for problem in dict.fromkeys(checks.found.problems):
            self._problems.setdefault(problem, []).append(swept)
        self._warnings.update(dict.fromkeys(checks.found.warnings))
        return spec

    def _same_policies(self, points: Sequence[Spec | None]) -> None:
        """Results are by point and policy."""
        names = {tuple(p.name for p in at.scenario.policies) for at in points if at is not None}
        if len(names) > 1:
            what = "the policies must have the same names at all points of the sweep"
            self._wrong(self._document, ("sweep",), what)

    def _read_trace(self, file: str, **how: Any) -> Trace:
        return self._known(file, lambda path: self._read_once(path, **how))

    def _read_beside(self, file: str, key: Beside, **how: Any) -> Trace:
        return self._known(file, lambda path: self._read_beside_once(path, key, **how))

    def _read_fading(self, file: str, **how: Any) -> FadingTrace:
        return self._known(file, lambda path: self._read_fading_once(path, **how))

    def _known(self, file: str, read: Callable[[Path], Recorded]) -> Recorded:
        """A recording, whose origin is part of what a run rests on."""
        path = self._find(file, "channels")
        if not _is_there(path):
            self._check_known(file)
        recorded = read(path)
        self._origins[path.name] = origin(path)
        return recorded

    def _check_known(self, file: str) -> None:
        """A trace that is not there may be one to fetch, or nearly the name of one of ours."""
        data_set, _, name = file.rpartition("/")
        if name and data_set in public():
            raise BadInput(f"{file}: is not here; get it with: splitsim trace fetch {data_set}")
        ours = [path.name for at in self._tables.folders for path in (at / "channels").glob("*.*")]
        if not data_set and (close := did_you_mean(file, ours)):
            raise BadInput(f"{file}: no such file{close}")

    def _find(self, file: str, room: str = "paths") -> Path:
        """Where a file is, or should be; what is looked for is part of what a run rests on.

        Relative to the scenario file; also one of ours, by its bare name, or a fetched one.
        """
        paths = [self._folder / file]
        if "/" not in file:
            paths += [folder / room / file for folder in self._tables.folders]
        path = next(filter(_is_there, paths), None) or fetched(file) or paths[0]
        self._read.add(path)
        return path

    def _wrong(
        self, document: Document, path: Path_, what: str, swept: Mapping[str, Any] | None = None
    ) -> None:
        self._problems.setdefault(document.problem(path, what), []).append(swept or {})


def _hardware(specs: Sequence[Spec]) -> list[str]:
    """The names of all hardware, each once."""
    owners = (owner for spec in specs for owner in (spec.hardware, spec.server_hardware))
    return list(dict.fromkeys(board.name for owner in owners for board in owner.values()))


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
