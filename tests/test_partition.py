"""Cuts of real networks: where they are, what they are called and cost, and that they are exact.

Weights are random and images small; what a network counts is counted on the meta device.
"""

from __future__ import annotations

import csv
import operator
import time
from itertools import pairwise

import pytest
import torch
from test_laws import ROOT
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn import zoo
from splitsim.dnn.exact import inexact
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.trace import trace


def published(table):
    with (ROOT / "traces" / "published" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def counted(name):
    with torch.device("meta"):
        model = zoo.load(name)
    return cuts(model.module, model.example())


# Networks of the issue: an image they take, the number of cuts between input and output.
EXACT = {
    "resnet50": (32, 38),
    "mobilenet_v2": (32, 72),
    "mobilenet_v3_small": (32, None),
    "mobilenet_v3_large": (32, None),
    "densenet169": (32, 24),
    "vgg16": (32, 39),
    "vit_b_16": (32, None),
    "googlenet": (64, None),
    "mobilenet_v1": (64, None),
}


@pytest.mark.parametrize(("name", "size", "inner"), [(n, *e) for n, e in EXACT.items()])
def test_every_cut_is_exact(name, size, inner):
    model = zoo.load(name, shape=(3, size, size))
    found = cuts(model.module, model.example())
    assert inner is None or len(found) == inner + 2
    assert len(found) > 20
    assert inexact(model.module, found, model.example()) == []


def test_resnet50_is_cut_and_checked_within_ten_seconds():
    """Of one thread's time, which others on the machine disturb less than the clock's."""
    model, threads = zoo.load("resnet50"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        example, start = model.example(), time.thread_time()
        assert inexact(model.module, cuts(model.module, example), example) == []
        assert time.thread_time() - start < 10
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16"])
def test_every_cut_of_several_tensors_is_exact(name):
    model = zoo.load(name, shape=(3, 32, 32))
    found = cuts(model.module, model.example(), multi=True)
    several = [cut for cut in found if len(cut.shapes) > 1]
    assert len(several) > 20
    assert inexact(model.module, found[::5], model.example()) == []


@pytest.mark.parametrize("row", published("networks.csv"), ids=operator.itemgetter("model"))
def test_counts_are_the_published_ones(row):
    """Whole networks to 0.1 %; the natural cuts' MACs, parameters and shapes exactly."""
    found = counted(row["model"])
    assert found[-1].macs == pytest.approx(int(row["macs"]), rel=1e-3)
    assert found[-1].params == pytest.approx(int(row["params"]), rel=1e-3)
    ours = {(cut.macs, cut.params, cut.shapes[0][1:]) for cut in found}
    for cut in (r for r in published("natural_cuts.csv") if r["model"] == row["model"]):
        shape = tuple(map(int, cut["output_shape"].split("x")))
        assert (int(cut["macs"]), int(cut["params"]), shape) in ours, cut["layer"]


def test_natural_cuts_have_their_natural_names():
    for model in ("resnet152", "densenet169"):
        found = counted(model)
        for row in (r for r in published("natural_cuts.csv") if r["model"] == model):
            if (model, row["layer"]) != ("densenet169", "avgpool"):  # a function, not a module
                cut = find(found, row["layer"])
                assert "x".join(map(str, cut.shapes[0][1:])) == row["output_shape"]
                assert cut.name == row["layer"]


@pytest.mark.parametrize(
    ("model", "said", "name"),
    [
        ("resnet50", "layer2.3.relu", "layer2"),
        ("resnet50", "layer2.3", "layer2"),
        ("resnet50", "layer2.2", "layer2.2"),
        ("resnet50", "fc", "output"),
        ("densenet169", "features.transition1.pool", "transition1"),
        ("vgg16", "features.30", "features"),
        ("efficientnet_b0", "features.1.0.block.2.0", "features.1.0.block.2.0"),
        ("vit_b_16", "encoder_layer_3", "encoder_layer_3"),
        ("resnet50", "0", "input"),
        ("resnet50", 1, "conv1"),
    ],
)
def test_cuts_are_found_by_the_names_of_all_that_ends_there(model, said, name):
    assert find(counted(model), said).name == name


def test_names_are_unique_and_do_not_depend_on_how_many_tensors_may_cross():
    model = zoo.load("resnet18", shape=(3, 32, 32))
    one, many = (cuts(model.module, model.example(), multi=multi) for multi in (False, True))
    for found in (one, many):
        labels = [label for cut in found for label in (cut.name, *cut.also)]
        assert len(labels) == len(set(labels))
        assert [cut.index for cut in found] == list(range(len(found)))
    by_name = {cut.name: cut for cut in many}
    assert all(by_name[cut.name].crossing == cut.crossing for cut in one)
    assert {"layer1.0.relu", "layer1.0.relu@1"} <= {n for c in many for n in (c.name, *c.also)}


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "mobilenet_v3_small", "mobilenet_v1"])
def test_macs_are_half_of_the_flops_counted_over_the_whole_network(name):
    with torch.device("meta"):
        model = zoo.load(name)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.module(model.example())
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    found = cuts(model.module, model.example())
    assert found[-1].macs == counter.get_total_flops() // 2
    assert all(a.macs <= b.macs and a.params <= b.params for a, b in pairwise(found))


