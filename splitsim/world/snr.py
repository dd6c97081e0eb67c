"""The mean SNR of a channel over time, before fading: a given one, or what geometry makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from splitsim.component import Component, Number
from splitsim.world.around import Around


class MeanSnr(NamedTuple):
    """A mean SNR as a ratio of powers.

    Attributes:
        ratio: of rising times in seconds, shape (n,): the ratio at each, shape (n,), or one
            number where it is always the same.
        step_s: how long it may be taken for constant; inf where it is.
    """

    ratio: Callable[[np.ndarray], np.ndarray | float]
    step_s: float = math.inf


class ConstantSnr(Component):
    """The same mean SNR all the time."""

    kind: Literal["constant"]
    mean_db: Annotated[Number, Field(ge=-200, le=200)]

    def mean(self, around: Around) -> MeanSnr:
        """The mean SNR of one device in one direction."""
        ratio = float(10 ** (self.mean_db / 10))
        return MeanSnr(lambda _: ratio)

    @property
    def expected_db(self) -> float:
        """What it is on average, in dB."""
        return self.mean_db


Snr = Annotated[ConstantSnr, Field(discriminator="kind")]
