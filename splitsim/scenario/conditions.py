"""Changes that cannot be meant as they are: too late, beside a warm-up, or with no way to cool."""

from __future__ import annotations

from collections.abc import Iterator

from splitsim.entries import Hardware
from splitsim.scenario.changes import late
from splitsim.scenario.document import Document, Path_
from splitsim.scenario.schema import Scenario
from splitsim.system.thermal import ThermalSpec

BY_HAND = ("--set", "override")  # where a value stands that the file does not say


def too_late(scenario: Scenario, document: Document) -> Iterator[tuple[Path_, str, bool]]:
    """Changes after the end, and whether that is a mistake: not if a run is shortened by hand."""
    by_hand = document.where(("duration_s",)).startswith(BY_HAND)
    for path, what in late(scenario, scenario.devices, scenario.duration_s, scenario.drain_s):
        remedy = ": it does not happen" if by_hand else "; let it come earlier, or the run longer"
        yield path, what + remedy, not by_hand


def unused_warmup(scenario: Scenario) -> Iterator[str]:
    """What is to be said of a warm-up where conditions change."""
    if scenario.is_terminating and scenario.warmup_s:
        yield (
            "is not used: conditions change, or devices move, and all tasks count, phase by phase; "
            "leave it out"
        )


def never_cool(thermal: ThermalSpec | None, board: Hardware) -> Iterator[str]:
    """Why a board cannot get warm, or cool down."""
    if thermal is None:
        return
    if not board.has_watts:
        what = f"cannot get warm: hardware {board.name!r} has no watts in hardware.csv"
        yield f"{what}; add them, or remove this"
    elif (idle_c := thermal.steady_c(board.idle_w)) >= thermal.released_c:
        what = f"idles at {idle_c:.4g} degrees and would never cool down to release_c"
        yield f"{what} ({thermal.released_c:g}); raise it, or lower the resistance"
