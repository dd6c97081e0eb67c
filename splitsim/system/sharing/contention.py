"""WiFi contention: who gets how many frames through."""

from __future__ import annotations

import numpy as np

from splitsim.system.sharing.blocks import Shares
from splitsim.world.dcf import Wlan


class Contention:
    """Stations win the medium equally often, whatever their PHY rates: the performance anomaly.

    Every uplink is a station; all downlinks together are one, the access point, which serves
    them in turn. A frame that one gets through takes its own time, so that a slow station slows
    everybody down (Heusse et al., INFOCOM 2003): success lasts the mean over the stations, a
    collision the longer of two. The time that is nobody's, idle or collisions, is everybody's
    in proportion to the time of their frames.
    """

    def __init__(self, wlan: Wlan) -> None:
        self._wlan = wlan

    def at(self, rates: np.ndarray, is_down: np.ndarray) -> Shares:
        """Shares by the PHY rates of the moment."""
        frame_s = self._wlan.frame_s(rates)
        sends = rates > 0
        stations = np.where(sends, frame_s, 0.0)[:, ~is_down]
        up = sends[:, ~is_down]
        served = (sends & is_down).sum(axis=1, keepdims=True)
        if is_down.any():
            point = np.where(sends & is_down, frame_s, 0.0).sum(axis=1, keepdims=True)
            stations = np.hstack([stations, point / np.maximum(served, 1)])
            up = np.hstack([up, served > 0])
        count = up.sum(axis=1)
        n = np.maximum(count, 1)
        mean_s = stations.sum(axis=1) / n
        frames_hz = self._wlan.frames_hz(n, mean_s, _longer_s(stations, n)) / n
        mine = np.where(is_down, frames_hz[:, None] / np.maximum(served, 1), frames_hz[:, None])
        mine = np.where(sends, mine, 0.0)
        used = mine * np.where(sends, frame_s, 0.0)
        total = used.sum(axis=1, keepdims=True)
        airtime = np.full_like(rates, 1 / rates.shape[1])
        np.divide(used, total, out=airtime, where=total > 0)
        return Shares(airtime, 8 * self._wlan.payload_bytes * mine)


def _longer_s(stations: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The mean over pairs of the longer frame; those that do not send have zeros."""
    ranks = np.arange(stations.shape[1]) - (stations.shape[1] - n)[:, None]
    longer = (np.sort(stations, axis=1) * np.maximum(ranks, 0)).sum(axis=1)
    longest_s: np.ndarray = 2 * longer / np.maximum(n * (n - 1), 1)
    return longest_s
