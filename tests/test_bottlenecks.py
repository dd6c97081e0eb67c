"""Bottlenecks: as published to the last parameter, exact over their wire, and trainable."""

import csv
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from splitsim.dnn import networks, packets, zoo
from splitsim.dnn.bottlenecks.autoencoder import Autoencoder
from splitsim.dnn.bottlenecks.base import inject, notes
from splitsim.dnn.bottlenecks.bottlefit import BottleFit
from splitsim.dnn.bottlenecks.bottlenetpp import BottleNetPlusPlus
from splitsim.dnn.bottlenecks.noise import Awgn, Erasure, UnitPower, add_awgn, erased
from splitsim.dnn.bottlenecks.quantise import Quantiser
from splitsim.dnn.bottlenecks.sent import Sent, sending
from splitsim.dnn.exact import inexact
from splitsim.dnn.message import Header
from splitsim.dnn.networks import NetworkSpec
from splitsim.dnn.packets import PACKET_BYTES
from splitsim.dnn.partition import cuts, find, split
from splitsim.dnn.wire import Wire
from splitsim.errors import BadInput

PUBLISHED = Path(__file__).parent.parent / "traces" / "published"
IMAGE = (3, 224, 224)
RESNET, DENSENET = (512, 28, 28), (256, 14, 14)  # what BottleFit joins
ERASURE, AWGN = {"kind": "erasure", "loss": 0.1}, {"kind": "awgn", "snr_db": 10}
KINDS = {
    "bottlefit-1": {"kind": "bottlefit", "channels": 3, "version": 1},
    "bottlefit-2": {"kind": "bottlefit", "channels": 3},
    "bottlefit-3": {"kind": "bottlefit", "channels": 3, "version": 3, "bits": 4},
    "autoencoder": {"kind": "autoencoder", "channels": 3},
    "bottlenet": {"kind": "bottlenet", "channels": 3},
    "bottlenet-3": {"kind": "bottlenet", "channels": 5, "spatial": 3, "quality": 20},
    "erasure": {"kind": "bottlenetpp", "channels": 3, "channel": ERASURE},
    "erasure-3": {"kind": "bottlenetpp", "channels": 3, "spatial": 3, "channel": ERASURE},
    "awgn": {"kind": "bottlenetpp", "channels": 3, "channel": AWGN},
    "reduction": {"kind": "reduction", "channels": 3},
}


