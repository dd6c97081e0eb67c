"""Where a network can be cut, and its exact head and tail there.

A cut lies between two operations, in the order in which they run. It is valid where one tensor
crosses; with ``multi``, any number. Values that do not depend on the input (weights, tables of
positions) never cross: whichever side needs them has them. Head and tail run the same operations
in the same order as the network, so ``tail(head(x))`` equals ``model(x)`` bit for bit.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from splitsim.dnn.count import Visit, parameters_of, visit
from splitsim.dnn.names import candidates, claimed
from splitsim.dnn.trace import Example, inputs_of, trace
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
        after: the graph's node it comes after.
        crossing: the graph's nodes whose values cross; none at the output.
        cloned: of those and the inputs, the ones that their side writes into later.
    """

    index: int
    name: str
    also: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    tensor_bytes: int
    macs: int
    params: int
    after: str
    crossing: tuple[str, ...]
    cloned: frozenset[str]

    @property
    def elements(self) -> int:
        """Numbers that cross."""
        return sum(map(prod, self.shapes))


def cuts(
    model: nn.Module, example: Example, *, multi: bool = False, whole: Collection[str] = ()
) -> list[Cut]:
    """All valid cuts of a network, in order.

    Args:
        model: in eval mode; on the meta device it is only counted.
        example: one sample, with its batch dimension; a tuple if the network has several inputs.
        multi: whether several tensors may cross; they then are a tuple.
        whole: paths of modules to keep whole (see ``trace``).

    Raises:
        BadInput: it cannot be traced, cannot take the example, or has weights that are NaN.
    """
    check_weights(model)
    traced = trace(model, example, whole=whole)
    return _Flow(traced, visit(traced, example)).cuts(multi=multi)


def find(cuts: Sequence[Cut], name: str | int) -> Cut:
    """The cut of a name, of a block that ends there, or of a number.

    Raises:
        BadInput: there is none: because several tensors cross there, or the name is unknown.
    """
    names = {known: cut for cut in reversed(cuts) for known in (*cut.also, cut.name)}
    found = names.get(str(name))
    if found is None and str(name).isdecimal() and int(name) < len(cuts):
        found = cuts[int(name)]
    if found is None:
        raise BadInput(_missing(cuts, str(name), names))
    return found


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
    nodes = {node.name: node for node in traced.graph.nodes}
    if not {cut.after, *cut.crossing} <= nodes.keys():
        raise BadInput(f"cut {cut.name!r} is none of this network; ask for its own cuts")
    order = list(nodes)
    before = [nodes[name] for name in order[: order.index(cut.after) + 1]]
    after = [nodes[name] for name in order[len(before) :]]
    crossing = [nodes[name] for name in cut.crossing]
    return _head(traced, cut, before, crossing), _tail(traced, cut, before, after, crossing)


def inexact(
    model: nn.Module, cuts: Sequence[Cut], example: Example, *, whole: Collection[str] = ()
) -> list[Cut]:
    """The cuts where ``tail(head(x))`` is not ``model(x)`` bit for bit: none, if all is well.

    A network that draws random numbers, or remembers earlier inputs, has such cuts.
    """
    traced = trace(model, example, whole=whole)

    def differs(cut: Cut) -> bool:
        head, tail = split(traced, cut, example)
        crossing = head(*_copies(example))
        return not same(tail(crossing), expected)

    with torch.inference_mode():
        expected = model(*_copies(example))
        return [cut for cut in cuts if differs(cut)]


def same(one: object, other: object) -> bool:
    """Whether two answers, tensors or structures of them, are equal bit for bit."""
    (ours, shape), (theirs, other_shape) = pytree.tree_flatten(one), pytree.tree_flatten(other)
    return shape == other_shape and all(map(_equal, ours, theirs))


def check_weights(model: nn.Module) -> None:
    """Weights and buffers are numbers.

    Raises:
        BadInput: some are NaN; names them.
    """
    bad = [name for name, tensor in model.state_dict().items() if _has_nan(tensor)]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        what = f"{type(model).__name__} has NaN in {', '.join(bad[:3])}{more}"
        raise BadInput(f"{what}; train or load it anew")


def _has_nan(tensor: object) -> bool:
    if not isinstance(tensor, Tensor) or tensor.is_meta or not tensor.is_floating_point():
        return False
    return bool(tensor.isnan().any())


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


def _copies(example: Example) -> list[Tensor]:
    return [tensor.clone() for tensor in inputs_of(example)]
