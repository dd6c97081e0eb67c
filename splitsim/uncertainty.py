"""Uncertainty of tables: each entry has a factor by its basis, and a shift moves whole tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from splitsim.rng import stream

# How far an entry may be off either way, by what it rests on; from the best to the weakest.
FACTORS = {"measured": 1.05, "published": 1.2, "scaled": 2.0, "assumed": 3.0}
BASES = tuple(FACTORS)

Cells = tuple[float | None, ...]


def weaker(*bases: str) -> str:
    """The weakest of some bases."""
    return max(bases, key=BASES.index)


@dataclass(frozen=True)
class Shift:
    """One way in which all tables may be off: an entry becomes entry x factor ** u.

    u is uniform in [-1, 1], so that the entry is log-uniform within its factor. It is drawn once
    per column of a table: entries that were found together are off together, whatever the
    policy, point and seed.

    Args:
        number: 1, 2, ...: which shift.
    """

    number: int

    def exponent(self, name: str) -> float:
        """The u of everything that goes by a name."""
        return float(stream(self.number, "table-shift", name).uniform(-1.0, 1.0))

    def column(self, name: str, values: Cells, factors: Sequence[float]) -> Cells:
        """A column of a table, each entry within a factor of its own."""
        u = self.exponent(name)
        return tuple(
            None if value is None else value * factor**u
            for value, factor in zip(values, factors, strict=True)
        )

    def value(self, name: str, value: float, factor: float) -> float:
        """A single entry."""
        return float(value * factor ** self.exponent(name))
