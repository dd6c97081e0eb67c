"""How much memory the two sides of a cut need: their weights, and the most that is alive at once.

An estimate for a sample computed alone: what libraries take as work space, and the program itself,
are not in it. The branches of all exits up to a cut are on the device, whoever asks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import fx, nn

from splitsim.dnn.count import Visit, visit
from splitsim.dnn.exits import tensor_at
from splitsim.dnn.partition import Cut
from splitsim.dnn.tables import Memory
from splitsim.dnn.trace import Example, trace


def memory(
    traced: fx.GraphModule,
    example: Example,
    cuts: Sequence[Cut],
    branches: Mapping[int, nn.Module],
) -> list[Memory]:
    """What each side of each cut needs.

    Args:
        traced: the network.
        example: one sample.
        cuts: of the network; parameters are taken to be all of one type.
        branches: of its exits, by the numbers of their cuts.
    """
    alive = _alive(traced.graph, visit(traced, example))
    each = _bytes_each(traced)
    whole = cuts[-1].params
    sizes = {at: _bytes_of(branch) for at, branch in branches.items()}
    peaks = {at: _peak(branch, cuts[at]) for at, branch in branches.items()}

    def sides(cut: Cut) -> Memory:
        exits = [at for at in branches if at <= cut.index]
        before, after = alive[: cut.before], alive[cut.before :]
        head, tail = each * cut.params, each * (whole - cut.params)
        head += sum(sizes[at] for at in exits)
        most = max([*before, *(peaks[at] for at in exits)], default=0)
        return Memory(head + most, tail + max(after, default=0))

    return [sides(cut) for cut in cuts]


def _peak(branch: nn.Module, place: Cut) -> int:
    """The most that is alive while a branch runs, the tensor it takes included."""
    given, traced = tensor_at(branch, place), trace(branch, tensor_at(branch, place))
    return max(_alive(traced.graph, visit(traced, given)))


def _alive(graph: fx.Graph, visits: Mapping[fx.Node, Visit]) -> list[int]:
    """Bytes of all tensors that are in use while a node runs, a number per node."""
    number = {node: n for n, node in enumerate(graph.nodes)}
    first: dict[int | None, int] = {}
    last, size = dict[int | None, int](), dict[int | None, int]()
    for node in (node for node in graph.nodes if node.op not in ("get_attr", "output")):
        of, at = visits[node].memory, number[node]
        first.setdefault(of, at)
        last[of] = max(last.get(of, at), *(number[user] for user in node.users), at)
        size[of] = max(size.get(of, 0), visits[node].tensor_bytes)
    changes = [0] * (len(number) + 1)
    for of in first:
        changes[first[of]] += size[of]
        changes[last[of] + 1] -= size[of]
    sums, total = [], 0
    for change in changes[:-1]:
        total += change
        sums.append(total)
    return sums


def _bytes_of(module: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())


def _bytes_each(module: nn.Module) -> int:
    return next((parameter.element_size() for parameter in module.parameters()), 0)
