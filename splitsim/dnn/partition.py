"""Where a network can be cut, and its exact head and tail there.

A cut lies between two operations, in the order in which they run. It is valid where one tensor
crosses; with ``multi``, any number. Values that depend on no input (weights, tables of positions)
never cross: whichever side needs them has them. Values that are no tensors cannot cross: where a
size is read from the input and used much later, there is no cut between; read it where it is used.
Head and tail run the same operations in the same order as the network, so ``tail(head(x))`` equals
``model(x)`` bit for bit.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

from torch import fx, nn

from splitsim.dnn import halves
from splitsim.dnn.count import Visit, parameters_of, visit
from splitsim.dnn.flow import Flow, Place
from splitsim.dnn.names import candidates, claimed
from splitsim.dnn.trace import Example, trace
from splitsim.dnn.weights import check_weights
from splitsim.errors import BadInput


@dataclass(frozen=True)
class Cut:
    """A place where a network can be cut.

    Attributes:
        index: 0 is the input, the last the output.
        name: of what ends here, such as ``layer2`` or ``transition1``.
        also: other names it is found by, such as ``layer2.3.relu``.
        shapes: of the tensors that cross, in order, the example's batch dimension included.
        tensor_bytes: of these tensors, as the network computes them.
        macs: multiply-accumulates of everything before, for the example.
        params: parameters of everything before, shared ones once.
        before: the number of the graph's nodes before it.
        crossing: the names of the nodes whose values cross; none at the output.
        cloned: of these and the inputs, those that their side writes into later.
    """

    index: int
    name: str
    also: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    tensor_bytes: int
    macs: int
    params: int
    before: int
    crossing: tuple[str, ...]
    cloned: frozenset[str]

    @property
    def elements(self) -> int:
        """Numbers that cross."""
        return sum(map(prod, self.shapes))

    def is_in(self, block: str) -> bool:
        """Whether it lies inside a block or at its end."""
        labels = (self.name, *self.also)
        return any(label == block or label.startswith(f"{block}.") for label in labels)


def cuts(
    model: nn.Module, example: Example, *, multi: bool = False, whole: Collection[str] = ()
) -> list[Cut]:
    """All valid cuts of a network, in order.

    Args:
        model: in eval mode; on the meta device it is counted without computing.
        example: one sample, with its batch dimension; a tuple if the network has several inputs.
        multi: whether several tensors may cross; they then are a tuple.
        whole: paths of modules to keep whole (see ``trace``).

    Raises:
        BadInput: it cannot be traced, cannot take the example, or has weights that are NaN.
    """
    check_weights(model)
    traced = trace(model, example, whole=whole)
    visits = visit(traced, example)
    flow = Flow(traced.graph, visits)
    places = flow.places(multi=multi)
    macs, params = _macs(visits), _params(traced)

    def cut(index: int, place: Place, names: tuple[str, ...]) -> Cut:
        tensors = [visits[node] for node in place.crossing or flow.outputs]
        return Cut(
            index=index,
            name=names[0],
            also=names[1:],
            shapes=tuple(tensor.shape or () for tensor in tensors),
            tensor_bytes=sum(tensor.tensor_bytes for tensor in tensors),
            macs=macs[place.before - 1],
            params=params[place.before - 1],
            before=place.before,
            crossing=tuple(node.name for node in place.crossing),
            cloned=place.cloned,
        )

    return list(map(cut, range(len(places)), places, _names(traced.graph, flow, places)))


def find(cuts: Sequence[Cut], name: str | int) -> Cut:
    """The cut of a name, of a block that ends there, or of a number.

    Raises:
        BadInput: there is none: several tensors cross there, or the name is unknown.
    """
    known = {label: cut for cut in cuts for label in (cut.name, *cut.also)}
    if name in known:
        return known[str(name)]
    if str(name).isdecimal() and int(name) < len(cuts):
        return cuts[int(name)]
    raise BadInput(_missing(cuts, str(name), known))


def split(
    model: nn.Module, cut: Cut, example: Example, *, whole: Collection[str] = ()
) -> tuple[nn.Module, nn.Module]:
    """Head and tail of a network, sharing its weights; neither writes into what it is given.

    To split at many cuts, trace once and hand in the graph: ``split(trace(model, example), ...)``.

    Args:
        model: as given to ``cuts``, or its trace.
        cut: one of its cuts.
        example: as given to ``cuts``.
        whole: as given to ``cuts``.

    Raises:
        BadInput: the cut is none of this network.
    """
    traced = trace(model, example, whole=whole)
    nodes = list(traced.graph.nodes)
    before, after = nodes[: cut.before], nodes[cut.before :]
    named = {node.name: node for node in before}
    crossing = [named[name] for name in cut.crossing if name in named]
    known = len(crossing) == len(cut.crossing) and bool(crossing) == bool(after)
    again = halves.recomputed(before, after, crossing)
    if not known or any(node.op == "placeholder" for node in again):
        raise BadInput(f"cut {cut.name!r} is none of this network; take one of its own cuts")
    head = halves.head(traced, before, crossing, cut.cloned)
    return head, halves.tail(traced, before, after, crossing, cut.cloned)


def _macs(visits: Mapping[fx.Node, Visit]) -> list[int]:
    """Cumulative multiply-accumulates, a number per node."""
    return list(accumulate(visit.macs for visit in visits.values()))


def _params(traced: fx.GraphModule) -> list[int]:
    """Cumulative numbers in the parameters used so far, shared ones once, a number per node."""
    seen: set[nn.Parameter] = set()

    def new(node: fx.Node) -> int:
        fresh = set(parameters_of(traced, node)) - seen
        seen.update(fresh)
        return sum(parameter.numel() for parameter in fresh)

    return list(accumulate(map(new, traced.graph.nodes)))


def _names(graph: fx.Graph, flow: Flow, places: Sequence[Place]) -> list[tuple[str, ...]]:
    """Names of each cut; those of one tensor choose first, whether several may cross or not."""
    nodes, names = list(graph.nodes), candidates(graph, flow.solid)

    def wanted(place: Place) -> tuple[str, ...]:
        ends = next(node for node in reversed(nodes[: place.before]) if node in names)
        return (*names[ends], nodes[place.before - 1].name)

    chosen = sorted(places[1:-1], key=lambda place: (len(place.crossing) > 1, place.before))
    given = claimed({place.before: wanted(place) for place in chosen})
    taken = {name for labels in given.values() for name in labels}
    last = dict.fromkeys(name for node in flow.outputs for name in names.get(node, ()))
    output = ("output", *(name for name in last if name not in taken))
    return [("input",), *(given[place.before] for place in places[1:-1]), output]


def _missing(cuts: Sequence[Cut], name: str, known: Mapping[str, Cut]) -> str:
    """One line: what is wrong with a name that is no cut."""
    block = next((label for label in known if name.startswith(f"{label}.")), None)
    if block is not None:
        outside = (c for c in cuts[known[block].index :: -1] if not c.is_in(block))
        return (
            f"there is no cut {name!r}: inside the block {block!r} more than one tensor crosses; "
            f"cut before it at {next(outside, cuts[0]).name!r} or after it at {block!r}, "
            "or ask for cuts of several tensors"
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(c.name for c in cuts)}"
    )
    return f"there is no cut {name!r}; {hint}"