@pytest.fixture(autouse=True)
def _one_thread():
    """Many threads are no faster here, and far slower beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


every_kind = pytest.mark.parametrize("kind", KINDS)


def published(name):
    with (PUBLISHED / f"bottlefit_{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def teacher(name):
    """A network on the meta device, its cuts, and that at which BottleFit joins."""
    with torch.device("meta"):
        network = zoo.load(name)
        every = cuts(network.module, network.example())
    return network, every, find(every, "layer2" if name.startswith("resnet") else "transition2")


def bottlefit(channels, version=2):
    return BottleFit(kind="bottlefit", channels=int(channels), version=int(version))


def made(spec, before, joined):
    with torch.device("meta"):
        return spec.make(before, joined)


def counted(module, shape):
    """What a table of published counts says of layers."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        given = module.eval()(torch.zeros(1, *shape))
    weighted = (nn.Conv2d, nn.ConvTranspose2d)
    return {
        "weighted_layers": str(sum(isinstance(part, weighted) for part in module)),
        "macs": str(counter.get_total_flops() // 2),
        "params": str(sum(parameter.numel() for parameter in module.parameters())),
        "output_shape": "x".join(map(str, given.shape[1:])),
    }


def has(row, found):
    return {key: row[key] for key in found} == found


def build(text, base="small_resnet", shape=None):
    whole = {"base": {"network": base, "shape": shape}, "bottleneck": text}
    return NetworkSpec.model_validate(whole).build(Path())


def at_bottleneck(network):
    """Head, tail and one input of a network with a bottleneck."""
    example = network.example()
    narrow = find(cuts(network.module, example), "bottleneck")
    return *split(network.module, narrow, example), example


# -- as published


@pytest.mark.parametrize("row", published("bottlenecks"), ids=lambda r: "-".join([*r.values()][:2]))
def test_bottlefits_encoders_have_the_published_shapes_bytes_macs_and_parameters(row):
    spec = bottlefit(row["channels"], row["bottleneck_ver"])
    found = counted(made(spec, IMAGE, RESNET).encoder, IMAGE)
    shape = tuple(int(row[key]) for key in ("channels", "H", "W"))
    assert found["output_shape"] == "x".join(map(str, shape))
    assert float(row["encoder_MMAC"]) == round(int(found["macs"]) / 1e6, 2)
    assert found["params"] == row["encoder_params"]
    header, _ = Header.read(Wire.parse(spec.wire).encode(torch.zeros(1, *shape)))
    assert header.size == 8 + int(row["bytes_8bit"])  # least and greatest value, and codes


@pytest.mark.parametrize("row", published("students"), ids=lambda r: "-".join([*r.values()][:3]))
def test_bottlefits_students_have_the_published_counts(row):
    _, every, join = teacher(row["teacher"])
    assert row["replaces_to"] == join.name
    halves = made(bottlefit(row["channels"]), every[0].shapes[0][1:], join.shapes[0][1:])
    if row["block"] == "bottleneck":
        assert has(row, counted(halves.encoder, IMAGE))
    else:
        assert has(row, counted(halves.decoder, (int(row["channels"]), 29, 29)))


@pytest.mark.parametrize("row", published("variants"), ids=lambda r: "-".join([*r.values()][:3]))
def test_other_encoders_have_the_published_counts(row):
    *_, join = teacher(row["teacher"])
    joined, channels = join.shapes[0][1:], int(row["channels"])
    if row["variant"] == "autoencoder":
        spec, before = Autoencoder(kind="autoencoder", channels=channels), joined
    else:
        spec, before = bottlefit(channels, row["variant"][1:]), IMAGE
    assert has(row, counted(made(spec, before, joined).encoder, before))


@pytest.mark.parametrize(
    ("name", "tail_gmac", "decoder_gmac", "ae_head"),
    [
        ("resnet152", 8.827, 2.839, (2906, 2.87)),
        ("densenet169", 1.283, 1.911, (2105, 1.60)),
        ("densenet201", 2.214, 1.911, (2105, 1.60)),
    ],
)
def test_whole_students_have_the_published_counts(name, tail_gmac, decoder_gmac, ae_head):
    network, every, join = teacher(name)
    with torch.device("meta"):
        student, rival = (
            inject(network, spec)
            for spec in (bottlefit(3), Autoencoder(kind="autoencoder", channels=3))
        )
        here = cuts(student.module, student.example())
        there = cuts(rival.module, rival.example())
    narrow, wide = find(here, "bottleneck"), find(here, "decoder")
    assert (narrow.index, wide.index) == (1, 2)
    assert narrow.shapes == ((1, 3, 29, 29),)
    assert wide.shapes == join.shapes
    assert (round(narrow.macs / 1e6, 1), narrow.params) == (118.7, 10_432)
    assert round((wide.macs - narrow.macs) / 1e9, 3) == decoder_gmac
    assert round((here[-1].macs - wide.macs) / 1e9, 3) == tail_gmac
    assert here[-1].macs - wide.macs == every[-1].macs - join.macs
    assert here[-1].params - wide.params == every[-1].params - join.params
    assert [cut.shapes for cut in here[3:]] == [cut.shapes for cut in every[join.index + 1 :]]
    assert {cut.name for cut in every[join.index :] if "." not in cut.name} <= {
        cut.name for cut in (join, *here)
    }
    head = find(there, "bottleneck")
    assert (round(head.macs / 1e6), round(head.params / 1e6, 2)) == ae_head
    side = {28: 24, 14: 10}[join.shapes[0][-1]]
    assert head.shapes == ((1, 3, side, side),)


def layers(module):
    """Kind of layer with what decides its counts; norms and ReLUs, which stand between, apart."""
    found = []
    for part in module:
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            assert part.bias is None
            sizes = (part.in_channels, part.out_channels)
            found.append((type(part).__name__, *sizes, part.stride[0], part.padding[0]))
        elif isinstance(part, nn.BatchNorm2d):
            found.append(("norm", part.num_features))
    return found


@pytest.mark.parametrize(
    ("version", "joined", "expected"),
    [
        (
            1,
            RESNET,
            [
                *(("norm", 5), ("Conv2d", 5, 64, 2, 1)),
                *(("norm", 64), ("Conv2d", 64, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 0)) * 2,
            ],
        ),
        (
            2,
            RESNET,
            [
                *(("norm", 5), ("Conv2d", 5, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 0)) * 2,
            ],
        ),
        (
            3,
            RESNET,
            [
                *(("norm", 5), ("ConvTranspose2d", 5, 512, 2, 0)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 0)) * 2,
            ],
        ),
        (
            2,
            DENSENET,
            [
                *(("norm", 5), ("Conv2d", 5, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 512, 1, 1)),
                *(("norm", 512), ("Conv2d", 512, 256, 1, 0)),
                *(("norm", 256), ("Conv2d", 256, 256, 1, 0)) * 2,
            ],
        ),
    ],
)
def test_bottlefits_decoders_are_those_of_its_public_code(version, joined, expected):
    decoder = made(bottlefit(5, version), IMAGE, joined).decoder
    assert layers(decoder) == expected
    kinds = [type(part) for part in decoder]
    norms = [n for n, kind in enumerate(kinds) if kind is nn.BatchNorm2d]
    assert all(kinds[n + 1] is nn.ReLU for n in norms)
    assert kinds[-1] is nn.AdaptiveAvgPool2d


