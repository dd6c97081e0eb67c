"""The house itself: floors, what a command loads, and the golden rows."""

from __future__ import annotations

import ast
import csv
import pickle
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from test_laws import FILES, ROOT, part_of, same, spec_of

from splitsim import simulate
from splitsim.task import Record

PACKAGE = ROOT / "splitsim"
# A module imports from its own floor or a lower one.
FLOORS = {
    0: (
        "errors",
        "rng",
        "chunk",
        "steps",
        "costs",
        "component",
        "outages",
        "task",
        "csvtable",
        "columns",
        "profiles",
        "entries",
        "outcomes",
        "outcome_table",
        "times",
        "exits",
        "view",
        "runs",
        "luck",
        "options",
        "uncertainty",
    ),
    1: ("world", "policies"),
    2: ("system",),
    3: ("scenario",),
    4: (
        "accounts",
        "simulation",
        "cells",
        "statistics",
        "stability",
        "notes",
        "basis",
        "parts",
        "shifts",
        "summary",
        "results",
        "folder",
    ),
    5: ("experiment", "synthetic", "report", "measure", "dnn"),
    6: ("cli", "__main__"),
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
HEAVY = ("torch", "pandas", "plotly", "scipy", "pyarrow")


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imports(path: Path) -> set[str]:
    """Every splitsim module that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in modules() and name != "splitsim"}


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [name for name in modules() if name != "splitsim"])
def test_a_module_imports_from_its_own_floor_or_below(module):
    for other in imports(modules()[module]):
        assert FLOOR[room(other)] <= FLOOR[room(module)], f"{module} imports {other}"


def test_no_module_imports_itself_in_a_circle():
    graph = {name: imports(path) - {name} for name, path in modules().items() if name != "splitsim"}
    while leaves := [name for name, others in graph.items() if not others & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph


@pytest.mark.parametrize(
    "arguments", [["--help"], ["validate", str(FILES[0])], ["--version"], ["schema"]]
)
def test_a_light_command_loads_nothing_heavy(arguments):
    code = (
        "import sys; sys.argv = ['splitsim', *sys.argv[1:]]\n"
        "from splitsim.cli import main\n"
        "try:\n    main()\nfinally:\n"
        f"    loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "    print('loaded:', loaded, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert "loaded: []" in done.stderr


def test_the_simulation_itself_loads_nothing_heavy():
    code = (
        "import sys, splitsim\n"
        f"spec = splitsim.load_scenario({str(FILES[0])!r}, {{'duration_s': 40}}).points[0]\n"
        "splitsim.simulate(spec, spec.scenario.policies[0].name, 0)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


GOLDEN = ROOT / "tests" / "golden.csv"


def golden_rows() -> list[dict[str, str]]:
    """The first rows of two policies in the hard scenario, as text."""
    rows = [row for p in ("random", "fastest") for row in part_of(FILES[-1], p).tasks[:40]]
    return [
        {f.name: "" if (v := getattr(row, f.name)) is None else repr(v) for f in fields(Record)}
        for row in rows
    ]


def test_rows_are_what_they_were():
    """To 1e-9; ``python tests/test_house.py`` writes the file anew after a meant change."""
    with GOLDEN.open(newline="") as file:
        expected = list(csv.DictReader(file))
    found = golden_rows()
    assert len(found) == len(expected)
    for row, before in zip(found, expected, strict=True):
        for name, text in before.items():
            try:
                assert float(row[name]) == pytest.approx(float(text), rel=1e-9, abs=1e-12), name
            except ValueError:
                assert row[name] == text, name


def test_specs_travel_to_other_processes():
    for path in FILES:
        spec = spec_of(path)
        policy = spec.scenario.policies[-1].name
        copy = pickle.loads(pickle.dumps(spec))  # noqa: S301 - our own bytes
        rows = simulate(copy, policy, 0).tasks
        assert all(map(same, rows, part_of(path, policy).tasks))


if __name__ == "__main__":
    with GOLDEN.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Record)])
        writer.writeheader()
        writer.writerows(golden_rows())
