"""Counts and bytes of networks, students and baselines, as the sources have them."""

import pytest
from tracing import TEACHERS, WIDTHS, at, card, column, model, names, read, row_of

# Weighted layers, GMAC, million parameters; torchvision, 224 x 224.
NETWORKS = {
    "resnet18": (21, 1.814, 11.69), "resnet34": (37, 3.664, 21.80),
    "resnet50": (54, 4.089, 25.56), "resnet101": (105, 7.801, 44.55),
    "resnet152": (156, 11.514, 60.19), "vgg16": (16, 15.470, 138.36),
    "alexnet": (8, 0.714, 61.10), "squeezenet1_1": (26, 0.349, 1.24),
    "densenet121": (121, 2.834, 7.98), "densenet169": (169, 3.360, 14.15),
    "densenet201": (201, 4.291, 20.01), "mobilenet_v2": (53, 0.301, 3.50),
    "mobilenet_v1": (28, 0.569, 4.2),  # Howard et al., Table 8
}  # fmt: skip
STUDENTS = [(teacher, width) for teacher in TEACHERS for width in WIDTHS]
MESSAGE_BYTES = 22  # header and range of a message, one or two more of a longer one
JOIN = {"resnet152": "layer2", "densenet169": "transition2", "densenet201": "transition2"}


def rounds_to(value, figure):
    """Whether a number is the figure, at the figure's decimals."""
    decimals = len(repr(figure).partition(".")[2])
    return round(value, decimals) == figure


def test_counts_of_published_networks():
    rows = {row["model"]: row for row in read("published/networks.csv")}
    assert set(rows) == set(NETWORKS)
    for name, (layers, gmac, million) in NETWORKS.items():
        assert int(rows[name]["weighted_layers"]) == layers
        assert rounds_to(int(rows[name]["macs"]) / 1e9, gmac)
        assert rounds_to(int(rows[name]["params"]) / 1e6, million)


@pytest.mark.parametrize("name", [*NETWORKS.keys() - {"mobilenet_v1"}, "vgg16-tx2"])
def test_the_last_cut_counts_the_whole_network(name):
    whole = row_of("published/networks.csv", model=card(name)["network"])
    last = model(name)[-1]
    assert (last["macs"], last["params"]) == (whole["macs"], whole["params"])
    assert card(name)["top1"] == float(whole["top1"])


@pytest.mark.parametrize(
    ("name", "layers"),
    [("resnet152", "input conv1 maxpool layer1 layer2 layer3 layer4 avgpool output"),
     ("densenet169", "input conv0 pool0 denseblock1 transition1 denseblock2 transition2 "
      "denseblock3 transition3 denseblock4 avgpool output"),
     ("alexnet", "input conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 output"),
     ("resnet152-bottlefit12", "input bottleneck decoder layer3 layer4 avgpool output"),
     ("densenet201-autoencoder3", "input conv0 pool0 denseblock1 transition1 denseblock2 "
      "transition2 bottleneck decoder denseblock3 transition3 denseblock4 avgpool output")],
)  # fmt: skip
def test_cuts(name, layers):
    assert column(model(name), "layer", str) == layers.split()


@pytest.mark.parametrize(
    ("layer", "mmac"),
    [("conv1", 118.01), ("layer1", 785.96), ("layer2", 2687.03), ("layer3", 10702.34),
     ("layer4", 11511.58), ("avgpool", 11511.58), ("output", 11513.63)],
)  # fmt: skip
def test_macs_at_the_cuts_of_resnet152(layer, mmac):
    assert rounds_to(int(model("resnet152")[at("resnet152", layer)]["macs"]) / 1e6, mmac)


def test_vgg16_counts_the_same_at_both_lists_of_cuts():
    ours, measured = ({r["layer"]: r for r in model(name)} for name in ("vgg16", "vgg16-tx2"))
    assert set(measured) - set(ours) == {"stage5_4"}
    for layer, row in ours.items():
        keys = ("macs", "params", "output_shape")
        assert [row[key] for key in keys] == [measured[layer][key] for key in keys]


