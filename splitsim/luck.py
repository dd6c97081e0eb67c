"""What chance holds for a task: its sample, how long its computations last, and latencies."""

from __future__ import annotations

from typing import NamedTuple

Factors = tuple[float, ...]


class Luck(NamedTuple):
    """Drawn for every task, in order, whatever becomes of it.

    ``head`` is the factor of its times on the device and ``tails`` those at each server. Where
    whole runs were recorded it is instead a place among them, from 0 to 1, and an option knows
    the factor of the run that lies there. ``up_s`` and ``down_s`` are the one-way latencies
    between device and cell.
    """

    sample: int
    head: float
    tails: tuple[float, ...]
    up_s: float = 0.0
    down_s: float = 0.0


class Drawn(NamedTuple):
    """Recorded runs of an option, as factors of its times; empty where none are drawn."""

    head: Factors = ()
    rest: Factors = ()
    whole: Factors = ()
    tail: Factors = ()


NONE_DRAWN = Drawn()


def factor(runs: Factors, luck: float) -> float:
    """What a time is multiplied by: the luck itself, or the run that lies at it."""
    return runs[int(luck * len(runs))] if runs else luck
