"""Which values cross between the operations of a network, and where that makes a cut."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from torch import fx

from splitsim.dnn.count import Visit


class Place(NamedTuple):
    """A valid cut: the number of nodes before it, what crosses, and what is cloned first."""

    before: int
    crossing: tuple[fx.Node, ...]
    cloned: frozenset[str]


class Flow:
    """The values of a traced network, from where they arise to where they are last used."""

    def __init__(self, graph: fx.Graph, visits: Mapping[fx.Node, Visit]) -> None:
        self._visits = visits
        self._nodes = list(graph.nodes)
        self._inputs = tuple(graph.find_nodes(op="placeholder"))
        self._outputs = tuple(graph.output_node().all_input_nodes)

    def places(self, *, multi: bool) -> list[Place]:
        """The valid cuts, in order: the input, where a tensor crosses, the output.

        Args:
            multi: whether several tensors may cross.
        """
        first = self._nodes.index(self._inputs[-1]) + 1
        found, seen = [self._place(first, self._inputs)], {*self._inputs}
        for before in range(first + 1, len(self._nodes)):
            crossing = self._crossing(before)
            new = set(crossing) not in (seen, {*self._inputs}, {*self._outputs})
            if new and (multi or len(crossing) == 1) and self._may_cross(before, crossing):
                found.append(self._place(before, crossing))
                seen = {*crossing}
        return [*found, self._place(len(self._nodes), ())]

    @property
    def outputs(self) -> tuple[fx.Node, ...]:
        """The nodes whose tensors the network returns."""
        return tuple(node for node in self._outputs if self._visits[node].shape is not None)

    @cached_property
    def solid(self) -> frozenset[fx.Node]:
        """The nodes that give tensors which depend on the input."""
        varying = (node for node in self._nodes[:-1] if node not in self._fixed)
        return frozenset(node for node in varying if self._visits[node].shape is not None)

    @cached_property
    def _fixed(self) -> set[fx.Node]:
        """Values that depend on no input: weights, and what is computed from weights alone."""
        written = self._written(self._nodes)
        fixed: set[fx.Node] = set()
        for node in self._nodes:
            alone = node.op not in ("placeholder", "output") and fixed.issuperset(
                node.all_input_nodes
            )
            if alone and self._visits[node].memory not in written:
                fixed.add(node)
        return fixed

    @cached_property
    def _last_use(self) -> dict[fx.Node, int]:
        number = {node: n for n, node in enumerate(self._nodes)}
        return {node: max((number[u] for u in node.users), default=-1) for node in self._nodes}

    def _crossing(self, before: int) -> tuple[fx.Node, ...]:
        made = (node for node in self._nodes[:before] if node not in self._fixed)
        return tuple(node for node in made if self._last_use[node] >= before)

    def _may_cross(self, before: int, crossing: tuple[fx.Node, ...]) -> bool:
        """All are tensors, and none is changed through another's memory on the far side."""
        written = self._written(self._nodes[before:])
        touched = [m for node in crossing if (m := self._visits[node].memory) in written]
        return (
            bool(crossing) and self.solid.issuperset(crossing) and len({*touched}) == len(touched)
        )

    def _place(self, before: int, crossing: tuple[fx.Node, ...]) -> Place:
        near, far = self._written(self._nodes[:before]), self._written(self._nodes[before:])
        cloned = {node.name for node in crossing if self._visits[node].memory in far}
        cloned |= {node.name for node in self._inputs if self._visits[node].memory in near}
        return Place(before, crossing, frozenset(cloned))

    def _written(self, nodes: list[fx.Node]) -> set[int]:
        return {memory for node in nodes for memory in self._visits[node].written}
