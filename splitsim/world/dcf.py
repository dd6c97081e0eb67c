"""How stations of a WLAN share it: the distributed coordination function (DCF), saturated."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from splitsim.component import Component, Count, NonNegative, Positive

HALVINGS = 60


class Chances(NamedTuple):
    """Of a slot in which n stations have something to send."""

    idle: float
    success: float
    collision: float


class Wlan(Component):
    """The times of a WLAN; without keys those of 802.11a with frames of 1500 bytes.

    A station's channel is its PHY rate. ``payload_bytes`` is what a frame carries, an aggregate
    of packets where there is aggregation; acknowledgements go at ``ack_rate_bps``.
    """

    slot_s: Positive = 9e-6
    sifs_s: NonNegative = 16e-6
    difs_s: NonNegative = 34e-6
    preamble_s: NonNegative = 20e-6
    payload_bytes: Positive = 1500.0
    header_bytes: NonNegative = 36.0
    ack_bytes: NonNegative = 14.0
    ack_rate_bps: Positive = 24e6
    cw_min: Annotated[Count, Field(ge=3)] = 15
    cw_max: Count = 1023

    @model_validator(mode="after")
    def _rises(self) -> Wlan:
        if self.cw_max < self.cw_min:
            raise ValueError(f"cw_max must be at least cw_min ({self.cw_min})")
        if (reached := (self.cw_min + 1) * 2**self.doublings - 1) != self.cw_max:
            what = f"doubling from cw_min ({self.cw_min}) comes to {reached:,}"
            raise ValueError(f"cw_max {self.cw_max:,}: {what}; make it that")
        return self

    @property
    def doublings(self) -> int:
        """How often the contention window is doubled."""
        return round(math.log2((self.cw_max + 1) / (self.cw_min + 1)))

    def frame_s(self, rate_bps: np.ndarray) -> np.ndarray:
        """Preamble and frame at a PHY rate; shape as ``rate_bps``, inf where that is zero."""
        bits = 8 * (self.payload_bytes + self.header_bytes)
        rate_s = np.full_like(rate_bps, np.inf)
        np.divide(bits, rate_bps, out=rate_s, where=rate_bps > 0)
        return self.preamble_s + rate_s

    def frames_hz(self, stations: np.ndarray, mean_s: np.ndarray, longest_s: np.ndarray) -> Rates:
        """Frames that all stations together get through in a second.

        Bianchi (IEEE JSAC 18(3), 2000) with the slot after a DIFS corrected, which only the
        station that has just sent can use (Tinnirello, Bianchi and Xiao, IEEE TVT 59(3), 2010):

            F = Ps / (1 - B0) / ((1 - Ptr) slot + Ps (Ts / (1 - B0) + slot) + Pc (Tc + slot))

        with B0 = 1 / (cw_min + 1), Ts = frame + SIFS + ACK + DIFS, Tc = longest frame + DIFS.

        Args:
            stations: how many contend, >= 1; any shape.
            mean_s: the mean of their frames.
            longest_s: the mean of the longer of two frames that collide.

        Returns:
            As many, of the same shape.
        """
        counts = np.unique(stations)
        table = np.array([chances(int(n), self.cw_min + 1, self.doublings) for n in counts])
        idle, success, collision = np.moveaxis(table[np.searchsorted(counts, stations)], -1, 0)
        alone = 1 - 1 / (self.cw_min + 1)
        ack_s = self.preamble_s + 8 * self.ack_bytes / self.ack_rate_bps
        success_s = (mean_s + self.sifs_s + ack_s + self.difs_s) / alone + self.slot_s
        collision_s = longest_s + self.difs_s + self.slot_s
        slot_s = idle * self.slot_s + success * success_s + collision * collision_s
        rates: np.ndarray = success / alone / slot_s
        return rates


Rates = np.ndarray


@lru_cache(maxsize=4096)
def chances(stations: int, window: int, doublings: int) -> Chances:
    """What happens in a slot, from the fixed point of attempts and collisions.

    A station sends in a slot with probability tau = 1 / (1 + (1 - p) sum_j p^j b_j), where b_j
    is its mean backoff after j collisions, and it collides with p = 1 - (1 - tau)^(n - 1).
    """
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        tau = (low + high) / 2
        if _attempts(1 - (1 - tau) ** (stations - 1), window, doublings) > tau:
            low = tau
        else:
            high = tau
    idle = (1 - tau) ** stations
    success = stations * tau * (1 - tau) ** (stations - 1)
    return Chances(idle, success, max(1 - idle - success, 0.0))


def _attempts(p: float, window: int, doublings: int) -> float:
    """The slots after a success exclude the first, hence window - 2 there."""
    if p >= 1:
        return 0.0
    widths = [window * 2.0**j - (1 if j else 2) for j in range(doublings + 1)]
    backoff = math.fsum((1 - p) * p**j * width / 2 for j, width in enumerate(widths[:-1]))
    return 1 / (1 + backoff + p**doublings * widths[-1] / 2)
