"""Link adaptation: which scheme is sent with, and what arrives then."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from splitsim.component import Component, NonNegative, Positive
from splitsim.world.around import Around
from splitsim.world.mcs import SILENCE_DB, Ladder
from splitsim.world.travel import Gains

Bler = Annotated[float, Field(gt=0, lt=1)]
BLOCKS = 4096  # decided at a time where the SNR has no steps of its own
ROUNDING = 1e-9  # of a step or report: what happens exactly at an edge is behind it


def _in_db(snr: np.ndarray) -> np.ndarray:
    decibels: np.ndarray = 10 * np.log10(np.maximum(snr, 10 ** (SILENCE_DB / 10)))
    return decibels


class Ideal(Component):
    """Always the highest scheme that loses at most ``target_bler`` of its blocks at the true SNR.

    Where even the lowest loses more, it is used all the same.
    """

    kind: Literal["ideal"]
    target_bler: Bler = 0.1

    def rates(self, ladder: Ladder, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz that arrive, for an SNR as a ratio of powers."""
        needs_db = ladder.needs_db(self.target_bler)

        def stretch(k: int) -> tuple[np.ndarray, np.ndarray]:
            starts, ratios = snr.stretch(k)
            snr_db = _in_db(ratios)
            rungs = np.maximum(np.searchsorted(needs_db, snr_db, side="right") - 1, 0)
            return starts, ladder.goodput_bps_hz(rungs, snr_db)

        return snr._replace(stretch=stretch)


