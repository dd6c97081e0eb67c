"""Tables of students against the real networks: counts, shapes and messages at every cut."""

import math
from functools import cache

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tracing import ROOT, TEACHERS, WIDTHS, at, card, model, profile, read

from splitsim.dnn import zoo
from splitsim.dnn.bottlenecks.autoencoder import Autoencoder
from splitsim.dnn.bottlenecks.bottlefit import BottleFit
from splitsim.dnn.networks import NetworkSpec
from splitsim.dnn.partition import cuts
from splitsim.dnn.wire import Wire
from splitsim.uncertainty import FACTORS

NETWORKS = ROOT / "analysis" / "networks"
KINDS = {"bottlefit{}": 2, "bottlefit{}-v1": 1, "bottlefit{}-v3": 3, "autoencoder{}": 0}
STEPS = ("pre", "head", "encode", "decode", "tail")


@cache
def teacher(name):
    """A network of the zoo on the meta device: its cuts by all their names."""
    with torch.device("meta"):
        network = zoo.load(name)
        every = cuts(network.module, network.example())
    return {label: cut for cut in every for label in (cut.name, *cut.also)}


def spec_of(version, channels):
    if not version:
        return Autoencoder(kind="autoencoder", channels=channels)
    return BottleFit(kind="bottlefit", channels=channels, version=version)


def counted(module, shape):
    """MACs, parameters, weighted layers and output shape of a block."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        given = module.eval()(torch.zeros(1, *shape))
    weighted = (nn.Conv2d, nn.ConvTranspose2d)
    layers = sum(isinstance(part, weighted) for part in module.modules())
    params = sum(parameter.numel() for parameter in module.parameters())
    return counter.get_total_flops() // 2, params, layers, tuple(given.shape[1:])


@cache
def blocks(name, version, channels):
    """Encoder and decoder of a student, counted, and the cuts of its teacher that they join."""
    known = teacher(name)
    join = known["layer2" if name == "resnet152" else "transition2"]
    after = known["input"] if version else join
    before, joined = after.shapes[0][1:], join.shapes[0][1:]
    with torch.device("meta"):
        made = spec_of(version, channels).make(before, joined)
    encoder = counted(made.encoder, before)
    return after, join, encoder, counted(made.decoder, encoder[-1])


def counts(row):
    shape = tuple(map(int, row["output_shape"].split("x")))
    return int(row["macs"]), int(row["params"]), shape


def check_kept(name, rows, moved=(0, 0)):
    """Whether rows are of cuts of a teacher, in order; ``moved``: what came to its counts."""
    known = {(c.macs, c.params, c.shapes[0][1:]): c.index for c in teacher(name).values()}
    found = [counts(row) for row in rows]
    places = [known[macs - moved[0], params - moved[1], shape] for macs, params, shape in found]
    assert places == sorted(places)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEACHERS)
def test_every_count_of_a_students_table_is_that_of_the_real_network(name, kind, width):
    rows = model(f"{name}-{kind.format(width)}")
    new = [row["layer"] for row in rows].index("bottleneck")
    after, join, encoder, decoder = blocks(name, KINDS[kind], width)
    narrow = (after.macs + encoder[0], after.params + encoder[1], encoder[-1])
    wide = (narrow[0] + decoder[0], narrow[1] + decoder[1], decoder[-1])
    assert [counts(row) for row in rows[new : new + 2]] == [narrow, wide]
    check_kept(name, rows[:new])
    check_kept(name, rows[new + 2 :], (wide[0] - join.macs, wide[1] - join.params))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEACHERS)
def test_what_crosses_is_the_real_message(name, kind):
    for row in model(f"{name}-{kind.format(12)}")[1:-1]:
        shape = tuple(map(int, row["output_shape"].split("x")))
        assert int(row["wire_bytes"]) == len(Wire.parse("uint8").encode(torch.zeros(1, *shape)))
        assert int(row["wire_bytes"]) > math.prod(shape)


@pytest.mark.parametrize(
    "row", read("published/bottlefit_decoders.csv"), ids=lambda r: "-".join([*r.values()][:3])
)
def test_decoders_are_counted_from_the_real_ones(row):
    version = 0 if row["variant"] == "autoencoder" else int(row["variant"][1:])
    *_, (macs, params, layers, shape) = blocks(row["teacher"], version, int(row["channels"]))
    assert (int(row["macs"]), int(row["params"]), int(row["weighted_layers"])) == (
        macs,
        params,
        layers,
    )
    assert row["output_shape"] == "x".join(map(str, shape))
    ours = row["variant"] == "autoencoder" or row["teacher"] != "resnet152"
    assert (row["basis"] == "assumed") == ours == row["source"].startswith("ours")


def test_cards_say_whose_the_decoder_is():
    for name in TEACHERS:
        assert "public code" in card(f"{name}-bottlefit12")["notes"]
        assert "published one is not known" in card(f"{name}-autoencoder12")["notes"]
    assert "ours" not in card("resnet152-bottlefit12-v1")["notes"]
    assert "ours" in card("densenet169-bottlefit12-v3")["notes"]


# -- measured on x86


MEASURED = sorted(path.stem for path in NETWORKS.glob("*.yaml"))


@pytest.mark.parametrize("name", MEASURED)
def test_a_network_file_is_what_its_name_says(name):
    said = yaml.safe_load((NETWORKS / f"{name}.yaml").read_text(encoding="utf-8"))
    spec = NetworkSpec.model_validate(said)
    inside = spec.bottleneck
    assert name == f"{spec.base.network}-{inside.kind}{inside.channels}"
    assert inside == spec_of(0 if inside.kind == "autoencoder" else 2, inside.channels)


@pytest.mark.parametrize("name", [*MEASURED, "densenet201"])
def test_every_time_of_the_real_networks_is_measured(name):
    rows = profile(name, "x86-1t")
    assert len(rows) == len(model(name))
    for row in rows:
        assert {row[f"{step}_basis"] for step in STEPS} == {"measured"}
    whole_s = float(rows[-1]["head_s"])
    for row in rows:
        assert float(row["head_s"]) + float(row["tail_s"]) == pytest.approx(whole_s, rel=0.03)
    heads = [float(row["head_s"]) for row in rows]
    assert heads == sorted(heads)


@pytest.mark.parametrize("name", MEASURED)
def test_a_students_kept_layers_were_measured_to_take_what_its_teachers_take(name):
    """The same layers in other runs: each time is off by no more than what is measured may be."""
    base = card(name)["network"]
    join = at(base, "layer2" if base == "resnet152" else "transition2")
    theirs_s = float(profile(base, "x86-1t")[join]["tail_s"])
    ours_s = float(profile(name, "x86-1t")[at(name, "decoder")]["tail_s"])
    assert abs(math.log(ours_s / theirs_s)) < 2 * math.log(FACTORS["measured"])
