"""What every bottleneck is: an encoder and a decoder put into a network at its cuts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from splitsim.component import Component
from splitsim.dnn.graft import BOTTLENECK, DECODER, check_order, graft
from splitsim.dnn.partition import Cut, cuts, find
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

Shape = tuple[int, ...]


class Bottleneck(NamedTuple):
    """The two modules that stand in a network for the layers they replace."""

    encoder: nn.Module
    decoder: nn.Module


class BottleneckSpec(Component):
    """A method of making a network narrow, as a network file names it.

    ``after`` is the cut whose tensor the encoder takes and ``join`` the one whose tensor the
    decoder makes up; each method has its own where they are left out.
    """

    after: str | None = None
    join: str | None = None

    # Cuts by which a method finds its place in networks it was published for, the first there is.
    JOINS: ClassVar[Sequence[str]] = ("layer2", "transition2")

    @property
    @abstractmethod
    def wire(self) -> str:
        """The wire format of what crosses at the cut ``bottleneck``."""

    @abstractmethod
    def make(self, before: Shape, joined: Shape) -> Bottleneck:
        """Encoder and decoder.

        Args:
            before: of the tensor at ``after``, without the batch dimension.
            joined: of the tensor at ``join``, likewise.

        Raises:
            BadInput: there is none for such shapes.
        """

    def prepare(self, network: LoadedModel) -> LoadedModel:
        """What is done to the whole network before; nothing, unless a method says otherwise."""
        return network

    def places(self, every: Sequence[Cut]) -> tuple[Cut, Cut]:
        """The cuts ``after`` and ``join``.

        Args:
            every: the cuts of the network.

        Raises:
            BadInput: a name is unknown, or left out where the method has none of its own.
        """
        join = self._join(every)
        return (join if self.after is None else find(every, self.after)), join

    def _join(self, every: Sequence[Cut]) -> Cut:
        if self.join is not None:
            return find(every, self.join)
        known = {label for cut in every for label in (cut.name, *cut.also)}
        usual = [name for name in self.JOINS if name in known]
        if not usual:
            have = ", ".join(cut.name for cut in every)
            raise BadInput(f"join: is missing; name the cut that the decoder makes up, of {have}")
        return find(every, usual[0])


def inject(network: LoadedModel, spec: BottleneckSpec) -> LoadedModel:
    """A network with a bottleneck in it; its new layers have random weights.

    Raises:
        BadInput: the method has no place in this network.
    """
    prepared = spec.prepare(network)
    example = prepared.example()
    traced = trace(prepared.module, example)
    after, join = spec.places(cuts(traced, example))
    check_order(after, join)
    made = spec.make(after.shapes[0][1:], join.shapes[0][1:])
    module = graft(
        traced,
        example,
        after=after.name,
        join=join.name,
        encoder=made.encoder,
        decoder=made.decoder,
    )
    return prepared.with_module(module.eval(), wire=spec.wire)


def notes(network: LoadedModel) -> list[str]:
    """Why the bottleneck of a network does not compress, a line each; none if it does, or is none.

    A message is counted with all its bytes; of JPEG the shortest that there can be.
    """
    if network.wire is None:
        return []
    every = cuts(network.module, network.example())
    narrow, wide = find(every, BOTTLENECK), find(every, DECODER)
    message = Wire.parse(network.wire).encode(torch.zeros(narrow.shapes[0]))
    sent, raw = len(message), prod(network.shape)
    found = []
    if sent >= raw:
        given = f"an input of {shape_text(network.shape)} has {raw} B at 8 bits a number"
        found.append(f"the bottleneck does not compress: its messages have {sent} B, {given}")
    if narrow.elements >= wide.elements:
        tensors = f"{narrow.elements} numbers cross for a tensor of {wide.elements}"
        found.append(f"the bottleneck does not compress: {tensors}")
    return found


def check_maps(before: Shape, joined: Shape) -> None:
    """Whether channels x height x width cross at both cuts.

    Raises:
        BadInput: they do not.
    """
    problems = [
        f"{key}: must be a cut with channels x height x width, not {shape_text(shape)}"
        for key, shape in (("after", before), ("join", joined))
        if len(shape) != 3
    ]
    if problems:
        raise BadInput(*problems)


def check_one_cut(before: Shape, joined: Shape) -> None:
    """Whether maps of one shape cross at both cuts, as at one where nothing is left out.

    Raises:
        BadInput: they do not.
    """
    check_maps(before, joined)
    if before != joined:
        shapes = f"not {shape_text(before)} and {shape_text(joined)}"
        raise BadInput(f"after, join: must be one cut, or two of one shape, {shapes}")


def shape_text(shape: Shape) -> str:
    """``32x8x8``."""
    return "x".join(map(str, shape)) or "a number"
