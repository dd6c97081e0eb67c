"""Profiles, read strictly: how long each step takes at every cut, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

from splitsim.csvtable import Table
from splitsim.entries import STEPS, TIMES, Profile
from splitsim.uncertainty import BASES, FACTORS, Cells

NEEDED = ("cut", *(f"{name}_{what}" for name in TIMES for what in ("s", "basis")))
BRANCHES = ("exit_s", "exit_basis")  # of the branch at a cut, where the network has an exit


def read_profile(table: Table, network: str, hardware: str, cuts: int) -> Profile:
    """A profile without the one it has its layers from.

    Args:
        table: opened; mistakes in its cells pile up in it.
        network: whose layers and published totals the model has.
        hardware: whose times they are.
        cuts: of its model.

    Raises:
        BadInput: columns are missing.
    """
    branches = BRANCHES if {*BRANCHES} & {*table.header} else ()
    table.check_columns(*NEEDED, *branches).check_cuts(cuts)
    times = {name: _cells(table, f"{name}_s") for name in STEPS}
    basis = {name: _bases(table, f"{name}_basis", times[name]) for name in STEPS}
    factors = {name: _factors(table, f"{name}_factor", basis[name]) for name in STEPS}
    if times["exit"] and times["exit"][-1] is not None:
        what = "must be empty at the last cut, where the network itself answers"
        table.wrong(table.rows[-1], "exit_s", what)
    return Profile(network, hardware, times, basis, factors, _cells(table, "energy_j"))


def _cells(table: Table, key: str) -> Cells:
    """A column of numbers, None where empty; all of it is without the column."""
    return table.cells(key) if key in table.header else (None,) * len(table.rows)


def _bases(table: Table, key: str, times: Cells) -> tuple[str, ...]:
    """What a column of times rests on; "" where there is no time."""
    cells = zip(table.rows, times, strict=True)
    return tuple("" if s is None else table.one_of(row, key, BASES) for row, s in cells)


def _factors(table: Table, key: str, bases: Sequence[str]) -> tuple[float, ...]:
    """The factors of a column of times: their own, or those of their bases."""
    cells = zip(table.rows, bases, strict=True)
    return tuple(table.factor(row, key, FACTORS.get(basis, 1.0)) for row, basis in cells)
