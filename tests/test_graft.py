"""Grafting a bottleneck into a network, tapping it, and networks from files."""

import pytest
import torch
from torch import nn

from splitsim.dnn import networks
from splitsim.dnn.bottlenecks.quantise import Quantiser
from splitsim.dnn.exact import inexact
from splitsim.dnn.graft import graft, taps
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.wire import Wire
from splitsim.errors import BadInput


def read(tmp_path, text):
    path = tmp_path / "network.yaml"
    path.write_text(text)
    return networks.load(str(path))


def test_a_grafted_network_keeps_the_teachers_cuts_and_splits_exactly(tmp_path):
    found = read(
        tmp_path, "base: {network: small_resnet}\nbottleneck: {kind: reduction, channels: 2}"
    )
    every = cuts(found.module, found.example())
    names = [cut.name for cut in every]
    assert names[names.index("layer2") + 1 :][:2] == ["bottleneck", "decoder"]
    assert find(every, "bottleneck").shapes == ((1, 2, 8, 8),)
    assert {"layer3", "layer4", "avgpool"} <= set(names)
    assert inexact(found.module, every, found.example()) == []


def test_replaced_layers_are_gone_and_the_teacher_stays_as_it_is():
    teacher = networks.load("small_resnet")
    before = {key: value.clone() for key, value in teacher.module.state_dict().items()}
    made = graft(
        teacher.module,
        teacher.example(),
        after="input",
        join="layer2",
        encoder=nn.Conv2d(1, 3, 3, stride=2, padding=1),
        decoder=nn.Conv2d(3, 32, 1),
    )
    keys = made.state_dict().keys()
    assert not any(key.startswith(("conv1", "layer1", "layer2")) for key in keys)
    assert {key.partition(".")[0] for key in keys} == {
        *("bottleneck", "decoder", "layer3", "layer4", "fc"),
    }
    with torch.no_grad():
        for value in made.parameters():
            value.zero_()
    after = teacher.module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_taps_give_what_crosses_at_cuts_in_any_order():
    network = networks.load("small_resnet")
    example = network.example()
    every = cuts(network.module, example)
    wanted = [find(every, name) for name in ("layer3", "output", "layer1")]
    tapping = taps(networks_trace(network), wanted)
    deep, answer, early = tapping(example)
    assert torch.equal(answer, network.module(example))
    head, _ = split(network.module, wanted[0], example)
    assert torch.equal(deep, head(example))
    assert torch.equal(early, split(network.module, wanted[2], example)[0](example))
    only = taps(networks_trace(network), [wanted[2]])
    assert not any(str(node.target).startswith("layer2") for node in only.graph.nodes)


def networks_trace(network):
    from splitsim.dnn.trace import trace

    return trace(network.module, network.example())


@pytest.mark.parametrize(("bits", "wire"), [(8, "uint8"), (8, "uint8+zstd"), (3, "3bit")])
def test_the_quantiser_gives_what_the_wire_carries_without_change(bits, wire):
    tensor = torch.randn(4, 5, 7, 7, generator=torch.Generator().manual_seed(1))
    rounded = Quantiser(bits)(tensor)
    for row in rounded.split(1):
        assert torch.equal(Wire.decode(Wire.parse(wire).encode(row)), row)
    step = (tensor.flatten(1).amax(1) - tensor.flatten(1).amin(1)) / (2**bits - 1)
    assert ((rounded - tensor).abs().flatten(1).amax(1) <= step / 2 * (1 + 1e-6)).all()


def test_gradients_pass_straight_through_the_quantiser():
    tensor = torch.randn(2, 3, requires_grad=True)
    weights = torch.randn(2, 3)
    (Quantiser(2)(tensor) * weights).sum().backward()
    assert torch.equal(tensor.grad, weights)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "base: {network: small_resnet}\nbottleneck: {kind: redction, channels: 2}",
            "did you mean",
        ),
        ("base: {network: small_resnet}\nbottleneck: {kind: reduction, channels: 0}", "channels"),
        ("base: {network: small_resnet, wieghts: x}", "unknown key"),
        (
            "base: {network: small_cnn}\nbottleneck: {kind: reduction, channels: 2}",
            "join: is missing",
        ),
        (
            "base: {network: small_resnet}\n"
            "bottleneck: {kind: reduction, channels: 2, after: layer3, join: layer1}",
            "one behind it",
        ),
        ("base: {network: small_resnet, weights: no.pt}", "no.pt"),
        ("- 1", "mapping"),
    ],
)
def test_mistakes_in_a_network_file_name_the_file(tmp_path, text, words):
    with pytest.raises(BadInput) as error:
        read(tmp_path, text)
    assert len(error.value.problems) == 1
    assert "network.yaml" in error.value.problems[0]
    assert words in error.value.problems[0]
