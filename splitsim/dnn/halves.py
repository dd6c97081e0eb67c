"""Head and tail of a traced network at a cut: its nodes, copied, on its own weights."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence

from torch import fx, nn


def recomputed(
    before: Sequence[fx.Node], after: Sequence[fx.Node], crossing: Collection[fx.Node]
) -> list[fx.Node]:
    """The nodes before a cut that its tail computes itself: weights and the like."""
    wanted = {dep for node in after for dep in node.all_input_nodes}.difference(crossing)
    for node in reversed(before):
        if node in wanted:
            wanted.update(node.all_input_nodes)
    return [node for node in before if node in wanted]


def head(
    traced: fx.GraphModule,
    before: Sequence[fx.Node],
    crossing: Sequence[fx.Node],
    cloned: Collection[str],
) -> fx.GraphModule:
    """Everything before a cut; gives what crosses, a tuple if it is not one tensor.

    Args:
        traced: the network.
        before: its nodes before the cut.
        crossing: those whose values cross; none if the network's own output is before the cut.
        cloned: names of inputs to clone, for they are written into.
    """
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in before:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    for node in (n for n in before if n.op == "placeholder" and n.name in cloned):
        _clone(graph, copies[node])
    if crossing:
        values = tuple(copies[node] for node in crossing)
        graph.output(values[0] if len(values) == 1 else values)
    return fx.GraphModule(traced, graph)


def tail(
    traced: fx.GraphModule,
    before: Sequence[fx.Node],
    after: Sequence[fx.Node],
    crossing: Sequence[fx.Node],
    cloned: Collection[str],
) -> nn.Module:
    """Everything after a cut; takes what crosses.

    Args:
        traced: the network.
        before: its nodes before the cut; some are computed here as well.
        after: its nodes after the cut.
        crossing: those whose values cross.
        cloned: names of those to clone, for they are written into.
    """
    if not after:
        return nn.Identity()
    graph = fx.Graph()
    given = graph.placeholder("crossing")
    values = [given]
    if len(crossing) > 1:
        values = [graph.call_function(operator.getitem, (given, n)) for n in range(len(crossing))]
    copies = dict(zip(crossing, values, strict=True))
    copies |= {n: graph.call_method("clone", (copies[n],)) for n in crossing if n.name in cloned}
    for node in [*recomputed(before, after, crossing), *after]:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    return fx.GraphModule(traced, graph)


def _clone(graph: fx.Graph, given: fx.Node) -> None:
    """Lets all that use an input use a clone of it instead."""
    users = list(given.users)
    with graph.inserting_after(given):
        clone = graph.call_method("clone", (given,))
    for user in users:
        user.replace_input_with(given, clone)
