"""Networks by name, their weights, and what an image goes through."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from splitsim.dnn import vision, zoo
from splitsim.dnn.partition import cuts, find
from splitsim.dnn.preprocessing import Preprocessing
from splitsim.dnn.small import MobileNetV1, SmallCnn
from splitsim.errors import BadInput

CHANCE = torch.Generator().manual_seed(3)


def problem(name, **arguments):
    with pytest.raises(BadInput) as caught:
        zoo.load(name, **arguments)
    (line,) = caught.value.problems
    assert "\n" not in line
    return line


def counted(name):
    with torch.device("meta"):
        model = zoo.load(name)
    return cuts(model.module, model.example())


def test_mobilenet_v1_is_the_published_one():
    """569 million multiply-adds, 4.2 million parameters; counted anew from its table."""
    convs = [(3, 32, 112, 3)]
    size = 112
    width = 32
    for channels, stride in MobileNetV1.BLOCKS:
        size //= stride
        convs += [(1, width, size, 3), (width, channels, size, 1)]
        width = channels
    macs = sum(into * out * side**2 * kernel**2 for into, out, side, kernel in convs) + 1024 * 1000
    params = sum(i * o * k * k + 2 * o for i, o, _, k in convs) + 1025 * 1000
    last = counted("mobilenet_v1")[-1]
    assert (last.macs, last.params) == (macs, params)
    assert (round(macs / 1e6), round(params / 1e6, 1)) == (569, 4.2)


def test_mobilenet_v1_is_cut_at_its_blocks():
    found = counted("mobilenet_v1")
    assert find(found, "block5").shapes == ((1, 256, 28, 28),)
    assert find(found, "block12").shapes == ((1, 1024, 7, 7),)
    assert [c.name for c in found[:4]] == ["input", "conv1.0", "conv1.1", "conv1"]


def test_the_small_cnn_is_cut_at_its_blocks():
    model = zoo.load("small_cnn")
    assert (model.shape, model.classes) == ((1, 8, 8), 10)
    found = cuts(model.module, model.example())
    for name, shape in {"block1": (16, 8, 8), "pool": (32, 4, 4), "avgpool": (64, 1, 1)}.items():
        assert find(found, name).shapes[0][1:] == shape


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v1", "resnet18", "googlenet"])
def test_networks_come_in_eval_mode_with_the_classes_asked_for(name):
    model = zoo.load(name, classes=7, shape=(3, 64, 64))
    assert not any(module.training for module in model.module.modules())
    assert model.classes == 7
    assert model.module(model.example()).shape == (1, 7)


def test_random_weights_are_always_the_same_and_leave_chance_alone():
    torch.manual_seed(5)
    one = zoo.load("small_cnn").module
    after, _ = torch.rand(1), torch.rand(3)
    other = zoo.load("small_cnn").module
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)
    ours, theirs = one.state_dict(), other.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_every_network_of_torchvision_that_classifies_is_known():
    assert {"resnet50", "densenet169", "vgg16", "vit_b_16", "swin_t"} <= set(vision.networks())
    assert zoo.load("inception_v3", shape=(3, 75, 75)).classes == 1000
    for name in ("vit_b_16", "inception_v3"):
        assert vision.preprocessing(name, None).crop == {"vit_b_16": (224, 224)}.get(
            name, (299, 299)
        )


def test_a_state_dict_is_put_in(tmp_path):
    path = tmp_path / "weights.pt"
    trained = SmallCnn()
    torch.save(trained.state_dict(), path)
    for given in (path, str(path)):
        loaded = zoo.load("small_cnn", weights=given).module
        assert torch.equal(loaded.fc.weight, trained.fc.weight)


def test_published_densenet_weights_of_old_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with torch.device("meta"):
        state = vision.network("densenet121", (3, 224, 224), None).state_dict()
    old = {k.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): k for k in state}
    assert len(set(old) - set(state)) > 100
    assert set(vision.renamed(dict.fromkeys(old, torch.zeros(1)))) == set(state)


def test_published_weights_are_taken_from_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    entry = vision.published("squeezenet1_1")["IMAGENET1K_V1"]
    line = problem("squeezenet1_1", weights="IMAGENET1K_V1")
    assert line.startswith("squeezenet1_1: its weights IMAGENET1K_V1 are not on this machine")
    assert entry.url in line
    state = zoo.load("squeezenet1_1").module.state_dict()
    home = tmp_path / "hub" / "checkpoints" / entry.url.rpartition("/")[2]
    home.parent.mkdir(parents=True)
    torch.save({key: value + 1 for key, value in state.items()}, home)
    loaded = zoo.load("squeezenet1_1", weights="DEFAULT").module.state_dict()
    assert all(torch.equal(loaded[key], state[key] + 1) for key in state)


OWN = """
import torch
from torch import nn
from splitsim.dnn.zoo import LoadedModel
from splitsim.dnn.preprocessing import Preprocessing

def make(classes=4):
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 36, classes))

def loaded():
    return LoadedModel("mine", make(), (2, 8, 8), Preprocessing(), 4)

