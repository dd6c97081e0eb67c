"""A supply of power: what a device has drawn so far, and when it is off for good.

It is a battery's charge that ends, or the device's time: one that leaves is cut off likewise.

Between the moments at which a device does something, all it draws is known ahead: computations
and transfers have their ends, and a tail goes on until the next transfer. So the time at which
the charge is gone is found, exactly, at the first moment after it. In a shared cell it is found
then as well; what a transfer drew between two changes of its medium is taken to be steady, and
until it is found the device keeps its place on the medium.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pydantic import Field

from splitsim.component import Component, Positive
from splitsim.entries import Radio
from splitsim.task import Record

HALVINGS = 100  # of an interval in which the charge goes; more than a float can tell apart


class BatterySpec(Component):
    """A battery in the scenario file; a device whose battery is empty is off for good.

    Its tasks under way end as ``unfinished``, and those created later are ``dropped``.
    """

    capacity_j: Positive = Field(description="charge at the beginning, in joules")


def steady_j(watts: float, from_s: float, to_s: float) -> float:
    """Joules of constant power."""
    return watts * (to_s - from_s)


class Drawing(Protocol):
    """Something that draws from a battery, from one time to another."""

    @property
    def start_s(self) -> float:
        """When it begins; inf: not known."""

    @property
    def end_s(self) -> float:
        """When it ends; inf: not known."""

    @property
    def record(self) -> Record | None:
        """Whose ``column`` has been charged with all of it already; None: not yet."""

    @property
    def column(self) -> str | None:
        """The column."""

    @property
    def is_radio(self) -> bool:
        """Whether it is followed by a tail."""

    def between_j(self, from_s: float, to_s: float) -> float:
        """Joules in an interval."""


class Draw(NamedTuple):
    """A computation, transfer or promotion; ``joules(t)`` is what it has drawn by then.

    ``column`` of ``record`` has been charged with all of it already; None: not yet.
    """

    start_s: float
    end_s: float
    joules: Callable[[float], float]
    record: Record | None = None
    column: str | None = None
    is_radio: bool = True

    def between_j(self, from_s: float, to_s: float) -> float:
        """Joules in an interval."""
        begin, end = max(from_s, self.start_s), min(to_s, self.end_s)
        return self.joules(end) - self.joules(begin) if end > begin else 0.0


class Battery:
    """The charge of one device, or its time.

    Args:
        capacity_j: at the beginning; inf: it does not end.
        idle_w: the board's idle power.
        radio: its radio, for the tails.
        from_s: when the device joins.
        until_s: when it leaves.
    """

    def __init__(
        self,
        capacity_j: float,
        idle_w: float,
        radio: Radio,
        from_s: float = 0.0,
        until_s: float = math.inf,
    ) -> None:
        self._capacity_j = capacity_j
        self._idle_w = idle_w
        self._radio = radio
        self._until_s = until_s
        self._drawn_j = 0.0  # up to ...
        self._at_s = from_s
        self._draws: list[Drawing] = []  # those not over by then
        self._silent_s = -math.inf  # end of its last activity by then; -inf: there was none
        self.empty_s = math.inf

    def add(self, draw: Drawing) -> None:
        """Something begins, now or later."""
        self._draws.append(draw)

    def left_j(self, now_s: float) -> float:
        """Joules left."""
        if self._capacity_j == math.inf:
            return math.inf
        return max(self._capacity_j - self._drawn_to_j(now_s), 0.0)

    def is_empty(self, now_s: float) -> bool:
        """Whether the charge, or the time, is over; ``empty_s`` then says since when."""
        if self.empty_s < math.inf:
            return True
        at_s = max(min(now_s, self._until_s), self._at_s)
        drawn_j = self._drawn_to_j(at_s)
        if drawn_j >= self._capacity_j:
            self.empty_s = self._when_empty_s(at_s)
        elif now_s >= self._until_s:
            self.empty_s = self._until_s
        else:
            self._settle(at_s, drawn_j)
        return self.empty_s < math.inf

    def overcharged(self) -> list[tuple[Record, str, float]]:
        """Records, columns and joules that were charged ahead and never drawn; told once."""
        found = [
            (draw.record, draw.column, draw.between_j(self.empty_s, math.inf))
            for draw in self._draws
            if draw.record is not None and draw.column is not None
        ]
        self._draws = []
        return found

    def _when_empty_s(self, late_s: float) -> float:
        early_s = self._at_s
        for _ in range(HALVINGS):
            middle_s = (early_s + late_s) / 2
            if self._drawn_to_j(middle_s) < self._capacity_j:
                early_s = middle_s
            else:
                late_s = middle_s
        return late_s

    def _drawn_to_j(self, to_s: float) -> float:
        """Joules up to a time, which is not before the last one settled."""
        active_j = math.fsum(draw.between_j(self._at_s, to_s) for draw in self._draws)
        idle_j = self._idle_w * (to_s - self._at_s)
        return self._drawn_j + idle_j + active_j + self._tails_j(to_s)

    def _tails_j(self, to_s: float) -> float:
        total_j, silent_s = 0.0, self._silent_s
        for draw in self._on_air():
            total_j += self._tail_j(silent_s, min(draw.start_s, to_s))
            silent_s = max(silent_s, draw.end_s)
        return total_j + self._tail_j(silent_s, to_s)

    def _tail_j(self, silent_s: float, to_s: float) -> float:
        """Of a tail that began at a time, what falls between the last settlement and ``to_s``."""
        if to_s <= max(silent_s, self._at_s) or silent_s == -math.inf:
            return 0.0
        before_s = max(self._at_s - silent_s, 0.0)
        return float(self._radio.tail_j(to_s - silent_s) - self._radio.tail_j(before_s))

    def _on_air(self) -> list[Drawing]:
        return sorted((d for d in self._draws if d.is_radio), key=lambda draw: draw.start_s)

    def _settle(self, now_s: float, drawn_j: float) -> None:
        self._drawn_j, self._at_s = drawn_j, now_s
        over = [d.end_s for d in self._draws if d.is_radio and d.end_s <= now_s]
        self._silent_s = max([self._silent_s, *over])
        self._draws = [draw for draw in self._draws if draw.end_s > now_s]
