"""How long a network takes until each of its cuts, by marks between its own operations.

The graph runs as it is, with a look at the clock at every cut: the time before a cut and the time
after it come from one run, and sum to the whole. On a GPU the marks are events of its stream.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, fx, nn

from splitsim.dnn.partition import Cut
from splitsim.dnn.trace import Example, inputs_of
from splitsim.errors import BadInput


class Clock(Protocol):
    """Marks instants, and tells the seconds between them."""

    def mark(self) -> None:
        """Now."""

    def lapse(self) -> list[float]:
        """Seconds from the first mark to each; forgets them."""


class HostClock:
    """Instants of the processor's own clock."""

    def __init__(self) -> None:
        self._marks: list[float] = []

    def mark(self) -> None:
        """Now."""
        self._marks.append(time.perf_counter())

    def lapse(self) -> list[float]:
        """Seconds from the first mark to each; forgets them."""
        marks, self._marks = self._marks, []
        return [mark - marks[0] for mark in marks]


class CudaClock:
    """Events of a GPU's stream: when it gets there, not when it is told to."""

    def __init__(self) -> None:
        self._marks: list[torch.cuda.Event] = []

    def mark(self) -> None:
        """Now."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        self._marks.append(event)

    def lapse(self) -> list[float]:
        """Seconds from the first mark to each; forgets them."""
        marks, self._marks = self._marks, []
        marks[-1].synchronize()
        return [marks[0].elapsed_time(mark) / 1e3 for mark in marks]


def clock_of(device: str) -> Clock:
    """The clock of ``cpu`` or ``cuda``.

    Raises:
        BadInput: there is no such device here.
    """
    if device == "cpu":
        return HostClock()
    if device != "cuda":
        raise BadInput(f"--device: must be cpu or cuda, not {device!r}")
    if not torch.cuda.is_available():
        raise BadInput("--device cuda: torch sees no GPU here; take cpu, or install its CUDA build")
    return CudaClock()


@contextmanager
def quiet(threads: int) -> Iterator[None]:
    """As many threads as asked for, and no search for reference cycles in between."""
    before, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
        if collects:
            gc.enable()


class Timed:
    """A traced network with marks at its cuts.

    Args:
        traced: the network.
        cuts: of it, in order, the input and the output among them.
        clock: of the device that it is on.
    """

    def __init__(self, traced: fx.GraphModule, cuts: Sequence[Cut], clock: Clock) -> None:
        self._clock = clock
        self._module = _marked(traced, cuts, clock)

    def heads_s(self, example: Example) -> list[float]:
        """One run: seconds from the input to each cut."""
        self._module(*inputs_of(example))
        return self._clock.lapse()


def lasts_s(work: Callable[[], object], clock: Clock) -> float:
    """Seconds that some work takes."""
    clock.mark()
    work()
    clock.mark()
    return clock.lapse()[-1]


def tensors_at(
    traced: fx.GraphModule, cuts: Sequence[Cut], example: Example
) -> list[tuple[Tensor, ...]]:
    """What crosses at each cut but the last, copied on the processor; from one run."""
    wanted = {name for cut in cuts[:-1] for name in cut.crossing}
    keeper = _Keeper(traced, wanted)
    keeper.run(*inputs_of(example))
    return [tuple(keeper.kept[name] for name in cut.crossing) for cut in cuts[:-1]]


class _Mark(nn.Module):
    """A look at the clock, as a module that a graph can call."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def forward(self) -> None:
        self._clock.mark()


def _marked(traced: fx.GraphModule, cuts: Sequence[Cut], clock: Clock) -> fx.GraphModule:
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    at = {cut.before for cut in cuts[:-1]}
    nodes = list(traced.graph.nodes)
    for number, node in enumerate(nodes):
        if number in at or node is nodes[-1]:
            graph.call_module("splitsim_mark")
        copies[node] = graph.node_copy(node, copies.__getitem__)
    owner = nn.Module()
    owner.__dict__.update(traced.__dict__)
    owner._modules = {**traced._modules, "splitsim_mark": _Mark(clock)}
    return fx.GraphModule(owner, graph)


class _Keeper(fx.Interpreter):
    """Keeps copies of some values, for later operations may write into them."""

    def __init__(self, traced: fx.GraphModule, wanted: set[str]) -> None:
        super().__init__(traced)
        self._wanted = wanted
        self.kept: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        value: object = super().run_node(n)
        if n.name in self._wanted and isinstance(value, Tensor):
            self.kept[n.name] = value.detach().to("cpu", copy=True)
        return value
