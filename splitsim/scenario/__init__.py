"""Scenario files: the schema, strict reading with line numbers, overrides and sweeps."""

from splitsim.scenario.load import load_scenario
from splitsim.scenario.schema import LoadedScenario, PolicySpec, Scenario, Spec

__all__ = ["LoadedScenario", "PolicySpec", "Scenario", "Spec", "load_scenario"]
