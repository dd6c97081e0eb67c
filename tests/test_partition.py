"""Cuts of real networks: where they are, what they are called and cost, and that they are exact.

Weights are random and images small; what a network counts is counted on the meta device.
"""

from __future__ import annotations

import csv
import operator
import re
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from test_laws import ROOT
from torch import fx, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn import zoo
from splitsim.dnn.exact import inexact, same
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.trace import trace
from splitsim.errors import BadInput

X = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))


def published(table):
    with (ROOT / "traces" / "published" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def names(found):
    return [cut.name for cut in found]


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
    model = zoo.load("resnet50")
    example, start = model.example(), time.perf_counter()
    assert inexact(model.module, cuts(model.module, example), example) == []
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16"])
def test_every_cut_of_several_tensors_is_exact(name):
    model = zoo.load(name, shape=(3, 32, 32))
    found = cuts(model.module, model.example(), multi=True)
    several = [cut for cut in found if len(cut.shapes) > 1]
    assert len(several) > 20
    assert inexact(model.module, found[::3], model.example()) == []


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


class Inplace(nn.Module):
    """Writes into its input, into a tensor others read later, and through a view."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x += 1
        y = self.conv(x)
        self.relu(y)
        z = self.conv(y)
        z[:, 0].mul_(2)
        return functional.relu(z, inplace=True) + y


class Unet(nn.Module):
    """Two inputs, skip connections, a default, and a dict as answer."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.Conv2d(8, 4, 3, padding=1)
        self.register_buffer("scale", torch.full((4, 1, 1), 0.5))

    def forward(self, image, hint, mask=None, size=2):
        if mask is not None:
            image = image * mask
        first = self.down(image)
        second = self.down(functional.max_pool2d(first, size))
        up = functional.interpolate(second, size=first.shape[-2:])
        low, high = torch.cat([up, first], 1).chunk(2, dim=1)
        scale = self.scale + 1
        out = self.up(torch.cat([high * scale, low], 1)) * scale + hint
        return {"out": out, "parts": (second, first)}


UNET_INPUTS = (X, torch.flip(X, (2,)))


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize(("kind", "example"), [(Inplace, X), (Unet, UNET_INPUTS)])
def test_odd_networks_are_exact(kind, example, multi):
    model = kind().eval()
    found = cuts(model, example, multi=multi)
    assert len(found) > (10 if multi and kind is Unet else 1)
    assert inexact(model, found, example) == []


def test_what_crosses_is_a_tuple_where_several_tensors_do():
    model = Unet().eval()
    for cut in cuts(model, UNET_INPUTS, multi=True)[:-1]:
        head, _ = split(model, cut, UNET_INPUTS)
        crossing = head(*UNET_INPUTS)
        tensors = crossing if isinstance(crossing, tuple) else (crossing,)
        assert cut.shapes == tuple(tuple(tensor.shape) for tensor in tensors)
        assert cut.elements == sum(tensor.numel() for tensor in tensors)
        assert cut.tensor_bytes == 4 * cut.elements


def test_neither_half_changes_what_it_is_given():
    for model in (Inplace().eval(), zoo.load("mobilenet_v2", shape=(3, 32, 32)).module):
        example = X if isinstance(model, Inplace) else torch.randn(1, 3, 32, 32)
        before = example.clone()
        for cut in cuts(model, example):
            head, tail = split(model, cut, example)
            with torch.no_grad():
                crossing = head(example)
                kept = crossing.clone()
                tail(crossing)
            assert torch.equal(crossing, kept)
            assert torch.equal(example, before)


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


def test_children_of_a_plain_sequential_have_names():
    model = nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)).eval()
    assert names(cuts(model, X)) == ["input", "conv2d_0", "relu_1", "flatten_2", "output"]


