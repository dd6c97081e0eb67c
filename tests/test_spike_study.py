"""The study of spikes: single rows by hand, its counts against the real ones, its words."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from splitsim.dnn import zoo
from splitsim.dnn.bottlenecks.base import inject
from splitsim.dnn.bottlenecks.bottlenet import BottleNet
from splitsim.dnn.bottlenecks.spiking import SpikeBottleNet, bit_compression
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.spikes.convert import spiking
from splitsim.dnn.spikes.counts import count
from splitsim.dnn.spikes.lif import Lif, Units

ANALYSIS = Path(__file__).parent.parent / "analysis"
MAC_J, AC_J = {"float32": 4.6e-12, "int8": 0.23e-12}, {"float32": 0.9e-12, "int8": 0.03e-12}
ONE = {"spiking": "float32", "bottlenet": "float32", "link": "none", "first": "steps"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Many small pieces of work are done sooner by one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def modules():
    pytest.importorskip("snntorch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        names = ("", "_bits", "_claims", "_energy", "_heads", "_trained", "_words")
        yield {name: importlib.import_module(f"spikes{name}") for name in names}


@pytest.fixture(scope="module")
def heads(modules):
    """ResNet-50 for small images, and MobileNetV2, by their names and cuts."""
    subjects = {each.name: each for each in modules["_heads"].SUBJECTS}
    return {
        name: modules["_heads"].heads(subjects[name]) for name in ("resnet50-32", "mobilenet-v2")
    }


@pytest.fixture(scope="module")
def sweep(modules, heads):
    own = heads["resnet50-32"]
    sent = {head.cut: 500.0 for head in own}
    return modules["_energy"].sweep("resnet50-32", own, sent, (1, 4), (0.01, 0.2))


@pytest.fixture(scope="module")
def quick(modules):
    """What ``--quick`` finds."""
    return modules[""].study(quick=True)


def row_of(sweep, **wanted):
    same = [sweep[key] == value for key, value in wanted.items()]
    (found,) = sweep[pd.concat(same, axis=1).all(axis=1)].to_dict("records")
    return found


# --- counts --------------------------------------------------------------------------------------


def lively(network):
    """Thresholds so low that units of all layers fire."""
    for part in network.module.modules():
        if isinstance(part, Lif):
            torch.nn.init.constant_(part.log_threshold, math.log(0.01))
    return network


@pytest.mark.parametrize("name", ["small_resnet", "small_cnn"])
def test_the_structure_tells_what_a_run_counts(modules, name):
    network = lively(spiking(zoo.load(name), Units(steps=1)))
    counted = count(network, [torch.randn(4, *network.shape)])
    found, _, units = modules["_heads"].structure(network)
    assert list(found.depths) == list(counted.depths)
    told = [(one.node, one.run_macs, one.rate is None) for one in found.layers]
    assert told == [(one.node, one.run_macs, one.rate is None) for one in counted.layers]
    fired = [layer.rate for layer in counted.layers if layer.rate is not None]
    assert all(rate > 0 for rate in fired)
    seen = []
    for part in network.module.modules():
        if isinstance(part, Lif):
            part.register_forward_hook(lambda _, given, made: seen.append(made.numel()))
    network.module(network.example())
    assert sum(units) == sum(seen)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_head_is_that_of_the_network_with_the_bottleneck_in_it(modules, steps):
    module = modules["_heads"]
    subject = module.Subject("small", "small_resnet", "mnist", ("layer2",))
    (head,) = module.heads(subject)
    spec = module.spiking_spec(head.shape, steps)
    assert spec.channels == -(-head.shape[0] // (8 * steps))
    network = inject(
        subject.load(),
        SpikeBottleNet(kind="spikebottlenet", channels=spec.channels, steps=steps, join="layer2"),
    )
    at = find(cuts(network.module, network.example()), "bottleneck")
    layers = head.with_encoder(steps).layers(0.25, steps, "steps")
    assert at.macs == sum(layer.dense_macs for layer in layers)
    assert at.elements == steps * math.prod((spec.channels, *head.shape[1:]))
    plain = inject(subject.load(), BottleNet(**module.bottlenet_spec(head.shape).model_dump(
        exclude_none=True), join="layer2"))  # fmt: skip
    narrow = find(cuts(plain.module, plain.example()), "bottleneck")
    assert (
        narrow.macs == head.macs + module.encoder(module.bottlenet_spec(head.shape), head.shape)[0]
    )


def test_known_networks_have_their_known_work(heads):
    by_hand = 3 * 64 * 9 * 32 * 32  # the first convolution, 3x3 of 3 to 64 channels at 32 x 32
    first, *_, last = heads["resnet50-32"]
    analogue = [layer for layer in last.counts.layers if layer.rate is None]
    assert [layer.run_macs for layer in analogue] == [by_hand]
    assert (first.shape, last.shape) == ((256, 32, 32), (2048, 4, 4))
    # MobileNetV2's narrow convolutions have no ReLU: what follows them sees no spikes.
    names = [layer.name for layer in heads["mobilenet-v2"][-1].counts.layers if layer.rate is None]
    assert "features.2.conv.0.0" in names
    assert "features.2.conv.1.0" not in names
    assert [head.spiking for head in heads["mobilenet-v2"]] == [False] * 4 + [True]


# --- bits ----------------------------------------------------------------------------------------


def test_every_configuration_has_the_papers_compression(modules):
    found = list(modules["_bits"].configurations((2048, 7, 7)))
    assert {(1, 256, 1, 7), (4, 64, 1, 7), (16, 16, 1, 7), (16, 49, 2, 4)} <= set(found)
    for steps, channels, spatial, side in found:
        sides = {"height": side, "width": side}
        assert bit_compression((2048, 7, 7), steps=steps, channels=channels, **sides) == 256
        assert side == -(-7 // spatial)


def test_a_row_of_bits_is_that_of_its_message(quick):
    at = {"cut": "layer4", "steps": 4, "channels": 64, "spatial": 1}
    row = row_of(quick.bits, subject="resnet50-32", **at)
    assert row["bit_compression"] == 256
    assert row["float32_bytes"] == 4 * 2048 * 16
    header = row["message_bytes"] - 4 * 64 * 16 // 8  # a bit per number
    assert 0 < header < 20
    assert row["sent_compression"] == row["float32_bytes"] / row["message_bytes"]
    assert row["against_jpeg"] == 1793 / row["message_bytes"]
    assert row["bottlenet_least_bytes"] < row["bottlenet_bytes"] < row["bottlenet_most_bytes"]


def test_spikes_that_are_rare_take_fewer_bytes_squeezed_but_not_less_than_their_entropy(modules):
    shape, numbers = (64, 16, 16), 64 * 256
    sent = {
        rate: 8 * modules["_bits"].spikes_bytes(shape, rate, "spikes+zstd") for rate in (0.05, 0.5)
    }
    for rate, bits in sent.items():
        entropy = -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate)
        # The share of spikes is a draw itself: four standard errors of it, by the entropy's slope.
        off = 4 * math.sqrt(rate * (1 - rate) / numbers) * abs(math.log2((1 - rate) / rate))
        assert bits > numbers * (entropy - off)
    assert sent[0.05] < numbers < sent[0.5]


# --- energy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["float32", "int8"])
@pytest.mark.parametrize(("steps", "rate"), [(1, 0.01), (4, 0.2)])
def test_a_row_of_the_sweep_by_hand(heads, sweep, number, steps, rate):
    head = heads["resnet50-32"][-1]
    first = 3 * 64 * 9 * 32 * 32
    narrow = 2048 * 256 // steps * 16  # 1x1 to 256 / T channels at 4 x 4
    rest = head.macs - first + narrow
    at = {"cut": "layer4", "steps": steps, "rate": rate}
    done = {
        "steps": (steps * first, rate * steps * rest),
        "once": (first, rate * steps * rest),
        "spikes": (0, rate * steps * (rest + first)),
    }
    for way, (macs, acs) in done.items():
        row = row_of(sweep, **at, first=way)
        assert (row["macs"], row["acs"]) == (macs, pytest.approx(acs, rel=1e-12))
        joules = macs * MAC_J[number] + acs * AC_J[number]
        assert row[f"spiking_{number}_j"] == pytest.approx(joules, rel=1e-12)
    dense = head.macs + 2048 * 32 * 9 * 16  # 3x3 to 32 channels
    assert row["bottlenet_macs"] == dense
    assert row[f"bottlenet_{number}_j"] == pytest.approx(dense * MAC_J[number], rel=1e-12)
    updates = steps * (head.units + 256 // steps * 16)
    assert row[f"units_{number}_j"] == pytest.approx(updates * AC_J[number], rel=1e-12)


def test_sending_costs_joules_per_bit_and_watts_while_it_lasts(sweep):
    bits = 8 * 500
    assert sweep.bottlenet_none_j.eq(0).all()
    wifi_j = bits * 2.8317e-7 + 0.13286 * bits / 18.88e6
    lte_j = bits * 4.3839e-7 + 1.28804 * bits / 5.85e6
    assert sweep.bottlenet_wifi_j.to_numpy() == pytest.approx(wifi_j, rel=1e-12)
    assert sweep.bottlenet_lte_j.to_numpy() == pytest.approx(lte_j, rel=1e-12)


def test_a_ratio_takes_what_its_assumptions_say(modules, sweep):
    own = modules["_energy"].Assumptions(**ONE | {"spiking": "int8", "link": "lte"})
    row = sweep.iloc[0]
    other = row.bottlenet_float32_j + row.bottlenet_lte_j
    assert own.ratio(sweep)[0] == other / (row.spiking_int8_j + row.spiking_lte_j)
    counted = row.spiking_int8_j + row.spiking_lte_j + row.units_int8_j
    assert own.ratio(sweep, units=True)[0] == other / counted


def test_a_set_that_reaches_and_one_that_misses(modules, sweep):
    sets = modules["_energy"].summary(sweep)
    for claim in (144, 98):
        there = row_of(sets, **ONE | {"first": "spikes"})
        ratio = (
            modules["_energy"]
            .Assumptions(**ONE | {"first": "spikes"})
            .ratio(sweep[sweep["first"] == "spikes"])
        )
        assert there[f"reach_{claim}"] == (ratio >= claim).sum() > 0
        assert there[f"missed_{claim}"] == 1
        sent = row_of(sets, **ONE | {"link": "wifi"})
        assert sent[f"reach_{claim}"] == 0
        assert sent[f"missed_{claim}"] == pytest.approx(claim / sent["best"])
        assert math.isnan(sent[f"spikes_{claim}"])


def test_no_ratio_is_above_what_the_energies_of_operations_allow(modules, quick):
    limit = modules["_claims"].limits()
    assert limit == pytest.approx({"float32": 4.6 / 0.9, "int8": 0.23 / 0.03})
    for each in modules["_claims"].ALIKE:
        rows = quick.sweep[quick.sweep["first"] == each.first]
        encoders = rows.bottlenet_macs.max() / rows.bottlenet_macs  # at most as much again
        bound = limit[each.spiking] / (rows.rate * rows.steps) * (1 + encoders)
        assert (each.ratio(rows) <= bound).all()


def test_the_first_layer_caps_the_ratio(modules, heads, sweep):
    own = modules["_energy"].Assumptions(**ONE)
    for head in heads["resnet50-32"]:
        rows = sweep[(sweep.cut == head.cut) & (sweep["first"] == "steps")]
        grown = rows.bottlenet_macs / head.macs
        cap = modules["_claims"].analogue_cap(head)
        assert (own.ratio(rows) < cap * grown / rows.steps).all()


# --- the trained network, and the words -----------------------------------------------------------


def test_what_a_network_does_is_split_into_padding_and_spread(quick):
    rows = quick.trained.layers.dropna(subset="acs")
    rows = rows[rows.acs > 0]
    assert len(rows)
    over = rows.estimated_acs / rows.acs
    assert rows.estimate_over_exact.to_numpy() == pytest.approx(over.to_numpy())
    assert (rows.padding * rows.spread).to_numpy() == pytest.approx(over.to_numpy())
    first = rows[rows.layer == "layer1.body.0"].iloc[0]
    assert first.padding == pytest.approx((3 * 16 / (3 * 16 - 2)) ** 2)  # 3x3 on 16 x 16
    assert not rows[rows.layer.str.startswith("layer3")]["before_cut"].any()


def test_the_ratios_of_the_trained_network_by_hand(quick):
    found = quick.trained
    own_j = sum(layer.macs * 4.6e-12 + layer.acs * 0.9e-12 for layer in found.head)
    assert found.ratios()["float32"][0] == pytest.approx(found.bottlenet_macs * 4.6e-12 / own_j)


def test_a_quick_run_says_it_all_and_writes_nothing(modules, quick, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(modules[""], "study", lambda **how: asked.append(how) or quick)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    before = {path.name: path.stat().st_mtime_ns for path in ANALYSIS.glob("spikes*")}
    modules[""].main(["--quick"])
    assert {path.name: path.stat().st_mtime_ns for path in ANALYSIS.glob("spikes*")} == before
    told = capsys.readouterr().out
    assert asked == [{"quick": True}]
    assert told == modules["_words"].report(quick) + "\n"
    assert "nan" not in told


def test_the_tables_written_are_those_that_the_words_tell(modules):
    sets = pd.read_csv(ANALYSIS / "spikes_sets.csv")
    told = (ANALYSIS / "spikes.txt").read_text()
    alone = sets[sets.link == "none"]
    reached = f"{(alone.reach_144 > 0).sum()} of {len(alone)} sets of assumptions reach 144x"
    assert reached in " ".join(told.split())
    sweep = pd.read_csv(ANALYSIS / "spikes_sweep.csv")
    again = modules["_energy"].summary(sweep)
    columns = ["best", "with_units", "missed_144", "missed_98"]
    assert again[columns].to_numpy() == pytest.approx(sets[columns].to_numpy(), rel=1e-4)
