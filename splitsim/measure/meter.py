"""Meters: the joules that went through a measuring point, at any instant since the start."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, Self

Source = Callable[[float], float]
"""Reads cumulative joules now; is told the instant, later each time, in epoch seconds."""

_EPOCH_S = time.time() - time.perf_counter()


def now_s() -> float:
    """Epoch seconds; they go on evenly even where the system's clock is set meanwhile."""
    return _EPOCH_S + time.perf_counter()


class Meter(Protocol):
    """Cumulative joules; a context manager, entered once, that measures while it is open."""

    @property
    def name(self) -> str:
        """The kind of sensor, ``rapl``."""

    @property
    def point(self) -> str:
        """What the joules have in them: package, board input, battery, GPU, ..."""

    def mark(self) -> float:
        """Note an instant, as epoch seconds; cheap enough to stand before and after one run."""

    def joules(self, at_s: float | None = None) -> float:
        """Joules until an instant, now if none is given; only differences mean something.

        Between two readings the power counts as constant, so instants of ``mark`` are exact.

        Args:
            at_s: epoch seconds, between the opening of the meter and now.

        Raises:
            BadInput: the sensor cannot be read, or says what cannot be.
            ValueError: the instant is before the opening or in the future.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Track:
    """Cumulative joules over time: points, and straight lines between them."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._joules: list[float] = []

    def add(self, at_s: float, joules: float) -> None:
        """A point later than those before."""
        self._times_s.append(at_s)
        self._joules.append(joules)

    def spans(self, at_s: float) -> bool:
        """Whether an instant lies between the first point and the last."""
        return bool(self._times_s) and self._times_s[0] <= at_s <= self._times_s[-1]

    def at(self, at_s: float) -> float:
        """Joules at an instant.

        Raises:
            ValueError: it lies before the first point or after the last.
        """
        if not self.spans(at_s):
            raise ValueError(f"there is no reading around {at_s:.3f}")
        right = bisect_left(self._times_s, at_s)
        left = max(right - 1, 0)
        width_s = self._times_s[right] - self._times_s[left]
        share = (at_s - self._times_s[left]) / width_s if width_s else 0.0
        return self._joules[left] + share * (self._joules[right] - self._joules[left])


class SampledMeter:
    """A meter that reads its source when asked, and from a thread of its own in between.

    A gauge of power needs the thread for its integral, a counter so that it wraps at most once
    between two readings.

    Args:
        name: the kind of sensor.
        point: what its joules have in them.
        source: of its joules.
        rate_hz: readings per second of the thread.
    """

    def __init__(self, name: str, point: str, source: Source, rate_hz: float) -> None:
        self.name = name
        self.point = point
        self.rate_hz = rate_hz
        self._source = source
        self._track = Track()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._sampling: Future[None] | None = None

    def __enter__(self) -> Self:
        self._read()
        self._sampling = self._pool.submit(self._sample)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._pool.shutdown()

    def mark(self) -> float:
        """Read the source; the instant of the reading."""
        if self._sampling and self._sampling.done():
            self._sampling.result()  # what went wrong in the thread is told here
        return self._read()

    def joules(self, at_s: float | None = None) -> float:
        """Joules until an instant, now if none is given."""
        if at_s is None or not self._track.spans(at_s):
            newest_s = self.mark()
        with self._lock:
            return self._track.at(newest_s if at_s is None else at_s)

    def _read(self) -> float:
        with self._lock:
            at_s = now_s()
            self._track.add(at_s, self._source(at_s))
        return at_s

    def _sample(self) -> None:
        while not self._closed.wait(1 / self.rate_hz):
            self._read()