@pytest.mark.parametrize(("sides", "step"), [((29, 28), 1), ((28, 14), 2)])
def test_the_last_pool_of_a_decoder_is_the_published_average_over_2x2(sides, step):
    given = torch.randn(2, 3, sides[0], sides[0])
    ours = nn.AdaptiveAvgPool2d(sides[1])(given)
    assert torch.equal(ours, nn.AvgPool2d(2, step)(given))


def test_bottlenetpp_sends_256_times_fewer_bits_and_64_times_fewer_symbols():
    with torch.device("meta"):
        network = zoo.load("resnet50", classes=100, shape=(3, 32, 32))
        joined = find(cuts(network.module, network.example()), "layer4")
    for channel, times in ({"kind": "erasure", "loss": 0.01}, 256), (AWGN, 64):
        text = {"kind": "bottlenetpp", "channels": 32, "join": "layer4", "channel": channel}
        spec = BottleNetPlusPlus.model_validate(text)
        with torch.device("meta"):
            student = inject(network, spec)
            narrow = find(cuts(student.module, student.example()), "bottleneck")
        bits = Wire.parse(student.wire).form.bits if times == 256 else 32
        assert joined.shapes[0][1] == 2048
        assert 32 * joined.elements == times * bits * narrow.elements
    # The maps of the paper's ResNet-50, which does not shrink images of 32 x 32 at once.
    encoder = made(spec, (2048, 4, 4), (2048, 4, 4)).encoder
    assert encoder(torch.zeros(1, 2048, 4, 4, device="meta")).shape == (1, 32, 4, 4)


# -- in other networks


