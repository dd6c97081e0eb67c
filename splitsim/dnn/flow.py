"""Which values cross between the operations of a network, and where that makes a cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from torch import fx

from splitsim.dnn.count import Visit


class Place(NamedTuple):
    """A valid cut: the node it comes after, what crosses, and what must be cloned first."""

    after: fx.Node
    crossing: tuple[fx.Node, ...]
    cloned: frozenset[str]


class Flow:
    """The values of a traced network, from where they arise to where they are last used."""

    def __init__(self, graph: fx.Graph, visits: Mapping[fx.Node, Visit]) -> None:
        self._graph = graph
        self._visits = visits
        self._nodes = list(graph.nodes)

    def places(self, *, multi: bool) -> list[Place]:
        """The valid cuts, in order: the input, those where a tensor crosses, the output.

        Args:
            multi: whether several tensors may cross.
        """
        first = len([n for n in self._nodes if self._is_before_the_first_operation(n)]) - 1
        found = [self._place(first, self._inputs)]
        for number, node in enumerate(self._nodes[:-1]):
            crossing = self._crossing(number)
            new = set(crossing) not in ({*found[-1].crossing}, {*self._inputs}, {*self._outputs})
            if number > first and new and self._is_valid(node, crossing, multi=multi):
                found.append(self._place(number, crossing))
        return [*found, self._place(len(self._nodes) - 1, ())]

    @property
    def outputs(self) -> tuple[fx.Node, ...]:
        """The nodes whose tensors the network returns."""
        return tuple(node for node in self._outputs if self._visits[node].shape is not None)

    @cached_property
    def solid(self) -> frozenset[fx.Node]:
        """The nodes that give tensors which depend on the input."""
        return frozenset(
            n for n in self._nodes if n not in self._fixed and self._visits[n].shape is not None
        )

    @cached_property
    def _inputs(self) -> tuple[fx.Node, ...]:
        return tuple(self._graph.find_nodes(op="placeholder"))

    @cached_property
    def _outputs(self) -> tuple[fx.Node, ...]:
        return tuple(self._graph.output_node().all_input_nodes)

    @cached_property
    def _fixed(self) -> frozenset[fx.Node]:
        """Values that depend on no input: weights, and what is computed from weights alone."""
        written = frozenset().union(*(visit.written for visit in self._visits.values()))
        fixed: set[fx.Node] = set()
        for node in self._nodes:
            alone = node.op not in ("placeholder", "output") and fixed.issuperset(
                node.all_input_nodes
            )
            if alone and self._visits[node].memory not in written:
                fixed.add(node)
        return frozenset(fixed)
