"""When a server's workers were busy, and the energy that its power over utilisation makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from splitsim.component import Component, NonNegative, Positive
from splitsim.steps import Steps


class Power(Component):
    """A worker's board power by utilisation, as meters and monitors give it.

    Utilisation is the share of time in which workers are busy, over windows of ``window_s`` and
    all workers alike. Between the points power is linear, after the last one constant; where the
    first is not at 0, the hardware's idle power stands there.
    """

    utilisation: Annotated[Sequence[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    w: Annotated[Sequence[NonNegative], Field(min_length=1)]
    window_s: Positive = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.utilisation) != len(self.w):
            raise ValueError(f"{len(self.utilisation)} utilisation but {len(self.w)} w")
        if any(b <= a for a, b in pairwise(self.utilisation)):
            raise ValueError("utilisation must rise")
        return self

    def watts(self, utilisation: np.ndarray, idle_w: float) -> np.ndarray:
        """Of one board, by utilisation; both of shape (n,)."""
        at, watts = list(self.utilisation), list(self.w)
        if at[0] > 0:
            at, watts = [0.0, *at], [idle_w, *watts]
        found: np.ndarray = np.interp(utilisation, at, watts)
        return found


class Meter:
    """Busy seconds of all workers together, and if asked for by window.

    A worker whose speed is zero does not compute.

    Args:
        speed: of the server.
        window_s: length of the windows; None: without.
    """

    def __init__(self, speed: Steps, window_s: float | None = None) -> None:
        self._off = None if speed.always else speed.is_zero()
        self._window_s = window_s
        self._windows: list[float] = []
        self.busy_s = 0.0

    def add(self, from_s: float, to_s: float, busy: float = 1.0) -> None:
        """Some workers were busy in an interval, which may begin before earlier ones."""
        if to_s > from_s:
            self.busy_s += busy * self._on_s(from_s, to_s)
            if self._window_s is not None:
                self._share_out(from_s, to_s, busy, self._window_s)

    def copy(self) -> Meter:
        """What it reads now."""
        meter = copy(self)
        meter._windows = self._windows.copy()
        return meter

    def energy_j(self, power: Power, workers: int, idle_w: float, end_s: float) -> float:
        """Joules of all boards from 0 to a time, after which nothing was added."""
        edges = np.append(np.arange(0.0, end_s, power.window_s), end_s)
        lengths = np.diff(edges)
        busy_s = np.zeros(len(lengths))
        known = min(len(lengths), len(self._windows))
        busy_s[:known] = self._windows[:known]
        capacity_s = workers * lengths
        shares = np.divide(busy_s, capacity_s, out=np.zeros_like(busy_s), where=capacity_s > 0)
        return float(workers * np.sum(power.watts(np.minimum(shares, 1.0), idle_w) * lengths))

    def _on_s(self, from_s: float, to_s: float) -> float:
        off_s = 0.0 if self._off is None else self._off.area(to_s) - self._off.area(from_s)
        return to_s - from_s - off_s

    def _share_out(self, from_s: float, to_s: float, busy: float, window_s: float) -> None:
        windows, n = self._windows, int(from_s / window_s)
        windows.extend([0.0] * (int(to_s / window_s) + 1 - len(windows)))
        while from_s < to_s:
            end_s = max(min((n + 1) * window_s, to_s), from_s)
            windows[n] += busy * self._on_s(from_s, end_s)
            from_s, n = end_s, n + 1
            if n == len(windows):
                windows.append(0.0)
