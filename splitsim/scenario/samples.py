"""What only a look at the outcomes of a data set can tell: samples, losses, symbols and exits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from splitsim.errors import BadInput
from splitsim.exits import branches
from splitsim.outcomes import Outcomes
from splitsim.scenario.findings import Findings
from splitsim.scenario.schema import Scenario
from splitsim.system.transport import Analogue


def check_samples(scenario: Scenario, found: Findings) -> None:
    """Samples must be the same for all models, and what loss does must be known."""
    tables = _outcomes(scenario, found)
    counts = {model: outcomes.samples for model, outcomes in tables.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} of {model}" for model, count in counts.items())
        found.wrong(("dataset",), f"the models must have the same samples, not {said}")
    for name, cell in scenario.cells.items():
        if cell.transport.erased and scenario.dataset is None:
            what = "loses packets for good: name a dataset with outcomes at that loss"
            found.wrong(("cells", name, "transport"), what)
        if isinstance(cell.transport, Analogue) and scenario.dataset is None:
            what = "what is heard depends on the sample: name a dataset with outcomes at SNRs"
            found.wrong(("cells", name, "transport"), what)
    _exits(scenario, tables, found)
    _heard(scenario, tables, found)


def _outcomes(scenario: Scenario, found: Findings) -> dict[str, Outcomes]:
    """The outcomes of the models that have some."""
    dataset = scenario.dataset
    tables: dict[str, Outcomes] = {}
    for m, model in enumerate(scenario.models if dataset else ()):
        outcomes = found.ask(("models", m), found.tables.outcomes, model, str(dataset))
        if outcomes is None:
            continue
        tables[model] = outcomes
        for name, cell in scenario.cells.items():
            found.ask(("cells", name, "transport"), outcomes.by_cut, cell.transport.erased)
    return tables


def _exits(scenario: Scenario, tables: Mapping[str, Outcomes], found: Findings) -> None:
    """Who may end early needs exits whose answers and times are known."""
    if scenario.exits is None:
        for n, device in enumerate(scenario.devices):
            if device.timeout is not None and device.timeout.then == "exit":
                what = "needs exits; add exits: {by: confidence, thresholds: [0.9]}, or fail"
                found.wrong(("devices", n, "timeout", "then"), what)
    elif scenario.dataset is None:
        what = "samples decide who ends early; name a dataset with outcomes of exits"
        found.wrong(("exits",), what)
    elif len(tables) == len(scenario.models) and not any(
        outcomes.exits for outcomes in tables.values()
    ):
        what = "no model has exits in its outcomes on the dataset; add one, or remove this"
        found.wrong(("exits",), what)
    else:
        _branches(scenario, tables, found)


def _branches(scenario: Scenario, tables: Mapping[str, Outcomes], found: Findings) -> None:
    """The exits in the outcomes of each model must be those in its profile on each device."""
    unlike = {device.hardware: n for n, device in enumerate(scenario.devices)}
    for hardware, n in unlike.items():
        for name, outcomes in tables.items():
            with suppress(BadInput):  # a table that is missing was told of before
                model, profile = found.tables.model(name), found.tables.profile(name, hardware)
                found.ask(("devices", n, "hardware"), branches, model, profile, outcomes)


def _heard(scenario: Scenario, tables: Mapping[str, Outcomes], found: Findings) -> None:
    """What noise does to symbols must be known of some model."""
    whole = len(tables) == len(scenario.models)
    unknown = tables and whole and not any(outcomes.heard for outcomes in tables.values())
    for name, cell in scenario.cells.items():
        if isinstance(cell.transport, Analogue) and unknown:
            what = "no model has outcomes of symbols at an SNR (a column snr_db); add one"
            found.wrong(("cells", name, "transport"), f"{what}, or send bits")