@pytest.mark.parametrize(
    ("name", "layer", "wire_bytes", "share"),
    [("densenet169", "transition3", 24 + 31_360, 0.914),
     ("densenet201", "transition3", 24 + 43_904, 0.921),
     ("resnet152", "avgpool", 23 + 2_048, 0.9998)],
)  # fmt: skip
def test_the_first_natural_cut_smaller_than_a_jpeg_comes_late(name, layer, wire_bytes, share):
    rows = model(name)
    assert float(rows[0]["wire_bytes"]) == 44_770
    first = next(row for row in rows[1:] if float(row["wire_bytes"]) < 44_770)
    assert (first["layer"], float(first["wire_bytes"])) == (layer, wire_bytes)
    assert rounds_to(int(first["macs"]) / int(rows[-1]["macs"]), share)


@pytest.mark.parametrize(("teacher", "width"), STUDENTS)
def test_student_counts(teacher, width):
    rows = model(f"{teacher}-bottlefit{width}")
    _, bottleneck, decoder, *_, last = rows
    params = {3: 10_432, 6: 11_200, 9: 11_968, 12: 12_736}
    mmac = {3: 118.7, 6: 119.3, 9: 120.0, 12: 120.6}
    tail = {"resnet152": 8.827, "densenet169": 1.283, "densenet201": 2.214}
    assert int(bottleneck["params"]) == params[width]
    assert rounds_to(int(bottleneck["macs"]) / 1e6, mmac[width])
    assert float(bottleneck["wire_bytes"]) == MESSAGE_BYTES + 841 * width
    assert bottleneck["output_shape"] == f"{width}x29x29"
    assert rounds_to((int(last["macs"]) - int(decoder["macs"])) / 1e9, tail[teacher])
    decoders = {3: (2.839, 1.911), 12: (2.855, 1.928)}
    if width in decoders:
        gmac = (int(decoder["macs"]) - int(bottleneck["macs"])) / 1e9
        assert rounds_to(gmac, decoders[width][teacher != "resnet152"])
    assert card(f"{teacher}-bottlefit{width}")["top1_basis"] == "assumed"


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(("teacher", "width"), STUDENTS)
def test_bottlenecks_are_the_published_ones(teacher, width, version):
    ending = "" if version == 2 else f"-v{version}"
    cut = model(f"{teacher}-bottlefit{width}{ending}")[1]
    wanted = {"bottleneck_ver": version, "channels": width}
    known = row_of("published/bottlefit_bottlenecks.csv", **wanted)
    assert cut["params"] == known["encoder_params"]
    assert rounds_to(int(cut["macs"]) / 1e6, float(known["encoder_MMAC"]))
    around = int(cut["wire_bytes"]) - int(known["bytes_8bit"])
    assert around in (MESSAGE_BYTES, MESSAGE_BYTES + 1)
    assert cut["output_shape"] == f"{width}x{known['H']}x{known['W']}"


@pytest.mark.parametrize(("teacher", "width"), STUDENTS)
def test_autoencoders(teacher, width):
    """The published head is the same for every width at the decimals that are given."""
    name = f"{teacher}-autoencoder{width}"
    cut = model(name)[at(name, "bottleneck")]
    size, mmac, million = (24, 2906, 2.87) if teacher == "resnet152" else (10, 2105, 1.60)
    assert 0 <= float(cut["wire_bytes"]) - size * size * width - MESSAGE_BYTES <= 1
    assert round(int(cut["macs"]) / 1e6) == mmac
    assert rounds_to(int(cut["params"]) / 1e6, million)


@pytest.mark.parametrize("name", [n for n in names("models") if n.startswith(TEACHERS)])
def test_kept_layers_count_the_same_in_student_and_teacher(name):
    teacher = next(t for t in TEACHERS if name.startswith(t))
    if name == teacher:
        return
    join = at(teacher, JOIN[teacher])
    for key in ("macs", "params"):
        ours, theirs = (
            [int(rows[-1][key]) - int(row[key]) for row in rows[start + 1 :]]
            for rows, start in ((model(name), at(name, "decoder")), (model(teacher), join))
        )
        assert ours == theirs
    assert model(name)[at(name, "decoder")]["output_shape"] == model(teacher)[join]["output_shape"]


def test_accuracies():
    teachers = {"resnet152": 0.7831, "densenet169": 0.7560, "densenet201": 0.7690}
    for name, top1 in teachers.items():
        assert card(name)["top1"] == top1
        assert card(f"{name}-bottlefit12")["top1"] == pytest.approx(top1 - 0.006)
