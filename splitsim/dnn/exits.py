"""Early exits: branches of a network that answer at a cut, so that a task can end there.

A branch takes the tensor that crosses at its cut, on the device, before any coding, and gives a
score per class. Who asks it, and how sure it has to be, is the simulator's business; an exit
behind the cut, on the server's side, is never asked, for a server computes to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from splitsim.component import Component, Count
from splitsim.dnn.partition import Cut, cuts, find
from splitsim.dnn.tables import Counts
from splitsim.dnn.trace import trace
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

EXITS = "exits"  # the part of a network's module that has its branches
CHANNELS = 32  # of the convolutions in BranchyNet's branches, by its public code


class ExitsSpec(Component):
    """Branches at some cuts of a network, as a network file names them.

    ``branchynet`` (Teerapittayanon et al., ICPR 2016): as in the later branch of B-AlexNet in its
    public code, a 3x3 convolution to ``channels`` (32), ReLU, a max pool of 3x3 by steps of 2, and
    a linear layer. Published for maps of CIFAR's size; on large ones the linear layer is large.

    ``spinn`` (Laskaridis et al., MobiCom 2020): equal classifiers at all exits. Their layers are
    assumed, for there is no public code: an average over each map, and a linear layer.
    """

    at: Annotated[Sequence[str], Field(min_length=1)]
    kind: Literal["branchynet", "spinn"] = "branchynet"
    channels: Count | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind == "spinn" and self.channels is not None:
            raise ValueError("channels are of branchynet's convolution; spinn has none")
        return self

    def branch(self, place: Cut, classes: int) -> nn.Module:
        """A branch with random weights.

        Args:
            place: where it leaves.
            classes: how many answers it chooses from.

        Raises:
            BadInput: no maps cross there, or they are too small, or several of a sample.
        """
        width, height, across = self._maps(place)
        if self.kind == "spinn":
            return _spinn(width, classes)
        return self._branchynet(width, (height // 2) * (across // 2), classes)

    def _maps(self, place: Cut) -> tuple[int, int, int]:
        """Channels, height and width of what crosses; one tensor of a sample."""
        rows, *shape = place.shapes[0] or (1,)
        least, what = 2 if self.kind == "branchynet" else 1, ""
        if rows != 1:
            what = f"{rows} tensors of a sample cross there, one after the other; an exit takes one"
        elif len(shape) != 3 or min(shape[1:]) < least:
            found = "x".join(map(str, shape)) or "a number"
            what = f"a branch of {self.kind} needs maps, {least} x {least} or more, not {found}"
        if what:
            raise BadInput(f"exits.at: {place.name!r}: {what}")
        width, height, across = shape
        return width, height, across

    def _branchynet(self, width: int, pooled: int, classes: int) -> nn.Module:
        channels = self.channels or CHANNELS
        return nn.Sequential(
            nn.Conv2d(width, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),  # as Chainer pools: the rest counts as well
            nn.Flatten(),
            nn.Linear(channels * pooled, classes),
        )


def _spinn(width: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def attach(network: LoadedModel, spec: ExitsSpec) -> LoadedModel:
    """A network with exits: its graph, on its weights, as a module with one more part.

    What it computes does not change. The part ``exits`` has branches of random weights, which the
    graph does not call: they are saved and loaded with its weights, and are in
    ``LoadedModel.exits`` by the names of their cuts.

    Raises:
        BadInput: a cut is unknown, named twice or without a tensor of maps, or the network gives
            no score per class.
    """
    classes = network.classes or 0
    if classes < 2:
        raise BadInput("exits: need a network that gives a score for each of two classes or more")
    # Not the module itself: one that runs all its parts in turn would run this one, too.
    module = trace(network.module, network.example())
    if hasattr(module, EXITS):
        raise BadInput(f"the network has a part called {EXITS!r} already; take one without it")
    places = _places(cuts(module, network.example()), spec.at)
    branches = {place.name: spec.branch(place, classes) for place in places}
    # A module's name cannot have a dot in it, and nothing in Python's has a dash.
    parts = {name.replace(".", "-"): branch for name, branch in branches.items()}
    module.add_module(EXITS, nn.ModuleDict(parts))
    return replace(network, module=module.eval(), exits=branches)


def _places(every: Sequence[Cut], names: Sequence[str]) -> list[Cut]:
    """The cuts of exits, in their order."""
    found: dict[int, str] = {}
    problems: list[str] = []
    for name in names:
        try:
            at = find(every, name).index
        except BadInput as error:
            problems += [f"exits.at: {problem}" for problem in error.problems]
            continue
        problems += _misplaced(every, at, name, found)
        found.setdefault(at, name)
    if problems:
        raise BadInput(*problems)
    return [every[at] for at in sorted(found)]


def _misplaced(
    every: Sequence[Cut], at: int, name: str, before: Mapping[int, str]
) -> Iterator[str]:
    if at in (0, len(every) - 1):
        why = "nothing has been computed" if at == 0 else "the network itself answers"
        yield f"exits.at: {name!r}: no exit can be at the {every[at].name}, where {why}"
    if at in before:
        same = "is there twice" if name == before[at] else f"is the same cut as {before[at]!r}"
        yield f"exits.at: {name!r} {same}; name it once"


def at_cuts(
    network: LoadedModel, every: Sequence[Cut], chosen: Sequence[Cut]
) -> dict[int, nn.Module]:
    """The branches of a network by the numbers of some of its cuts.

    Args:
        network: it.
        every: all its cuts.
        chosen: some of them, with numbers and names of their own.
    """
    leaves = {find(every, name).before: branch for name, branch in network.exits.items()}
    return {cut.index: leaves[cut.before] for cut in chosen if cut.before in leaves}


def counts(branches: Mapping[int, nn.Module], chosen: Sequence[Cut]) -> dict[int, Counts]:
    """What each branch costs, for one sample, by the number of its cut."""
    return {at: _counts(branch, tensor_at(branch, chosen[at])) for at, branch in branches.items()}


def tensor_at(branch: nn.Module, place: Cut) -> Tensor:
    """An input of a branch to count it with: zeros, where the branch is."""
    return torch.zeros(place.shapes[0], device=next(branch.parameters()).device)


def _counts(branch: nn.Module, given: Tensor) -> Counts:
    *_, whole = cuts(branch, given)
    return Counts(whole.macs, whole.params)
