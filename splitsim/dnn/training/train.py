"""Training a network by a recipe, from the files that it names to those that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from splitsim.dnn.cache import weights_sha256
from splitsim.dnn.training.card import Told
from splitsim.dnn.training.checkpoint import Checkpoint
from splitsim.dnn.training.folder import Folder, check_tables, keep
from splitsim.dnn.training.learners import Pair, bind, open_pair, warnings
from splitsim.dnn.training.loop import Course, Progress
from splitsim.dnn.training.machine import Machine
from splitsim.dnn.training.recipe import LoadedRecipe
from splitsim.dnn.training.samples import open_data, open_samples
from splitsim.dnn.training.state import Epoch
from splitsim.dnn.training.tally import accuracy
from splitsim.dnn.zoo import LoadedModel


@dataclass(frozen=True)
class Trained:
    """A network that was trained.

    Attributes:
        name: of the recipe.
        network: in eval mode, on the CPU.
        top1: its share of right answers on the test part.
        teacher_top1: its teacher's; None if there is none.
        samples: of the test part.
        history: its epochs.
        weights: the file of its weights.
        network_file: what it is made of.
        outcomes: its table; None if the recipe wants none.
        folder: of the card and the curves.
        notes: what is allowed, and hardly meant.
    """

    name: str
    network: LoadedModel
    top1: float
    teacher_top1: float | None
    samples: int
    history: Sequence[Epoch]
    weights: Path
    network_file: Path
    outcomes: Path | None
    folder: Path
    notes: Sequence[str]

    @property
    def seconds(self) -> float:
        """That the epochs took."""
        return sum(row.seconds for row in self.history)


def train(
    loaded: LoadedRecipe,
    out: str | Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str = "cpu",
    threads: int = 1,
    report: bool = True,
    progress: Progress = lambda _share, _text: None,
    warn: Callable[[str], object] = lambda _note: None,
) -> Trained:
    """Train a network by a recipe; the same bit for bit for a seed, threads and machine.

    Several may be trained at once, each in a process of its own with one thread; they may write
    into one folder by different names.

    Args:
        loaded: as ``load_recipe`` gives it.
        out: a folder of tables, laid out as ``traces/``; weights are looked for in it as well.
        seed: of the new layers' first weights, what is held back, order, augmentation and noise.
        resume: go on after the last whole epoch, if there was one.
        device: ``cpu`` or ``cuda``.
        threads: of the processor.
        report: whether to draw the curves (a file of 5 MB).
        progress: is told which share is done, and how well.
        warn: is told, before it begins, what is allowed and hardly meant.

    Raises:
        BadInput: something of the recipe is not there or does not fit; a training of this name is
            there already, or the one to go on with is another; or a loss is no number. What was
            trained before stays.
    """
    machine, folder = Machine(device, threads), Folder(Path(out), loaded.recipe.name)
    machine.check()
    folder.check(resume=resume)
    parts = open_data(loaded)
    pair = open_pair(loaded, folder.out, seed)
    check_tables(loaded, pair.student)
    notes, checkpoint = warnings(loaded, pair), _checkpoint(loaded, pair, folder, seed)
    with machine.at_work():
        pair.to(machine.device)
        samples = open_samples(loaded, parts, pair.student, seed, machine.device)
        course = Course(
            module=pair.student.module,
            stages=loaded.recipe.steps,
            objectives=bind(loaded, pair, mixed=machine.is_cuda and loaded.recipe.mixed_precision),
            samples=samples,
            batch=loaded.recipe.data.batch,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        for note in notes:
            warn(note)
        folder.make()
        history = course.run(resume=resume)
        told = Told(
            loaded, pair.student, samples, history, *_tested(course, pair), machine, seed, notes
        )
        return _trained(folder, told, keep(folder, told, report=report))


def _trained(folder: Folder, told: Told, outcomes: Path | None) -> Trained:
    return Trained(
        name=folder.name,
        network=told.student,
        top1=told.right,
        teacher_top1=told.teacher_right,
        samples=len(told.samples.tested),
        history=told.history,
        weights=folder.weights,
        network_file=folder.network,
        outcomes=outcomes,
        folder=folder.training,
        notes=told.notes,
    )


def _checkpoint(loaded: LoadedRecipe, pair: Pair, folder: Folder, seed: int) -> Checkpoint:
    """Where the training is kept, and what it is of."""
    recipe = loaded.recipe.spelled_out()
    identity = {
        **{key: value for key, value in recipe.items() if key != "outcomes"},
        "seed": seed,
        "first_weights_sha256": weights_sha256(pair.student.module),
        "teacher_sha256": pair.teacher and weights_sha256(pair.teacher.module),
    }
    return Checkpoint(folder.checkpoint, identity)


def _tested(course: Course, pair: Pair) -> tuple[float, float | None]:
    """The shares of right answers of both networks; they come to the CPU."""
    given = course.samples.test, course.samples.tested, course.batch
    own = accuracy(pair.student, *given)
    its = None if pair.teacher is None else accuracy(pair.teacher, *given)
    pair.to(torch.device("cpu"))
    return own, its
