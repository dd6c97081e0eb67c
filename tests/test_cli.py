"""The command line: what it prints where, its exit codes, its schema."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import build

from splitsim import BadInput, Results, load_scenario
from splitsim.cli import main
from splitsim.parts import parts_in
from splitsim.scenario.document import Document

ROOT = Path(__file__).parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))


@pytest.fixture
def splitsim(tmp_path, capsys, monkeypatch):
    """``splitsim(...)``: exit code, standard output, lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def splitsim(*arguments: str) -> tuple[Any, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["splitsim", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err.splitlines()

    return splitsim


@pytest.fixture
def small(tmp_path):
    """A scenario of three parts in the working folder."""
    build(
        tmp_path,
        scenario={
            "duration_s": 30.0,
            "servers": {"edge": {"service": {"kind": "exponential"}}},
            "policies": [
                {"name": "local", "kind": "local", "model": "net"},
                {"name": "offload", "kind": "offload", "model": "net"},
                {"name": "random", "kind": "random"},
            ],
        },
    )
    return tmp_path


# --- Usage -----------------------------------------------------------------------------------


def test_the_version(splitsim):
    assert splitsim("--version") == (0, f"splitsim {version('splitsim')}\n", [])


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands(splitsim, arguments):
    code, out, err = splitsim(*arguments)
    assert (code, err) == (0, [])
    for command in ("run", "validate", "schema", "report"):
        assert re.search(rf"\b{command}\b", out)


def test_help_of_run_names_its_options(splitsim):
    code, out, _ = splitsim("run", "--help")
    assert code == 0
    for option in ("FILE", "--out", "--set", "PATH=VALUE", "--jobs", "--resume"):
        assert option in out
    assert "--table-uncertainty" in out
    assert "one per processor" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("fly",), "splitsim: No such command 'fly'; see 'splitsim --help'"),
        (("run",), "splitsim: Missing argument 'FILE'; see 'splitsim --help'"),
        (("report",), "splitsim: Missing argument 'DIR'; see 'splitsim --help'"),
        (("run", "x.yaml", "--fast"), "splitsim: No such option: --fast"),
        (("validate", "x.yaml", "y.yaml"), "splitsim: Got unexpected extra argument"),
        (("run", "x.yaml", "--set"), "splitsim: Option '--set' requires an argument; see"),
        (("run", "x.yaml", "--jobs", "0"), "must be a whole number, 1 or more, not '0'; see"),
        (("run", "x.yaml", "--jobs", "two"), "must be a whole number, 1 or more, not 'two'; see"),
        (("run", "x.yaml", "--resume"), "--resume: needs --out DIR, the folder to go on in"),
        (("report", "nowhere"), "nowhere: is no results folder (No such file or directory: mani"),
        (("report", "."), ".: is no results folder (No such file or directory: manifest.json); g"),
    ],
)
def test_wrong_usage_is_told_in_one_line(splitsim, arguments, expected):
    code, out, err = splitsim(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert expected in err[0]


def test_whoever_has_read_enough_may_close_the_pipe():
    code = "import sys; sys.argv[1:] = ['schema']; from splitsim.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as err:
        assert err.read() == b""
    assert process.wait() == 1


# --- validate --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_our_scenarios_are_valid(splitsim, path):
    code, out, err = splitsim("validate", str(path))
    assert code == 0
    # Nobody metered the processors of a virtual machine.
    assert all("'x86-" in line and "has no watts" in line for line in err)
    assert re.fullmatch(rf"{re.escape(str(path))}: valid; .* = \d+ parts\n", out)


def test_validate_counts_the_parts(splitsim, small):
    sweep = "sweep={devices.device.count: [1, 2]}"
    code, out, err = splitsim("validate", "scenario.yaml", "--set", sweep, "--set", "seeds=5")
    assert (code, err) == (0, [])
    assert out == "scenario.yaml: valid; 2 points x 3 policies x 5 seeds = 30 parts\n"


# --- run and report --------------------------------------------------------------------------


def test_run_prints_a_table_and_writes_a_report(splitsim, small):
    code, out, err = splitsim("run", "scenario.yaml", "--out", "r", "--jobs", "1")
    assert (code, err) == (0, [])
    for word in ("policy", "p95", "local", "offload", "random", f"report: {Path('r/report.html')}"):
        assert word in out
    expected = {"manifest.json", "scenario.yaml", "resolved.yaml", "summary.csv", "report.html"}
    folders = {"tasks", "devices", "servers", "cells", "events", "channels", "options"}
    assert {path.name for path in Path("r").iterdir()} == expected | folders


def test_overrides_stand_in_the_resolved_scenario(splitsim, small):
    splitsim("run", "scenario.yaml", "--out", "r", "--jobs", "1", "--set", "duration_s=7")
    assert yaml.safe_load(Path("r/resolved.yaml").read_text())["duration_s"] == 7
    assert Path("r/scenario.yaml").read_text() == Path("scenario.yaml").read_text()
    assert Results("r").manifest["points"][0]["duration_s"] == 7


def test_a_sweep_over_mappings_is_shown_as_it_is(splitsim, small):
    sweep = "sweep={servers.edge.service: [{kind: constant}, {kind: lognormal, cv: 1}]}"
    command = ("run", "scenario.yaml", "--out", "r", "--jobs", "1", "--set", sweep)
    code, out, _ = splitsim(*command)
    assert code == 0
    assert "lognormal" in out
    swept = "models=[net]", "sweep={models: [[net]]}"
    _, out, _ = splitsim(*command[:3], "s", *command[4:6], "--set", swept[1])
    assert "['net']" in out  # and not taken for a colour


def test_overload_is_told(splitsim, small):
    arguments = ("--jobs", "1", "--set", "devices.device.arrivals.rate_hz=100")
    _, out, _ = splitsim("run", "scenario.yaml", "--out", "r", *arguments)
    assert re.search(r"\n\* local: a device was offered 2\.\d\d times the work it can do", out)


def test_a_second_run_into_the_same_folder_is_refused_and_resumed(splitsim, small):
    command = ("run", "scenario.yaml", "--out", "r", "--jobs", "1")
    assert splitsim(*command)[0] == 0
    before = {path: path.read_bytes() for path in Path("r").rglob("*.parquet")}
    code, out, err = splitsim(*command)
    assert (code, out) == (2, "")
    assert err == ["r: is not empty; give another --out, or --resume to go on in it"]
    code, _, (line,) = splitsim(*command, "--resume", "--set", "seeds=2")
    assert code == 2
    assert line.startswith("r: holds results of another scenario; give another --out, or the ")
    assert splitsim(*command, "--resume")[0] == 0
    assert {path: path.read_bytes() for path in Path("r").rglob("*.parquet")} == before


def test_report_makes_summary_and_page_anew(splitsim, small):
    _, table, _ = splitsim("run", "scenario.yaml", "--out", "r", "--jobs", "1")
    summary = Path("r/summary.csv").read_bytes()
    Path("r/summary.csv").unlink()
    Path("r/report.html").unlink()
    assert splitsim("report", "r") == (0, table, [])
    assert Path("r/summary.csv").read_bytes() == summary
    assert Path("r/report.html").is_file()


def test_report_tells_of_missing_parts(splitsim, small):
    splitsim("run", "scenario.yaml", "--out", "r", "--jobs", "1")
    parts_in(Path("r"))[0].path(Path("r"), "tasks").unlink()
    code, out, err = splitsim("report", "r")
    assert (code, err) == (0, ["warning: 1 of 3 parts are missing; --resume makes them"])
    assert "local" not in out


def test_ctrl_c_in_any_command_is_told(splitsim, small, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Document, "read", interrupt)
    assert splitsim("validate", "scenario.yaml") == (130, "", ["interrupted"])


# --- Policies that fail while they run -------------------------------------------------------

LAB = """
import numpy as np
class Fine:
    def reset(self, options, rng):
        self.last = len(options) - 1
    def choose(self, view):
        return CHOICE
    def learn(self, record):
        LEARNED
"""


@pytest.fixture
def choosing(splitsim, small, monkeypatch):
    """Run with a policy whose ``choose`` returns an expression."""

    def choosing(choice: str, learned: str = "pass"):
        Path("mylab.py").write_text(LAB.replace("CHOICE", choice).replace("LEARNED", learned))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.delitem(sys.modules, "mylab", raising=False)
        mine = "policies.random={name: mine, kind: 'mylab:Fine'}"
        return splitsim("run", "scenario.yaml", "--out", "r", "--jobs", "1", "--set", mine)

    return choosing


@pytest.mark.parametrize("choice", ["0", "self.last", "np.int64(1)", "np.argmax([0, 1])"])
def test_an_index_is_a_choice(choosing, choice):
    assert choosing(choice)[0] == 0
    chosen = set(Results("r").tasks.query("policy == 'mine'")["option"])
    assert chosen == {"offload:net" if choice == "0" else "local:net"}


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ("None", "policy chose None: must be an index from 0 to 1"),
        ("-1", "policy chose -1: must be an index from 0 to 1"),
        ("10**6", "policy chose 1000000: must be an index from 0 to 1"),
        ("2", "policy chose 2: must be an index from 0 to 1"),
        ("0.5", "policy chose 0.5: must be an index from 0 to 1"),
        ("'local'", "policy chose 'local': must be an index from 0 to 1"),
        ("1.0", "policy chose 1.0: must be an index from 0 to 1"),
        ("True", "policy chose True: must be an index from 0 to 1"),
        ("view.nothing", "AttributeError: 'View' object has no attribute 'nothing' ("),
        ("exit(3)", "SystemExit: 3 ("),
    ],
)
def test_anything_else_fails_the_part_and_no_other(choosing, choice, why):
    code, out, err = choosing(choice)
    assert code == 1
    assert err[0].startswith("part p0000-mine-s0000 failed: ")
    assert why in err[0]
    assert err[1:] == [f"tracebacks are in {Path('r/failed')}; --resume tries these parts again"]
    assert [name.policy for name in parts_in(Path("r"))] == ["local", "offload"]
    assert "offload" in out
    assert "report: " in out
    with Path("r/summary.csv").open() as file:
        assert [row["policy"] for row in csv.DictReader(file)] == ["local", "offload"]


