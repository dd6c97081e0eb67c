"""Counting spikes by brute force; energies, times and tables of accelerators."""

from __future__ import annotations

import csv
import itertools
import shutil
import sys

import pytest
import torch
from test_spikes import bottle, chance, lively
from torch import nn

from splitsim import load_scenario, simulate
from splitsim.cli import main
from splitsim.dnn import networks
from splitsim.dnn.crossing import inputs
from splitsim.dnn.data import dataset
from splitsim.dnn.outcomes import outcomes
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.spikes.convert import spiking
from splitsim.dnn.spikes.counts import Layer, count, fan_out
from splitsim.dnn.spikes.energy import Accelerator, accelerator, transmit_j
from splitsim.dnn.spikes.lif import Units
from splitsim.dnn.study import Plan
from splitsim.dnn.zoo import LoadedModel, load
from splitsim.errors import BadInput
from splitsim.profiles import Tables, shipped

TRACES = shipped()
__all__ = ["chance"]  # a fixture for these tests, too

SPIKING = accelerator("cmos45-spiking-float32", (TRACES,))
PLAIN = accelerator("cmos45-float32", (TRACES,))


# --- fan-out and spikes, by brute force ----------------------------------------------------------


def reached(conv, shape, channel, row, column):
    """Outputs of a convolution that an input is added to, counted by loops over its taps."""
    into, out = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    (kh, kw), (sh, sw), (ph, pw) = conv.kernel_size, conv.stride, conv.padding
    dh, dw = conv.dilation
    group, found = channel // into, 0
    height, width = (
        conv(torch.zeros(1, conv.in_channels, *shape)).shape[2 + side] for side in range(2)
    )
    for down, right in itertools.product(range(height), range(width)):
        for tap_down, tap_right in itertools.product(range(kh), range(kw)):
            if isinstance(conv, nn.ConvTranspose2d):
                at = (row * sh - ph + tap_down * dh, column * sw - pw + tap_right * dw)
                hit = at == (down, right)
            else:
                at = (down * sh - ph + tap_down * dh, right * sw - pw + tap_right * dw)
                hit = at == (row, column)
            found += hit * out
    assert group < conv.groups
    return found


CONVOLUTIONS = (
    nn.Conv2d(2, 3, 3, padding=1),
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
    nn.Conv2d(4, 4, (3, 5), stride=(2, 1), padding=(0, 2), groups=4, bias=False),
    nn.Conv2d(2, 3, 2, dilation=2),
    nn.Conv2d(3, 2, 1, stride=2),
    nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    nn.ConvTranspose2d(2, 3, 2, stride=3),
)


@pytest.mark.parametrize("conv", CONVOLUTIONS, ids=str)
def test_the_fan_out_of_an_input_is_how_many_outputs_it_reaches(conv):
    shape = (conv.in_channels, 5, 6)
    found = fan_out(conv, shape)
    for channel, row, column in itertools.product(*map(range, shape)):
        assert found[channel, row, column] == reached(conv, shape[1:], channel, row, column)


@pytest.mark.parametrize("conv", CONVOLUTIONS, ids=str)
def test_the_fan_out_is_how_many_outputs_change_with_an_input(conv):
    """For an ordinary convolution each output has one tap at most on an input."""
    shape = (conv.in_channels, 5, 6)
    found = fan_out(conv, shape)
    with torch.no_grad():
        still = conv(torch.zeros(1, *shape))
        for at in itertools.product(*map(range, shape)):
            x = torch.zeros(1, *shape)
            x[(0, *at)] = 1
            assert int((conv(x) != still).sum()) == found[at]


