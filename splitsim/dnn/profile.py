"""Profiling a network: whole runs of it, and of everything done around it at each cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import NamedTuple, Self

import numpy as np
from torch import Tensor, fx, nn

from splitsim.dnn import coding
from splitsim.dnn.choice import choose, usual
from splitsim.dnn.exits import at_cuts, counts
from splitsim.dnn.formats import Formats
from splitsim.dnn.memory import memory
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.tables import Counts, Memory
from splitsim.dnn.timing import Clock, HostClock, Timed, clock_of, lasts_s, quiet, tensors_at
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.entries import TIMES
from splitsim.errors import BadInput
from splitsim.measure import Consumption, Meter, consumption

WARM_UP = 5  # runs that are not recorded
METERED_S = 3.0  # of work, at the least
Progress = Callable[[float], object]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        wire: of the tensors; None: the bottleneck's own for it, and ``uint8+zstd``.
        image: of the image at cut 0; None: it is sent as a tensor.
        which: cuts, as ``choose`` reads them; None: the network's usual ones.
        device: ``cpu`` or ``cuda``.
        threads: of the processor.
        batch: samples computed together; times are per sample.
        runs: that are recorded.
        batches: sizes of the batch-latency curve.
    """

    wire: Wire | None
    image: Wire | None
    which: str | None = None
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    runs: int = 50
    batches: Sequence[int] = (1, 2, 4, 8)

    def formats(self, model: LoadedModel) -> Formats:
        """Those of a network; one that takes no images is sent tensors only."""
        image = self.image if coding.takes_images(model) else None
        return Formats.of(model, self.wire, image)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a network.

    Attributes:
        cuts: numbered 0 to L.
        formats: of the messages.
        wire_bytes: of the message at each cut; 0 at the last.
        memory: that each side of each cut needs.
        exits: what the branches of exits cost, by the numbers of their cuts.
        runs_s: seconds per sample; shape (runs, 5, cuts), the steps as in ``TIMES``.
        exits_s: seconds per sample of each branch alone, in the same runs; shape (runs,).
        whole_s: of the network as it is, without marks, between these runs; shape (runs,).
        batches_s: seconds of a whole batch by its size; shape (runs,).
        power: what the runs took; None without a meter.
    """

    cuts: Sequence[Cut]
    formats: Formats
    wire_bytes: Sequence[int]
    memory: Sequence[Memory]
    exits: Mapping[int, Counts]
    runs_s: np.ndarray
    exits_s: Mapping[int, np.ndarray]
    whole_s: np.ndarray
    batches_s: dict[int, np.ndarray]
    power: Consumption | None

    @cached_property
    def median_s(self) -> np.ndarray:
        """Median of each step at each cut; shape (5, cuts)."""
        middle: np.ndarray = np.median(self.runs_s, axis=0)
        return middle

    @property
    def marked_s(self) -> float:
        """Median of the whole network with marks at its cuts."""
        return float(self.median_s[TIMES.index("head"), -1])

    @property
    def spread(self) -> float:
        """The whole network's 95th percentile over its median."""
        return float(np.quantile(self.runs_s[:, TIMES.index("head"), -1], 0.95) / self.marked_s)


def profile(
    model: LoadedModel,
    plan: Plan,
    *,
    meter: Meter | None = None,
    progress: Progress = lambda _share: None,
) -> Measured:
    """Measure a network.

    Args:
        model: from the zoo.
        plan: what to measure.
        meter: an open one, for the power.
        progress: is told which share of the runs is done.

    Raises:
        BadInput: the device is missing, the network cannot be cut as asked, or a tensor not coded.
    """
    bench = _Bench.of(model, plan)
    with quiet(plan.threads):
        steps = bench.steps()
        runs = list(_recorded(bench, steps, progress))
        batches_s = dict(bench.batches_s())
        progress(0.95)
        power = None if meter is None else bench.power(meter)
    return Measured(
        cuts=bench.cuts,
        formats=bench.formats,
        wire_bytes=[*(len(step.encode()) for step in steps[:-1]), 0],
        memory=memory(bench.traced, model.example(), bench.cuts, bench.branches),
        exits=counts(bench.branches, bench.cuts),
        runs_s=np.array([run.steps_s for run in runs]),
        exits_s={at: np.array([run.exits_s[at] for run in runs]) for at in bench.branches},
        whole_s=np.array([run.whole_s for run in runs]),
        batches_s=batches_s,
        power=power,
    )


class _Run(NamedTuple):
    """One run: its steps at each cut, shape (5, cuts), each branch, and the whole network."""

    steps_s: np.ndarray
    exits_s: Mapping[int, float]
    whole_s: float


