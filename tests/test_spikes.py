"""Spiking units, networks made to spike, SpikeBottleNet: against loops and differences."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from splitsim.dnn import networks
from splitsim.dnn.bottlenecks.spiking import bit_compression
from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import dataset
from splitsim.dnn.exact import inexact, mixed
from splitsim.dnn.message import Header, Part
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.spikes.convert import spiking
from splitsim.dnn.spikes.fold import Average, Fold, Repeat, Unfold
from splitsim.dnn.spikes.lif import STEEPNESS, Lif, Units
from splitsim.dnn.trace import trace
from splitsim.dnn.wire import Wire
from splitsim.dnn.zoo import LoadedModel, load
from splitsim.errors import BadInput

RESETS = ("subtract", "zero")


@pytest.fixture(autouse=True)
def chance():
    """The same random numbers in every test, on one thread."""
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def read(tmp_path, text):
    path = tmp_path / "network.yaml"
    path.write_text(text)
    return networks.load(str(path))


def bottle(tmp_path, network, join, channels=4, spatial=1, steps=3, more="", base=""):
    keys = f"join: {join}, channels: {channels}, spatial: {spatial}, steps: {steps}{more}"
    return read(
        tmp_path,
        f"base: {{network: {network}{base}}}\nbottleneck: {{kind: spikebottlenet, {keys}}}",
    )


def lively(network, samples=8):
    """With norms that know what comes, so that units fire in a network that was not trained."""
    for part in network.module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    network.module.train()
    with torch.no_grad():
        network.module(torch.randn(samples, *network.shape))
    network.module.eval()
    return network


# --- units ---------------------------------------------------------------------------------------


def by_hand(currents, decay, threshold, reset, fired=None):
    """Potentials (T x ...) by loops; ``fired`` (T x ...) puts other spikes in the reset."""
    potential, spikes = np.zeros_like(currents[0]), np.zeros_like(currents[0])
    potentials = []
    for step, current in enumerate(currents):
        if reset == "zero":
            potential = decay * potential * (1 - spikes) + current
        else:
            potential = decay * potential + current - threshold * spikes
        potentials.append(potential)
        spikes = (potential > threshold).astype(float) if fired is None else fired[step]
    return np.stack(potentials)


def test_a_unit_does_what_its_equations_say():
    currents = [0.6, 0.6, 0.6, 2.5, 0.0, 0.0]
    unit = Lif(Units(steps=6, beta=0.5, threshold=1.0))
    # u: 0.6, 0.9, 1.05 (fires), 0.525 + 2.5 - 1 (fires), 1.0125 - 1, 0.00625
    assert unit(torch.tensor(currents)).tolist() == [0, 0, 1, 1, 0, 0]
    assert by_hand(np.array(currents), 0.5, 1.0, "subtract") == pytest.approx(
        [0.6, 0.9, 1.05, 2.025, 0.0125, 0.00625]
    )


@pytest.mark.parametrize("reset", RESETS)
def test_units_are_those_of_snntorch_with_their_gradients(reset):
    units = Units(steps=7, beta=0.8, threshold=0.7, reset=reset)
    ours = Lif(units)
    theirs = snntorch.Leaky(
        0.8, threshold=0.7, learn_beta=True, learn_threshold=True, reset_mechanism=reset
    )
    x = torch.randn(5 * 7, 3, 4, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(5 * 7, 3, 4)
    spikes, membrane = [], torch.zeros(5, 3, 4)
    for current in y.view(5, 7, 3, 4).unbind(1):
        spike, membrane = theirs(current, membrane)
        spikes.append(spike)
    expected = torch.stack(spikes, 1).view(35, 3, 4)
    found = ours(x)
    assert torch.equal(found, expected)
    assert 0.05 < found.mean() < 0.6
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(x.grad, y.grad, rtol=1e-5, atol=1e-6)
    # of the logistic function and of the exponential that keep the two in their ranges
    assert ours.raw_decay.grad == pytest.approx(float(theirs.beta.grad) * 0.8 * 0.2, rel=1e-4)
    assert ours.log_threshold.grad == pytest.approx(float(theirs.threshold.grad) * 0.7, rel=1e-4)


def primitive(excess):
    """The smooth step whose slope is the surrogate."""
    return np.arctan(np.pi / 2 * STEEPNESS * excess) / np.pi + 0.5


def difference(function, at, step=1e-6):
    return (function(at + step) - function(at - step)) / (2 * step)


def test_the_surrogate_is_the_slope_of_a_smooth_step():
    unit = Lif(Units(steps=1))
    excess = torch.linspace(-4, 4, 101, dtype=torch.float64, requires_grad=True)
    unit.fire(excess).sum().backward()
    expected = difference(primitive, excess.detach().numpy())
    assert excess.grad.numpy() == pytest.approx(expected, rel=1e-6)
    assert primitive(1e9) - primitive(-1e9) == pytest.approx(1)


@pytest.mark.parametrize("reset", RESETS)
def test_gradients_through_time_are_differences_of_the_smoothed_unit(reset):
    """The smoothed unit: the smooth step of potentials that the real spikes, held fixed, reset."""
    steps, decay, threshold = 6, 0.7, 0.6
    chance = np.random.default_rng(1)
    x = chance.normal(0.3, 1, (steps, 20))
    weights = chance.integers(-8, 9, (steps, 20)) / 4.0  # exact where spikes are float32
    fired = (by_hand(x, decay, threshold, reset) > threshold).astype(float)
    assert 0.1 < fired.mean() < 0.6

    def smoothed(currents, decay, threshold):
        potentials = by_hand(currents, decay, threshold, reset, fired)
        return float((weights * primitive(potentials - threshold)).sum())

    def moved(index):
        def at(value):
            other = x.copy()
            other[index] = value
            return smoothed(other, decay, threshold)

        return difference(at, x[index])

    unit = Lif(Units(steps, decay, threshold, reset=reset)).double()
    unit.raw_decay.data.fill_(math.log(decay / (1 - decay)))  # not as float32 has it
    unit.log_threshold.data.fill_(math.log(threshold))
    currents = torch.tensor(x, requires_grad=True)
    spikes = unit(currents)
    assert np.array_equal(spikes.detach().numpy(), fired)
    (spikes * torch.tensor(weights)).sum().backward()
    every = np.array([[moved((t, n)) for n in range(20)] for t in range(steps)])
    assert currents.grad.numpy() == pytest.approx(every, rel=1e-6, abs=1e-8)
    by_decay = difference(lambda value: smoothed(x, value, threshold), decay)
    by_threshold = difference(lambda value: smoothed(x, decay, value), threshold)
    assert float(unit.raw_decay.grad) == pytest.approx(by_decay * decay * (1 - decay), rel=1e-6)
    assert float(unit.log_threshold.grad) == pytest.approx(by_threshold * threshold, rel=1e-6)


def test_decay_and_threshold_stay_in_their_ranges_whatever_is_learned():
    unit = Lif(Units(steps=2))
    with torch.no_grad():
        assert (float(unit.decay), float(unit.threshold)) == (0.5, 1.0)
        for push in (-12.0, 12.0):
            unit.raw_decay.fill_(push)
            unit.log_threshold.fill_(push)
            assert 0 < unit.decay < 1
            assert unit.threshold > 0
    fixed = Lif(Units(steps=2, learnable=False))
    assert not any(parameter.requires_grad for parameter in fixed.parameters())


def test_a_call_knows_nothing_of_the_one_before():
    unit = Lif(Units(steps=4))
    x = torch.randn(8, 5)
    first = unit(x)
    unit(torch.full((8, 5), 9.0))
    assert torch.equal(unit(x), first)
    assert torch.equal(unit(x[4:]), first[4:])
    assert [name for name, _ in unit.named_buffers()] == []


def test_half_precision_gives_spikes_in_half_precision():
    unit = Lif(Units(steps=2)).to(torch.bfloat16)
    assert unit(torch.randn(4, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_time_is_folded_sample_by_sample():
    x = torch.arange(6.0).view(2, 3, 1, 1)
    folded = Repeat(4)(x)
    assert folded.shape == (8, 3, 1, 1)
    assert torch.equal(folded[4:8], x[1:].expand(4, 3, 1, 1))
    assert torch.equal(Average(4)(folded), x)
    train = torch.arange(8 * 3.0).view(8, 3, 1, 1)
    side_by_side = Unfold(4)(train)
    assert side_by_side.shape == (2, 12, 1, 1)
    assert side_by_side[0, :6].flatten().tolist() == train[:2].flatten().tolist()
    assert torch.equal(Fold(4)(side_by_side), train)


# --- networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "units"),
    [("small_cnn", 3), ("small_resnet", 9), ("mobilenet_v1", 27), ("mobilenet_v2", 35),
     ("resnet50", 49), ("densenet121", 121), ("vgg11", 10)],
)  # fmt: skip
def test_every_relu_becomes_units_and_cuts_keep_their_names(name, units):
    with torch.device("meta"):
        plain = load(name)
        spike = spiking(plain, Units(steps=3))
    before, after = (cuts(n.module, n.example()) for n in (plain, spike))
    names = {label for cut in after for label in (cut.name, *cut.also)}
    assert {cut.name for cut in before} <= names
    assert [cut.name for cut in after][:2] == ["input", "repeat"]
    for cut in before[1:-1]:
        assert find(after, cut.name).shapes == ((3, *cut.shapes[0][1:]),)
    assert after[-1].shapes == before[-1].shapes
    assert after[-1].macs == 3 * before[-1].macs
    kinds = [type(part) for part in spike.module.modules()]
    assert kinds.count(Lif) == units
    assert not {nn.ReLU, nn.ReLU6} & {*kinds}


def test_a_spiking_network_is_its_layers_run_step_by_step():
    plain = lively(load("small_cnn"))
    spike = spiking(plain, Units(steps=3, beta=0.6, threshold=0.4))
    x = torch.randn(2, 1, 8, 8)
    m = plain.module
    states = [torch.zeros(()) for _ in range(3)]
    fired = [torch.zeros(()) for _ in range(3)]

    def unit(number, current):
        states[number] = 0.6 * states[number] + current - 0.4 * fired[number]
        fired[number] = (states[number] > 0.4).float()
        return fired[number]

    scores = []
    with torch.no_grad():
        for _ in range(3):
            y = unit(0, m.block1[:2](x))
            y = m.pool(unit(1, m.block2[:2](y)))
            scores.append(m.fc(m.avgpool(unit(2, m.block3[:2](y))).flatten(1)))
        expected = torch.stack(scores).mean(0)
        assert torch.allclose(spike.module(x), expected, atol=1e-6)
    assert 0.05 < fired[1].mean() < 0.9


def test_the_network_that_spikes_is_another_one():
    plain = load("small_resnet")
    before = {key: value.clone() for key, value in plain.module.state_dict().items()}
    spike = spiking(plain, Units(steps=2))
    with torch.no_grad():
        for parameter in spike.module.parameters():
            parameter.zero_()
    assert all(torch.equal(before[key], value) for key, value in plain.module.state_dict().items())
    assert any(isinstance(part, nn.ReLU) for part in plain.module.modules())


# --- bottlenecks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "join", "channels", "spatial", "narrow", "wide"),
    [("resnet50", "layer4", 64, 1, (256, 7, 7), (2048, 7, 7)),
     ("resnet50", "layer4", 8, 2, (32, 4, 4), (2048, 7, 7)),
     ("resnet50", "layer2", 16, 4, (64, 7, 7), (512, 28, 28)),
     ("mobilenet_v2", "features", 32, 1, (128, 7, 7), (1280, 7, 7)),
     ("mobilenet_v2", "features.6", 8, 3, (32, 10, 10), (32, 28, 28)),
     ("mobilenet_v1", "block5", 4, 7, (16, 4, 4), (256, 28, 28)),
     ("small_resnet", "layer1", 2, 5, (8, 4, 4), (16, 16, 16))],
)  # fmt: skip
def test_a_bottleneck_is_placed_at_any_stage(
    tmp_path, network, join, channels, spatial, narrow, wide
):
    with torch.device("meta"):
        made = bottle(tmp_path, network, join, channels, spatial, steps=4)
    every = cuts(made.module, made.example())
    at = [cut.name for cut in every].index("bottleneck")
    assert join in (every[at - 1].name, *every[at - 1].also)
    assert every[at].shapes == ((1, *narrow),)
    assert every[at + 1].name == "decoder"
    assert every[at + 1].shapes == every[at - 1].shapes == ((4, *wide),)
    assert made.wire == "spikes"


def test_what_is_between_after_and_join_gives_way(tmp_path):
    made = bottle(tmp_path, "small_resnet", "layer3", spatial=8, more=", after: layer1")
    every = cuts(made.module, made.example())
    assert not {"layer2", "layer3"} & {cut.name for cut in every}
    assert find(every, "bottleneck").shapes == ((1, 12, 2, 2),)
    assert find(every, "decoder").shapes == ((3, 64, 4, 4),)
    assert inexact(made.module, every, made.example()) == []


@pytest.mark.parametrize(
    ("network", "join", "base"),
    [("small_resnet", "layer2", ""), ("mobilenet_v1", "block5", ", shape: [3, 64, 64]"),
     ("mobilenet_v2", "features.6", ", shape: [3, 64, 64]"),
     ("resnet50", "layer4", ", shape: [3, 64, 64]")],
)  # fmt: skip
def test_head_and_tail_are_the_network_and_samples_do_not_mix(tmp_path, network, join, base):
    made = lively(bottle(tmp_path, network, join, spatial=2, base=base), samples=4)
    every = cuts(made.module, made.example())
    place = find(every, "bottleneck")
    some = every if network == "small_resnet" else [every[0], place, every[-1]]
    assert inexact(made.module, some, made.example()) == []
    one, two, other = torch.randn(3, 1, *made.shape)
    traced = trace(made.module, made.example())
    assert mixed(traced, [every[0], place, every[-1]], torch.cat((one, two))) is None
    head, tail = split(traced, place, made.example())
    with torch.inference_mode():
        narrow, beside = head(torch.cat((one, two))), head(torch.cat((one, other)))
        assert torch.equal(tail(narrow), made.module(torch.cat((one, two))))
    assert set(narrow.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(narrow[0], beside[0])
    assert not torch.equal(narrow[1], beside[1])


def test_a_network_does_not_remember_and_gradients_reach_every_unit(tmp_path):
    made = lively(bottle(tmp_path, "small_resnet", "layer2", more=", reset: zero, beta: 0.8"))
    x, labels = torch.randn(6, 1, 16, 16), torch.arange(6)
    first = made.module(x)
    made.module(10 * x)
    assert torch.equal(made.module(x), first)
    nn.functional.cross_entropy(made.module.train()(x), labels).backward()
    units = [part for part in made.module.modules() if isinstance(part, Lif)]
    assert len(units) == 11
    for unit in units:
        assert unit.reset == "zero"
        assert abs(unit.raw_decay.grad) > 0
        assert abs(unit.log_threshold.grad) > 0
    assert all(parameter.grad is not None for parameter in made.module.parameters())


def test_a_state_dict_has_all_of_it_and_builds_the_same_network(tmp_path):
    made = lively(bottle(tmp_path, "small_cnn", "block3"))
    with torch.no_grad():
        made.module.get_submodule("bottleneck.2").raw_decay.fill_(1.5)
    torch.save(made.module.state_dict(), tmp_path / "weights.pt")
    again = networks.load(str(tmp_path / "network.yaml"), weights=tmp_path / "weights.pt")
    x = torch.randn(2, *made.shape)
    assert torch.equal(again.module(x), made.module(x))


def test_the_bit_compression_of_the_last_stage_can_be_256(tmp_path):
    last = (2048, 7, 7)
    for steps, channels in ((1, 256), (2, 128), (4, 64), (8, 32)):
        size = {"steps": steps, "channels": channels, "height": 7, "width": 7}
        assert bit_compression(last, **size) == 256
        assert bit_compression(last, **size, bits=8) == 64
    assert bit_compression((3, 5, 7), steps=2, channels=2, height=2, width=3) == Fraction(140)
    assert bit_compression((3, 5, 7), steps=9, channels=1, height=3, width=1) == Fraction(1120, 9)
    with torch.device("meta"):
        made = bottle(tmp_path, "resnet50", "layer4", 64, steps=4)
    place = find(cuts(made.module, made.example()), "bottleneck")
    assert 32 * math.prod(last) == 256 * place.elements


def test_spikes_are_packed_to_a_bit_each(tmp_path):
    made = lively(bottle(tmp_path, "small_resnet", "layer2", channels=3, spatial=3))
    place = find(cuts(made.module, made.example()), "bottleneck")
    head, tail = split(made.module, place, made.example())
    x = torch.randn(1, *made.shape)
    with torch.inference_mode():
        narrow = head(x)
        message = Wire.parse(made.wire).encode(narrow)
        received = Wire.decode(message)
        assert torch.equal(received, narrow)
        assert torch.equal(tail(received), made.module(x))
    assert narrow.shape == (1, 9, 3, 3)
    header = Header("spikes", True, [Part(torch.float32, (1, 9, 3, 3), 11)])
    assert len(message) == len(bytes(header)) + math.ceil(81 / 8)


def test_a_spiking_network_learns_digits(tmp_path):
    made = bottle(tmp_path, "small_cnn", "block3", channels=8, steps=2)
    seen, unseen = (dataset(f"digits-{part}").take(0, 600) for part in ("train", "test"))
    x, labels = inputs(made, seen.images), torch.tensor(seen.labels)
    optimiser = torch.optim.Adam(made.module.parameters(), lr=5e-3)
    made.module.train()
    for _ in range(3):
        for chosen in torch.randperm(600).split(20):
            loss = nn.functional.cross_entropy(made.module(x[chosen]), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    made.module.eval()
    with torch.inference_mode():
        right = made.module(inputs(made, unseen.images)).argmax(1) == torch.tensor(unseen.labels)
    share = float(right.float().mean())
    error = math.sqrt(0.1 * 0.9 / len(right))  # of guessing
    assert share > 0.1 + 5 * error
    assert share > 0.5
    decays = [float(part.decay.detach()) for part in made.module.modules() if isinstance(part, Lif)]
    assert all(decay != 0.5 for decay in decays)


# --- bad input -----------------------------------------------------------------------------------


def problem(make, *arguments, **more):
    with pytest.raises(BadInput) as caught:
        make(*arguments, **more)
    (line,) = caught.value.problems
    assert "\n" not in line
    return line


def test_without_snntorch_there_is_one_line_that_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "snntorch.surrogate", None)
    assert "pip install 'splitsim[spiking]'" in problem(Lif, Units())
    line = problem(bottle, tmp_path, "small_cnn", "block3")
    assert "network.yaml" in line
    assert "pip install 'splitsim[spiking]'" in line


def test_snntorch_is_loaded_only_where_something_spikes():
    code = (
        "import sys; from splitsim.dnn import networks; from splitsim.dnn.spikes import account\n"
        "networks.load('small_cnn'); print('snntorch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("values", "word"),
    [({"steps": 0}, "steps"), ({"beta": 0.0}, "beta"), ({"beta": 1.0}, "beta"),
     ({"beta": math.nan}, "beta"), ({"threshold": 0.0}, "threshold"),
     ({"threshold": -1.0}, "threshold"), ({"threshold": math.inf}, "threshold")],
)  # fmt: skip
def test_units_out_of_range_are_told(values, word):
    assert problem(Units, **values).startswith(f"{word}: must ")


@pytest.mark.parametrize(
    ("more", "words"),
    [(", steps: 0", "steps"), (", beta: 1.0", "beta"), (", threshold: 0", "threshold"),
     (", threshold: -0.5", "threshold"), (", reset: never", "reset"), (", spatial: 0", "spatial"),
     (", join: flatten", "channels x height x width"), (", after: input", "repeat"),
     (", join: layer3, after: layer1, spatial: 2", "cannot be widened"),
     (", join: layer9", "layer9"), (", chanels: 3", "did you mean")],
)  # fmt: skip
def test_mistakes_in_a_file_are_told_with_its_name(tmp_path, more, words):
    keys = "channels: 4" + more
    text = f"base: {{network: small_resnet}}\nbottleneck: {{kind: spikebottlenet, {keys}}}"
    line = problem(read, tmp_path, text)
    assert "network.yaml" in line
    assert words in line


class Smooth(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x).tanh()


def test_networks_that_cannot_spike_are_told():
    smooth = LoadedModel("smooth", Smooth().eval(), (4,), lambda x: x, 2)
    assert "has no ReLU" in problem(spiking, smooth, Units())
    twice = spiking(load("small_cnn"), Units())
    assert "is it spiking?" in problem(spiking, twice, Units())
    with torch.device("meta"):
        pixels = LoadedModel(
            "pixels", nn.Sequential(nn.ReLU()).eval(), (3, 8, 8), lambda x: x, None
        )
    assert "no score per class" in problem(spiking, pixels, Units())