def test_what_learn_raises_fails_the_part_as_well(choosing):
    code, _, err = choosing("0", learned="raise RuntimeError('too much')")
    assert code == 1
    where = Path.cwd() / "mylab.py"
    assert err[0] == f"part p0000-mine-s0000 failed: RuntimeError: too much ({where}:9)"


def test_report_tells_again_of_parts_that_failed(choosing, splitsim):
    _, out, err = choosing("None")
    assert splitsim("report", "r") == (1, out, err)


# --- The schema, checked by a small validator of the keywords it uses ------------------------


def is_of(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind])


class Schema:
    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def accepts(self, value: Any, schema: dict[str, Any] | None = None) -> bool:
        schema = self.root if schema is None else schema
        if "$ref" in schema:
            schema = self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        choices = schema.get("anyOf", schema.get("oneOf"))
        right = is_of(schema["type"], value) if "type" in schema else True
        return (
            right
            and (choices is None or any(self.accepts(value, choice) for choice in choices))
            and value in schema.get("enum", [value])
            and value == schema.get("const", value)
            and self._within(value, schema)
            and self._members(value, schema)
        )

    def _within(self, value: Any, schema: dict[str, Any]) -> bool:
        if isinstance(value, str):
            return bool(re.search(schema.get("pattern", ""), value))
        if not is_of("number", value):
            return True
        low, above = schema.get("minimum", value), schema.get("exclusiveMinimum", value - 1)
        return low <= value <= schema.get("maximum", value) and value > above

    def _members(self, value: Any, schema: dict[str, Any]) -> bool:
        if isinstance(value, list):
            fits = len(value) >= schema.get("minItems", 0)
            return fits and all(self.accepts(item, schema.get("items", {})) for item in value)
        if not isinstance(value, dict):
            return True
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        for pattern, inside in schema.get("patternProperties", {}).items():
            known = known | {key: inside for key in value if re.search(pattern, key)}
        rest = {True: {}, False: {"enum": []}}.get(rest, rest) if isinstance(rest, bool) else rest
        return set(schema.get("required", ())) <= value.keys() and all(
            self.accepts(inside, known.get(key, rest)) for key, inside in value.items()
        )


