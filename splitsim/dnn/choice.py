"""Which of a network's cuts a table has: all, the natural ones, some, or those of another table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path

from splitsim.csvtable import Table
from splitsim.dnn.graft import BOTTLENECK
from splitsim.dnn.partition import Cut, find
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput


def usual(network: LoadedModel) -> str:
    """Which cuts are taken if none are asked for: the bottleneck, or else the natural ones."""
    return "natural" if network.wire is None else BOTTLENECK


def choose(cuts: Sequence[Cut], which: str, exits: Iterable[str] = ()) -> list[Cut]:
    """Some of a network's cuts, numbered anew; the input and the output are always among them.

    Args:
        cuts: all cuts of the network.
        which: ``all``; ``natural``, the last of those between which nothing is multiplied and the
            shape stays, so that a convolution is followed by its norm and activation; names with
            commas between them, by which they are then called; or the path of a model table
            (``.csv``), whose cuts are found by their MACs, parameters and shapes, and take its
            names.
        exits: names of cuts that are among them, too.

    Raises:
        BadInput: a cut is unknown, or the table is not of this network.
    """
    return _numbered([*_asked(cuts, which), *((name, find(cuts, name)) for name in exits)])


def _asked(cuts: Sequence[Cut], which: str) -> list[tuple[str, Cut]]:
    if which == "all":
        return [(cut.name, cut) for cut in cuts]
    if which == "natural":
        return [(cut.name, cut) for cut in _natural(cuts)]
    if which.endswith(".csv"):
        return _as_in(cuts, Path(which))
    return _named(cuts, which.split(","))


def _numbered(chosen: Sequence[tuple[str, Cut]]) -> list[Cut]:
    """In their order; one that is there twice is called as it is first."""
    names = {cut.index: name for name, cut in reversed(chosen)}
    ordered = sorted({cut.index: cut for _, cut in chosen}.items())
    return [replace(cut, index=n, name=names[at]) for n, (at, cut) in enumerate(ordered)]


def _natural(cuts: Sequence[Cut]) -> list[Cut]:
    ends = [cut for cut, after in pairwise(cuts[1:]) if _work(cut) != _work(after)]
    return [cuts[0], *ends, cuts[-1]]


def _work(cut: Cut) -> tuple[int, int]:
    """What has been computed, and how much crosses; a flattened tensor is the same tensor."""
    return cut.macs, cut.elements


def _named(cuts: Sequence[Cut], names: Sequence[str]) -> list[tuple[str, Cut]]:
    problems: list[str] = []
    found: dict[int, str] = {}
    for name in map(str.strip, names):
        try:
            found[find(cuts, name).index] = name
        except BadInput as error:
            problems.extend(f"--cuts: {problem}" for problem in error.problems)
    if problems:
        raise BadInput(*problems)
    ends = {0: cuts[0].name, cuts[-1].index: cuts[-1].name}
    return [(name, cuts[index]) for index, name in sorted({**found, **ends}.items())]


def _as_in(cuts: Sequence[Cut], path: Path) -> list[tuple[str, Cut]]:
    """The cuts of a model table; where several agree, the last: behind the activation."""
    with Table(path).check_columns("cut", "layer", "macs", "params", "output_shape") as table:
        table.check_cuts()
        table.check_distinct("layer")
        known = {(cut.macs, cut.params, cut.elements): cut for cut in cuts}
        ends = {0: cuts[0], len(table.rows) - 1: cuts[-1]}
        chosen = []
        for number, row in enumerate(table.rows):
            cut = known.get(_counts(table, row))
            if cut is None or ends.get(number, cut) is not cut:
                what = "must be a cut of this network, with its macs, params and output_shape"
                table.wrong(row, "layer", what)
            else:
                chosen.append((row["layer"], cut))
    return chosen


def _counts(table: Table, row: dict[str, str]) -> tuple[int, int, int]:
    sizes = row["output_shape"].split("x")
    if not all(map(str.isdecimal, sizes)):
        table.wrong(row, "output_shape", "must be sizes with an x between them, such as 64x7x7")
        return 0, 0, 0
    macs, params = (int(table.number(row, key)) for key in ("macs", "params"))
    return macs, params, prod(map(int, sizes))


def of_table(cuts: Sequence[Cut], table: Path) -> list[Cut]:
    """The cuts of a model table: by name, or where it has names of its own by what it counts.

    Raises:
        BadInput: it is not of this network.
    """
    rows = Table(table).check_columns("layer", "macs", "params").rows
    try:
        named = choose(cuts, ",".join(row["layer"] for row in rows[1:-1]))
    except BadInput:
        named = []
    counts = [(str(cut.macs), str(cut.params)) for cut in named]
    same = counts == [(row["macs"], row["params"]) for row in rows]
    return named if same else choose(cuts, str(table))


def within(wanted: Sequence[Cut], known: Sequence[Cut], table: Path) -> list[Cut]:
    """Some cuts of a network as the model table has them, in order.

    Raises:
        BadInput: it does not have one of them.
    """
    at = {cut.before: cut for cut in known}
    lost = [cut.name for cut in wanted if cut.before not in at]
    if lost:
        have = ", ".join(cut.name for cut in known)
        what = f"{table}: has a profile, and no cut"
        raise BadInput(*(f"{what} {name!r}; there are {have}: profile it anew" for name in lost))
    return sorted({at[cut.before].index: at[cut.before] for cut in wanted}.values(), key=_index)


def _index(cut: Cut) -> int:
    return cut.index
