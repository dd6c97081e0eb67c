"""Rows of ``hardware.csv`` for accelerators that are known by what their operations cost.

They draw no watts: the joules of an inference stand in its profile, which ``splitsim count`` makes
of its operations.
"""

from __future__ import annotations

from collections.abc import Iterator

from tables.source import only, published

NO_WATTS = ["0.00", "0.00", "assumed", "assumed", "", ""]
NO_MEMORY = ""


def operation_pj(operation: str, number: str) -> float:
    """Picojoules of an addition or a multiplication."""
    return float(only("operation_energies", operation=operation, number=number)["picojoules"])


def rows() -> Iterator[list[object]]:
    """A row per accelerator; one with time steps accumulates spikes by an addition each."""
    for row in published("accelerators"):
        add_pj, multiply_pj = (operation_pj(name, row["number"]) for name in ("add", "multiply"))
        ac_j = f"{add_pj}e-12" if row["step_s"] else ""
        costs = [row["step_s"], f"{round(add_pj + multiply_pj, 9)}e-12", ac_j, row["macs_per_s"]]
        said = [row[key] for key in ("measuring_point", "runtime", "mode", "source")]
        yield [row["hardware"], *NO_WATTS, NO_MEMORY, *said, *costs]
