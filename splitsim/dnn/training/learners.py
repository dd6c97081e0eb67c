"""The networks of a recipe, and the loss of every stage bound to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from splitsim.dnn import networks
from splitsim.dnn.bottlenecks.base import inject, notes
from splitsim.dnn.exits import attach
from splitsim.dnn.networks import Base, NetworkSpec
from splitsim.dnn.training.chance import generator
from splitsim.dnn.training.freeze import to_use, unknown_parts
from splitsim.dnn.training.objective import Objective, Subject, bound
from splitsim.dnn.training.recipe import LoadedRecipe
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

WEIGHTS = "weights"  # the folder of weights below one of tables


@dataclass(frozen=True)
class Pair:
    """The network that learns, and the one it learns from or is compared with, if there is one."""

    student: LoadedModel
    teacher: LoadedModel | None

    def to(self, device: torch.device) -> None:
        """Both are moved there."""
        for network in (self.student, self.teacher):
            if network is not None:
                network.module.to(device)


def open_pair(loaded: LoadedRecipe, out: Path, seed: int) -> Pair:
    """The student as it begins, and its teacher.

    Args:
        loaded: the recipe.
        out: the folder of tables, below which weights are looked for as well.
        seed: of the student's new layers.

    Raises:
        BadInput: something of them is not there, or does not fit.
    """
    recipe, problems = loaded.recipe, loaded.problems()
    teacher = None
    with problems.at(("student",)):
        student = _student(loaded, out, seed)
    if recipe.teacher is not None:
        with problems.at(("teacher",)):
            teacher = _teacher(recipe.teacher, loaded.folder, out)
    problems.tell()
    if teacher is None and (_taught(loaded) or recipe.student.base.weights):
        teacher = _base(recipe.student.base, loaded.folder, out)
    pair = Pair(student, teacher)
    _check_answers(loaded, pair)
    return pair


def _check_answers(loaded: LoadedRecipe, pair: Pair) -> None:
    problems, student, teacher = loaded.problems(), pair.student, pair.teacher
    if student.classes is None:
        problems.add(("student",), "gives no score per class; only networks that classify learn")
    if teacher is not None and (teacher.classes, teacher.shape) != (student.classes, student.shape):
        what = "must take the same inputs and choose from as many classes as the student"
        problems.add(("teacher",), what)
    problems.tell()


def _taught(loaded: LoadedRecipe) -> bool:
    return any(stage.loss.TAUGHT for stage in loaded.recipe.steps)


def _student(loaded: LoadedRecipe, out: Path, seed: int) -> LoadedModel:
    """The student; its new layers are drawn by the seed."""
    spec = loaded.recipe.student
    network = _base(spec.base, loaded.folder, out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator(seed, "new layers").initial_seed())
        if spec.bottleneck is not None:
            network = inject(network, spec.bottleneck)
        return network if spec.exits is None else attach(network, spec.exits)


def _teacher(base: Base, folder: Path, out: Path) -> LoadedModel:
    """A teacher may be a network file as well."""
    if Path(base.network).suffix in networks.SUFFIXES:
        weights = _weights(base, folder, out)
        return networks.load(str(folder / base.network), weights=weights)
    return _base(base, folder, out)


def _base(base: Base, folder: Path, out: Path) -> LoadedModel:
    weights = _weights(base, folder, out)
    return NetworkSpec(base=base.model_copy(update={"weights": weights})).build(folder)


def _weights(base: Base, folder: Path, out: Path) -> str | None:
    found = find_weights(base.weights, folder, out)
    if found is None and base.weights is not None and Path(base.weights).suffix:
        where = f"there is no file {base.weights!r} beside the recipe, nor in {out / WEIGHTS}"
        raise BadInput(f"weights: {where}; train it first, or name another")
    return base.weights if found is None else str(found)


def find_weights(name: str | None, folder: Path, out: Path) -> Path | None:
    """A file of weights beside a recipe, or among those trained before."""
    places = () if name is None else (folder / name, out / WEIGHTS / name)
    return next((path.absolute() for path in places if path.is_file()), None)


def bind(loaded: LoadedRecipe, pair: Pair, *, mixed: bool) -> Sequence[Objective]:
    """The loss of each stage, bound to the networks.

    Raises:
        BadInput: a stage names a part or a cut that is not there.
    """
    problems, bottleneck = loaded.problems(), loaded.recipe.student.bottleneck
    student = Subject(pair.student)
    teacher = None if pair.teacher is None else Subject(pair.teacher)
    if pair.teacher is not None:
        to_use(pair.teacher.module)
    objectives = []
    for number, stage in enumerate(loaded.recipe.steps):
        wrong = unknown_parts(pair.student.module, stage)
        problems.add(loaded.stage(number, "train" if stage.train else "freeze"), *wrong)
        with problems.at(loaded.stage(number, "loss")):
            objectives.append(bound(stage.loss, student, teacher, bottleneck, mixed=mixed))
    problems.tell()
    return objectives


def warnings(loaded: LoadedRecipe, pair: Pair) -> list[str]:
    """What is allowed, and hardly meant."""
    recipe, found = loaded.recipe, notes(pair.student)
    taught = recipe.teacher or recipe.student.base
    if _taught(loaded) and taught.weights is None:
        found.append("the teacher has random weights; name its weights")
    if pair.student.exits and not any(stage.loss.kind == "exits" for stage in recipe.steps):
        found.append("no stage trains the exits; one with the loss 'exits' does")
    return found
