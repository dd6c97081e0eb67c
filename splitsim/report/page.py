"""The page: one file that opens anywhere, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from splitsim.folder import failures
from splitsim.notes import notes
from splitsim.parts import whole
from splitsim.report import origins, tables
from splitsim.report.bands import shown
from splitsim.report.digest import digest
from splitsim.report.figures import (
    Figure,
    figures_json,
    point_figures,
    shift_figures,
    sweep_figures,
)
from splitsim.report.look import lines, point_name
from splitsim.results import Results
from splitsim.uncertainty import FACTORS

TIMES = " \N{MULTIPLICATION SIGN} "


def write_report(results: Results) -> Path:
    """Write ``report.html`` into a results folder; the file is whole or not there.

    Returns:
        Where it is.
    """
    path = results.folder / "report.html"
    with whole(path) as partial:
        partial.write_text(page(results), encoding="utf-8")
    return path


def page(results: Results) -> str:
    """The report as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = _Content(results)
    return environment.get_template("template.html").render(
        content=content,
        data=Markup(figures_json(results, content.groups, content.looks, content.parameter)),
        plotly_js=Markup(get_plotlyjs()),
    )


def question(scenario: str) -> str:
    """The comment that a scenario opens with."""
    found = []
    for line in scenario.lstrip("\ufeff\r\n ").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.lstrip("#").strip())
    return " ".join(found).strip()


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


class _Content:
    """What the template asks for."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.manifest = results.manifest
        self.rows = results.summary_rows
        self.swept = [point["swept"] for point in self.manifest["points"]]
        self.points = [point_name(swept) for swept in self.swept]
        self.policies = list(dict.fromkeys(str(row["policy"]) for row in self.rows))
        self.groups = digest(results) if self.rows else []
        self.looks = lines(self.manifest["policies"])
        self.failures = failures(results.folder)

    @property
    def question(self) -> str:
        return question(self._text("scenario.yaml"))

    @property
    def facts(self) -> str:
        """How much was simulated."""
        points = self.manifest["points"]
        tasks = sum(row["tasks"] for row in self.rows)
        spans_s = sorted({(p["duration_s"], p["warmup_s"]) for p in points})
        length = f"{spans_s[0][0]:g} s" if len(spans_s) == 1 else "various lengths"
        warm_s = spans_s[0][1] if len(spans_s) == 1 else 0.0
        warm = f", the first {warm_s:g} s left out as warm-up" if warm_s else ""
        counts = [
            _count(len(self.manifest["policies"]), "policy", "policies"),
            *([f"{len(points)} points of the sweep"] if len(points) > 1 else []),
            _count(self.manifest["seeds"], "replication", "replications"),
        ]
        return f"{TIMES.join(counts)} of {length}{warm}: {tasks:,} tasks."

    @property
    def missing(self) -> str:
        """How many parts are not there."""
        return f"{self.results.missing:,} of {self.results.parts:,} parts are missing."

    @property
    def swept_names(self) -> str:
        return ", ".join(self.swept[0])

    @property
    def resolved(self) -> str:
        return self._text("resolved.yaml")

    @property
    def summary(self) -> tables.Table:
        return tables.summary_table(self.rows, self.swept)

    @property
    def phases(self) -> tables.Table:
        return tables.phases_table(self.results.phase_rows, self.swept)

    @property
    def notes(self) -> list[str]:
        return notes(self.rows, list(self.swept[0]), self.manifest.get("replayed", ()))

    @property
    def shifted(self) -> Sequence[Figure]:
        return shift_figures(self.rows) if self.results.shifts else ()

    @property
    def shifts(self) -> tables.Table:
        return tables.shifts_table(self.rows, self.swept, shown(self.rows))

    @property
    def factors(self) -> Mapping[str, float]:
        return FACTORS

    @property
    def basis(self) -> tables.Table:
        return origins.basis_table(self.groups, self.swept)

    @property
    def exits(self) -> tables.Table:
        return origins.exits_table(self.groups, self.swept)

    @property
    def fits(self) -> tables.Table:
        return origins.fits_table(self.manifest.get("fits", ()))

    @property
    def provenance(self) -> list[dict[str, Any]]:
        return origins.provenance(self.manifest["provenance"])

    @property
    def files(self) -> list[tuple[str, str]]:
        """Names, without this machine's folders, and the first digits of their hashes."""
        return [(Path(name).name, sha[:12]) for name, sha in self.manifest["files"].items()]

    @property
    def parts_wall_s(self) -> float:
        return float(sum(self.manifest["wall_s"].values()))

    @property
    def replicated(self) -> bool:
        return any(row["seeds"] > 1 for row in self.rows)

    @property
    def point_figures(self) -> Sequence[Figure]:
        return point_figures(self.rows)

    @property
    def parameter(self) -> str | None:
        """The swept parameter, if there is one only and it is a number."""
        names = list(self.swept[0])
        if len(self.swept) < 2 or len(names) != 1:
            return None
        values = [swept[names[0]] for swept in self.swept]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        return names[0] if numbers else None

    @property
    def sweep_figures(self) -> Sequence[Figure]:
        return sweep_figures(self.rows) if self.parameter is not None and self.rows else ()

    @property
    def pivots(self) -> list[tables.Table]:
        many = len(self.swept) > 1 and self.parameter is None and bool(self.rows)
        return tables.pivots(self.rows, self.swept) if many else []

    def _text(self, name: str) -> str:
        """A file of the folder; nothing if it is not there."""
        path = self.results.folder / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""
