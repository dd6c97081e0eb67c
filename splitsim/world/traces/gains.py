"""Fading traces of ns-3: gains by resource block and millisecond, to replay as fading."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitsim.errors import BadInput
from splitsim.world.traces.columns import as_numbers
from splitsim.world.traces.lines import Lines, text_of
from splitsim.world.traces.trace import Floats, read_only

STEP_S = 1e-3
MOST_DB = 100.0  # in size; a gain outside is no fading
USUAL_DB = 15.0  # the mean gain in size, outside which the unit is hardly dB


@dataclass(frozen=True, slots=True, eq=False)
class FadingTrace:
    """Power gains of resource blocks, to be multiplied with the mean SNR.

    Attributes:
        powers: ratios of powers, shape (resource blocks, samples), read-only.
        step_s: how long a sample holds, 1 ms.
        warnings: what is odd about it, a sentence each.
    """

    powers: Floats
    step_s: float = STEP_S
    warnings: tuple[str, ...] = ()

    @property
    def period_s(self) -> float:
        """Length of the recording."""
        return int(self.powers.shape[1]) * self.step_s

    def gains(self, block: int | None = None) -> Floats:
        """The gain of every millisecond, shape (samples,), of one block or averaged over all.

        Args:
            block: a resource block, from 0; None for the mean of the powers of all.

        Raises:
            ValueError: there is no such block.
        """
        if block is None:
            mean: Floats = self.powers.mean(axis=0)
            return mean
        blocks = len(self.powers)
        if not 0 <= block < blocks:
            raise ValueError(f"there is no resource block {block}; there are 0 to {blocks - 1}")
        one: Floats = self.powers[block]
        return one


def read_fading(path: str | os.PathLike[str], *, resource_blocks: int | None = None) -> FadingTrace:
    """Read ``.fad``: gains in dB, separated by blanks, block after block, one each ms.

    Args:
        path: a text file.
        resource_blocks: how many there are; by default every line is one.

    Raises:
        BadInput: the file cannot be used; all its mistakes, the first ten in full.
    """
    lines = Lines(os.fspath(path), text_of(os.fspath(path)))
    rows = [(n, text.split()) for n, text in enumerate(lines.texts, 1) if text.strip()]
    where = [n for n, row in rows for _ in row]
    gains_db = as_numbers(lines, where, [v for _, row in rows for v in row], "gain", "correct it")
    lines.check()
    for i in np.flatnonzero(np.abs(gains_db) > MOST_DB):
        lines.report(where[i], f"a gain of {gains_db[i]:g} dB is beyond {MOST_DB:g} dB; correct it")
    blocks = resource_blocks or len(rows)
    counts = {len(row) for _, row in rows}
    if resource_blocks is None and len(counts) > 1:
        n = next(n for n, row in rows if len(row) != len(rows[0][1]))
        lines.report(n, "is not as long as the first line; give resource_blocks, their number")
    elif blocks < 1 or len(gains_db) % blocks:
        lines.report(0, f"{len(gains_db)} gains are not those of {blocks} resource blocks")
    lines.check()
    powers = 10 ** (gains_db / 10)
    mean_db = float(10 * np.log10(powers.mean()))
    if abs(mean_db) > USUAL_DB:
        lines.warn(0, f"its mean gain is {mean_db:.3g} dB, where fading has about 0; are these dB?")
    shaped = read_only(powers.reshape(blocks, -1))
    return FadingTrace(shaped, warnings=tuple(lines.warnings))


def refuse_gains(name: str) -> None:
    """Tell who wants a rate of a fading trace what it is."""
    if Path(name).suffix.lower() == ".fad":
        raise BadInput(f"{name}: a .fad holds gains in dB, no rates; read it with read_fading")
