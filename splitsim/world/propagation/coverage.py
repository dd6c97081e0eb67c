"""What a device meets on its way: its loss to every site, and which of them serves it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from splitsim.world.mobility import Path
from splitsim.world.propagation.handover import Handover, Served, first, serve
from splitsim.world.propagation.losses import Landscape

STEP_M = 0.5  # of the way for which a loss is taken for constant
SHORTEST_S = 0.01  # that it is in any case: beyond 180 km/h, half a metre passes sooner
LONGEST_S = 0.2  # between two looks at the sites, if there are several
STRETCH = 256  # steps made at a time
KEPT = 2  # stretches held at a time
ROUNDING = 1e-6  # of a step: a time that misses its beginning by less falls into it


class Grid(NamedTuple):
    """Times at which something may change.

    Attributes:
        step_s: when losses and the serving site do.
        edge_s: when an interruption begins or ends as well; a whole part of a step.
    """

    step_s: float
    edge_s: float

    @classmethod
    def of(cls, top_mps: float, sites: int, rule: Handover) -> Grid:
        """Steps of at most ``STEP_M``, of which an interruption is a multiple or a part."""
        step_s = max(STEP_M / top_mps, SHORTEST_S) if top_mps else math.inf
        if not top_mps or sites == 1:
            return cls(step_s, step_s)
        step_s, pause_s = min(step_s, LONGEST_S), rule.interruption_s
        if not pause_s:
            return cls(step_s, step_s)
        if pause_s < step_s:
            return cls(pause_s * math.floor(step_s / pause_s), pause_s)
        step_s = pause_s / math.ceil(pause_s / step_s)
        return cls(step_s, step_s)


class Stretch(NamedTuple):
    """``STRETCH`` steps: losses, shape (n, sites); the serving site and since when, shape (n,)."""

    loss_db: np.ndarray
    site: np.ndarray
    since_s: np.ndarray


class Coverage:
    """Losses and serving sites along a path, as functions of time.

    Args:
        path: the device's.
        sites: the surroundings of each site.
        rule: of hand-overs.
    """

    def __init__(self, path: Path, sites: Sequence[Landscape], rule: Handover) -> None:
        self._path, self._sites, self._rule = path, sites, rule
        self.grid = Grid.of(path.top_mps, len(sites), rule)
        self._served: list[Served] = []  # at the end of each stretch
        self._held: dict[int, Stretch] = {}

    def at(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rising times, shape (n,): losses in dB (n, sites), serving site (n,), sending (n,)."""
        if self.grid.step_s == math.inf:
            loss_db = self._losses(np.zeros(1))
            n = len(times_s)
            return np.repeat(loss_db, n, 0), np.full(n, loss_db.argmin()), np.ones(n, bool)
        steps = np.floor(times_s / self.grid.step_s + ROUNDING).astype(int)
        ks, places = np.unique(steps // STRETCH, return_inverse=True)
        found = [self._stretch(int(k)) for k in ks]
        columns = (np.concatenate(column) for column in zip(*found, strict=True))
        index = places * STRETCH + steps % STRETCH
        loss_db, site, since_s = (column[index] for column in columns)
        silent_s = self._rule.interruption_s - ROUNDING * self.grid.edge_s
        return loss_db, site, times_s - since_s >= silent_s

    def _losses(self, times_s: np.ndarray) -> np.ndarray:
        places_m = self._path.position_m(times_s)
        return np.stack([site.loss_db(places_m) for site in self._sites], axis=1)

    def _stretch(self, k: int) -> Stretch:
        """Stretch k; each goes on where the one before ended, which is remembered."""
        if k not in self._held:
            while len(self._served) < k:
                self._made(len(self._served))
            found = self._made(k)
            while len(self._held) >= KEPT:
                del self._held[next(iter(self._held))]
            self._held[k] = found
        return self._held[k]

    def _made(self, k: int) -> Stretch:
        times_s = self.grid.step_s * np.arange(k * STRETCH, (k + 1) * STRETCH)
        loss_db = self._losses(times_s)
        before = self._served[k - 1] if k else first(-loss_db[0])
        sites, since_s, after = serve(-loss_db, times_s, before, self._rule)
        if k == len(self._served):
            self._served.append(after)
        return Stretch(loss_db, sites, since_s)
