"""What the README says is true: its commands, snippets and table."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture
def clone(tmp_path):
    """A working folder that looks like a clone, so that nothing is written into this one."""
    for name in ("analysis", "scenarios", "traces"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def splitsim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "splitsim", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_two_commands_set_everything_up():
    first, second = (block.strip() for block in blocks("sh")[:2])
    install = "python3 -m venv .venv && .venv/bin/pip install -c .ci/constraints.txt -e "
    assert first == f"{install}. && .venv/bin/splitsim run scenarios/quickstart.yaml"
    assert second == f"{install}'.[test]' && .venv/bin/python -m pytest"
    assert second.replace("pip install", "pip install -q") in (ROOT / ".ci" / "run").read_text()


def test_the_table_is_what_the_first_command_prints(clone):
    done = splitsim("run", "scenarios/quickstart.yaml", "--out", "out", cwd=clone)
    assert done.returncode == 0, done.stderr
    printed = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("report:")]
    assert "\n".join(printed).strip("\n") == blocks("text")[0].rstrip("\n")


@pytest.mark.parametrize("block", blocks("sh")[2:])
def test_the_commands_run(clone, block):
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "splitsim"
        if arguments[0] == "run":  # shortened
            arguments += ["--set", "duration_s=40"]
        done = splitsim(*arguments, cwd=clone)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("snippet", blocks("python"))
def test_the_python_snippets_run(snippet, clone):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", snippet],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_scenario_snippet_and_a_policy_of_ones_own_run(clone):
    policy = next(text for text in blocks("python") if "class Bandit" in text)
    (clone / "mylab.py").write_text(policy)
    scenario = blocks("yaml")[0].replace(
        "sweep:", '  - {name: bandit, kind: "mylab:Bandit", explore: 0.05}\nsweep:'
    )
    (clone / "my-first.yaml").write_text(scenario)
    done = splitsim("run", "my-first.yaml", "--set", "duration_s=20", "--out", "out", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert "bandit" in done.stdout


def test_the_scenario_of_channels_cells_and_servers_runs(clone):
    scenario = next(text for text in blocks("yaml")[1:] if "policies:" in text)
    (clone / "busy.yaml").write_text(scenario)
    done = splitsim("run", "busy.yaml", "--out", "out", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "by phase" in done.stdout


def test_every_scenario_is_listed_and_asks_a_question():
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert f"`{path.name}`" in README
        comment = [line for line in path.read_text().splitlines() if line.startswith("#")]
        assert "?" in " ".join(comment), path.name
        assert path.read_text().startswith("# ")


def test_every_file_in_traces_has_its_origin():
    traces = ROOT / "traces"
    pages = [traces / "README.md", *traces.rglob("*/README.md")]
    said = re.findall(r"`([^`\s]+)`", " ".join(page.read_text() for page in pages))
    # In a pattern <...> stands for a name; a folder for all that is in it.
    patterns = [re.sub(r"<.*?>", "*", name) + "*" * name.endswith("/") for name in said]
    for path in traces.rglob("*"):
        name = path.relative_to(traces).as_posix()
        if path.is_file() and path.name != "README.md":
            found = any(fnmatch(name, p) or fnmatch(path.name, p) for p in patterns if p != "*")
            assert found, name
