"""Which queues grow as long as tasks come, so that an average says only how long the run was.

A queue's length, sampled at the edges of BATCHES equal stretches of the time in which tasks are
created, moves by A - D, arrivals less departures, in each. Where more comes than can be served
the server never rests, and these moves are nearly independent with a mean above zero. Where it
rests now and then they sum to no more than the last length, whatever the correlation of waiting
times, and their mean cannot differ from zero by chance more than that of a random walk reflected
at zero. So Student's t of the moves' mean against zero is a test of growth that errs on the safe
side: at the edge of stability it flags a share of about 2 x LEVEL of all parts, and below it next
to none. That most stretches grow is asked for as well, which a jam at the end does not meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

BATCHES = 20
LEVEL = 1e-4  # of the test, all queues of a part together
GROWING = 0.75  # share of the stretches in which the queue has to grow
LEAST = 5  # tasks by which it has to grow
NEEDED = (
    *("device", "server", "created_s", "head_end_s", "tx_end_s", "server_arrival_s"),
    *("server_end_s", "fallback_start_s", "left_s"),
)

Table = Mapping[str, np.ndarray]
Stays = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # what it is, whose, from, to


def growing(tasks: Table, devices: Table, from_s: float, to_s: float) -> list[str]:
    """The queues of a part that grow from a time to another, in words.

    Closed loops are left out: with them no queue can be longer than there are devices.

    Args:
        tasks: the columns NEEDED of all its tasks.
        devices: ``device`` and ``arrivals`` of its devices.
        from_s: the end of the warm-up, or the beginning of a phase.
        to_s: until when tasks were created, or the end of a phase.
    """
    is_open = np.isin(tasks["device"], devices["device"][devices["arrivals"] != "closed"])
    tasks = {name: tasks[name][is_open] for name in NEEDED}
    if not np.any(is_open) or not to_s > from_s:
        return []
    edges = np.linspace(from_s, to_s, BATCHES + 1)
    found = [
        (what, *lengths(whose, begin_s, end_s, edges))
        for what, whose, begin_s, end_s in _stays(tasks)
    ]
    count = sum(len(names) for _, names, _ in found)
    return [
        f"{what} {name}"
        for what, names, each in found
        for name, length in zip(names, each, strict=True)
        if grows(length, LEVEL / count)
    ]


def grows(lengths: np.ndarray, level: float = LEVEL) -> bool:
    """Whether lengths of a queue at equal distances show that it grows without bound.

    Args:
        lengths: shape (BATCHES + 1,).
        level: of the test.
    """
    from scipy.special import stdtrit

    moves = np.diff(lengths)
    growth, deviation = float(np.sum(moves)), float(np.std(moves, ddof=1))
    if growth < LEAST or np.mean(moves > 0) < GROWING:
        return False
    t = growth / len(moves) / (deviation / math.sqrt(len(moves))) if deviation else math.inf
    return t > float(stdtrit(len(moves) - 1, 1 - level))


def lengths(
    whose: np.ndarray, from_s: np.ndarray, to_s: np.ndarray, edges: np.ndarray
) -> tuple[Sequence[str], np.ndarray]:
    """The queues' names, and how many are in each at some times; shape (queues, times).

    Args:
        whose: the queue of each stay.
        from_s: when it begins.
        to_s: when it ends.
        edges: the times, rising.
    """
    names, index = np.unique(whose.astype(str), return_inverse=True)
    moves = np.zeros((len(names), len(edges) + 1), int)
    np.add.at(moves, (index, np.searchsorted(edges, from_s)), 1)
    np.add.at(moves, (index, np.searchsorted(edges, to_s)), -1)
    return names.tolist(), np.cumsum(moves, axis=1)[:, :-1]


def _stays(tasks: Table) -> Iterator[Stays]:
    """When each task was in the queues on its way, as far as it came.

    A task that went on by itself is not counted where it gave up: when it did is not known.
    """
    left_s, alone = tasks["left_s"].astype(float), ~np.isnan(tasks["fallback_start_s"])
    ways = (
        ("the device", "device", "created_s", "head_end_s"),
        ("the uplink of", "device", "head_end_s", "tx_end_s"),
        ("the server", "server", "server_arrival_s", "server_end_s"),
    )
    for what, whose, begin, end in ways:
        from_s, to_s = tasks[begin].astype(float), tasks[end].astype(float)
        there = ~np.isnan(from_s)
        if what != "the device":
            remote = np.array([name is not None for name in tasks["server"]], bool)
            there &= remote & ~(np.isnan(to_s) & alone)
        to_s = np.where(np.isnan(to_s), left_s, to_s)
        yield what, tasks[whose][there], from_s[there], to_s[there]


def in_words(parts: Sequence[Sequence[str]], shown: int = 3) -> str:
    """The queues that grow in some replication, the first of them by name; nothing if none."""
    names = list(dict.fromkeys(name for queues in parts for name in queues))
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
