"""Outcomes: what a split network sent and answered, per sample, cut and quality of the link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from splitsim.errors import BadInput
from splitsim.uncertainty import Shift


@dataclass(frozen=True, eq=False)
class Exit:
    """What the branch at a cut answers on the device, an entry per sample.

    Attributes:
        confidence: the probability of its prediction, in [0, 1]; shape (samples,).
        entropy: of its probabilities, over the most it can be, in [0, 1]; shape (samples,).
        correct: 1 where its answer is right, else 0; shape (samples,).
    """

    confidence: np.ndarray
    entropy: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a split network really sent and answered, at one cut, an entry per sample.

    Attributes:
        send_bytes: of the coded message; shape (samples,).
        correct: 1 where its answer was right, else 0; shape (samples,).
        exit: what its exit there answers; None without one.
    """

    send_bytes: np.ndarray
    correct: np.ndarray
    exit: Exit | None = None


class Heard(NamedTuple):
    """What numbers at a cut give that are sent as symbols, by the SNR at which they are heard."""

    levels_db: Sequence[float]  # rising
    outcomes: Sequence[Outcome]

    def at(self, snr_db: float) -> Outcome:
        """That of the nearest level; of the lower one of two."""
        pairs = zip(self.levels_db, self.outcomes, strict=True)
        return min(pairs, key=lambda pair: abs(pair[0] - snr_db))[1]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a split network gave for every sample of a data set.

    ``found[loss][cut]`` is the outcome at a cut if that share of the packets was lost;
    ``heard[cut]`` the outcomes if its numbers were sent as symbols.
    """

    model: str
    dataset: str
    samples: int
    found: Mapping[float, Mapping[int, Outcome]]
    heard: Mapping[int, Heard] = field(default_factory=dict)

    def by_cut(self, erased: float) -> Mapping[int, Outcome]:
        """The outcomes at the nearest loss there is; a channel without loss takes those without.

        Raises:
            BadInput: packets are lost, and it is not known what that does.
        """
        nearest = min(self.found, key=lambda loss: abs(loss - erased))
        if erased and not nearest:
            raise BadInput(
                f"outcomes of {self.model!r} on {self.dataset!r} are not known where "
                f"{erased:.3g} of the packets are lost; make them with splitsim outcomes --loss"
            )
        return self.found[nearest]

    def by_cut_at(self, snr_db: float, last: int) -> Mapping[int, Outcome]:
        """The outcomes of symbols at the nearest SNR there is, and of the device itself."""
        on_device = {cut: found for cut, found in self.by_cut(0.0).items() if cut == last}
        return {cut: heard.at(snr_db) for cut, heard in self.heard.items()} | on_device

    @cached_property
    def exits(self) -> Mapping[int, Exit]:
        """The exits, by their cuts; they answer the same whatever the link."""
        found = [*self.found.values(), *({c: h.outcomes[0]} for c, h in self.heard.items())]
        outcomes = {cut: outcome for by_cut in found for cut, outcome in by_cut.items()}
        return {cut: o.exit for cut, o in sorted(outcomes.items()) if o.exit is not None}

    def shifted(self, _: Shift) -> Outcomes:
        """The same: bytes are counted, and answers have no factor."""
        return self
