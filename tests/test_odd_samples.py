"""Networks, weights and data sets of people's own that cannot give outcomes per sample."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from splitsim.dnn import zoo
from splitsim.dnn.cache import network_sha256
from splitsim.dnn.data import dataset
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.study import Plan
from splitsim.dnn.trace import trace
from splitsim.dnn.weights import check_weights
from splitsim.errors import BadInput


class Odd(nn.Module):
    """A classifier of 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 16)
        self.last = nn.Linear(16, 10)

    def between(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.first(x.flatten(1))))


class Dropping(Odd):
    def between(self, x: Tensor) -> Tensor:
        return functional.dropout(x, 0.5, training=True)


class Mixing(Odd):
    def between(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Turned(Odd):
    """What crosses in between has no row per sample."""

    def between(self, x: Tensor) -> Tensor:
        return x.t().relu().t()


class Constant(Odd):
    """A number that is not saved with the weights."""

    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(self.scale), persistent=False)

    def between(self, x: Tensor) -> Tensor:
        return x * self.factor


def plan(kind: type[nn.Module], **changes) -> Plan:
    values = {"dataset": "digits-test", "limit": 6, "cuts": "all", "wire": "float32"} | changes
    return Plan(
        network=f"test_odd_samples:{kind.__name__}",
        shape=(1, 8, 8),
        image="none",
        **values,
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Dropping, "it draws at random"),
        (Mixing, "makes something else of a sample beside another"),
        (Turned, "has no row per sample"),
    ],
)
def test_a_network_that_is_not_sample_by_sample_is_refused(tmp_path, kind, why):
    with pytest.raises(BadInput, match=why):
        outcomes(plan(kind), tmp_path, "odd")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_network_that_is_gets_its_outcomes(tmp_path):
    assert outcomes(plan(Odd), tmp_path, "odd").is_file()


def test_numbers_that_are_not_saved_count_too(monkeypatch):
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    found = []
    for scale in (1.0, 2.0):
        monkeypatch.setattr(Constant, "scale", scale)
        network = zoo.load("test_odd_samples:Constant", shape=(1, 8, 8))
        found.append(network_sha256(network, trace(network.module, network.example()), image))
    assert found[0] != found[1]
    monkeypatch.setattr(Constant, "scale", float("nan"))
    with pytest.raises(BadInput, match="NaN in its weights: factor"):
        check_weights(Constant())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is no state dict"),
        ({1: torch.zeros(1)}, "is no state dict"),
        ({"first.weight": torch.zeros(16, 64, dtype=torch.complex64)}, "complex numbers on one"),
    ],
)
def test_weights_that_are_none_are_one_clear_error(tmp_path, content, message):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(BadInput, match=message):
        zoo.load("test_odd_samples:Odd", shape=(1, 8, 8), weights=path)


def raising():
    raise OSError("disk on fire")


def labels():
    return [(torch.zeros(1, 8, 8), "cat"), (torch.zeros(1, 8, 8), 1.7), {"x": 1}]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "sample 0: cannot be read as pixels and a label: ValueError"),
        (1, "sample 1: its label must be a whole number, not 1.7"),
        (2, "sample 2: cannot be read as pixels and a label"),
    ],
)
def test_a_sample_that_is_none_is_one_clear_error(number, message):
    with pytest.raises(BadInput, match=message):
        dataset("test_odd_samples:labels").take(number, number + 1)


def test_a_data_set_that_raises_is_one_clear_error():
    with pytest.raises(BadInput, match="gives no data set: OSError: disk on fire"):
        dataset("test_odd_samples:raising")


def test_classes_must_be_some():
    with pytest.raises(BadInput, match="--classes: must be a whole number, 1 or more, not -3"):
        zoo.load("small_cnn", classes=-3)
