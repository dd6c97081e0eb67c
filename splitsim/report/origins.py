"""The report's tables of what its figures rest on: bases, exits, fits, and origins of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from splitsim.report.basis import KINDS, total
from splitsim.report.digest import Group
from splitsim.report.look import NONE, point_name
from splitsim.report.tables import Cell, Line, Table
from splitsim.uncertainty import BASES


def basis_table(groups: Sequence[Group], swept: Sequence[Mapping[str, Any]]) -> Table:
    """By policy, the percentages of latency and energy that rest on each basis."""
    headings = [
        *((kind, "% of latency") for kind in KINDS),
        *((kind, "% of energy") for kind in BASES),
    ]
    bodies = [
        (point_name(swept[point]), [_basis_line(group) for group in of_point])
        for point, of_point in groupby(groups, key=lambda group: group.point)
    ]
    return Table("", headings, bodies)


def exits_table(groups: Sequence[Group], swept: Sequence[Mapping[str, Any]]) -> Table:
    """By policy, the percentages of its tasks that each exit answered; no lines without exits."""
    exits = list(dict.fromkeys(name for group in groups for name, _ in group.exits))
    bodies = [
        (point_name(swept[point]), [_exits_line(group, exits) for group in of_point])
        for point, of_point in groupby(groups, key=lambda group: group.point)
        if exits
    ]
    return Table("", [(name, "% of tasks") for name in exits], bodies)


def fits_table(fits: Sequence[Mapping[str, Any]]) -> Table:
    """The laws by which times were scaled, with their residuals."""
    headings = [
        ("a", "ms per layer"),
        ("b", "ms per GMAC"),
        ("Networks", ""),
        ("rms error", "%"),
        ("Worst error", "%"),
        ("of", ""),
    ]
    lines = [
        Line(
            str(fit["hardware"]),
            [
                Cell(f"{1e3 * fit['a_s_per_layer']:.4g}"),
                Cell(f"{1e3 * fit['b_s_per_gmac']:.4g}"),
                Cell(str(fit["networks"])),
                Cell(f"{100 * fit['rms_error']:.0f}"),
                Cell(f"{100 * fit['worst_error']:+.0f}"),
                Cell(str(fit["worst_network"])),
            ],
        )
        for fit in fits
    ]
    return Table("", headings, [("", lines)])


def provenance(tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Table, basis by column, and its sources, each said once."""
    return [
        {
            "table": table["table"],
            "basis": [(key, what.split(", ")) for key, what in table["basis"].items() if what],
            "source": _once(table["source"]),
        }
        for table in tables
    ]


def _basis_line(group: Group) -> Line:
    latency, energy = total(group.latency_basis_s), total(group.energy_basis_j)
    return Line(group.policy, [*_shares(latency, KINDS), *_shares(energy, BASES)])


def _exits_line(group: Group, exits: Sequence[str]) -> Line:
    cells = []
    for name in exits:
        early, in_vain = (100 * group.exits.get((name, vain), 0.0) for vain in (False, True))
        note = f"{in_vain:.1f} after waiting" if in_vain else ""
        cells.append(Cell(f"{early + in_vain:.1f}", note))
    return Line(group.policy, cells)


def _shares(parts: Mapping[str, float], kinds: Sequence[str]) -> list[Cell]:
    whole = math.fsum(parts.values())
    return [Cell(f"{100 * parts[kind] / whole:.0f}" if whole > 0 else NONE) for kind in kinds]


def _once(source: str) -> str:
    """A table's sources cut by cut repeat each other: every statement once."""
    statements = [part for cut in source.split(" | ") for part in cut.split("; ")]
    return "; ".join(dict.fromkeys(part for part in statements if part))