def test_attention_is_counted_the_same_where_it_is_computed():
    """12 layers of 12 heads: two products of 5 x 64 x 5 each; torchvision states 17.56 G at 224."""
    real = zoo.load("vit_b_16", shape=(3, 32, 32))
    with torch.device("meta"):
        meta = zoo.load("vit_b_16", shape=(3, 32, 32))
    ours, theirs = (cuts(m.module, m.example())[-1].macs for m in (real, meta))
    linear = 12 * 5 * (4 * 768**2 + 2 * 768 * 3072) + 4 * 768 * 768 + 768 * 1000
    assert ours == theirs == linear + 12 * 12 * 2 * 5 * 64 * 5
    assert counted("vit_b_16")[-1].macs == pytest.approx(17.56e9, rel=1e-3)


def test_the_network_stays_as_it_is_and_its_halves_share_its_weights():
    model = zoo.load("resnet18", shape=(3, 32, 32))
    before = {path: dict(vars(module)) for path, module in model.module.named_modules()}
    weights = {id(parameter) for parameter in model.module.parameters()}
    found = cuts(model.module, model.example())
    head, tail = split(model.module, find(found, "layer2"), model.example())
    assert {path: dict(vars(m)) for path, m in model.module.named_modules()} == before
    ours = [{id(parameter) for parameter in half.parameters()} for half in (head, tail)]
    assert ours[0] | ours[1] == weights
    assert not ours[0] & ours[1]
    assert sum(p.numel() for p in head.parameters()) == find(found, "layer2").params
    with torch.no_grad():
        model.module.fc.bias += 1
        whole, halves = model.module(model.example()), tail(head(model.example()))
    assert torch.equal(whole, halves)


def test_halves_take_batches():
    model = zoo.load("mobilenet_v3_small", shape=(3, 32, 32))
    batch = torch.randn(3, 3, 32, 32)
    head, tail = split(model.module, cuts(model.module, model.example())[20], model.example())
    with torch.inference_mode():
        assert torch.equal(tail(head(batch)), model.module(batch))


def test_a_traced_or_exported_network_is_taken_as_it_is():
    model = zoo.load("resnet18", shape=(3, 32, 32))
    example = model.example()
    exported = torch.export.export(model.module, (example,)).module()
    plain, theirs = cuts(model.module, example), cuts(exported, example)
    assert inexact(exported, theirs, example) == []
    assert [c.shapes for c in theirs] == [c.shapes for c in plain]
    told = operator.attrgetter("name", "macs", "params")
    assert list(map(told, theirs)) == list(map(told, plain))
    assert inexact(model.module, plain, example) == []
    assert cuts(trace(model.module, example), example) == plain
