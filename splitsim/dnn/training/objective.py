"""A stage's loss, bound to a student and its teacher: from inputs and labels to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from splitsim.dnn.bottlenecks.base import BottleneckSpec
from splitsim.dnn.graft import taps
from splitsim.dnn.partition import Cut, cuts, find
from splitsim.dnn.trace import trace
from splitsim.dnn.training.losses import OUTPUT, Exits, HeadDistillation, Loss, Seen
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput
from splitsim.scenario.document import listed


class Subject:
    """A network and its cuts, that tells what crosses at some of them.

    Its graph is of eval mode: modules follow the mode that the network is put into, while what
    plain code asked of ``self.training`` stays as it was.
    """

    def __init__(self, network: LoadedModel) -> None:
        self.network = network
        self.example = network.example()
        self.cuts = cuts(network.module, self.example)
        self._traced = trace(network.module, self.example)

    def probe(self, names: Iterable[str]) -> Probe:
        """Something that gives the tensors at some cuts, and the scores."""
        wanted = list(dict.fromkeys((*names, OUTPUT)))
        return Probe(wanted, taps(self._traced, [find(self.cuts, name) for name in wanted]))

    def behind(self, cut: Cut) -> set[str]:
        """The names of all cuts behind one."""
        return {label for at in self.cuts[cut.index + 1 :] for label in (at.name, *at.also)}


class Probe(NamedTuple):
    """The tensors at some cuts of a network, by their names."""

    names: Sequence[str]
    module: nn.Module

    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """What crosses there."""
        return dict(zip(self.names, self.module(inputs), strict=True))


class Objective(NamedTuple):
    """What a stage minimises.

    Attributes:
        loss: per sample.
        student: gives what the loss asks for.
        teacher: likewise; None if it asks for nothing.
        branches: the student's exits, if the loss asks for them.
        mixed: whether the networks compute in mixed precision; losses never do.
    """

    loss: Loss
    student: Probe
    teacher: Probe | None
    branches: Mapping[str, nn.Module]
    mixed: bool

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of a batch, one per sample, and the student's scores."""
        with torch.autocast(inputs.device.type, torch.float16, enabled=self.mixed):
            student = self.student(inputs)
            exits = {name: branch(student[name]) for name, branch in self.branches.items()}
            with torch.no_grad():
                teacher = {} if self.teacher is None else self.teacher(inputs)
        seen = Seen(labels, _whole(student), _whole(teacher), _whole(exits))
        return self.loss.per_sample(seen), seen.student[OUTPUT]


def bound(
    loss: Loss,
    student: Subject,
    teacher: Subject | None,
    bottleneck: BottleneckSpec | None,
    *,
    mixed: bool,
) -> Objective:
    """A loss, bound to its networks.

    Args:
        loss: as a stage names it.
        student: the network that learns.
        teacher: the one that it learns from.
        bottleneck: of the student.
        mixed: whether they compute in mixed precision.

    Raises:
        BadInput: the networks do not have what it asks for.
    """
    branches: Mapping[str, nn.Module] = {}
    if isinstance(loss, HeadDistillation):
        assert teacher is not None, "it is taught"
        loss = _with_points(loss, student, teacher, bottleneck)
    if isinstance(loss, Exits):
        branches = _branches(loss, student.network)
    points = loss.points if isinstance(loss, HeadDistillation) and loss.points else {}
    taught = teacher is not None and loss.TAUGHT
    return Objective(
        loss=loss,
        student=student.probe((*points, *branches)),
        teacher=teacher.probe(points.values()) if teacher is not None and taught else None,
        branches=branches,
        mixed=mixed,
    )


def _with_points(
    loss: HeadDistillation, student: Subject, teacher: Subject, bottleneck: BottleneckSpec | None
) -> HeadDistillation:
    if loss.points is None:
        if bottleneck is None:
            raise BadInput("points: are missing; the student has no bottleneck to begin at")
        join = bottleneck.places(teacher.cuts)[1]
        mine = {label for cut in student.cuts for label in (cut.name, *cut.also)}
        loss = loss.at(join.name, teacher.behind(join) & mine)
    problems = list(_misfits(loss.points or {}, student, teacher))
    if problems:
        raise BadInput(*problems)
    return loss


def _misfits(points: Mapping[str, str], student: Subject, teacher: Subject) -> Iterator[str]:
    """What is wrong with the points of a head distillation."""
    for own, its in points.items():
        try:
            shapes = [
                find(side.cuts, name).shapes for side, name in ((student, own), (teacher, its))
            ]
        except BadInput as error:
            yield from (f"points: {problem}" for problem in error.problems)
            continue
        if shapes[0] != shapes[1]:
            there, here = ("x".join(map(str, shape[0][1:])) for shape in shapes)
            yield f"points: {own!r} is {there} in the student, {its!r} {here} in the teacher"


def _branches(loss: Exits, network: LoadedModel) -> Mapping[str, nn.Module]:
    if not network.exits:
        raise BadInput("kind: exits needs a student with exits; give it some")
    known = [*network.exits, OUTPUT]
    unknown = [name for name in loss.weights if name not in known]
    if unknown:
        what = f"did you mean one of {listed(known)}?"
        raise BadInput(*(f"weights: there is no exit {name!r}; {what}" for name in unknown))
    return network.exits


def _whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in tensors.items()}
