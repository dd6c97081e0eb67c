"""Recorded fading: the gains of an ns-3 fading trace, over and over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from splitsim.component import Component, Count
from splitsim.world.around import Around
from splitsim.world.traces import FadingTrace, read_fading
from splitsim.world.travel import Gains

STRETCH = 8192  # gains in a stretch, at most


class RecordedFading(Component):
    """Gains recorded for every millisecond, at the speed of the recording.

    ``file`` is a ``.fad``, relative to the scenario file; a bare name is looked up in
    ``traces/channels``. It has a line for each resource block, or ``resource_blocks`` of them
    one behind the other; the gain is that of ``block``, counted from 0, or the mean power of all.
    Every device begins somewhere in it, drawn for every seed, and goes on from its beginning
    once it is over; ``offset: fixed`` begins at the beginning for all. The mean gain is the
    recording's, not 1.
    """

    kind: Literal["recorded"]
    file: str
    resource_blocks: Count | None = None
    block: Annotated[int, Field(ge=0)] | None = None
    offset: Literal["drawn", "fixed"] = "drawn"
    reciprocal: bool = False

    _trace: FadingTrace = PrivateAttr()

    @model_validator(mode="after")
    def _load(self, info: ValidationInfo) -> Self:
        read: Callable[..., FadingTrace] = (info.context or {}).get("read_fading", _read)
        self._trace = read(self.file, resource_blocks=self.resource_blocks)
        self._trace.gains(self.block)  # there is such a block
        return self

    @property
    def names(self) -> Sequence[str]:
        """The file as the scenario names it."""
        return [self.file]

    @property
    def conditional(self) -> bool:
        """Whether every seed replays the same: intervals are then conditional on it."""
        return self.offset == "fixed"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the file."""
        return self._trace.warnings

    def gains(self, around: Around) -> Gains:
        """The gains of one device in one direction."""
        powers, step_s = self._trace.gains(self.block), self._trace.step_s
        count, first = len(powers), 0
        if self.offset == "drawn":
            draws = around.common if self.reciprocal else around.stream
            first = int(draws("fading", 0).integers(count))
        shown = min(STRETCH, count)
        numbers = np.arange(shown)
        starts = step_s * numbers

        def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
            return starts, powers[(first + k * shown + numbers) % count]

        return Gains(step_s * shown, stretch, step_s)


def _read(file: str, resource_blocks: int | None) -> FadingTrace:
    return read_fading(Path(file), resource_blocks=resource_blocks)
