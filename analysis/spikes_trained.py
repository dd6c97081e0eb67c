"""A spiking network that was trained on real images: its spikes, counted, and what they cost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from spikes_energy import accelerators
from spikes_heads import encoder
from torch import Tensor, nn

from splitsim.dnn import zoo
from splitsim.dnn.bottlenecks.bottlenet import BottleNet
from splitsim.dnn.bottlenecks.spiking import SpikeBottleNet
from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import dataset
from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.networks import Base, NetworkSpec
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.spikes.counts import KINDS, Counts, Layer, count, fan_out
from splitsim.dnn.training.recipe import load_recipe
from splitsim.dnn.training.train import train
from splitsim.dnn.zoo import LoadedModel

RECIPES = Path(__file__).parent / "recipes"
TEACHER, STUDENT = "digits-teacher", "digits-spikebottlenet4"
DATA = "digits-test"
WITHOUT = {"outcomes": None}


@dataclass(frozen=True)
class Trained:
    """A spiking network, what it does for a sample, and how often it is right.

    Attributes:
        network: of digits.
        counts: by its spikes.
        top1: on the test part; None if it was not trained.
        layers: a row per layer.
    """

    network: LoadedModel
    counts: Counts
    top1: float | None
    layers: pd.DataFrame

    @property
    def head(self) -> list[Layer]:
        """The layers of the device."""
        return head(self.network, self.counts)

    @property
    def rate(self) -> float:
        """Of firing in what the head's layers are given."""
        return mean_rate(self.layers)

    @property
    def bottlenet_macs(self) -> int:
        """Of BottleNet's head with as many channels at the same cut, not spiking."""
        bottleneck = student().bottleneck
        assert isinstance(bottleneck, SpikeBottleNet)
        base = zoo.load(student().base.network, shape=self.network.shape)
        at = find(cuts(base.module, base.example()), str(bottleneck.join))
        spec = BottleNet(kind="bottlenet", channels=bottleneck.channels, spatial=1)
        return at.macs + encoder(spec, at.shapes[0][1:])[0]

    def ratios(self) -> dict[str, tuple[float, float, float]]:
        """BottleNet's energy over its own per kind of number.

        By counted spikes, by the estimate with each layer's rate, and by that with one rate.
        """
        one_rate = [layer.at_rate(self.rate, 1) for layer in self.head]
        found = {}
        for number, (own, other) in accelerators().items():
            dense_j = self.bottlenet_macs * other.mac_j
            estimated_j = sum(
                layer.macs * own.mac_j + layer.estimated_acs * (own.ac_j or 0)
                for layer in self.head
            )
            joules = (own.energy_j(self.head), estimated_j, own.energy_j(one_rate))
            found[number] = tuple(dense_j / each for each in joules)
        return found


def trained(*, quick: bool = False) -> Trained:
    """The network of the recipes as they stand, counted over the test part.

    Args:
        quick: not trained, and counted over a few samples.
    """
    network, top1 = _untrained() if quick else _learned()
    images = dataset(DATA).take(0, 20 if quick else 10**6).images
    counts = count(network, [inputs(network, images)])
    return Trained(network, counts, top1, layers_of(network, counts))


def _learned() -> tuple[LoadedModel, float]:
    with tempfile.TemporaryDirectory() as name:
        for recipe in (TEACHER, STUDENT):
            found = train(load_recipe(RECIPES / f"{recipe}.yaml", WITHOUT), name, report=False)
    return found.network, found.top1


def _untrained() -> tuple[LoadedModel, None]:
    bare = Base(network=student().base.network)
    return student().model_copy(update={"base": bare}).build(RECIPES), None


def student() -> NetworkSpec:
    """What the recipe makes."""
    return load_recipe(RECIPES / f"{STUDENT}.yaml", WITHOUT).recipe.student


def head(network: LoadedModel, counts: Counts) -> list[Layer]:
    """The layers before the bottleneck's cut."""
    return counts.head(find(cuts(network.module, network.example()), BOTTLENECK))


def mean_rate(layers: pd.DataFrame) -> float:
    """Ones over all numbers that could be, in what the layers before the cut are given."""
    fired = layers[layers["before_cut"] & (layers.rate > 0)]
    return float(fired.spikes.sum() / (fired.spikes / fired.rate).sum())


def layers_of(network: LoadedModel, counts: Counts) -> pd.DataFrame:
    """A row per layer: what it does, and how far the usual estimate is off, and why.

    ``padding`` is the factor by which the estimate is too high for it takes additions of padding
    for work, ``spread`` the one that is left: spikes are where they reach more, or less.
    """
    shapes, device = seen_shapes(network), head(network, counts)
    rows = [_row(network.module, layer, shapes[layer.name]) for layer in counts.layers]
    return pd.DataFrame(rows).assign(before_cut=[layer in device for layer in counts.layers])


def _row(module: nn.Module, layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    told = {"layer": layer.name, "runs": layer.runs, "run_macs": layer.run_macs}
    known = {"rate": layer.rate, "spikes": layer.spikes, "acs": layer.acs}
    if not layer.acs:
        return told | known
    reach = float(fan_out(module.get_submodule(layer.name), shape).sum())
    inside = (layer.rate or 0.0) * layer.runs * reach
    return {
        **told,
        **known,
        "estimated_acs": layer.estimated_acs,
        "estimate_over_exact": layer.estimated_acs / layer.acs,
        "padding": layer.estimated_acs / inside,
        "spread": inside / layer.acs,
    }


def seen_shapes(network: LoadedModel) -> Mapping[str, tuple[int, ...]]:
    """What goes into each layer, without the batch dimension."""
    found: dict[str, tuple[int, ...]] = {}
    with ExitStack() as stack, torch.inference_mode():
        for name, layer in _layers(network.module):
            hook = _keeper(found, name)
            stack.callback(layer.register_forward_pre_hook(hook).remove)
        network.module(network.example())
    return found


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, part) for name, part in module.named_modules() if isinstance(part, KINDS))


def _keeper(found: dict[str, tuple[int, ...]], name: str) -> Any:
    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[name] = tuple(given[0].shape[1:])

    return keep
