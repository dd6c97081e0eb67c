"""What the layers of a network do for a sample, counted over samples: spikes exactly.

A layer of a spiking network whose input is binary at every sample accumulates: for every spike it
adds a weight to each of the outputs that the spike reaches, its fan-out. Any other layer multiplies
and accumulates, once per time step. Counted are convolutions, linear layers and matrix products, as
in ``splitsim.dnn.count``; norms (which can be folded into weights), pools, additions, and the leak
of every unit at every step are not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn.count import visit
from splitsim.dnn.partition import Cut
from splitsim.dnn.spikes.lif import Lif
from splitsim.dnn.trace import trace
from splitsim.dnn.zoo import LoadedModel

KINDS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


@dataclass(frozen=True)
class Layer:
    """A layer's work for one sample, on average over samples.

    Attributes:
        name: its path in the network.
        node: number of the operation of the network's graph in which it runs.
        runs: per sample; a layer within time runs at every step.
        run_macs: multiply-accumulates of a run if the input is not binary.
        spikes: ones in its input, over all runs; None if the input is not binary.
        rate: share of ones among the numbers of its input; likewise.
        acs: accumulates, the fan-outs of all spikes together; 0 if the input is not binary.
    """

    name: str
    node: int
    runs: float
    run_macs: int
    spikes: float | None = None
    rate: float | None = None
    acs: float = 0.0

    @property
    def dense_macs(self) -> float:
        """Multiply-accumulates of all runs on hardware that does not know of spikes."""
        return self.runs * self.run_macs

    @property
    def macs(self) -> float:
        """Multiply-accumulates of all runs; 0 if it only accumulates."""
        return self.dense_macs if self.rate is None else 0.0

    @property
    def estimated_acs(self) -> float:
        """Accumulates by the usual estimate, rate x time steps x multiply-accumulates.

        It takes all inputs for equally far-reaching, and additions of padding for work: right
        without padding and where spikes are spread evenly.
        """
        return (self.rate or 0.0) * self.dense_macs

    def at_rate(self, rate: float, longer: float) -> Self:
        """The layer run more often by a factor and, if its input is binary, at another rate."""
        run = replace(self, runs=self.runs * longer)
        if self.rate is None:
            return run
        return replace(run, rate=rate, spikes=None, acs=rate * run.dense_macs)


@dataclass(frozen=True)
class Counts:
    """What a network does for a sample.

    Attributes:
        layers: in the order in which they run.
        steps: T; 1 if the network does not spike.
        depths: of each operation of the network's graph, how many layers of units lie one behind
            the other from the input to it, itself among them.
        samples: over which was counted.
    """

    layers: Sequence[Layer]
    steps: int
    depths: Sequence[int]
    samples: int

    @property
    def spiking(self) -> bool:
        """Whether the network has units."""
        return max(self.depths) > 0

    def head(self, cut: Cut) -> list[Layer]:
        """The layers before a cut."""
        return [layer for layer in self.layers if layer.node < cut.before]

    def depth(self, cut: Cut) -> int:
        """Layers of units one behind the other before a cut."""
        return max(self.depths[: cut.before])

    def at_rate(self, rate: float, steps: int) -> Self:
        """What it would do if a share of every binary input were ones, by the usual estimate.

        Args:
            rate: that share, from 0 to 1.
            steps: T; all of the network must lie within time, as a converted one does.
        """
        assumed = [layer.at_rate(rate, steps / self.steps) for layer in self.layers]
        return replace(self, layers=assumed, steps=steps)


def count(network: LoadedModel, batches: Iterable[Tensor]) -> Counts:
    """Counts a network's work over samples.

    Args:
        network: of the zoo or from a network file; if it has no spiking units, all is
            multiplied.
        batches: of inputs, one at least; each samples x the network's input shape.
    """
    traced = trace(network.module, network.example())
    counter, samples = _Counter(traced), 0
    with counter.watching(), torch.inference_mode():
        for batch in batches:
            counter.run(batch)
            samples += len(batch)
    depths = _depths(traced)
    watched = [
        tally.layer_of(samples, spiking=max(depths) > 0) for tally in counter.tallies.values()
    ]
    layers = [*watched, *_others(traced, network.example(), watched)]
    steps = max((unit.steps for unit in traced.modules() if isinstance(unit, Lif)), default=1)
    return Counts(sorted(layers, key=lambda layer: layer.node), steps, depths, samples)


def fan_out(layer: nn.Module, shape: Sequence[int]) -> Tensor:
    """How many outputs of a convolution or linear layer each number of its input is added to.

    The gradient of the sum of its outputs were all weights one: exact whatever its groups,
    strides, dilation and padding.

    Args:
        layer: stays as it is.
        shape: of its input without the batch dimension; also that of the result.
    """
    ones = copy.deepcopy(layer).double()
    for name, parameter in ones.named_parameters():
        nn.init.constant_(parameter, float(name == "weight"))
    given = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        (reached,) = torch.autograd.grad(ones(given).sum(), given)
    return reached[0]


class _Tally:
    """What went into a layer in one operation of the graph."""

    def __init__(self, name: str, layer: nn.Module, node: int) -> None:
        self._name, self._layer, self._node = name, layer, node
        self._rows, self._binary = 0, True
        self._ones: Tensor = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Takes in an input, (rows, ...)."""
        self._rows += len(x)
        self._binary = self._binary and bool(((x == 0) | (x == 1)).all())
        self._ones = self._ones + x.sum(0, dtype=torch.float64)

    def layer_of(self, samples: int, *, spiking: bool) -> Layer:
        """What was seen, per sample."""
        shape = self._ones.shape
        runs, run_macs = self._rows / samples, _macs(self._layer, shape)
        if not spiking or not self._binary:
            return Layer(self._name, self._node, runs, run_macs)
        ones = float(self._ones.sum())
        acs = float((self._ones * fan_out(self._layer, shape)).sum())
        rate = ones / (self._rows * shape.numel())
        per_sample = (ones / samples, rate, acs / samples)
        return Layer(self._name, self._node, runs, run_macs, *per_sample)


