"""Networks that write in place, branch, take several inputs or cannot be traced; and mistakes."""

from __future__ import annotations

import re
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from splitsim.dnn import zoo
from splitsim.dnn.exact import inexact, same
from splitsim.dnn.partition import cuts, find, split
from splitsim.errors import BadInput

X = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))


def names(found):
    return [cut.name for cut in found]


def counted(name):
    with torch.device("meta"):
        model = zoo.load(name)
    return cuts(model.module, model.example())


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


def test_no_cut_is_crossed_by_a_size():
    class Resized(nn.Module):
        def forward(self, x):
            size = x.shape[-2:]
            small = functional.max_pool2d(x, 2).abs()
            return functional.interpolate(small, size=size).flatten(1)

    found = cuts(Resized().eval(), X, multi=True)
    assert names(found) == ["input", "interpolate", "output"]


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
    assert same(OrderedDict(a=torch.ones(2), b=3), {"b": 3, "a": torch.ones(2)})
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
    assert re.search(r"test_odd_networks\.py:\d+: 'if x\.sum\(\) > 0:'", line)
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