@pytest.fixture(scope="module")
def schema():
    done = subprocess.run(
        [sys.executable, "-m", "splitsim", "schema"], capture_output=True, check=True
    )
    return Schema(json.loads(done.stdout))


def data_of(path: Path) -> Any:
    return Document.read(path).data


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_schema_accepts_our_scenarios(schema, path):
    assert schema.accepts(data_of(path))


@pytest.mark.parametrize(
    ("override", "fine"),
    [
        (None, True),
        ("duration_s=-1", False),
        ("duration_s=abc", False),
        ("colour=red", False),
        ("devices.nano.cell=5", False),
        ("devices.nano.timeout.from=never", False),
        ("devices.nano.timeout.then=local", True),
        ("devices.nano.arrivals.kind=sometimes", False),
        ("servers.edge.workers=1.5", False),
        ("policies=[]", False),
        ("models=[]", False),
        ("sweep={servers.edge.workers: [1, 2]}", True),
        ("sweep={servers.edge.workers: 1}", False),
    ],
)
def test_the_schema_and_the_reader_agree(schema, override, fine, tmp_path):
    path = next(path for path in SCENARIOS if path.stem == "quickstart")
    document = Document.read(path)
    if override:
        dotted, _, text = override.partition("=")
        value = Document.parse(text, str).data
        document = document.with_value(document.find(dotted), value, "")
    assert schema.accepts(document.data) == fine
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(document.data))
    try:
        load_scenario(tmp_path / "s.yaml")
    except BadInput:
        assert not fine
    else:
        assert fine


def test_small_amounts_do_not_round_to_nothing():
    from splitsim.cli.table import _number

    assert [_number(value, 1) for value in (0.0, 0.0123, 0.06, 1234.56)] == [
        *("0.0", "0.012", "0.1", "1,234.6"),
    ]
    assert _number(float("nan"), 0) == "-"
