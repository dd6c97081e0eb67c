"""Makes a network spike: a leaky integrate-and-fire layer in place of every ReLU of its graph."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from splitsim.dnn.spikes.fold import Average, Repeat
from splitsim.dnn.spikes.lif import Lif, Units
from splitsim.dnn.trace import trace
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

PART = "spikes"  # the submodule in which all that is new lies
FUNCTIONS: tuple[Any, ...] = (
    *(torch.relu, torch.relu_),
    *(functional.relu, functional.relu_, functional.relu6),
)
METHODS = ("relu", "relu_")


def spiking(network: LoadedModel, units: Units) -> LoadedModel:
    """A copy of a network in which every ReLU and ReLU6 is a layer of units.

    The input is shown at every time step, all else works on time folded into the batch (so that
    a tensor at a cut has T rows per sample), and the scores are averaged over time. Convolutions,
    norms and other activations stay as they are, and cuts keep their names; the repeated input is
    a cut ``repeat``. A ReLU that is called at several places becomes as many layers, each with a
    decay and a threshold of its own.

    Args:
        network: in eval mode, without exits; stays as it is.
        units: what they are like.

    Raises:
        BadInput: it has no ReLU, gives more than one tensor, or snnTorch is not installed.
    """
    traced = copy.deepcopy(trace(network.module, network.example()))
    _check(network, traced)
    nodes = [node for node in traced.graph.nodes if _rectifies(traced, node)]
    if not nodes:
        raise BadInput(f"{network.name}: has no ReLU that could become spiking units")
    for node in nodes:
        _replace(traced, node, Lif(units))
    _repeat(traced, units.steps)
    _average(traced, units.steps)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return network.with_module(traced.eval())


def _check(network: LoadedModel, traced: fx.GraphModule) -> None:
    if network.classes is None:
        raise BadInput(f"{network.name}: gives no score per class; only scores can be averaged")
    if network.exits:
        raise BadInput(f"{network.name}: has exits; make it spike first, and put exits in then")
    if hasattr(traced, PART):
        raise BadInput(f"{network.name}: has a part called {PART!r} already; is it spiking?")


def _rectifies(traced: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(traced.get_submodule(str(node.target)), nn.ReLU | nn.ReLU6)
    if node.op == "call_function":
        return node.target in FUNCTIONS
    return node.op == "call_method" and node.target in METHODS


def _replace(traced: fx.GraphModule, node: fx.Node, unit: Lif) -> None:
    with traced.graph.inserting_before(node):
        fresh = _called(traced, node.name, unit, node.all_input_nodes[0])
    fresh.meta["nn_module_stack"] = _stack(node)
    node.replace_all_uses_with(fresh)
    traced.graph.erase_node(node)


def _stack(node: fx.Node) -> dict[str, tuple[str, Any]]:
    """The modules a ReLU stands in; a function or method counts as one, for its cut's name."""
    stack = dict(node.meta.get("nn_module_stack", {}))
    if node.op == "call_module":
        return stack
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    outer = next(reversed(stack.values()), ("", None))[0]
    return {**stack, node.name: (f"{outer}.{name}".strip("._"), Lif)}


def _repeat(traced: fx.GraphModule, steps: int) -> None:
    (given,) = traced.graph.find_nodes(op="placeholder")
    users = list(given.users)
    with traced.graph.inserting_after(given):
        shown = _called(traced, "repeat", Repeat(steps), given)
    shown.meta["nn_module_stack"] = {"repeat": ("repeat", Repeat)}
    for user in users:
        user.replace_input_with(given, shown)


def _average(traced: fx.GraphModule, steps: int) -> None:
    output = traced.graph.output_node()
    (scores,) = output.all_input_nodes
    with traced.graph.inserting_before(output):
        mean = _called(traced, "average", Average(steps), scores)
    mean.meta["nn_module_stack"] = {"average": ("average", Average)}
    output.replace_input_with(scores, mean)


def _called(traced: fx.GraphModule, name: str, module: nn.Module, given: fx.Node) -> fx.Node:
    path = f"{PART}.{name}"
    traced.add_submodule(path, module)
    return traced.graph.call_module(path, (given,))