def test_a_module_used_twice_counts_its_calls_and_its_weights_once():
    conv = nn.Conv2d(4, 4, 1)
    model = nn.Sequential(conv, nn.ReLU(), conv, nn.ReLU(), nn.Flatten()).eval()
    found = cuts(model, X)
    assert [cut.params for cut in found[1:]] == [20] * 5
    assert [cut.macs for cut in found] == [0, 1024, 1024, 2048, 2048, 2048]
    assert inexact(model, found, X) == []


def test_values_of_random_networks_differ_and_are_told():
    class Noisy(nn.Module):
        def forward(self, x):
            return torch.dropout(x.abs() + 1, 0.5, train=True).flatten(1)

    model = Noisy().eval()
    assert inexact(model, cuts(model, X), X)
    assert not same((torch.ones(2),), (torch.ones(2), 3))
    assert not same(torch.ones(2), torch.ones(2, dtype=torch.float64))


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


def test_an_untraceable_module_is_named_and_can_be_kept_whole():
    model = nn.Sequential()
    model.add_module("conv", nn.Conv2d(4, 4, 1))
    model.add_module("choose", Branching())
    model.add_module("relu", nn.ReLU())
    model.eval()
    with pytest.raises(BadInput) as caught:
        cuts(model, X)
    (line,) = caught.value.problems
    assert re.search(r"test_partition\.py:\d+: 'if x\.sum\(\) > 0:'", line)
    assert "keep the module 'choose' whole" in line
    assert "torch.fx.wrap" in line
    found = cuts(model, X, whole=["choose"])
    assert names(found) == ["input", "conv", "choose", "output"]
    assert inexact(model, found, X, whole=["choose"]) == []


@fx.wrap
def chosen(x):
    return x if x.sum() > 0 else -x


def test_an_untraceable_operation_can_be_wrapped():
    class Wrapped(nn.Module):
        def forward(self, x):
            return chosen(x * 2).flatten(1)

    model = Wrapped().eval()
    found = cuts(model, X)
    assert names(found) == ["input", "mul", "chosen", "output"]
    assert inexact(model, found, X) == []


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


BAD = SimpleNamespace(
    training=lambda: cuts(nn.ReLU(), X),
    shape=lambda: cuts(nn.Linear(3, 2).eval(), X),
    inputs=lambda: cuts(Unet().eval(), X),
    whole=lambda: cuts(Unet().eval(), UNET_INPUTS, whole=["middle"]),
    inside=lambda: find(counted("resnet50"), "layer2.1.conv2"),
    unknown=lambda: find(counted("resnet50"), "maxpol"),
    far=lambda: find(counted("resnet50"), "41"),
    other=lambda: split(nn.ReLU().eval(), counted("resnet50")[3], X),
    nan=lambda: cuts(spoilt(), X),
)


def test_cuts_are_found_in_inference_mode_too():
    model = Inplace().eval()
    with torch.inference_mode():
        found = cuts(model, X.clone())
        assert [cut.cloned for cut in found] == [cut.cloned for cut in cuts(model, X)]
        assert inexact(model, found, X) == []


def spoilt():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    model[1].running_var[2] = torch.nan
    return model


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("training", "ReLU is in training mode; call its eval() first"),
        ("shape", "the network cannot take an input of shape (1, 4, 8, 8): mat1 and mat2"),
        ("inputs", "Unet takes the inputs image, hint, mask, size; the example has 1 tensor(s)"),
        ("whole", "Unet has no module 'middle' to keep whole"),
        ("inside", "there is no cut 'layer2.1.conv2': inside the block 'layer2.1' more than one "
         "tensor crosses; cut before it at 'layer2.0' or after it at 'layer2.1', or ask"),
        ("unknown", "there is no cut 'maxpol'; did you mean 'maxpool'?"),
        ("far", "there is no cut '41'; there are input, conv1"),
        ("other", "cut 'relu' is none of this network"),
        ("nan", "Sequential has NaN in its weights: 1.running_var; train or load it anew"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(case, said):
    with pytest.raises(BadInput) as caught:
        getattr(BAD, case)()
    (line,) = caught.value.problems
    assert line.startswith(said)
    assert "\n" not in line
