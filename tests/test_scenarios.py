"""Every scenario runs, shortened, from file to report."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitsim import load_scenario, run
from splitsim.folder import failures
from splitsim.report.page import write_report

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_runs_from_file_to_report(path, tmp_path):
    changes = {"duration_s": 40, "warmup_s": 5, "seeds": 1}
    scenario = load_scenario(path, changes)
    # Nobody metered the processors of a virtual machine; and what is overridden here is told.
    warnings = [line for line in scenario.warnings if not line.startswith("override ")]
    warnings = [line for line in warnings if "comes after the end" not in line]
    assert all("'x86-" in line and "has no watts" in line for line in warnings)
    results = run(scenario, tmp_path / "out", jobs=1)
    assert not failures(results.folder)
    assert results.complete
    assert len(results.summary) == len(scenario.points) * len(scenario.policies)
    assert (results.summary["tasks"] > 0).all()
    assert write_report(results).stat().st_size > 1e6


def test_the_quickstart_has_enough_tasks_and_policies():
    scenario = load_scenario(SCENARIOS[[p.stem for p in SCENARIOS].index("quickstart")])
    (spec,) = scenario.points
    groups = spec.scenario.devices
    assert len(scenario.policies) >= 4
    assert all(not group.arrivals.closed for group in groups)
    rates = [group.count * group.arrivals.rate_hz.value for group in groups]
    assert (spec.scenario.duration_s - spec.scenario.warmup_s) * sum(rates) > 1000