def exported():
    return torch.export.export(make().eval(), (torch.zeros(1, 2, 8, 8),)).module()

def number():
    return 3

thing = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "arguments", "classes"),
    [
        ("own_networks:make", {"shape": (2, 8, 8)}, 4),
        ("own_networks:make", {"shape": (2, 8, 8), "classes": 6}, 6),
        ("own_networks:loaded", {}, 4),
        ("own_networks:exported", {"shape": (2, 8, 8)}, 4),
    ],
)
def test_a_callable_of_ones_own(mine, name, arguments, classes):
    model = zoo.load(name, **arguments)
    assert (model.name, model.classes) == (name, classes)
    found = cuts(model.module, model.example())
    assert [cut.shapes[0][1:] for cut in found] == [(2, 8, 8), (3, 6, 6), (108,), (classes,)]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("own_networks:make", {}, "own_networks:make: its input's shape is missing"),
        ("own_networks:make", {"shape": (1, 8, 8)}, "own_networks:make cannot take an input of"),
        ("own_networks:number", {}, "own_networks:number gives a int, not a torch.nn.Module"),
        ("own_networks:loaded", {"classes": 3}, "own_networks:loaded cannot be called with"),
        ("own_networks:thing", {}, "own_networks:thing: 'own_networks' has no function 'thing'"),
        ("own_network:make", {}, "own_network:make: cannot import 'own_network'"),
        (":make", {}, ":make: cannot import ''"),
        ("resnet51", {}, "unknown network 'resnet51'; did you mean 'resnet"),
        ("model.onnx", {}, "model.onnx: is not read; name the network's PyTorch code"),
        ("model.pt2", {}, "model.pt2: reading it could run code in it; name a function of yours"),
        ("small_cnn", {"weights": "no.pt"}, "no.pt: there is no such file of weights"),
        ("small_cnn", {"weights": "own_networks.py"}, "own_networks.py: is no state dict"),
        ("resnet18", {"weights": "IMAGENET1K_V9"}, "IMAGENET1K_V9: there is no such file"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(mine, name, arguments, said):
    assert problem(name, **arguments).startswith(said)


class Trap:
    def __reduce__(self):
        return print, ("executed",)


def spoilt(state):
    return {**state, "fc.bias": state["fc.bias"] * torch.nan}


BAD_STATES = SimpleNamespace(
    more=lambda state: {**state, "extra": torch.ones(1)},
    less=lambda state: {key: state[key] for key in state if "block1" not in key},
    shape=lambda state: {**state, "fc.bias": torch.ones(3)},
    nan=spoilt,
    nested=lambda state: {"state_dict": state},
    trap=lambda state: {"fc.bias": Trap()},
)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("more", "has what SmallCnn lacks: extra"),
        ("less", "lacks what SmallCnn has: block1.0.weight, block1.1.bias, "
         "block1.1.num_batches_tracked and 3 more"),
        ("shape", "has other shapes than SmallCnn: fc.bias is 3, not 10"),
        ("nan", "holds NaN: fc.bias"),
        ("nested", "is no state dict, or holds more than numbers"),
        ("trap", "is no state dict, or holds more than numbers"),
    ],
)  # fmt: skip
def test_bad_weights_are_told_and_run_nothing(tmp_path, capsys, case, said):
    path = tmp_path / "weights.pt"
    torch.save(getattr(BAD_STATES, case)(SmallCnn().state_dict()), path)
    assert problem("small_cnn", weights=path).startswith(f"{path}: {said}")
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "maxvit_t", "inception_v3"])
@pytest.mark.parametrize("size", [(300, 400), (500, 333), (224, 224)])
def test_images_are_prepared_as_torchvision_does(name, size):
    theirs = vision.published(name).DEFAULT.transforms()
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=CHANCE)
    ours = vision.preprocessing(name, None)
    assert torch.allclose(ours(image), theirs(image), atol=1e-5)
    assert pickle.loads(pickle.dumps(ours)) == ours  # noqa: S301 - our own bytes


def test_a_smaller_input_sees_the_same_part_of_the_image():
    usual = Preprocessing(256, (224, 224))
    assert usual.sized((3, 112, 112)) == Preprocessing(128, (112, 112))
    assert usual.sized(None) == usual
    assert zoo.load("resnet18", shape=(3, 56, 56)).preprocess.crop == (56, 56)
    pixels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    assert torch.equal(Preprocessing()(pixels), torch.ones(1, 8, 8))


def test_torchvision_missing_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'splitsim\[vision\]'"):
        vision.torchvision.__wrapped__()


def test_a_network_without_scores_has_no_classes(mine):
    assert isinstance(zoo.load("small_cnn").module, nn.Module)
    found = zoo.LoadedModel("mask", nn.Conv2d(1, 1, 1).eval(), (1, 4, 4), Preprocessing(), None)
    assert zoo._classes(found, None) is None
    with pytest.raises(BadInput, match="mask gives no scores, not 3, the classes"):
        zoo._classes(found, 3)
