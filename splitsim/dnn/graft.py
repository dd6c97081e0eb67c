"""Graphs of networks, changed: a bottleneck in place of some layers, and taps between layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import fx, nn

from splitsim.dnn.partition import Cut, cuts, find
from splitsim.dnn.trace import Example, trace
from splitsim.errors import BadInput

BOTTLENECK, DECODER = "bottleneck", "decoder"


def graft(
    model: nn.Module,
    example: Example,
    *,
    after: str,
    join: str,
    encoder: nn.Module,
    decoder: nn.Module,
) -> fx.GraphModule:
    """A copy of a network in which two modules stand for the layers between two cuts.

    Its cuts are those up to ``after``, then ``bottleneck`` and ``decoder``, then those that the
    network has behind ``join``, by their own names (``norm`` for ``transition3.norm`` where there
    is no other any more). Where both are one cut, nothing is left out.

    Args:
        model: in eval mode; stays as it is.
        example: one sample, with its batch dimension.
        after: the cut whose tensor the encoder takes.
        join: the cut whose tensor the decoder makes up.
        encoder: its output is what crosses at the cut ``bottleneck``.
        decoder: takes that.

    Raises:
        BadInput: a cut is unknown, or they are in the wrong order.
    """
    traced = trace(model, example)
    every = cuts(traced, example)
    first, last = find(every, after), find(every, join)
    check_order(first, last)
    taken = [name for name in (BOTTLENECK, DECODER) if hasattr(traced, name)]
    if taken:
        raise BadInput(f"the network has a part called {taken[0]!r} already; take one without it")
    return _grafted(copy.deepcopy(traced), first, last, encoder, decoder)


def check_order(after: Cut, join: Cut) -> None:
    """Whether something can be put between two cuts.

    Raises:
        BadInput: it cannot.
    """
    if join.index < after.index or not join.crossing:
        raise BadInput(
            f"join: the cut {join.name!r} must be {after.name!r}, where the encoder begins, or one "
            "behind it, and not the output"
        )


def _grafted(
    traced: fx.GraphModule, first: Cut, last: Cut, encoder: nn.Module, decoder: nn.Module
) -> fx.GraphModule:
    graph, nodes = traced.graph, list(traced.graph.nodes)
    named = {node.name: node for node in nodes}
    source, joined = named[first.crossing[0]], named[last.crossing[0]]
    traced.add_submodule(BOTTLENECK, encoder)
    traced.add_submodule(DECODER, decoder)
    with graph.inserting_before(nodes[last.before]):
        narrow = _called(graph, BOTTLENECK, encoder, source)
        wide = _called(graph, DECODER, decoder, narrow)
    for node in nodes[last.before :]:
        node.replace_input_with(joined, wide)
    graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def _called(graph: fx.Graph, name: str, module: nn.Module, given: fx.Node) -> fx.Node:
    node = graph.create_node("call_module", name, (given,), name=name)
    node.meta["nn_module_stack"] = {name: (name, type(module))}  # cuts are named after it
    return node


def taps(traced: fx.GraphModule, places: Sequence[Cut]) -> fx.GraphModule:
    """A network that gives what crosses at some of its cuts, as a tuple in their order.

    It shares the weights and computes no more than it has to; the output is a cut as well.

    Args:
        traced: the graph of the network.
        places: cuts of it at which one tensor crosses, in any order.
    """
    nodes = list(traced.graph.nodes)
    graph, copies, tapped = fx.Graph(), dict[fx.Node, fx.Node](), dict[int, fx.Node]()
    wanted = {place.before: place for place in places}
    for number, node in enumerate(nodes):
        place = wanted.get(number)
        if place is not None and place.crossing:
            tapped[number] = _tap(graph, place, copies)
        if node.op == "output":
            tapped |= {place.before: copies[node.args[0]] for place in places if not place.crossing}
            break
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(tapped[place.before] for place in places))
    tapping = fx.GraphModule(traced, graph)
    graph.eliminate_dead_code()
    tapping.recompile()
    return tapping


def _tap(graph: fx.Graph, place: Cut, copies: dict[fx.Node, fx.Node]) -> fx.Node:
    """The value that crosses; a copy of it where a later layer writes into it."""
    value = next(copies[node] for node in copies if node.name == place.crossing[0])
    return graph.call_method("clone", (value,)) if place.cloned else value
