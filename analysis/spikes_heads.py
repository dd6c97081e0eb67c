"""What lies before the cuts of real networks, spiking and not, counted on the meta device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from recipes import cifar
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn import zoo
from splitsim.dnn.bottlenecks.base import BottleneckSpec, Shape
from splitsim.dnn.bottlenecks.bottlenet import BottleNet
from splitsim.dnn.bottlenecks.spiking import SpikeBottleNet
from splitsim.dnn.count import visit
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.spikes.convert import spiking
from splitsim.dnn.spikes.counts import Counts, Layer
from splitsim.dnn.spikes.lif import Lif, Units
from splitsim.dnn.trace import trace
from splitsim.dnn.zoo import LoadedModel

FIRSTS = ("steps", "once", "spikes")  # how the layers are done that see the input's numbers
COMPRESSION = 256  # of the paper, in bits
KEEPS_SPIKES = (nn.MaxPool2d, nn.Dropout, nn.Identity)
ENCODER = "bottleneck"


@dataclass(frozen=True)
class Subject:
    """A network, its input, and where it is cut: at the ends of its stages.

    Attributes:
        name: in tables.
        network: of the zoo; ``cifar`` is ResNet-50 with a small first layer and no pool.
        images: by whose mean JPEG the input is sent.
        cuts: by their names.
    """

    name: str
    network: str
    images: str
    cuts: Sequence[str]

    def load(self) -> LoadedModel:
        """With random weights; under ``torch.device("meta")`` it costs nothing."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cifar.resnet50() if self.network == "cifar" else zoo.load(self.network)


RESNET_STAGES = ("layer1", "layer2", "layer3", "layer4")
SUBJECTS = (
    Subject("resnet50-224", "resnet50", "imagenet", RESNET_STAGES),
    Subject("resnet50-32", "cifar", "cifar100", RESNET_STAGES),
    Subject("mobilenet-v1", "mobilenet_v1", "imagenet",
            ("block1", "block3", "block5", "block11", "features")),
    Subject("mobilenet-v2", "mobilenet_v2", "imagenet",
            ("features.1", "features.3", "features.6", "features.13", "features")),
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A network before a cut.

    Attributes:
        cut: its name.
        shape: channels, height and width of what crosses there.
        macs: of the network as it is.
        counts: of the spiking one, a time step, no unit firing.
        units: updates of units in a time step.
        spiking: whether what crosses is spikes.
    """

    cut: str
    shape: Shape
    macs: int
    counts: Counts
    units: int
    spiking: bool

    def with_encoder(self, steps: int) -> Head:
        """With the convolution of a spiking bottleneck behind it, and its units."""
        narrow = spiking_spec(self.shape, steps)
        macs, given = encoder(narrow, self.shape)
        end = len(self.counts.depths) - 1
        layer = Layer(ENCODER, end, 1.0, macs, rate=0.0 if self.spiking else None)
        counts = replace(self.counts, layers=[*self.counts.layers, layer])
        return replace(self, counts=counts, units=self.units + prod(given))

    def layers(self, rate: float, steps: int, first: str) -> list[Layer]:
        """What is done for a sample.

        Args:
            rate: share of spikes in all that can be spikes.
            steps: T.
            first: the layers before all units, which are shown the input's numbers, are done at
                each of the ``steps``; ``once``, for the input is the same at each; or the input is
                made ``spikes`` of the same rate, which is another coding than the paper's.
        """
        counts = self.counts
        if first == "spikes":
            counts = replace(counts, layers=[self._first(layer, rate=0.0) for layer in self._all])
        done = counts.at_rate(rate, steps).layers
        return [self._first(layer, runs=1.0) for layer in done] if first == "once" else list(done)

    @property
    def _all(self) -> Sequence[Layer]:
        return self.counts.layers

    def _first(self, layer: Layer, **change: float) -> Layer:
        return layer if self.counts.depths[layer.node] else replace(layer, **change)


def heads(subject: Subject) -> list[Head]:
    """A network before each of its cuts; nothing is computed."""
    with torch.device("meta"), torch.no_grad():
        network = spiking(subject.load(), Units(steps=1))
        every = cuts(network.module, network.example())
    counts, fires, units = structure(network)
    found = [find(every, name) for name in subject.cuts]
    return [
        Head(
            cut=name,
            shape=cut.shapes[0][1:],
            macs=cut.macs,
            counts=replace(counts, layers=counts.head(cut), depths=counts.depths[: cut.before]),
            units=sum(units[: cut.before]),
            spiking=fires[cut.crossing[0]],
        )
        for name, cut in zip(subject.cuts, found, strict=True)
    ]


def structure(network: LoadedModel) -> tuple[Counts, Mapping[str, bool], list[int]]:
    """What a spiking network does in a step, by its graph alone.

    Units give spikes, and poolings by maximum leave them; nothing else is taken for spikes, as a
    sum of several, an average, or a convolution without units behind it.

    Returns:
        Its layers, those of spikes with a rate of 0; which nodes give spikes; the units of each.
    """
    traced = trace(network.module, network.example())
    visits = visit(traced, network.example())
    fires: dict[fx.Node, bool] = {}
    depths: dict[fx.Node, int] = {}
    layers, units = [], []
    for number, (node, seen) in enumerate(visits.items()):
        given = node.all_input_nodes
        has_units = any(isinstance(part, Lif) for part in _modules(traced, node))
        units.append(prod(seen.shape or ()) if has_units else 0)
        depths[node] = max((depths[one] for one in given), default=0) + has_units
        if seen.macs:
            rate = 0.0 if fires[given[0]] else None
            layers.append(Layer(str(node.target), number, 1.0, seen.macs, rate=rate))
        fires[node] = has_units or (_keeps(traced, node) and all(fires[one] for one in given))
    names = {node.name: spikes for node, spikes in fires.items()}
    return Counts(layers, 1, list(depths.values()), 0), names, units


def spiking_spec(shape: Shape, steps: int) -> SpikeBottleNet:
    """The bottleneck of the paper's compression over so many steps, or a channel more than that."""
    channels = -(-32 * shape[0] // (COMPRESSION * steps))
    return SpikeBottleNet(kind="spikebottlenet", channels=channels, steps=1)


def bottlenet_spec(shape: Shape) -> BottleNet:
    """As many bits before the JPEG: 8 a number, so 64 times fewer channels, one at least."""
    channels = -(-32 * shape[0] // (COMPRESSION * 8))
    return BottleNet(kind="bottlenet", channels=channels, spatial=1)


def encoder(spec: BottleneckSpec, shape: Shape) -> tuple[int, Shape]:
    """Multiply-accumulates of an encoder, and the shape that it gives."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        given = spec.make(shape, shape).encoder.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2, tuple(given.shape[1:])


def _modules(traced: fx.GraphModule, node: fx.Node) -> list[nn.Module]:
    """The module that a node calls, and all in it."""
    called = node.op == "call_module"
    return list(traced.get_submodule(str(node.target)).modules()) if called else []


def _keeps(traced: fx.GraphModule, node: fx.Node) -> bool:
    return any(isinstance(module, KEEPS_SPIKES) for module in _modules(traced, node)[:1])
