"""Energy and time of a network on an accelerator that is known by its operations.

A multiply-accumulate and an accumulate take so many joules each: the arithmetic, and nothing else.
Memory traffic, which often takes more, the leak of the units, norms and static power are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from splitsim.csvtable import Table
from splitsim.dnn.partition import Cut
from splitsim.dnn.spikes.counts import Counts, Layer
from splitsim.dnn.spikes.lif import Lif
from splitsim.dnn.zoo import LoadedModel
from splitsim.entries import Radio
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Accelerator:
    """A row of ``hardware.csv`` that says what operations cost.

    Attributes:
        name: its hardware id.
        mac_j: joules of a multiply-accumulate.
        ac_j: joules of an accumulate; None if it does not know of spikes and multiplies always.
        step_s: of a spiking one: how long each layer takes for a time step.
        macs_per_s: of another: multiply-accumulates a second.
        source: where the numbers come from.
    """

    name: str
    mac_j: float
    ac_j: float | None
    step_s: float | None
    macs_per_s: float | None
    source: str = ""

    def energy_j(self, layers: Iterable[Layer]) -> float:
        """Joules of some layers for a sample."""
        return math.fsum(map(self.layer_j, layers))

    def layer_j(self, layer: Layer) -> float:
        """Joules of a layer for a sample."""
        macs, acs = self.operations(layer)
        return macs * self.mac_j + acs * (self.ac_j or 0.0)

    def operations(self, layer: Layer) -> tuple[float, float]:
        """Multiply-accumulates and accumulates by which it does a layer for a sample."""
        return (layer.dense_macs, 0.0) if self.ac_j is None else (layer.macs, layer.acs)

    def head_s(self, counts: Counts, cut: Cut) -> float:
        """Seconds until all of a sample has left the head at a cut.

        A spiking accelerator is a pipeline of layers of units that take a tick per time step each:
        T steps through n layers take T + n - 1 ticks. Another one multiplies at its rate.
        """
        layers = counts.head(cut)
        if self.step_s is None:
            return math.fsum(layer.dense_macs for layer in layers) / (self.macs_per_s or math.nan)
        return (counts.steps + max(counts.depth(cut), 1) - 1) * self.step_s if layers else 0.0

    def check(self, network: LoadedModel) -> None:
        """Whether it can compute a network.

        Raises:
            BadInput: it is for networks that spike, and this one does not.
        """
        spikes = any(isinstance(part, Lif) for part in network.module.modules())
        if self.step_s is not None and not spikes:
            what = f"is for spiking networks, and {network.name} has no units"
            raise BadInput(f"--hardware: {self.name} {what}; take one that has macs_per_s")


def accelerator(name: str, folders: Sequence[Path]) -> Accelerator:
    """An accelerator by its hardware id, of the first ``hardware.csv`` that has it.

    Args:
        name: its id.
        folders: of tables, in order.

    Raises:
        BadInput: there is none of this name, or a number of its is wrong.
    """
    found: list[str] = []
    for path in (folder / "hardware.csv" for folder in folders):
        if not path.is_file():
            continue
        with Table(path).check_columns("hardware") as table:
            rows = {row["hardware"]: row for row in table.rows if row.get("mac_j")}
            if name in rows:
                return _read(table, rows[name])
        found += rows
    raise BadInput(
        f"--hardware: no accelerator {name!r} in hardware.csv, that is a row with mac_j; there are "
        f"{', '.join(dict.fromkeys(found)) or 'none'}"
    )


def _read(table: Table, row: dict[str, str]) -> Accelerator:
    mac_j = table.number(row, "mac_j")
    ac_j, step_s, macs_per_s = (
        table.number(row, key) if row.get(key) else None for key in ("ac_j", "step_s", "macs_per_s")
    )
    if (ac_j is None) != (step_s is None):
        table.wrong(row, "step_s", "must be there if ac_j is, and only then")
    if step_s is None and not macs_per_s:
        table.wrong(row, "macs_per_s", "must be above 0 where there is no step_s")
    return Accelerator(row["hardware"], mac_j, ac_j, step_s, macs_per_s, row.get("source", ""))


def transmit_j(radio: Radio, sent_bytes: float, rate_bps: float) -> float:
    """Joules of sending a message over a link of a constant rate, the radio being awake."""
    bits = 8 * sent_bytes
    return radio.send_j(bits, bits / rate_bps)
