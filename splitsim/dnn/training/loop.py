"""The loop: stage after stage, epoch after epoch, batch after batch; the same for every recipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.amp import GradScaler

from splitsim.dnn.bottlenecks.sent import sending
from splitsim.dnn.training.chance import generator, seeded
from splitsim.dnn.training.checkpoint import Checkpoint, Saved
from splitsim.dnn.training.feed import Batch, in_batches
from splitsim.dnn.training.freeze import learning, to_training, to_use
from splitsim.dnn.training.objective import Objective
from splitsim.dnn.training.samples import Samples
from splitsim.dnn.training.stages import Stage
from splitsim.dnn.training.state import Epoch, State
from splitsim.dnn.training.tally import Tally, measured
from splitsim.errors import BadInput

Progress = Callable[[float, str], object]


@dataclass(frozen=True)
class Course:
    """What is done, and with what.

    Attributes:
        module: the network that learns.
        stages: its stages.
        objectives: their losses, bound.
        samples: what it learns from.
        batch: samples at a time.
        seed: of everything that is drawn.
        checkpoint: where it is kept after every epoch.
        progress: is told which share is done, and how well.
    """

    module: nn.Module
    stages: Sequence[Stage]
    objectives: Sequence[Objective]
    samples: Samples
    batch: int
    seed: int
    checkpoint: Checkpoint
    progress: Progress

    def run(self, *, resume: bool) -> Sequence[Epoch]:
        """Train, or go on where the checkpoint is; leaves the network in eval mode.

        Raises:
            BadInput: a loss is no number, or the checkpoint is of another training.
        """
        saved = self.checkpoint.read(self.module) if resume else None
        state = State() if saved is None else saved.state
        if saved is not None:
            self.module.load_state_dict(saved.model)
        while state.stage < len(self.stages):
            state = _Run(self, state.stage, saved).to_end(state)
            saved = None
        to_use(self.module)
        return state.history


class _Run:
    """A stage as it runs: with its optimiser."""

    def __init__(self, course: Course, number: int, saved: Saved | None) -> None:
        self._course, self._number = course, number
        self._stage, self._objective = course.stages[number], course.objectives[number]
        self._optimiser = self._stage.optimiser.make(learning(course.module, self._stage))
        self._scaler = GradScaler("cuda", enabled=self._objective.mixed)
        if saved is not None:
            self._go_on(saved)

    def _go_on(self, saved: Saved) -> None:
        try:
            self._optimiser.load_state_dict(dict(saved.optimiser))
            self._scaler.load_state_dict(dict(saved.scaler))
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            what = "its optimiser is damaged; remove it, or give another --out"
            raise BadInput(f"{self._course.checkpoint.path}: {what}") from error

    def to_end(self, state: State) -> State:
        """All epochs that are left; the beginning of the next stage."""
        module = self._course.module
        while not state.ends(self._stage):
            row = self._epoch(state)
            state = state.after(row, self._stage, module.state_dict())
            found = module.state_dict(), self._optimiser.state_dict(), self._scaler.state_dict()
            self._course.checkpoint.write(Saved(state, *found))
        if state.best_weights is not None:
            module.load_state_dict(dict(state.best_weights))
        return state.next_stage()

    def _epoch(self, state: State) -> Epoch:
        started_s, course = time.perf_counter(), self._course
        tally = Tally()
        to_training(course.module, self._stage)
        with seeded(course.seed, f"{state.stage}/{state.epoch}"):
            for step, batch, steps in self._batches(state):
                self._step(batch, state.epoch + step / steps, tally)
                self._check(state, step, tally)
                self._tell(state, (step + 1) / steps, tally)
        to_use(course.module)
        watched = self._watched()
        return Epoch(
            stage=state.stage + 1,
            epoch=state.epoch + 1,
            loss=tally.loss,
            accuracy=tally.accuracy,
            validation_loss=None if watched is None else watched.loss,
            validation_accuracy=None if watched is None else watched.accuracy,
            lr=self._optimiser.param_groups[0]["lr"],
            seconds=time.perf_counter() - started_s,
        )

    def _watched(self) -> Tally | None:
        """On the samples held back, as if what crosses a bottleneck were sent."""
        samples = self._course.samples
        with sending(self._course.module):
            return measured(self._objective, samples.train, samples.watched, self._course.batch)

    def _check(self, state: State, step: int, tally: Tally) -> None:
        if not math.isfinite(tally.loss):
            where = f"stage {state.stage + 1}, epoch {state.epoch + 1}, batch {step + 1}"
            kept = f"the epoch before is kept in {self._course.checkpoint.path}"
            what = f"the loss is {tally.loss} in {where}; try a lower learning rate"
            raise BadInput(f"{what}; {kept}" if state.history else what)

    def _batches(self, state: State) -> Iterator[tuple[int, Batch, int]]:
        """The batches of an epoch in its order, numbered, and how many there are."""
        course, name = self._course, f"{state.stage}/{state.epoch}"
        numbers = course.samples.learned
        order = torch.randperm(len(numbers), generator=generator(course.seed, "order", name))
        batches = in_batches(numbers[order], course.batch)
        chance = generator(course.seed, "augmentation", name)
        for step, batch in enumerate(course.samples.train.read(batches, chance)):
            yield step, batch, len(batches)

    def _step(self, batch: Batch, epoch: float, tally: Tally) -> None:
        """One step of the optimiser."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.lr(epoch)
        losses, scores = self._objective(*batch)
        if not losses.requires_grad:
            what = "its loss does not depend on any part that learns; change train, or freeze"
            raise BadInput(f"stage {self._number + 1}: {what}")
        loss = losses.sum() if self._stage.loss.SUMMED else losses.mean()
        self._optimiser.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimiser)
        self._scaler.update()
        tally.add(losses, scores, batch[1])

    def _tell(self, state: State, share: float, tally: Tally) -> None:
        epochs = [stage.epochs for stage in self._course.stages]
        done = (sum(epochs[: state.stage]) + state.epoch + share) / sum(epochs)
        where = f"stage {state.stage + 1}, epoch {state.epoch + 1} of {self._stage.epochs}"
        text = f"{where}: loss {tally.loss:.4g}, accuracy {tally.accuracy:.3f}"
        self._course.progress(done, text)