class _Counter(fx.Interpreter):
    """Runs a graph and looks at what goes into its layers, also those inside whole modules."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self._traced = traced
        self._numbers = {node: number for number, node in enumerate(traced.graph.nodes)}
        self._at = 0
        self.tallies: dict[tuple[int, str], _Tally] = {}

    def run_node(self, n: fx.Node) -> Any:
        self._at = self._numbers[n]
        return super().run_node(n)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, layers are looked at."""
        with ExitStack() as stack:
            for name, module in self._traced.named_modules():
                if isinstance(module, KINDS):
                    handle = module.register_forward_pre_hook(self._looks(name))
                    stack.callback(handle.remove)
            yield

    def _looks(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
            key = (self._at, name)
            if key not in self.tallies:
                self.tallies[key] = _Tally(name, layer, self._at)
            self.tallies[key].add(given[0])

        return look


def _others(traced: fx.GraphModule, example: Tensor, watched: Sequence[Layer]) -> Iterator[Layer]:
    """Products that are in no layer, such as those of attention."""
    for number, (node, seen) in enumerate(visit(traced, example).items()):
        macs = seen.macs - sum(layer.dense_macs for layer in watched if layer.node == number)
        if macs > 0:
            yield Layer(node.name, number, 1.0, round(macs))


def _macs(layer: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates for one row."""
    row = torch.zeros(1, *shape, dtype=next(layer.parameters()).dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(row)
    return int(counter.get_total_flops()) // 2


def _depths(traced: fx.GraphModule) -> list[int]:
    depths: dict[fx.Node, int] = {}
    for node in traced.graph.nodes:
        before = max((depths[given] for given in node.all_input_nodes), default=0)
        depths[node] = before + _units(traced, node)
    return list(depths.values())


def _units(traced: fx.GraphModule, node: fx.Node) -> int:
    if node.op != "call_module":
        return 0
    return sum(isinstance(part, Lif) for part in traced.get_submodule(str(node.target)).modules())
