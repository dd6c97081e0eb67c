"""One stretch of a piecewise-constant function of time, in arrays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

NEAR = (4, 16, 64)  # steps over which a bound is looked for


def _floats(array: np.ndarray) -> Sequence[float]:
    """A view whose members are Python floats: bisect is twice as fast on them."""
    view: Any = np.ascontiguousarray(array, float)
    return memoryview(view)


class Chunk:
    """One stretch of a Steps, in time relative to its own beginning.

    ``values[i]`` holds from ``starts[i]`` to ``starts[i + 1]``, the last to ``length_s``;
    ``areas[i]`` is the integral up to ``starts[i]``, and the last one that of the whole.

    Args:
        starts: rising, the first 0.
        values: as many, >= 0.
        length_s: inf for a stretch without end.
        step_s: the distance of the starts, where it is always the same.
    """

    __slots__ = ("areas", "length_s", "starts", "step_s", "values")

    def __init__(
        self, starts: np.ndarray, values: np.ndarray, length_s: float, step_s: float | None = None
    ) -> None:
        areas = np.zeros(len(values) + 1)
        if step_s is None:
            # An endless last step of zero has no area; inf * 0 would be NaN.
            lengths = np.diff(starts, append=length_s)
            np.multiply(values, lengths, out=areas[1:], where=values != 0)
        else:
            np.multiply(values, step_s, out=areas[1:])
        np.cumsum(areas, out=areas)
        self.starts = _floats(starts)
        self.values = _floats(values)
        self.areas = _floats(areas)
        self.length_s = length_s
        self.step_s = step_s

    def index(self, local_s: float) -> int:
        """The step a local time falls into."""
        if self.step_s is None:
            return bisect_right(self.starts, local_s) - 1
        return min(int(local_s / self.step_s), len(self.values) - 1)

    def area(self, local_s: float) -> float:
        """The integral up to a local time."""
        i = self.index(local_s)
        value = self.values[i]
        return self.areas[i] + value * (local_s - self.starts[i]) if value else self.areas[i]

    def pieces(
        self, begin_s: float, local_s: float, from_s: float, to_s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """As of ``Steps``, of an interval within a stretch that begins at a time."""
        i, j = self.index(local_s), self.index(to_s - begin_s)
        if i < j and begin_s + self.starts[i + 1] <= from_s:
            i += 1  # rounding has put it into the step before
        edges = np.empty(j - i + 2)
        np.add(self.starts[i + 1 : j + 1], begin_s, out=edges[1:-1])
        edges[0], edges[-1] = from_s, to_s
        return edges, np.asarray(self.values[i : j + 1])

    def bound(self, first: int, amount: float) -> tuple[float, float]:
        """What is not exceeded from a step on up to a local time; see ``Steps.bound``."""
        areas, values = self.areas, self.values
        enough, count = areas[first] + amount, len(values)
        for steps in NEAR:
            last = first + steps
            if last >= count:
                break
            if areas[last] > enough:
                return max(values[first:last]), self.starts[last]
        return float(np.asarray(values)[first:].max()), self.length_s

    def when(self, target: float, slack: float, first: int = 0) -> float:
        """The earliest local time at which the area reaches ``target``, at most the whole.

        Args:
            target: the area asked for.
            slack: how much may be missing.
            first: a step that begins before.
        """
        target = min(target, self.areas[-1])
        i = bisect_left(self.areas, target - slack, first)
        begin = self.starts[i] if i < len(self.starts) else self.length_s
        if i == 0 or self.areas[i] <= target:
            return begin
        return min(self.starts[i - 1] + (target - self.areas[i - 1]) / self.values[i - 1], begin)

    def whens(self, targets: np.ndarray, slack: np.ndarray) -> np.ndarray:
        """``when`` of each target, shape (n,)."""
        starts, values, areas = (np.asarray(a) for a in (self.starts, self.values, self.areas))
        targets = np.minimum(targets, areas[-1])
        i = np.searchsorted(areas, targets - slack)
        found: np.ndarray = np.append(starts, self.length_s)[i]
        cut = (i > 0) & (areas[i] > targets)
        before = i[cut] - 1
        inside = starts[before] + (targets[cut] - areas[before]) / values[before]
        found[cut] = np.minimum(inside, found[cut])
        return found

    def until(self, local_s: np.ndarray) -> np.ndarray:
        """The area up to each local time, shape (n,)."""
        starts, values, areas = (np.asarray(a) for a in (self.starts, self.values, self.areas))
        if self.step_s is None:
            i = np.searchsorted(starts, local_s, side="right") - 1
        else:
            i = np.minimum((local_s / self.step_s).astype(int), len(values) - 1)
        found: np.ndarray = areas[i] + values[i] * (local_s - starts[i])
        return found
