"""Exits: branches at some cuts of a network that answer on the device if they are sure enough.

A task computes its head up to the first exit on its way and evaluates the branch there
(BranchyNet, Teerapittayanon et al., ICPR 2016; SPINN, Laskaridis et al., MobiCom 2020). If that
is sure enough of the sample, the task ends there and nothing is sent; if not, it goes on to the
next exit, and at last to the cut. Whoever is evaluated takes its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from splitsim.component import Component
from splitsim.entries import Model, Profile
from splitsim.errors import BadInput
from splitsim.luck import NONE_DRAWN, Drawn
from splitsim.outcomes import Exit, Outcome, Outcomes
from splitsim.runs import Runs
from splitsim.task import Demand, Mixture, Option

Threshold = Annotated[float, Field(gt=0, lt=1)]


class Exits(Component):
    """When tasks end early, in the scenario file: an option per threshold.

    By ``confidence``, the probability of an exit's answer must reach the threshold; by
    ``entropy``, the entropy of its probabilities, over the most it can be, must not exceed it.
    """

    by: Literal["confidence", "entropy"]
    thresholds: Annotated[Sequence[Threshold], Field(min_length=1)]

    @field_validator("thresholds")
    @classmethod
    def _rise(cls, thresholds: Sequence[float]) -> Sequence[float]:
        if any(after <= before for before, after in pairwise(thresholds)):
            raise ValueError("must rise, each above the one before")
        return thresholds

    def sure(self, answers: Exit, threshold: float) -> np.ndarray:
        """Whether an exit is sure enough of each sample; shape (samples,)."""
        if self.by == "confidence":
            return answers.confidence >= threshold
        return answers.entropy <= threshold


class Branch(NamedTuple):
    """An exit of a model on a device: a branch at a cut, and what the device does before it."""

    cut: int
    layer: str
    answers: Exit
    before_s: float  # pre-processing and head
    before_j: float | None  # the same, where it was metered
    branch_s: float


def branches(model: Model, profile: Profile, outcomes: Outcomes) -> tuple[Branch, ...]:
    """The exits of a model that a device can reach, by cut.

    Args:
        model: with exits or without.
        profile: its times on the device.
        outcomes: what it gave for each sample.

    Raises:
        BadInput: outcomes and profile do not have the same exits.
    """
    heads, branch_s = profile.times["head"], profile.times["exit"]
    cuts = [cut for cut in range(len(heads)) if any(s is not None for s in heads[cut:])]
    table = f"profiles/{model.name}@{profile.hardware}.csv"
    answers = f"outcomes/{model.name}@{outcomes.dataset}.parquet"
    problems, found = [], []
    for cut in cuts:
        answer, layer = outcomes.exits.get(cut), model.layers[cut]
        before_s, after_s = profile.sum_s(cut, "pre", "head"), branch_s[cut]
        if answer is not None and after_s is not None and before_s is not None:
            before_j = _without_encoding(profile, cut)
            found.append(Branch(cut, layer, answer, before_s, before_j, after_s))
        elif answer is not None:
            what = f"needs head_s and exit_s at {layer!r}, where {answers} has an exit"
            problems.append(f"{table}: {what}; run splitsim profile again")
        elif after_s is not None:
            what = f"has no exit at {layer!r}, where {table} has one"
            problems.append(f"{answers}: {what}; run splitsim outcomes again, with this cut")
    if problems:
        raise BadInput(*problems)
    return tuple(found)


@dataclass(frozen=True)
class Early:
    """Makes options that may end early of one that does not.

    Attributes:
        rule: when tasks do.
        model: its name.
        found: the exits of the model on the device, by cut.
        compute_w: of the device; joules that were metered are without branches.
        spare: whether tasks fall back to the last exit on their way, and so must evaluate it.
        runs: recorded runs on the device, if tasks draw them.
    """

    rule: Exits
    model: str
    found: Sequence[Branch]
    compute_w: float
    spare: bool
    runs: Runs | None

    def options(self, option: Option) -> Iterator[Option]:
        """The option without a threshold and, if there are exits on its way, one per threshold."""
        on_way = [at for at in self.found if at.cut <= option.cut]
        if not on_way:
            yield option
            return
        spared = self.spare and option.server is not None
        yield self._through(option, on_way[-1:]) if spared else option
        ways = [*(self._ended[at.cut] for at in on_way), self._through(option, on_way)]
        early = replace(option, outcome=None, runs=NONE_DRAWN, branches=ways[-1].branches)
        for threshold in self.rule.thresholds:
            mixture = _mixture(ways, [self.rule.sure(at.answers, threshold) for at in on_way])
            yield replace(early, mean=_mean(mixture), threshold=threshold, mixture=mixture)

    def _through(self, option: Option, on_way: Sequence[Branch]) -> Option:
        """An option that evaluates some exits and ends at none of them."""
        more_s = math.fsum(at.branch_s for at in on_way)
        mean, cuts = option.mean, tuple(at.cut for at in on_way)
        mean = mean._replace(
            head_s=mean.head_s + more_s,
            whole_s=None if mean.whole_s is None else mean.whole_s + more_s,
            energy_j=None if mean.energy_j is None else mean.energy_j + self.compute_w * more_s,
        )
        runs = option.runs
        if self.runs is not None:
            head, whole = (
                self.runs.with_branches(cut, cuts, "pre", "head", "encode")
                for cut in (option.cut, -1)
            )
            runs = runs._replace(head=head, whole=whole)
        spare = None if option.server is None else self._ended[on_way[-1].cut]
        return replace(option, mean=mean, runs=runs, branches=cuts, spare=spare)

    @cached_property
    def _ended(self) -> Mapping[int, Option]:
        """The way that ends at each exit, by its cut."""
        ways = [self._ended_after(self.found[: n + 1]) for n in range(len(self.found))]
        return {way.cut: way for way in ways}

    def _ended_after(self, on_way: Sequence[Branch]) -> Option:
        """The way that ends at the last of some exits; nothing is encoded there."""
        last, cuts = on_way[-1], tuple(at.cut for at in on_way)
        more_s, correct = math.fsum(at.branch_s for at in on_way), last.answers.correct
        head_s = last.before_s + more_s
        runs = NONE_DRAWN
        if self.runs is not None:
            head = self.runs.with_branches(last.cut, cuts, "pre", "head")
            runs = Drawn(head=head, whole=head)
        demand = Demand(
            head_s,
            correct=float(correct.mean()),
            rest_s=0.0,
            whole_s=head_s,
            energy_j=None if last.before_j is None else last.before_j + self.compute_w * more_s,
        )
        outcome = Outcome(np.zeros(len(correct)), correct)
        return Option(
            self.model, last.cut, last.layer, None, demand, outcome, runs, cuts, exit=last.layer
        )


def _without_encoding(profile: Profile, cut: int) -> float | None:
    """Joules of what comes before a cut, a share of those metered with encoding; None: not."""
    metered_j, encode_s = profile.energy_j[cut], profile.times["encode"][cut] or 0.0
    before_s = profile.sum_s(cut, "pre", "head") or 0.0
    if metered_j is None or not before_s:
        return None
    return metered_j * before_s / (before_s + encode_s)


def _mixture(ways: Sequence[Option], sure: Sequence[np.ndarray]) -> Mixture:
    """Each sample ends at the first exit that is sure, or takes the last way.

    Args:
        ways: one per exit, and the one through.
        sure: per exit, shape (samples,).
    """
    of_sample = np.argmax([*sure, np.ones_like(sure[0])], axis=0)
    counts = np.bincount(of_sample, minlength=len(ways))
    taken = np.flatnonzero(counts)
    return Mixture(
        ways=tuple(_among(ways[n], of_sample == n) for n in taken.tolist()),
        shares=tuple((counts[taken] / len(of_sample)).tolist()),
        of_sample=np.searchsorted(taken, of_sample).astype(np.uint8),
    )


def _among(way: Option, samples: np.ndarray) -> Option:
    """A way with the means over those samples that take it."""
    real = way.outcome
    if real is None:
        return way
    send_bytes = float(real.send_bytes[samples].mean()) if way.server is not None else 0.0
    mean = way.mean._replace(send_bytes=send_bytes, correct=float(real.correct[samples].mean()))
    return replace(way, mean=mean)


def _mean(mixture: Mixture) -> Demand:
    """The mean over all samples; None where it is not known for all ways."""
    columns = zip(*(way.mean for way in mixture.ways), strict=True)
    return Demand(*(_weighted(values, mixture.shares) for values in columns))


def _weighted(values: Sequence[Any], shares: Sequence[float]) -> Any:
    if None in values:
        return None
    return math.fsum(share * value for share, value in zip(shares, values, strict=True))
