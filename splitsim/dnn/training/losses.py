"""What a stage minimises: a loss per sample, of what student and teacher make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from splitsim.component import Component, NonNegative, Positive
from splitsim.dnn.graft import DECODER

OUTPUT = "output"
# Cuts behind the decoder at which BottleFit compares student and teacher, by its public code.
LATER = ("layer3", "layer4", "transition3", "denseblock4")


@dataclass(frozen=True)
class Seen:
    """What became of a batch; scores are samples x classes, in float32.

    Attributes:
        labels: what is right.
        student: what crosses at some of the student's cuts; its scores are at ``output``.
        teacher: likewise, nothing if no loss asks for it.
        exits: the scores of the student's branches, by their cuts.
    """

    labels: Tensor
    student: Mapping[str, Tensor]
    teacher: Mapping[str, Tensor]
    exits: Mapping[str, Tensor]


class CrossEntropy(Component):
    """The labels' alone."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    SUMMED: ClassVar[bool] = False
    TAUGHT: ClassVar[bool] = False

    def per_sample(self, seen: Seen) -> Tensor:
        """``-log p(label)`` of the student's scores."""
        return _against_labels(seen.student[OUTPUT], seen.labels)


class Distillation(Component):
    """Knowledge distillation (Hinton et al., arXiv 1503.02531).

    ``(1 - weight) * cross-entropy + weight * T**2 * KL(teacher at T || student at T)``, T being
    the temperature; BottleFit fine-tunes with temperature 1 and weight 0.5.
    """

    kind: Literal["distillation"] = "distillation"
    temperature: Positive = 1.0
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    SUMMED: ClassVar[bool] = False
    TAUGHT: ClassVar[bool] = True

    def per_sample(self, seen: Seen) -> Tensor:
        """The two parts, weighted."""
        own = functional.log_softmax(seen.student[OUTPUT] / self.temperature, 1)
        taught = functional.log_softmax(seen.teacher[OUTPUT] / self.temperature, 1)
        apart = functional.kl_div(own, taught, reduction="none", log_target=True).sum(1)
        right = _against_labels(seen.student[OUTPUT], seen.labels)
        return (1 - self.weight) * right + self.weight * self.temperature**2 * apart


class HeadDistillation(Component):
    """Generalised head distillation (arXiv 2201.02693): squared errors against the teacher.

    ``points`` names cuts of the student, each with the cut of the teacher that it is to equal.
    Left out, they are BottleFit's: the decoder's output, then ``layer3`` and ``layer4`` of a
    ResNet, ``transition3`` and ``denseblock4`` of a DenseNet; of other networks the first alone.
    Labels are not used.
    """

    kind: Literal["head_distillation"] = "head_distillation"
    points: Mapping[str, str] | None = Field(default=None, min_length=1)
    SUMMED: ClassVar[bool] = True  # over the batch, as it is published; others are means
    TAUGHT: ClassVar[bool] = True

    def per_sample(self, seen: Seen) -> Tensor:
        """The sum over all elements at all points."""
        pairs = [(seen.student[own], seen.teacher[its]) for own, its in (self.points or {}).items()]
        errors = [(own - its).square().flatten(1).sum(1) for own, its in pairs]
        return sum(errors[1:], errors[0])

    def at(self, join: str, known: set[str]) -> HeadDistillation:
        """The same with its points.

        Args:
            join: the teacher's cut that the decoder makes up.
            known: names of cuts behind it that both networks have.
        """
        usual = {DECODER: join} | {name: name for name in LATER if name in known}
        return self if self.points else HeadDistillation(points=usual)


class Exits(Component):
    """A weighted sum of the cross-entropies of all exits (BranchyNet, arXiv 1709.01686).

    ``weights`` are by the exits' cuts, ``output`` being the network's own answer; 1 where none is
    given.
    """

    kind: Literal["exits"] = "exits"
    weights: Mapping[str, NonNegative] = {}
    SUMMED: ClassVar[bool] = False
    TAUGHT: ClassVar[bool] = False

    def per_sample(self, seen: Seen) -> Tensor:
        """The weighted sum, the network's own answer first."""
        own, *others = self._terms(seen)
        return sum(others, own)

    def _terms(self, seen: Seen) -> Iterator[Tensor]:
        for name, scores in {OUTPUT: seen.student[OUTPUT], **seen.exits}.items():
            yield self.weights.get(name, 1.0) * _against_labels(scores, seen.labels)


LabelLoss = Annotated[CrossEntropy | Distillation, Field(discriminator="kind")]
Loss = CrossEntropy | Distillation | HeadDistillation | Exits
AnyLoss = Annotated[Loss, Field(discriminator="kind")]


def _against_labels(scores: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(scores, labels, reduction="none")
