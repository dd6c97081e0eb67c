"""Where a device is, as a function of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from splitsim.component import Component, Number
from splitsim.steps import Steps

Streams = Callable[[int], np.random.Generator]
Position = Annotated[tuple[Number, Number], Field(strict=False)]  # a list of two in a file


class Path:
    """The way of one device: its position, and the speed at which it goes there.

    Args:
        position_m: of times in seconds, shape (n,), positions in metres, shape (n, 2).
        speed_mps: its speed over time; the area under it is the distance travelled.
    """

    def __init__(self, position_m: Callable[[np.ndarray], np.ndarray], speed_mps: Steps) -> None:
        self.position_m = position_m
        self.speed_mps = speed_mps


class Fixed(Component):
    """It stays where it is."""

    kind: Literal["fixed"]
    position_m: Position

    def path(self, streams: Streams) -> Path:
        """Where it is; ``streams(k)`` makes the k-th generator of its draws."""
        here = np.array(self.position_m)
        return Path(lambda times_s: np.tile(here, (len(times_s), 1)), Steps.constant(0.0))


Mobility = Annotated[Fixed, Field(discriminator="kind")]
