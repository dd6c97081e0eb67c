"""Networks by name or by file: of the zoo, or with a bottleneck and exits put into one of it.

A network file says what is made of which network:

    base: {network: small_resnet, weights: digits-resnet.pt}
    bottleneck: {kind: bottlefit, channels: 4}
    exits: {at: [layer1]}
    weights: digits-bottlefit4.pt
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import random

from splitsim.component import Component, Count
from splitsim.dnn import zoo
from splitsim.dnn.bottlenecks.autoencoder import Autoencoder
from splitsim.dnn.bottlenecks.base import inject
from splitsim.dnn.bottlenecks.bottlefit import BottleFit
from splitsim.dnn.bottlenecks.bottlenet import BottleNet
from splitsim.dnn.bottlenecks.bottlenetpp import BottleNetPlusPlus
from splitsim.dnn.bottlenecks.reduction import Reduction
from splitsim.dnn.bottlenecks.spiking import SpikeBottleNet
from splitsim.dnn.exits import ExitsSpec, attach
from splitsim.dnn.weights import load_weights
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput
from splitsim.scenario.strict import read_as

SUFFIXES = (".yaml", ".yml")

AnyBottleneck = Annotated[
    BottleFit | Autoencoder | BottleNet | BottleNetPlusPlus | SpikeBottleNet | Reduction,
    Field(discriminator="kind"),
]


class Base(Component):
    """A network of the zoo; ``weights`` is a file, relative to the one that names it."""

    network: str
    weights: str | None = None
    classes: Count | None = None
    shape: Annotated[Sequence[Count], Field(min_length=1)] | None = None


class NetworkSpec(Component):
    """What a network is made of; ``weights`` is a file of the whole of it."""

    base: Base
    bottleneck: AnyBottleneck | None = None
    exits: ExitsSpec | None = None
    weights: str | None = None

    def build(self, folder: Path) -> LoadedModel:
        """The network, in eval mode; what has no weights gets random ones, always the same.

        Args:
            folder: to which its files are relative.

        Raises:
            BadInput: something of it is not there, or does not fit.
        """
        base = self.base
        weights = None if base.weights is None else _beside(folder, base.weights)
        shape = None if base.shape is None else tuple(base.shape)
        network = zoo.load(base.network, weights=weights, classes=base.classes, shape=shape)
        with random.fork_rng(devices=[]):
            random.manual_seed(0)
            if self.bottleneck is not None:
                network = inject(network, self.bottleneck)
            if self.exits is not None:
                network = attach(network, self.exits)
        if self.weights is not None:
            load_weights(network.module, folder / self.weights)
        return network


def load(
    name: str,
    *,
    weights: str | Path | None = None,
    classes: int | None = None,
    shape: tuple[int, ...] | None = None,
) -> LoadedModel:
    """A network by name, as ``splitsim.dnn.zoo.load`` knows it, or by the path of a network file.

    Args:
        name: of a network, or a file that ends in ``.yaml``.
        weights: a state-dict file of the whole of it, instead of what a network file names.
        classes: how many answers there are; a network file says so itself.
        shape: of its input; likewise.

    Raises:
        BadInput: there is no such network, or something of it does not fit.
    """
    if not is_file(name):
        return zoo.load(name, weights=weights, classes=classes, shape=shape)
    if classes is not None or shape is not None:
        raise BadInput(f"{name}: says classes and shape itself; leave them out")
    spec, _ = read_as(Path(name), NetworkSpec)
    if weights is not None:
        spec = spec.model_copy(update={"weights": None})
    try:
        network = spec.build(Path(name).parent)
    except BadInput as error:
        raise BadInput(*(f"{name}: {problem}" for problem in error.problems)) from error
    if weights is not None:
        load_weights(network.module, Path(weights))
    return network.called(name)


def is_file(name: str) -> bool:
    """Whether a network's name is the path of a network file."""
    return Path(name).suffix in SUFFIXES


def _beside(folder: Path, weights: str) -> str:
    """A file of weights; a name that is none there is left to who knows published weights."""
    path = folder / weights
    return str(path) if path.is_file() or path.suffix else weights
