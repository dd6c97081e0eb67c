"""Profiling a network: whole runs of it, and of everything done around it at each cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
from torch import Tensor, fx

from splitsim.dnn import coding
from splitsim.dnn.choice import choose
from splitsim.dnn.memory import memory
from splitsim.dnn.partition import Cut, cuts
from splitsim.dnn.tables import Memory
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
        which: cuts, as ``choose`` reads them.
        wire: of the tensors.
        image: of the image at cut 0; None: it is sent as a tensor.
        device: ``cpu`` or ``cuda``.
        threads: of the processor.
        batch: samples computed together; times are per sample.
        runs: that are recorded.
        batches: sizes of the batch-latency curve.
    """

    which: str = "natural"
    wire: Wire = Wire.parse("uint8+zstd")
    image: Wire | None = Wire.parse("jpeg90")
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    runs: int = 50
    batches: Sequence[int] = (1, 2, 4, 8)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a network.

    Attributes:
        cuts: numbered 0 to L.
        wire_bytes: of the message at each cut; 0 at the last.
        memory: that each side of each cut needs.
        runs_s: seconds per sample; shape (runs, 5, cuts), the steps as in ``TIMES``.
        whole_s: of the network as it is, without marks, between these runs; shape (runs,).
        batches_s: seconds of a whole batch by its size; shape (runs,).
        power: what the runs took; None without a meter.
    """

    cuts: Sequence[Cut]
    wire_bytes: Sequence[int]
    memory: Sequence[Memory]
    runs_s: np.ndarray
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
    clock = clock_of(plan.device)
    model.module.to(plan.device)
    example = model.example()
    traced = trace(model.module, example)
    chosen = choose(cuts(model.module, example), plan.which)
    with quiet(plan.threads):
        shot = coding.picture(model)
        given = coding.input_of(model, shot)
        steps = _steps(model, shot, traced, chosen, given, plan)
        timed = Timed(traced, chosen, clock)
        several = given.repeat(plan.batch, *[1] * len(model.shape))
        runs_s, whole_s = [], []
        for run in range(WARM_UP + plan.runs):
            lasted_s = lasts_s(lambda: model.module(several), clock)
            heads_s = np.array(timed.heads_s(several)) / plan.batch
            around_s = [step.last_s(HostClock()) for step in steps]
            if run >= WARM_UP:
                whole_s.append(lasted_s / plan.batch)
                runs_s.append(_run(heads_s, around_s))
            progress(0.8 * (run + 1) / (WARM_UP + plan.runs))
        batches_s = dict(_batches(model, given, plan, clock))
        progress(0.95)
        power = _power(model, several, clock, meter)
    return Measured(
        cuts=chosen,
        wire_bytes=[*(len(step.encode()) for step in steps[:-1]), 0],
        memory=memory(traced, example, chosen),
        runs_s=np.array(runs_s),
        whole_s=np.array(whole_s),
        batches_s=batches_s,
        power=power,
    )


def _steps(
    model: LoadedModel,
    shot: Tensor | None,
    traced: fx.GraphModule,
    chosen: Sequence[Cut],
    given: Tensor,
    plan: Plan,
) -> list[coding.Steps]:
    """What is done around the network at each cut; at the last, nothing is coded."""
    crossing = tensors_at(traced, chosen, given)
    try:
        steps = [coding.tensor_steps(model, shot, tensors, plan.wire) for tensors in crossing]
        if plan.image is not None and shot is not None:
            steps[0] = coding.image_steps(model, shot, plan.image)
    except BadInput as error:
        raise BadInput(*(f"{model.name}: {problem}" for problem in error.problems)) from error
    return [*steps, coding.Steps(steps[1].pre, bytes, bytes)]


def _run(heads_s: np.ndarray, around_s: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """The five steps of a run at each cut; shape (5, cuts)."""
    pre_s, encode_s, decode_s = np.array(around_s).T
    encode_s[-1] = decode_s[-1] = 0.0
    return np.array([pre_s, heads_s, encode_s, decode_s, heads_s[-1] - heads_s])


def _batches(
    model: LoadedModel, given: Tensor, plan: Plan, clock: Clock
) -> Iterator[tuple[int, np.ndarray]]:
    runs = max(plan.runs // 5, 5)
    for size in plan.batches:
        several = given.repeat(size, *[1] * len(model.shape))
        model.module(several)
        work = [lasts_s(lambda: model.module(several), clock) for _ in range(runs)]  # noqa: B023
        yield size, np.array(work)


def _power(
    model: LoadedModel, several: Tensor, clock: Clock, meter: Meter | None
) -> Consumption | None:
    if meter is None:
        return None
    once_s = median(lasts_s(lambda: model.module(several), clock) for _ in range(3))
    runs = max(int(METERED_S / once_s), 1)

    def work() -> None:
        for _ in range(runs):
            lasts_s(lambda: model.module(several), clock)

    return consumption(work, meter)
