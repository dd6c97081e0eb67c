"""The budget of one direction: what is sent, what is added on the way, and what it meets."""

from __future__ import annotations

import math
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field

from splitsim.component import Component, Count, Number

THERMAL_DBM_HZ = -174.0  # k T at 290 K
BLOCK_HZ = 180e3  # of a resource block, 12 subcarriers of 15 kHz


class PowerControl(Component):
    """Open-loop uplink power control of NR (TS 38.213, 7.1.1).

    P = min(power_dbm, p0_dbm + alpha PL + 10 log10 resource_blocks), with the coupling loss PL:
    path loss and shadowing less the antennas' gains. Without ``resource_blocks`` they are the
    channel's bandwidth over 180 kHz; at a wider subcarrier spacing 2^mu blocks count for one.
    """

    p0_dbm: Number
    alpha: Annotated[float, Field(ge=0, le=1)]
    resource_blocks: Count | None = None

    def power_dbm(self, loss_db: np.ndarray, most_dbm: float, bandwidth_hz: float) -> np.ndarray:
        """What is sent over losses, shape as those."""
        blocks = self.resource_blocks or bandwidth_hz / BLOCK_HZ
        asked_dbm = self.p0_dbm + self.alpha * loss_db + 10 * math.log10(blocks)
        return np.minimum(asked_dbm, most_dbm)


def noise_dbm(bandwidth_hz: float, figure_db: float) -> float:
    """Thermal noise in a band behind a receiver: -174 dBm/Hz + 10 log10 B + its figure."""
    return THERMAL_DBM_HZ + 10 * math.log10(bandwidth_hz) + figure_db


Level = TypeVar("Level", float, np.ndarray)


def milliwatts(level_dbm: Level) -> Level:
    """A power from its level."""
    power: Level = 10 ** (level_dbm / 10)
    return power