def _recorded(bench: _Bench, steps: Sequence[coding.Steps], progress: Progress) -> Iterator[_Run]:
    """Each run."""
    runs, given = bench.plan.runs, bench.branch_inputs()
    for run in range(-WARM_UP, runs):
        whole_s, heads_s = bench.both_s(whole_first=run % 2 == 0)
        exits_s = bench.exits_s(given)
        around_s = [step.last_s(HostClock()) for step in steps]
        if run >= 0:
            yield _Run(_steps_s(heads_s, around_s), exits_s, whole_s)
        progress(0.8 * (run + 1 + WARM_UP) / (runs + WARM_UP))


def _steps_s(heads_s: np.ndarray, around_s: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """The five steps of a run at each cut; nothing is coded at the last."""
    pre_s, encode_s, decode_s = np.array(around_s).T
    encode_s[-1] = decode_s[-1] = 0.0
    return np.array([pre_s, heads_s, encode_s, decode_s, heads_s[-1] - heads_s])


@dataclass(frozen=True)
class _Bench:
    """A network that is ready to be run, with and without marks."""

    model: LoadedModel
    plan: Plan
    clock: Clock
    traced: fx.GraphModule
    formats: Formats
    cuts: Sequence[Cut]
    branches: Mapping[int, nn.Module]  # of the exits, by the numbers of their cuts
    timed: Timed
    picture: Tensor | None
    given: Tensor  # one sample

    @classmethod
    def of(cls, model: LoadedModel, plan: Plan) -> Self:
        """Set it up on its device."""
        clock = clock_of(plan.device)
        model.module.to(plan.device)
        example, picture = model.example(), coding.picture(model)
        traced = trace(model.module, example)
        every = cuts(model.module, example)
        chosen = choose(every, plan.which or usual(model), model.exits)
        branches = at_cuts(model, every, chosen)
        formats = plan.formats(model)
        given = coding.input_of(model, picture)
        timed = Timed(traced, chosen, clock)
        return cls(model, plan, clock, traced, formats, chosen, branches, timed, picture, given)

    def steps(self) -> list[coding.Steps]:
        """What is done around the network at each cut; at the last, nothing is coded."""
        crossing = tensors_at(self.traced, self.cuts, self.given)
        try:
            steps = [self._steps_at(cut, at) for cut, at in zip(self.cuts, crossing, strict=False)]
        except BadInput as error:
            raise BadInput(*(f"{self.model.name}: {what}" for what in error.problems)) from error
        return [*steps, coding.Steps(coding.pre(self.model, self.picture), bytes, bytes)]

    def _steps_at(self, cut: Cut, crossing: Sequence[Tensor]) -> coding.Steps:
        wire = self.formats.at(cut)
        assert wire is not None, "at the last cut nothing is coded"
        if cut.index == 0 and self.formats.image is not None and self.picture is not None:
            return coding.image_steps(self.model, self.picture, wire)
        return coding.tensor_steps(self.model, self.picture, crossing, wire)

    def branch_inputs(self) -> dict[int, Tensor]:
        """What each branch of an exit takes for several samples, where the network is."""
        places = [*(self.cuts[at] for at in self.branches), self.cuts[-1]]
        several = tensors_at(self.traced, places, self._several(self.plan.batch))
        given = (tensor.to(self.given.device) for (tensor,) in several)
        return dict(zip(self.branches, given, strict=True))

    def exits_s(self, given: Mapping[int, Tensor]) -> dict[int, float]:
        """Seconds per sample of each branch alone."""

        def last_s(at: int) -> float:
            return lasts_s(lambda: self.branches[at](given[at]), self.clock) / self.plan.batch

        return {at: last_s(at) for at in self.branches}

    def both_s(self, *, whole_first: bool) -> tuple[float, np.ndarray]:
        """Seconds per sample of the network as it is, and until each cut with marks.

        Who runs first finds the caches full of other things: they take turns.
        """
        size = self.plan.batch
        several = self._several(size)
        whole_s = self._last_s(several) if whole_first else 0.0
        heads_s = np.array(self.timed.heads_s(several))
        return (whole_s or self._last_s(several)) / size, heads_s / size

    def batches_s(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each size, and seconds of the whole batch, run by run."""
        runs = max(self.plan.runs // 5, 5)
        for size in self.plan.batches:
            several = self._several(size)
            self._last_s(several)
            yield size, np.array([self._last_s(several) for _ in range(runs)])

    def power(self, meter: Meter) -> Consumption:
        """What the network takes while it runs again and again."""
        several = self._several(self.plan.batch)
        once_s = median(self._last_s(several) for _ in range(3))
        return consumption(lambda: self._repeat(several, int(METERED_S / once_s) + 1), meter)

    def _repeat(self, several: Tensor, runs: int) -> None:
        for _ in range(runs):
            self._last_s(several)

    def _several(self, size: int) -> Tensor:
        return self.given.repeat(size, *[1] * len(self.model.shape))

    def _last_s(self, several: Tensor) -> float:
        return lasts_s(lambda: self.model.module(several), self.clock)
