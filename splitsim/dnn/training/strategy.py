"""Short words for lists of stages: BottleFit's two, and those that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from splitsim.component import Component
from splitsim.dnn.graft import BOTTLENECK, DECODER
from splitsim.dnn.training.losses import (
    CrossEntropy,
    Distillation,
    HeadDistillation,
    LabelLoss,
    Loss,
)
from splitsim.dnn.training.stages import Adam, AnyOptimiser, Milestones, Parts, Sgd, Stage


class Strategy(Component):
    """How a student with a bottleneck is trained, by a word.

    ``two_stage`` (arXiv 2201.02693): half of the epochs head distillation by Adam, of encoder and
    decoder alone; then fine-tuning of everything but ``freeze`` by SGD with ``fine_tune``; the
    rates fall to a tenth in the middle of each. ``cross_entropy``, ``distillation`` and
    ``head_distillation`` do one thing in all epochs, as the configurations of the authors' earlier
    code do (head-network-distillation): everything by SGD, or encoder and decoder by Adam, the
    rates falling to a tenth at each quarter. That code compares one point in head distillation;
    here it is the points of ``two_stage``, so that the strategies differ in their order only.

    ``head`` and ``tune`` are the optimisers of distilling heads and of everything else.
    """

    kind: Literal["two_stage", "cross_entropy", "distillation", "head_distillation"]
    epochs: Annotated[int, Field(ge=4, le=1_000_000)] = 20
    fine_tune: LabelLoss = CrossEntropy()
    freeze: Parts | None = None
    points: Mapping[str, str] | None = None
    head: AnyOptimiser = Adam()
    tune: AnyOptimiser | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind != "two_stage" and self.freeze:
            raise ValueError("freeze: is of two_stage; name stages to have it elsewhere")
        return self

    @property
    def stages(self) -> Sequence[Stage]:
        """What it stands for."""
        if self.kind == "two_stage":
            return [
                self._head(self.epochs // 2, 2),
                self._tune(self.epochs - self.epochs // 2, 2, self.fine_tune, 5e-4, self.freeze),
            ]
        if self.kind == "head_distillation":
            return [self._head(self.epochs, 4)]
        loss = CrossEntropy() if self.kind == "cross_entropy" else Distillation()
        return [self._tune(self.epochs, 4, loss, 1e-4, None)]

    def _head(self, epochs: int, parts: int) -> Stage:
        return Stage(
            epochs=epochs,
            loss=HeadDistillation(points=self.points),
            optimiser=self.head,
            schedule=_falling(epochs, parts),
            train=[BOTTLENECK, DECODER],
        )

    def _tune(
        self, epochs: int, parts: int, loss: Loss, decay: float, freeze: Parts | None
    ) -> Stage:
        return Stage(
            epochs=epochs,
            loss=loss,
            optimiser=self.tune or Sgd(lr=1e-3, weight_decay=decay),
            schedule=_falling(epochs, parts),
            freeze=freeze,
        )


def _falling(epochs: int, parts: int) -> Milestones:
    """To a tenth at the ends of all parts but the last."""
    return Milestones(epochs=[epochs * n // parts for n in range(1, parts)])


def _word(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


# In a file, a word or a mapping.
AnyStrategy = Annotated[Strategy, BeforeValidator(_word, json_schema_input_type=str | Strategy)]
