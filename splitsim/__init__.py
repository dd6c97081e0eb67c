"""splitsim: a discrete-event simulator of split computing.

``load_scenario(path)`` reads and checks a scenario file, ``run(scenario)`` simulates it and
gives back its results, whose ``tasks`` and ``summary`` are DataFrames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from splitsim.errors import BadInput

if TYPE_CHECKING:
    from splitsim.experiment import run
    from splitsim.policies.check import check_policy
    from splitsim.results import Results
    from splitsim.scenario import load_scenario
    from splitsim.simulation import simulate

__all__ = ["BadInput", "Results", "check_policy", "load_scenario", "run", "simulate"]

_HOMES = {
    "check_policy": "splitsim.policies.check",
    "load_scenario": "splitsim.scenario",
    "simulate": "splitsim.simulation",
    "run": "splitsim.experiment",
    "Results": "splitsim.results",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a command pays for what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module 'splitsim' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
