"""Who is at a station: heaps of jobs that may leave at any time, and others' jobs."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

SPARE = 64  # dead entries that a heap may always hold


class Other:
    """A job of somebody else: nobody waits for its end."""

    __slots__ = ("arrived_s", "deadline_s", "group", "held", "priority", "work")
    give_up_s = float("inf")

    def __init__(self, arrived_s: float, work: float, deadline_s: float, priority: int) -> None:
        self.arrived_s = arrived_s
        self.work = work
        self.deadline_s = deadline_s
        self.priority = priority
        self.group = None
        self.held = True


class Heap:
    """Jobs by rank, the order of coming in breaking ties; dead ones are passed over.

    Nothing is searched or sorted when a job dies; when most are dead, the heap is made anew.

    Args:
        lives: whether a job still counts.
    """

    def __init__(self, lives: Callable[[Any], bool]) -> None:
        self._lives = lives
        self._entries: list[tuple[Any, int, Any]] = []
        self._pushed = 0
        self._dead = 0

    def push(self, rank: Any, job: Any) -> None:
        """Take in a job."""
        self._pushed += 1
        heappush(self._entries, (rank, self._pushed, job))

    def first(self) -> tuple[Any, int, Any] | None:
        """Rank, number and job of the first, which stays."""
        entries = self._entries
        while entries:
            if self._lives(entries[0][2]):
                return entries[0]
            heappop(entries)
            self._dead -= 1
        return None

    def pop(self) -> Any:
        """Take out the job that ``first`` has found."""
        return heappop(self._entries)[2]

    def died(self) -> None:
        """One of the jobs inside does not count any more."""
        self._dead += 1
        if self._dead > len(self._entries) // 2 + SPARE:
            self._entries = [entry for entry in self._entries if self._lives(entry[2])]
            heapify(self._entries)
            self._dead = 0
