"""What a stage minimises, by hand; its rates; and the strategies as they are published."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from teaching import HEAD, STUDENT, recipe, weights

from splitsim.dnn.data import dataset
from splitsim.dnn.training.learners import bind, open_pair
from splitsim.dnn.training.losses import (
    CrossEntropy,
    Distillation,
    Exits,
    HeadDistillation,
    Seen,
)
from splitsim.dnn.training.stages import Cosine, Milestones, OneCycle, Stage
from splitsim.dnn.training.strategy import Strategy
from splitsim.dnn.training.train import train


def scores(samples, classes, seed):
    return np.random.default_rng(seed).normal(size=(samples, classes))


def log_softmax(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def seen(student, teacher=None, exits=()):
    labels = torch.arange(len(student)) % student.shape[1]
    tensors = {name: torch.from_numpy(array) for name, array in dict(exits).items()}
    known = {} if teacher is None else {"output": torch.from_numpy(teacher)}
    return Seen(labels, {"output": torch.from_numpy(student)}, known, tensors)


def of_labels(x):
    return -log_softmax(x)[np.arange(len(x)), np.arange(len(x)) % x.shape[1]]


def test_cross_entropy_by_hand():
    own = scores(7, 3, 1)
    found = CrossEntropy().per_sample(seen(own)).numpy()
    np.testing.assert_allclose(found, of_labels(own), rtol=1e-12)


@pytest.mark.parametrize(("heat", "weight"), [(1.0, 0.5), (4.0, 0.9), (0.5, 0.0), (2.0, 1.0)])
def test_distillation_by_hand(heat, weight):
    own, its = scores(7, 3, 1), scores(7, 3, 2)
    loss = Distillation(temperature=heat, weight=weight)
    found = loss.per_sample(seen(own, its)).numpy()
    taught = log_softmax(its / heat)
    apart = (np.exp(taught) * (taught - log_softmax(own / heat))).sum(1)
    np.testing.assert_allclose(
        found, (1 - weight) * of_labels(own) + weight * heat**2 * apart, rtol=1e-12
    )


def test_head_distillation_by_hand():
    rng = np.random.default_rng(3)
    shapes = (5, 2, 3, 3), (5, 7)
    own, its = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))
    tensors = [
        {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
        for names, arrays in ((("decoder", "layer3"), own), (("layer2", "layer3"), its))
    ]
    loss = HeadDistillation(points={"decoder": "layer2", "layer3": "layer3"})
    found = loss.per_sample(Seen(torch.zeros(5), *tensors, {})).numpy()
    by_hand = sum(((a - b) ** 2).reshape(5, -1).sum(1) for a, b in zip(own, its, strict=True))
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


def test_the_loss_of_exits_by_hand():
    own, early, late = (scores(6, 4, n) for n in range(3))
    loss = Exits(weights={"early": 0.3, "output": 2.0})
    found = loss.per_sample(seen(own, exits={"early": early, "late": late})).numpy()
    by_hand = 2.0 * of_labels(own) + 0.3 * of_labels(early) + of_labels(late)
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


def test_rates():
    steps = Stage(
        epochs=10,
        loss=CrossEntropy(),
        schedule=Milestones(epochs=[5, 8], factor=0.1),
    )
    rates = [steps.lr(epoch) for epoch in (0, 4.99, 5, 7.9, 8, 9.9)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert [Cosine().at(n, 10) for n in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    cycle = [OneCycle().at(n / 10, 10) for n in range(101)]
    assert max(cycle) == cycle[30] == 1
    assert cycle[0] == pytest.approx(0.04)
    assert cycle[-1] == pytest.approx(0)
    assert all(b > a for a, b in pairwise(cycle[:31]))
    assert all(b < a for a, b in pairwise(cycle[30:]))


# The strategies, as the paper's public configurations have them.


def test_two_stages_are_bottlefits():
    first, second = Strategy(kind="two_stage", freeze=["bottleneck"]).stages
    assert (first.epochs, second.epochs) == (10, 10)
    assert first.loss == HeadDistillation()
    assert first.train == ["bottleneck", "decoder"]
    assert (first.optimiser.kind, first.optimiser.lr) == ("adam", 1e-3)
    assert second.loss == CrossEntropy()
    assert second.freeze == ["bottleneck"]
    sgd = second.optimiser
    assert (sgd.kind, sgd.lr, sgd.momentum, sgd.weight_decay) == ("sgd", 1e-3, 0.9, 5e-4)
    for stage in (first, second):
        assert (stage.schedule.epochs, stage.schedule.factor) == ([5], 0.1)
    tuned = Strategy(kind="two_stage", fine_tune=Distillation()).stages[1]
    assert (tuned.loss.temperature, tuned.loss.weight) == (1.0, 0.5)


@pytest.mark.parametrize("kind", ["cross_entropy", "distillation", "head_distillation"])
def test_other_strategies_have_as_many_epochs(kind):
    (stage,) = Strategy(kind=kind).stages
    assert stage.loss.kind == kind
    assert stage.epochs == sum(s.epochs for s in Strategy(kind="two_stage").stages)
    assert stage.schedule.epochs == [5, 10, 15]
    assert Strategy(kind=kind, epochs=8).stages[0].schedule.epochs == [2, 4, 6]


@pytest.mark.parametrize(
    ("base", "points"),
    [
        ("resnet50", {"decoder": "layer2", "layer3": "layer3", "layer4": "layer4"}),
        (
            "densenet121",
            {"decoder": "transition2", "transition3": "transition3", "denseblock4": "denseblock4"},
        ),
    ],
)
def test_the_three_points_of_head_distillation(tmp_path, base, points):

    student = {"base": {"network": base}, "bottleneck": {"kind": "reduction", "channels": 3}}
    stages = [HEAD | {"loss": {"kind": "head_distillation"}}]
    loaded = recipe(tmp_path, student=student, stages=stages)
    with torch.device("meta"):
        (objective,) = bind(loaded, open_pair(loaded, tmp_path, 0), mixed=False)
    assert objective.loss.points == points


def test_a_step_follows_the_gradient_of_the_published_sum(tmp_path):
    """One step of plain SGD on one batch, against the sum over elements and samples by hand."""
    stage = HEAD | {"epochs": 1, "optimiser": {"kind": "sgd", "lr": 1e-4, "momentum": 0.0}}
    data = STUDENT["data"] | {"train": "generated:4x1x8x8x16", "validation": 0, "batch": 16}
    loaded = recipe(tmp_path, stages=[stage], data=data, outcomes=None)
    pair = open_pair(loaded, tmp_path, 0)
    after = weights(train(loaded, tmp_path / "out", report=False))
    student, teacher = pair.student.module, pair.teacher.module
    inputs = torch.stack(dataset("generated:4x1x8x8x16").take(0, 16).images) / 255
    target = teacher.pool(teacher.block2(teacher.block1(inputs))).detach()
    made = student.decoder.train()(student.bottleneck.train()(target))
    loss = (made - target).square().sum()
    loss = loss + (teacher.block3(made) - teacher.block3(target)).square().sum()
    loss.backward()
    for name in ("bottleneck.0.weight", "decoder.0.weight", "decoder.1.bias"):
        first = student.get_parameter(name)
        assert first.grad.abs().max() > 0.1
        torch.testing.assert_close(
            after[name] - first.detach(), -1e-4 * first.grad, rtol=1e-3, atol=2**-24
        )
