"""Good and bad times that follow each other by chance (Gilbert 1960, Elliott 1963).

A continuous-time Markov chain of two states that leaves them at the rates 1/g and 1/b may be
made without a memory: at the events of a Poisson process of rate 1/g + 1/b the state is drawn
anew, good with probability g / (g + b). It then goes from good to bad at the rate
(1/g + 1/b) b / (g + b) = 1/g, and back at 1/b. The state at any time is that of the last draw
before, so that stretches of time can be made in any order, and the autocorrelation
exp(-t (1/g + 1/b)) is the probability of no draw.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Number, Positive
from splitsim.world.around import Around
from splitsim.world.travel import Gains

DRAWS = 1024  # of a state in a stretch, on average

Streams = Callable[[int], np.random.Generator]


class GilbertElliott(Component):
    """Good times of ``good_s`` on average, and bad ones of ``bad_s``, both exponential.

    The mean SNR is that of good times; in bad ones it is lower by ``-bad_db``.
    """

    kind: Literal["gilbert-elliott"]
    good_s: Positive
    bad_s: Positive
    bad_db: Annotated[Number, Field(ge=-200, le=0)]
    reciprocal: bool = False

    @property
    def period_s(self) -> float:
        """The length of a stretch."""
        return DRAWS / (1 / self.good_s + 1 / self.bad_s)

    def gains(self, around: Around) -> Gains:
        """The gains of one device in one direction."""
        streams = partial(around.common if self.reciprocal else around.stream, "fading")
        bad = 10 ** (self.bad_db / 10)

        def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
            times_s, states = self._drawn(streams(k))
            good = np.append(self._before(streams, k), states)
            changes = np.flatnonzero(np.diff(good, prepend=not good[0]))
            return np.append(0.0, times_s)[changes], np.where(good[changes], 1.0, bad)

        return Gains(self.period_s, stretch)

    def _drawn(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """When states are drawn in a stretch, and whether they are good."""
        count = rng.poisson(DRAWS)
        return np.sort(rng.uniform(0, self.period_s, count)), self._good(rng, count)

    def _before(self, streams: Streams, k: int) -> np.ndarray:
        """Whether it is good before the first draw of stretch k, shape (1,)."""
        while k:
            k -= 1
            _, good = self._drawn(streams(k))
            if len(good):
                return good[-1:]
        return self._good(streams(-1), 1)

    def _good(self, rng: np.random.Generator, count: int) -> np.ndarray:
        good: np.ndarray = rng.random(count) * (self.good_s + self.bad_s) < self.good_s
        return good