@pytest.mark.parametrize(
    ("base", "shape", "text", "narrow", "wide"),
    [
        ("small_resnet", None, {"version": 1}, (3, 8, 8), (32, 8, 8)),
        ("small_resnet", None, {"version": 2}, (3, 9, 9), (32, 8, 8)),
        ("small_resnet", None, {"version": 3}, (3, 5, 5), (32, 8, 8)),
        ("small_resnet", None, {"join": "layer4"}, (3, 3, 3), (128, 2, 2)),
        ("small_resnet", None, {"after": "layer1", "join": "layer3"}, (3, 5, 5), (64, 4, 4)),
        ("small_resnet", [1, 17, 29], {}, (3, 10, 16), (32, 9, 15)),
        ("small_cnn", None, {"join": "pool"}, (3, 5, 5), (32, 4, 4)),
        ("mobilenet_v2", None, {"join": "features.6"}, (3, 29, 29), (32, 28, 28)),
        ("mobilenet_v1", None, {"join": "block5"}, (3, 29, 29), (256, 28, 28)),
        ("vgg16", None, {"join": "features.9"}, (3, 57, 57), (128, 56, 56)),
        ("resnet18", [3, 299, 299], {}, (3, 38, 38), (128, 38, 38)),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element:UserWarning")
def test_bottlefit_is_sized_from_the_shapes(base, shape, text, narrow, wide):
    with torch.device("meta"):
        student = build({"kind": "bottlefit", "channels": 3, **text}, base, shape)
        every = cuts(student.module, student.example())
    assert find(every, "bottleneck").shapes == ((1, *narrow),)
    assert find(every, "decoder").shapes == ((1, *wide),)


@every_kind
@pytest.mark.parametrize(("base", "join"), [("small_resnet", "layer2"), ("small_cnn", "block1")])
def test_a_network_with_a_bottleneck_is_cut_exactly(kind, base, join):
    network = build(KINDS[kind] | {"join": join}, base)
    every = cuts(network.module, network.example())
    assert find(every, "bottleneck").shapes[0][1] == KINDS[kind]["channels"]
    assert inexact(network.module, every, network.example()) == []


@every_kind
def test_a_whole_network_answers_as_a_split_one_over_its_wire(kind):
    network = build(KINDS[kind])
    head, tail, example = at_bottleneck(network)
    with torch.inference_mode():
        sent = head(example)
        arrived = Wire.decode(Wire.parse(network.wire).encode(sent))
        with sending(network.module):
            whole = network.module(example)
        assert torch.equal(whole, tail(arrived))
        assert torch.equal(arrived, sent) == (KINDS[kind]["kind"] != "bottlenet")
        assert torch.equal(network.module(example), tail(sent))


@every_kind
def test_a_step_of_training_changes_the_encoder_and_the_decoder(kind):
    network = build(KINDS[kind]).module.train()
    parts = [network.get_submodule(name) for name in ("bottleneck", "decoder")]
    before = [[value.clone() for value in part.parameters()] for part in parts]
    step = torch.optim.SGD(network.parameters(), lr=0.1)
    given = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    functional.cross_entropy(network(given), torch.arange(8)).backward()
    step.step()
    for part, old in zip(parts, before, strict=True):
        convolutions = [value.dim() == 4 for value in part.parameters()]
        assert any(convolutions)
        for value, was, matters in zip(part.parameters(), old, convolutions, strict=True):
            assert value.isfinite().all()
            assert not matters or not torch.equal(value, was)


def test_what_is_trained_is_what_arrives():
    module = Sent("map-jpeg60").train()
    given = torch.randn(3, 5, 6, 7).relu().requires_grad_()
    got = module(given)
    wire = Wire.parse("map-jpeg60")
    arrived = torch.cat([Wire.decode(wire.encode(row)) for row in given.detach().split(1)])
    assert torch.equal(got, arrived)
    weights = torch.randn_like(got)
    (got * weights).sum().backward()
    assert torch.equal(given.grad, weights)
    assert torch.equal(module.eval()(given), given)


def test_the_quantiser_gives_the_same_with_and_without_gradients():
    given = torch.randn(4, 3, 5, 5)
    assert torch.equal(Quantiser(8)(given.clone().requires_grad_()), Quantiser(8)(given))


# -- channels


def test_erasures_are_as_frequent_as_said_and_only_in_training():
    loss, given = 0.2, torch.randn(500, 3, 6, 7)
    torch.manual_seed(0)
    gone = Erasure(loss).train()(given) != given
    deviation = math.sqrt(loss * (1 - loss) / given.numel())
    assert abs(gone.double().mean() - loss) < 4 * deviation
    per_sample = gone.flatten(1).double().mean(1).var()
    expected = loss * (1 - loss) / given[0].numel()
    assert abs(per_sample - expected) < 4 * expected * math.sqrt(2 / 499)
    assert torch.equal(Erasure(loss).eval()(given), given)


def test_a_packet_of_numbers_is_lost_as_one():
    given = torch.randn(400, 2, 5, 5)
    torch.manual_seed(0)
    gone = (Erasure(0.3, packet_elements=20).train()(given) != given).flatten(1)
    blocks = [gone[:, start : start + 20] for start in (0, 20, 40)]
    assert [block.shape[1] for block in blocks] == [20, 20, 10]
    assert all(torch.equal(block.all(1), block.any(1)) for block in blocks)
    share = torch.stack([block.all(1) for block in blocks]).double().mean()
    # A sample of which all three are lost is 0, and differs all the same.
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 1200)


def test_erasures_in_training_are_those_of_the_wire():
    tensor = Quantiser(8)(torch.randn(1, 6, 30, 30).relu())
    message = Wire.parse("uint8").encode(tensor)
    start = len(message) - tensor.numel()
    for lost in ([False, True, False, True], [False, False, True, True]):
        packet = (start + np.arange(tensor.numel())) // PACKET_BYTES
        mask = torch.from_numpy(np.array(lost)[packet]).view_as(tensor)
        there = Wire.decode(message, np.array(lost))
        assert packets.packets(message) == len(lost)
        torch.testing.assert_close(erased(tensor, mask), there, rtol=1e-5, atol=1e-6)
    nothing = torch.ones_like(tensor, dtype=torch.bool)
    assert torch.equal(erased(tensor, nothing), torch.zeros_like(tensor))


def test_symbols_have_unit_power_and_the_noise_that_is_said():
    count = 200_000
    symbols = UnitPower()(torch.rand(2, count) + torch.tensor([[0.0], [5.0]]))
    torch.testing.assert_close(symbols.square().mean(1), torch.ones(2))
    torch.manual_seed(0)
    for snr_db in (-3.0, 0.0, 20.0):
        power = 10 ** (-snr_db / 10)
        learned = Awgn(snr_db).train()(symbols) - symbols
        added = add_awgn(symbols, snr_db, rng=np.random.default_rng(5)) - symbols
        for noise in (*learned, *added):
            assert abs(noise.mean()) < 4 * math.sqrt(power / count)
            assert abs(noise.var() - power) < 4 * power * math.sqrt(2 / count)
    assert torch.equal(Awgn(0.0).eval()(symbols), symbols)
    assert torch.equal(UnitPower()(torch.zeros(1, 3)), torch.zeros(1, 3))


def test_noise_is_of_its_generator_and_scales_with_the_snr():
    symbols = torch.zeros(2, 3, 4)
    one, two = (add_awgn(symbols, 10, rng=np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(add_awgn(symbols.view(-1), 10, rng=np.random.default_rng(3)), one.view(-1))
    louder = add_awgn(symbols, -10, rng=np.random.default_rng(3))
    torch.testing.assert_close(louder, 10 * one)


def test_analogue_symbols_leave_the_encoder_with_unit_power():
    network = build(KINDS["awgn"])
    head, _, example = at_bottleneck(network)
    assert network.wire == "float32"
    torch.testing.assert_close(head(example).square().mean(), torch.tensor(1.0))


# -- notes and bad input


def test_a_bottleneck_that_does_not_compress_is_told():
    def found(channels, kind="reduction"):
        return notes(build({"kind": kind, "channels": channels}))

    assert found(3) == []
    assert notes(networks.load("small_resnet")) == []
    (image,) = found(4)
    assert "its messages have 278 B, an input of 1x16x16 has 256 B" in image
    image, tensor = found(32)
    assert "2048 numbers cross for a tensor of 2048" in tensor
    assert found(3, kind="bottlenet") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{kind: bottlefit, channels: 3, version: 4}", "version"),
        ("{kind: bottlefit, channels: 3, bits: 17}", "bits"),
        ("{kind: bottlefit, channels: 3, join: flatten}", "not 128"),
        ("{kind: bottlefit, channels: 3, after: flatten, join: flatten}", "after: must be a cut"),
        ("{kind: bottlefit, channels: 3, after: layer3}", "one behind it"),
        ("{kind: autoencoder, channels: 3, join: layer3}", "5 x 5 or more, not 4 x 4"),
        ("{kind: autoencoder, channels: 3, after: layer1}", "not 16x16x16 and 32x8x8"),
        ("{kind: bottlenet, channels: 3, spatial: 9}", "spatial: must be 8 at most for 32x8x8"),
        ("{kind: bottlenet, channels: 3, quality: 0}", "quality"),
        ("{kind: bottlenet, channels: 3, after: layer1}", "must be one cut"),
        ("{kind: bottlenetpp, channels: 3}", "channel"),
        ("{kind: bottlenetpp, channels: 3, channel: {kind: awgn}}", "snr_db"),
        ("{kind: bottlenetpp, channels: 3, channel: {kind: erasure, loss: 1}}", "loss"),
        ("{kind: bottlenetpp, channels: 3, channel: {kind: fading}}", "kind"),
        ("{kind: bottlenetpp, channels: 3, channel: {kind: awgn, snr_db: 3, bits: 8}}", "bits"),
        ("{kind: reduction, channels: 3, after: flatten, join: flatten}", "channels x height"),
    ],
)
def test_mistakes_are_one_line_that_names_the_file(tmp_path, text, words):
    path = tmp_path / "network.yaml"
    path.write_text(f"base: {{network: small_resnet}}\nbottleneck: {text}")
    with pytest.raises(BadInput) as error:
        networks.load(str(path))
    problems = error.value.problems
    assert all("network.yaml" in problem for problem in problems)
    assert words in " ".join(problems)
    assert len(problems) == 2 if "flatten, join" in text else len(problems) == 1