class OuterLoop(Component):
    """The highest scheme that holds ``target_bler`` at a reported SNR plus an offset.

    The SNR is reported every ``report_every_s`` and known ``delay_s`` later. An acknowledgement
    raises the offset by step_db x target / (1 - target), a missing one lowers it by ``step_db``, so
    that the share of blocks lost goes to the target whatever the reports are worth; it stays
    within ``limit_db`` of zero. A block takes ``block_s``, or a step of the SNR where that is
    longer: then there are fewer decisions than a radio makes, and it learns more slowly.

    A block meets the mean SNR in dB over its length. Whether it is lost is drawn and moves the
    offset; the rate counts its probability. The offset begins with zero.
    """

    kind: Literal["outer_loop"]
    target_bler: Bler = 0.1
    step_db: Positive = 0.5
    report_every_s: Positive = 0.02
    delay_s: NonNegative = 0.008
    block_s: Positive = 0.001
    limit_db: Positive = 20.0

    def rates(self, ladder: Ladder, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz that arrive, for an SNR as a ratio of powers."""
        snr = self.paced(snr)
        return snr._replace(stretch=Loop(self, ladder, snr, around).stretch)

    def paced(self, snr: Gains) -> Gains:
        """An SNR that has steps: one that never changes gets one per block."""
        if snr.period_s < math.inf:
            return snr
        starts, always = self.block_s * np.arange(BLOCKS), np.repeat(snr.stretch(0)[1], BLOCKS)
        return Gains(self.block_s * BLOCKS, lambda _: (starts, always), self.block_s)


class Memory(NamedTuple):
    """What the loop knows when a stretch begins.

    Attributes:
        offset_db: what it adds to reports.
        first: the number of the oldest report that may still be used.
        told_db: this report and those after it.
    """

    offset_db: float
    first: int
    told_db: np.ndarray


class Blocks(NamedTuple):
    """The blocks of a stretch, in arrays of shape (blocks,).

    Attributes:
        rungs: the schemes they were sent with.
        snr_db: what they met.
        lost: whether they were.
        sizes: how many steps of the SNR each takes.
    """

    rungs: np.ndarray
    snr_db: np.ndarray
    lost: np.ndarray
    sizes: np.ndarray


class Loop:
    """The outer loop of one device in one direction.

    The memory at the beginning of every stretch is kept, and those that are missing are made in
    order, so that a stretch is the same at every call.
    """

    def __init__(self, law: OuterLoop, ladder: Ladder, snr: Gains, around: Around) -> None:
        self._law = law
        self._ladder = ladder
        self._snr = snr
        self._around = around
        self._memories = [Memory(0.0, 0, np.empty(0))]

    def stretch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """When the rates of stretch k begin, and the rates in bit/s/Hz."""
        starts, ratios = self._snr.stretch(k)
        blocks = self.blocks(k, starts, ratios)
        rates = self._ladder.goodput_bps_hz(blocks.rungs, blocks.snr_db)
        return starts, np.repeat(rates, blocks.sizes)

    def blocks(self, k: int, starts_s: np.ndarray, ratios: np.ndarray) -> Blocks:
        """The blocks of stretch k, whose SNRs are given."""
        for before in range(len(self._memories) - 1, k):
            self._blocks(before, *self._snr.stretch(before))
        return self._blocks(k, starts_s, ratios)

    def _blocks(self, k: int, starts_s: np.ndarray, ratios: np.ndarray) -> Blocks:
        snr_db = _in_db(ratios)
        memory = self._heard(k, starts_s, snr_db)
        firsts = self._firsts(starts_s)
        sizes = np.diff(firsts, append=len(starts_s))
        met_db = np.add.reduceat(snr_db, firsts) / sizes
        known = self._known(self._begin_s(k) + starts_s[firsts], memory)
        uniform = 1 - self._around.stream("adaptation", k).random(len(firsts))  # never zero
        offset_db, rungs, lost = self._decide(
            memory.offset_db, memory.told_db[known], met_db, np.log1p(-uniform) - np.log(uniform)
        )
        if len(self._memories) == k + 1:
            self._memories.append(self._kept(k + 1, memory._replace(offset_db=offset_db)))
        return Blocks(rungs, met_db, lost, sizes)

    def _begin_s(self, k: int) -> float:
        return k * self._snr.period_s

    def _heard(self, k: int, starts_s: np.ndarray, snr_db: np.ndarray) -> Memory:
        """The memory when stretch k begins, with the reports made during it added."""
        memory, every_s = self._memories[k], self._law.report_every_s
        first, end = (math.ceil(self._begin_s(n) / every_s - ROUNDING) for n in (k, k + 1))
        times_s = (np.arange(first, end) + ROUNDING) * every_s - self._begin_s(k)
        places = np.searchsorted(starts_s, np.maximum(times_s, 0.0), side="right") - 1
        return memory._replace(told_db=np.append(memory.told_db, snr_db[places]))

    def _known(self, times_s: np.ndarray, memory: Memory) -> np.ndarray:
        """Which report is the newest one known, counted from the oldest remembered."""
        newest = (times_s - self._law.delay_s) / self._law.report_every_s + ROUNDING
        numbers = np.floor(newest).astype(int) - memory.first
        known: np.ndarray = np.clip(numbers, 0, len(memory.told_db) - 1)
        return known

    def _kept(self, k: int, memory: Memory) -> Memory:
        """What is still of use when stretch k begins."""
        oldest = int(self._known(np.array([self._begin_s(k)]), memory)[0])
        return Memory(memory.offset_db, memory.first + oldest, memory.told_db[oldest:].copy())

    def _firsts(self, starts_s: np.ndarray) -> np.ndarray:
        """The steps with which blocks begin."""
        numbers = np.floor(starts_s / self._law.block_s + ROUNDING)
        return np.flatnonzero(np.diff(numbers, prepend=-1.0))

    def _decide(
        self, offset_db: float, told_db: np.ndarray, met_db: np.ndarray, luck: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """One block after the other: the last offset, and each one's rung and fate.

        ``luck`` is logistic: a block is lost where its SNR is below middle + width x luck, which
        has the probability BLER.
        """
        law, rungs, lost = self._law, [], []
        needs_db = self._ladder.needs_db(law.target_bler).tolist()
        middle_db, width_db = self._ladder.middle_db.tolist(), self._ladder.width_db.tolist()
        down_db, limit_db = law.step_db, law.limit_db
        up_db = down_db * law.target_bler / (1 - law.target_bler)
        # If clauses: calls of max and min would take half of the time.
        for told, met, chance in zip(told_db.tolist(), met_db.tolist(), luck.tolist(), strict=True):
            rung = bisect_right(needs_db, told + offset_db) - 1
            if rung < 0:
                rung = 0
            gone = met < middle_db[rung] + width_db[rung] * chance
            offset_db += -down_db if gone else up_db
            if not -limit_db < offset_db < limit_db:
                offset_db = math.copysign(limit_db, offset_db)
            rungs.append(rung)
            lost.append(gone)
        return offset_db, np.array(rungs), np.array(lost)


Adaptation = Annotated[Ideal | OuterLoop, Field(discriminator="kind")]
