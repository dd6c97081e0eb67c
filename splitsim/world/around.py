"""What a channel depends on beside its own parameters: the seed, the device, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitsim.rng import stream
from splitsim.world.geometry import Geometry
from splitsim.world.mobility import Path


@dataclass(frozen=True)
class Around:
    """One device in one direction of one cell.

    Attributes:
        seed: the replication.
        device: its name, with its number.
        way: ``uplink`` or ``downlink``.
        cell: the cell's name.
        path: where the device is; None where nobody said so.
        geometry: where the cell's sites are; None where nobody said so.
    """

    seed: int
    device: str
    way: str
    cell: str = ""
    path: Path | None = None
    geometry: Geometry | None = None

    def stream(self, role: str, index: int = 0) -> np.random.Generator:
        """Draws of this device and direction alone."""
        return stream(self.seed, f"{self.way}-{role}", self.device, index)

    def common(self, role: str, index: int = 0) -> np.random.Generator:
        """Draws of this device that both directions share."""
        return stream(self.seed, role, self.device, index)
