"""Names of the places in a network, as those who know it say them: ``layer2``, ``transition1``.

A place is named after the modules that end there, outermost first: the last ReLU of ResNet's
second stage is ``layer2``, ``layer2.3`` and ``layer2.3.relu``. An operation that is no module has
its own name in the module it stands in: ``layer2.3.add``. Leading containers are left out before
a name that occurs once (``transition1`` for ``features.transition1``), and a module or operation
that runs several times numbers its calls: ``layer2.3.relu@1``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from torch import fx


class Call(NamedTuple):
    """One run of a module or operation: its key, different for every run, and its path."""

    key: str
    path: str


def candidates(graph: fx.Graph, solid: Collection[fx.Node]) -> dict[fx.Node, tuple[str, ...]]:
    """All names of every place, the best first; two places may share some.

    Args:
        graph: of the network.
        solid: the nodes that give tensors which depend on the input; a block ends with them.
    """
    calls = {node: tuple(_calls(node)) for node in graph.nodes if node in solid}
    last = {call.key: node for node, stack in calls.items() for call in stack}
    keys: dict[str, list[str]] = defaultdict(list)
    for key, path in dict.fromkeys(call for stack in calls.values() for call in stack):
        keys[path].append(key)
    short = _shortened(keys)

    def names(node: fx.Node) -> Iterator[str]:
        for key, path in calls[node]:
            if last[key] is node:
                yield from (short[path], path)
                if len(keys[path]) > 1:
                    yield f"{path}@{keys[path].index(key) + 1}"

    return {node: tuple(dict.fromkeys(names(node))) for node in calls}


def claimed(wanted: Mapping[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    """Names without doubles: each goes to the first place that wants it.

    Args:
        wanted: the names of each place, the best first; the last one no other place has.
    """
    taken = {"input", "output"}
    given = {}
    for place, (*names, own) in wanted.items():
        free = tuple(name for name in names if name not in taken)
        given[place] = free or (own,)
        taken.update(free)
    return given


def _calls(node: fx.Node) -> Iterator[Call]:
    """The modules a node runs in, outermost first, and its own operation."""
    stack = [(key, *entry) for key, entry in node.meta.get("nn_module_stack", {}).items()]
    stack = [(key, path, kind) for key, path, kind in stack if path]
    head, lettered = "", ""
    if stack and stack[0][1].isdigit():  # a child of a plain Sequential
        head = stack[0][1]
        lettered = f"{_kind(stack[0][2])}_{head}"
    paths = [lettered + path[len(head) :] for _, path, _ in stack]
    yield from map(Call, (key for key, _, _ in stack), paths)
    if node.op != "call_module":
        yield Call(f"{node.name}()", ".".join([*paths[-1:], _operation(node)]))


def _kind(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2].lower()


def _operation(node: fx.Node) -> str:
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name.partition(".")[0].strip("_") or node.name


def _shortened(paths: Collection[str]) -> dict[str, str]:
    """Each path from its last part on that stands in one place only, and starts with a letter."""
    homes: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    parts = {path: tuple(path.split(".")) for path in paths}
    for names in parts.values():
        for depth, name in enumerate(names):
            homes[name].add(names[:depth])

    def short(names: tuple[str, ...]) -> str:
        alone = (n for n, name in enumerate(names) if name[0].isalpha() and len(homes[name]) == 1)
        return ".".join(names[max(alone, default=0) :])

    return {path: short(names) for path, names in parts.items()}