def test_the_fan_out_of_a_linear_layer_is_its_outputs():
    assert torch.equal(fan_out(nn.Linear(5, 7), (5,)), torch.full((5,), 7.0).double())
    assert torch.equal(fan_out(nn.Linear(5, 7), (3, 5)), torch.full((3, 5), 7.0).double())
    layer = nn.Conv2d(2, 3, 3)
    weight = layer.weight.clone()
    fan_out(layer, (2, 4, 4))
    assert torch.equal(layer.weight, weight)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small network with a bottleneck in which units fire."""
    torch.manual_seed(0)
    return lively(
        bottle(tmp_path_factory.mktemp("tiny"), "small_cnn", "block3", steps=2, spatial=2)
    )


def test_accumulates_are_the_fan_outs_of_all_spikes(tiny):
    x = torch.randn(3, 1, 8, 8)
    given = {}
    hooks = [
        part.register_forward_pre_hook(lambda _, args, name=name: given.update({name: args[0]}))
        for name, part in tiny.module.named_modules()
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    with torch.no_grad():
        tiny.module(x)
    for hook in hooks:
        hook.remove()
    found = count(tiny, [x[:1], x[1:]])
    assert (found.samples, found.steps, found.spiking) == (3, 2, True)
    assert [layer.name for layer in found.layers] == list(given)
    binary = [layer for layer in found.layers if layer.rate is not None]
    assert [layer.name for layer in binary] == ["block2.0", "block3.0", "bottleneck.0", "decoder.1"]
    for layer in binary:
        conv, spikes = tiny.module.get_submodule(layer.name), given[layer.name].nonzero().tolist()
        shape = given[layer.name].shape[2:]
        once = {tuple(at): reached(conv, shape, *at) for at in {tuple(s[1:]) for s in spikes}}
        assert layer.acs == sum(once[tuple(spike[1:])] for spike in spikes) / 3
        assert layer.spikes == len(spikes) / 3
        assert layer.rate == pytest.approx(len(spikes) / given[layer.name].numel())
        assert layer.macs == 0
        assert layer.acs > 0


def test_the_estimate_is_exact_without_padding_and_above_it_with(tiny):
    layers = {layer.name: layer for layer in count(tiny, [torch.randn(3, 1, 8, 8)]).layers}
    dense = Layer("1x1", 0, 2, 100, spikes=10, rate=0.25, acs=50.0)
    assert dense.estimated_acs == dense.acs
    assert layers["block2.0"].estimated_acs > layers["block2.0"].acs
    everywhere = fan_out(tiny.module.get_submodule("block2.0"), (16, 8, 8)).sum()
    assert layers["block2.0"].run_macs > everywhere  # which counts what is added up over padding


def test_a_direct_coded_first_layer_and_averages_are_multiplied_at_every_step(tiny):
    layers = {layer.name: layer for layer in count(tiny, [torch.randn(3, 1, 8, 8)]).layers}
    assert layers["block1.0"].macs == 2 * 9 * 16 * 64
    assert layers["fc"].macs == 2 * 64 * 10
    assert layers["block1.0"].acs == layers["fc"].acs == 0


@pytest.mark.parametrize("name", ["small_resnet", "mobilenet_v1", "mobilenet_v2", "densenet121"])
def test_all_multiplications_of_a_network_are_in_its_layers(name):
    shape = None if name == "small_resnet" else (3, 32, 32)
    plain = load(name, shape=shape)
    for network, steps in ((plain, 1), (spiking(plain, Units(steps=2)), 2)):
        found = count(network, [torch.rand(2, *network.shape)])
        assert (found.steps, found.spiking) == (steps, steps == 2)
        every = cuts(network.module, network.example())
        for cut in every:
            assert sum(layer.dense_macs for layer in found.head(cut)) == cut.macs
        if steps == 1:
            assert sum(layer.macs for layer in found.layers) == every[-1].macs


def test_products_in_no_layer_are_counted_with_their_operation():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            y = self.fc(x)
            return (y @ y.transpose(1, 2)).sum(2)

    network = LoadedModel("attention", Attention().eval(), (5, 6), lambda x: x, 5)
    layers = count(network, [torch.randn(2, 5, 6)]).layers
    assert [(layer.name, layer.macs) for layer in layers] == [("fc", 180), ("matmul", 150)]


def test_behind_linear_bottlenecks_a_mobilenet_multiplies():
    network = lively(spiking(load("mobilenet_v2", shape=(3, 32, 32)), Units(steps=2)), samples=4)
    found = {layer.name: layer for layer in count(network, [torch.randn(2, 3, 32, 32)]).layers}
    expanding = [f"features.{n}.conv.0.0" for n in range(2, 18)]
    assert all(found[name].rate is None for name in [*expanding, "features.18.0", "features.0.0"])
    spiked = [f"features.{n}.conv.{part}" for n in range(2, 18) for part in ("1.0", "2")]
    assert all(found[name].macs == 0 for name in spiked)
    assert sum(found[name].acs for name in spiked) > 0


def test_a_sample_alone_is_its_share_of_all(tiny):
    x = torch.randn(4, 1, 8, 8)
    alone = [count(tiny, [x[n : n + 1]]) for n in range(4)]
    together = count(tiny, [x])
    for number, layer in enumerate(together.layers):
        acs = [one.layers[number].acs for one in alone]
        assert layer.acs == pytest.approx(sum(acs) / 4)
    assert len({sum(layer.acs for layer in one.layers) for one in alone}) > 1


# --- joules and seconds --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("giga_acs", "giga_macs", "millijoules"),
    [(0.10, 0.14, 0.734), (0.50, 2.75, 13.10), (1.69, 0.20, 2.44), (0.0, 1.82, 8.372)],
    ids=["spiking ResNet-18", "SEW-ResNet-18", "DSNN-18", "ResNet-18"],
)
def test_published_rows_of_operations_and_joules(giga_acs, giga_macs, millijoules):
    layers = [
        Layer("accumulates", 0, 1, 1, spikes=1, rate=1.0, acs=1e9 * giga_acs),
        Layer("multiplies", 1, 1, round(1e9 * giga_macs)),
    ]
    assert 1e3 * SPIKING.energy_j(layers) == pytest.approx(millijoules, abs=6e-3)


def test_a_layer_gains_while_rate_times_steps_is_below_five():
    limit = SPIKING.mac_j / SPIKING.ac_j
    assert limit == pytest.approx(5.11, abs=2e-3)
    plain = Layer("plain", 0, 1, 1000)
    for steps, gains in ((5, True), (6, False)):
        spike = Layer("spikes", 0, 1, 1000, spikes=0, rate=0.0).at_rate(1.0, steps)
        assert (SPIKING.layer_j(spike) < PLAIN.layer_j(plain)) == gains


def test_named_accelerators():
    joules = {"float32": (4.6e-12, 0.9e-12), "int8": (0.23e-12, 0.03e-12)}
    for number, (mac_j, ac_j) in joules.items():
        spike, plain = (
            accelerator(f"cmos45-{kind}{number}", (TRACES,)) for kind in ("spiking-", "")
        )
        assert (spike.mac_j, spike.ac_j) == (mac_j, ac_j)
        assert (plain.mac_j, plain.ac_j) == (mac_j, None)
        assert (spike.step_s, spike.macs_per_s) == (1e-3, None)
        assert (plain.step_s, plain.macs_per_s) == (None, 168 * 200e6)
        for one in (spike, plain):
            board = Tables().hardware(one.name)
            assert (board.idle_w, board.compute_w, board.idle.basis) == (0, 0, "assumed")


def test_an_accelerator_that_knows_no_spikes_multiplies_them_too(tiny):
    found = count(tiny, [torch.randn(2, 1, 8, 8)])
    last = cuts(tiny.module, tiny.example())[-1]
    assert PLAIN.energy_j(found.layers) == pytest.approx(4.6e-12 * last.macs)
    assert PLAIN.head_s(found, last) == pytest.approx(last.macs / 33.6e9)


def test_a_spiking_pipeline_takes_a_tick_per_step_and_one_to_fill_per_layer(tmp_path):
    network = bottle(tmp_path, "small_resnet", "layer2", steps=3)
    every = cuts(network.module, network.example())
    found = count(network, [torch.randn(1, 1, 16, 16)])
    # units one behind the other; the way around a block has none
    depths = {"input": 0, "repeat": 0, "conv1.0": 0, "conv1": 1, "layer1": 3, "layer2": 5,
              "bottleneck": 6, "decoder": 7, "layer3": 9, "layer4": 11, "output": 11}  # fmt: skip
    ticks = {"input": 0, "repeat": 0, "conv1.0": 3, "conv1": 3, "layer1": 5, "bottleneck": 8,
             "output": 13}  # fmt: skip
    assert {name: found.depth(find(every, name)) for name in depths} == depths
    for name, expected in ticks.items():
        assert SPIKING.head_s(found, find(every, name)) == pytest.approx(1e-3 * expected)


def test_units_side_by_side_count_once():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.fc = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            short = self.one(x).relu()
            return self.fc(torch.relu(self.two(x).relu()) + short)

    network = spiking(
        LoadedModel("branches", Branches().eval(), (4,), lambda x: x, 2), Units(steps=2)
    )
    found = count(network, [torch.randn(3, 4)])
    assert max(found.depths) == 2


def test_what_it_would_be_at_another_rate_and_other_steps(tiny):
    seen = count(tiny, [torch.randn(2, 1, 8, 8)])
    other = seen.at_rate(0.1, 6)
    assert other.steps == 6
    for before, after in zip(seen.layers, other.layers, strict=True):
        assert after.dense_macs == 3 * before.dense_macs
        assert after.macs == 3 * before.macs
        expected = 0.1 * after.dense_macs if before.rate is not None else 0
        assert after.acs == after.estimated_acs == pytest.approx(expected)


def test_sending_is_the_radios_joules():
    radio = Tables().radio("lte")
    bits = 8 * 1568
    expected = radio.a_up_j_per_bit * bits + radio.b_w * bits / 2e6
    assert transmit_j(radio, 1568, 2e6) == pytest.approx(expected)
    assert transmit_j(radio, 0.0, 2e6) == 0


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def splitsim(capsys, monkeypatch, tmp_path):
    """``splitsim(...)``: exit code, standard output, lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def splitsim(*arguments):
        monkeypatch.setattr(sys, "argv", ["splitsim", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err.splitlines()

    return splitsim


@pytest.fixture(scope="module")
def tables_once(tmp_path_factory):
    """A spiking network with weights, and a folder with its model table and a plain one's."""
    folder = tmp_path_factory.mktemp("count")
    torch.manual_seed(0)
    spike = lively(bottle(folder, "small_cnn", "block3", steps=2))
    path = (folder / "network.yaml").rename(folder / "narrow.yaml")
    torch.save(spike.module.state_dict(), folder / "narrow.pt")
    plan = Plan(str(path), "digits-test", weights=str(folder / "narrow.pt"), limit=4)
    outcomes(plan, folder / "own", "narrow")
    outcomes(Plan("small_cnn", "digits-test", limit=4), folder / "own", "plain")
    return folder


@pytest.fixture
def tables(tables_once, tmp_path):
    """The same to write into, and where the command runs."""
    shutil.copytree(tables_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "own"


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


SPIKES = ("count", "narrow.yaml", "--weights", "narrow.pt", "--dataset", "digits-test")


def test_count_writes_a_profile_and_the_joules_of_layers(splitsim, tables):
    where = ("--hardware", SPIKING.name, "--out", "own", "--limit", "20", "--batch", "7")
    code, out, errors = splitsim(*SPIKES, *where)
    assert (code, errors) == (0, [])
    network = networks.load("narrow.yaml", weights="narrow.pt")
    every = cuts(network.module, network.example())
    found = count(network, [inputs(network, dataset("digits-test").take(0, 20).images)])
    profile = Tables((tables, TRACES)).profile("narrow", SPIKING.name)
    heads = [find(every, name) for name in ("input", "bottleneck", "output")]
    expected_j = [SPIKING.energy_j(found.head(cut)) for cut in heads]
    assert profile.energy_j == pytest.approx(expected_j, rel=1e-8)
    assert profile.energy_j[0] == 0 < profile.energy_j[1] < profile.energy_j[2]
    assert profile.times["head"] == (0, 5e-3, 6e-3)
    assert set(profile.basis["head"]) == {"assumed"}
    assert profile.device_s(1) == 5e-3
    assert profile.server_s(1) is None
    layers = rows(tables / "energy" / f"narrow@{SPIKING.name}.csv")
    assert [row["layer"] for row in layers] == [layer.name for layer in found.layers]
    assert [row["cut"] for row in layers] == ["1", "1", "1", "1", "2", "2"]
    for row, layer in zip(layers, found.layers, strict=True):
        assert float(row["acs"]) == pytest.approx(layer.acs, rel=1e-9)
        assert float(row["estimated_acs"]) == pytest.approx(layer.estimated_acs, rel=1e-9)
        assert float(row["energy_j"]) == pytest.approx(SPIKING.layer_j(layer), rel=1e-9)
        assert bool(row["input_rate"]) == (layer.rate is not None)
    assert "bottleneck.0" in out
    assert "to send" not in out


def test_count_shows_both_readings_and_takes_any_network(splitsim, tables):
    link = ("--link-rate-bps", "1e6", "--radio", "wifi", "--out", "own", "--limit", "5")
    code, out, errors = splitsim(*SPIKES, "--hardware", SPIKING.name, *link)
    assert (code, errors) == (0, [])
    radio = Tables().radio("wifi")
    compute_j = Tables((tables, TRACES)).profile("narrow", SPIKING.name).energy_j[1]
    sent_bytes = Tables((tables,)).model("narrow").wire_bytes[1]
    sent_s = 8 * sent_bytes / 1e6
    sent_j = radio.send_j(8 * sent_bytes, sent_s)
    (line,) = (line.split() for line in out.splitlines() if line.startswith(" bottleneck "))
    shown = [float(cell.replace(",", "")) for cell in line[1:]]
    microjoules = [1e6 * joules for joules in (compute_j, sent_j, compute_j + sent_j)]
    expected = [sent_bytes, 5, microjoules[0], 1e3 * sent_s, *microjoules[1:]]
    assert shown == pytest.approx(expected, rel=1e-3)
    plain = ("count", "small_cnn", "--name", "plain", "--dataset", "digits-test")
    code, out, errors = splitsim(*plain, "--hardware", "cmos45-int8", *link)
    assert (code, errors) == (0, [])
    profile = Tables((tables, TRACES)).profile("plain", "cmos45-int8")
    macs = [float(row["macs"]) for row in rows(tables / "models" / "plain.csv")]
    assert profile.energy_j == pytest.approx([0.23e-12 * number for number in macs], rel=1e-8)
    assert profile.times["head"] == pytest.approx([number / 33.6e9 for number in macs], rel=1e-8)


SCENARIO = """
name: spikes
duration_s: 20
models: [narrow]
tables: [own]
devices:
  - name: chip
    hardware: cmos45-spiking-float32
    arrivals: {kind: periodic, period_s: 1}
    cell: air
cells:
  air:
    radio: none
    uplink: {kind: constant, rate_bps: 1e6}
    downlink: {kind: constant, rate_bps: 1e6}
servers:
  edge: {hardware: rack}
policies:
  - {name: local, kind: local, model: narrow}
  - {name: split, kind: split, model: narrow, cut: bottleneck}
"""
RACK = (
    "cut,pre_s,pre_basis,head_s,head_basis,encode_s,encode_basis,decode_s,decode_basis,tail_s,\
tail_basis,source\n"
    + "".join(f"{cut},,,,,,,0,assumed,0.01,assumed,test\n" for cut in range(3))
)


def test_a_run_on_an_accelerator_has_the_joules_of_operations_alone(splitsim, tables):
    splitsim(*SPIKES, "--hardware", SPIKING.name, "--out", "own", "--limit", "4")
    (tables / "profiles" / "narrow@rack.csv").write_text(RACK)
    (tables.parent / "spikes.yaml").write_text(SCENARIO)
    spec = load_scenario(tables.parent / "spikes.yaml").points[0]
    profile = Tables((tables, TRACES)).profile("narrow", SPIKING.name)
    for policy, cut in (("local", 2), ("split", 1)):
        found = simulate(spec, policy, 0)
        assert {task.status for task in found.tasks} == {"done"}
        assert {task.compute_j for task in found.tasks} == {profile.energy_j[cut]}
        for task in found.tasks:
            assert task.head_end_s - task.head_start_s == pytest.approx(profile.times["head"][cut])
            assert task.tx_j == task.rx_j == task.tail_j == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--hardware", "jetson-nano"), ["no accelerator 'jetson-nano'", "cmos45-spiking-int8"]),
     (("--hardware", "cmos45-int8", "--name", "none"), ["own/models/none.csv: is missing"]),
     (("--hardware", "cmos45-int8", "--name", "plain"), ["plain.csv", "cut of this network"]),
     (("--hardware", "cmos45-int8", "--limit", "0"), ["--limit: must be a whole number"]),
     (("--hardware", "cmos45-int8", "--batch", "0"), ["--batch: must be a whole number"]),
     (("--hardware", "cmos45-int8", "--radio", "wifi"), ["--link-rate-bps, --radio: go together"]),
     (("--hardware", "cmos45-int8", "--radio", "no", "--link-rate-bps", "1"), ["no radio 'no'"]),
     (("--hardware", "cmos45-int8", "--radio", "wifi", "--link-rate-bps", "0"), ["above 0"])],
)  # fmt: skip
def test_mistakes_are_told_and_nothing_is_written(splitsim, tables, more, words):
    before = sorted(tables.rglob("*"))
    code, out, errors = splitsim(*SPIKES, "--out", "own", *more)
    assert (code, out) == (2, "")
    assert all(word in "\n".join(errors) for word in words)
    assert sorted(tables.rglob("*")) == before


def test_joules_of_other_weights_than_the_answers_are_refused(splitsim, tables):
    command = ("count", "narrow.yaml", "--dataset", "digits-test", "--out", "own")
    code, _, errors = splitsim(*command, "--hardware", SPIKING.name)
    assert code == 2
    assert "its answers were counted with other weights" in errors[0]
    assert not (tables / "energy").exists()


def test_a_plain_network_is_not_for_a_spiking_accelerator(splitsim, tables):
    command = ("count", "small_cnn", "--name", "plain", "--dataset", "digits-test", "--out", "own")
    code, _, errors = splitsim(*command, "--hardware", SPIKING.name)
    assert code == 2
    assert errors == [
        f"--hardware: {SPIKING.name} is for spiking networks, and small_cnn has no units; "
        "take one that has macs_per_s"
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [("a,x,,,1", "mac_j: must be a number"), ("a,-1,,,1", "mac_j: must be a number"),
     ("a,1,1,,1", "step_s: must be there"), ("a,1,,1,1", "step_s: must be there"),
     ("a,1,,,", "macs_per_s: must be above 0"), ("a,1,,,0", "macs_per_s: must be above 0"),
     ("b,1,,,1", "no accelerator 'a' in hardware.csv, that is a row with mac_j; there are b")],
)  # fmt: skip
def test_mistakes_in_an_accelerators_row(tmp_path, row, words):
    (tmp_path / "hardware.csv").write_text(f"hardware,mac_j,ac_j,step_s,macs_per_s\n{row}\n")
    with pytest.raises(BadInput) as caught:
        accelerator("a", (tmp_path,))
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_an_own_accelerator_comes_before_a_shipped_one(tmp_path):
    (tmp_path / "hardware.csv").write_text("hardware,mac_j,macs_per_s\ncmos45-int8,1e-12,1e9\n")
    own = accelerator("cmos45-int8", (tmp_path / "nowhere", tmp_path, TRACES))
    assert own == Accelerator("cmos45-int8", 1e-12, None, None, 1e9)
    assert accelerator("cmos45-float32", (tmp_path, TRACES)) == PLAIN
