"""The shipped tables are up to date, meet the published totals and say what they rest on."""

import csv
import math
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT / "traces"
GENERATOR = ROOT / "analysis" / "build_tables.py"
TEACHER, STUDENT, VGG = "resnet152", "resnet152-bottlefit12", "vgg16-tx2"
CUTS = {
    TEACHER: (
        "input",
        "conv1",
        "maxpool",
        *(f"layer{n}" for n in (1, 2, 3, 4)),
        "avgpool",
        "output",
    ),
    STUDENT: ("input", "bottleneck", "decoder", "layer3", "layer4", "avgpool", "output"),
}
KEPT = ("layer3", "layer4", "avgpool", "output")
DEVICE = {TEACHER: "jetson-nano", STUDENT: "jetson-nano", VGG: "jetson-tx2"}
PROFILES = [(m, h) for m in DEVICE for h in (DEVICE[m], "server-gpu")]
BASES = {"measured", "published", "scaled", "assumed"}
STEPS = ("pre", "head", "encode", "decode", "tail")


def read(name):
    with (TRACES / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def model(name):
    return read(f"models/{name}.csv")


def card(name):
    return tomllib.loads((TRACES / f"models/{name}.toml").read_text(encoding="utf-8"))


def profile(name, hardware):
    return read(f"profiles/{name}@{hardware}.csv")


def at(name, layer):
    """The number of a layer's cut."""
    return [row["layer"] for row in model(name)].index(layer)


def column(rows, key, kind=float):
    return [kind(row[key]) for row in rows]


def row_of(name, **wanted):
    (row,) = (r for r in read(name) if all(r[k] == v for k, v in wanted.items()))
    return row


def run(script, *arguments):
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generator_is_up_to_date():
    done = run(GENERATOR, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_finds_a_changed_table_and_a_run_mends_it(tmp_path):
    (tmp_path / "analysis").mkdir()
    script = tmp_path / "analysis" / "build_tables.py"
    script.write_bytes(GENERATOR.read_bytes())
    inputs = tmp_path / "traces" / "published"
    inputs.mkdir(parents=True)
    for file in (TRACES / "published").glob("*.csv"):
        (inputs / file.name).write_bytes(file.read_bytes())
    assert run(script).returncode == 0
    table = tmp_path / "traces" / "models" / f"{TEACHER}.csv"
    right = table.read_bytes()
    assert right == (TRACES / "models" / f"{TEACHER}.csv").read_bytes()
    table.write_bytes(right.replace(b"44770", b"44771"))
    assert run(script, "--check").returncode == 1
    assert run(script).returncode == 0
    assert table.read_bytes() == right


@pytest.mark.parametrize(("name", "layers"), CUTS.items())
def test_natural_cuts(name, layers):
    assert column(model(name), "layer", str) == list(layers)


@pytest.mark.parametrize("name", DEVICE)
def test_model_table(name):
    rows = model(name)
    header = "cut layer macs params output_shape tensor_bytes wire_bytes"
    assert list(rows[0]) == header.split()
    assert column(rows, "cut", int) == list(range(len(rows)))
    assert (rows[0]["layer"], rows[-1]["layer"]) == ("input", "output")
    assert float(rows[-1]["wire_bytes"]) == 0
    for key in ("macs", "params"):
        assert column(rows, key, int) == sorted(column(rows, key, int))
    for row in rows:
        elements = math.prod(map(int, row["output_shape"].split("x")))
        assert int(row["tensor_bytes"]) == 4 * elements


@pytest.mark.parametrize("name", DEVICE)
def test_model_card(name):
    values = card(name)
    assert {"dataset", "top1_basis", "wire_format", "source", "answer_bytes"} <= set(values)
    assert values["top1_basis"] in BASES
    assert 0.7 < values["top1"] < 0.8


def test_accuracies():
    assert card(TEACHER)["top1"] == 0.7831
    assert card(STUDENT)["top1"] == 0.7771
    assert card(STUDENT)["top1_basis"] == "assumed"


@pytest.mark.parametrize(
    ("name", "gmac", "million"), [(TEACHER, 11.514, 60.19), (VGG, 15.470, 138.36)]
)
def test_totals_of_networks(name, gmac, million):
    last = model(name)[-1]
    assert int(last["macs"]) / 1e9 == pytest.approx(gmac, rel=1e-3)
    assert int(last["params"]) / 1e6 == pytest.approx(million, rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "mmac"),
    [("conv1", 118.01), ("layer1", 785.96), ("layer2", 2687.03), ("layer3", 10702.34),
     ("layer4", 11511.58), ("avgpool", 11511.58), ("output", 11513.63)],
)  # fmt: skip
def test_macs_at_the_cuts_of_resnet152(layer, mmac):
    assert int(model(TEACHER)[at(TEACHER, layer)]["macs"]) / 1e6 == pytest.approx(mmac, rel=1e-3)


def test_student_counts():
    _, bottleneck, decoder, *_, last = model(STUDENT)
    assert int(bottleneck["params"]) == 12_736
    assert int(bottleneck["macs"]) / 1e6 == pytest.approx(120.6, rel=1e-3)
    head = int(decoder["macs"])
    assert (head - int(bottleneck["macs"])) / 1e9 == pytest.approx(2.855, rel=1e-3)
    assert (int(last["macs"]) - head) / 1e9 == pytest.approx(8.827, rel=1e-3)


def test_kept_layers_count_the_same_in_student_and_teacher():
    for key in ("macs", "params"):
        left = [
            [int(rows[-1][key]) - int(rows[at(name, layer)][key]) for layer in KEPT]
            for name in (TEACHER, STUDENT)
            for rows in [model(name)]
        ]
        assert left[0] == left[1]


def test_bytes_on_the_wire():
    assert column(model(TEACHER), "wire_bytes")[:2] == [44_770, 802_816]
    assert float(model(TEACHER)[at(TEACHER, "avgpool")]["wire_bytes"]) == 2_048
    assert column(model(STUDENT), "wire_bytes")[:2] == [44_770, 10_092]
    assert model(STUDENT)[1]["output_shape"] == "12x29x29"


def test_every_published_student_matches_the_bottlenecks():
    for row in read("published/bottlefit_students.csv"):
        if row["block"] == "bottleneck":
            wanted = {"bottleneck_ver": "2", "channels": row["channels"]}
            known = row_of("published/bottlefit_bottlenecks.csv", **wanted)
            assert row["params"] == known["encoder_params"]
            assert int(row["macs"]) / 1e6 == pytest.approx(float(known["encoder_MMAC"]), rel=1e-3)


@pytest.mark.parametrize(
    ("network", "hardware", "key", "cut", "table"),
    [(TEACHER, "jetson-nano", "head", -1, TEACHER), (TEACHER, "server-gpu", "tail", 0, TEACHER),
     ("vgg16", "server-gpu", "tail", 0, VGG)],
)  # fmt: skip
def test_published_totals_are_met(network, hardware, key, cut, table):
    total = row_of(
        "published/device_latency.csv",
        model=network, hardware=hardware, runtime="pytorch-fp16", input="224",
    )  # fmt: skip
    row = profile(table, hardware)[cut]
    assert float(row[f"{key}_s"]) == pytest.approx(float(total["latency_ms"]) / 1e3, rel=1e-12)
    assert row[f"{key}_basis"] == "published"


def test_student_keeps_the_teachers_times_exactly():
    for hardware, key in (("jetson-nano", "head_s"), ("server-gpu", "tail_s")):
        teacher, student = (
            [Decimal(profile(name, hardware)[at(name, layer)][key]) for layer in (join, *KEPT)]
            for name, join in ((TEACHER, "layer2"), (STUDENT, "decoder"))
        )
        assert [t - teacher[0] for t in teacher] == [t - student[0] for t in student]
        if key == "tail_s":
            assert teacher == student


def test_student_is_scaled_and_its_head_is_short():
    for hardware, key in (("jetson-nano", "head"), ("server-gpu", "tail")):
        assert set(column(profile(STUDENT, hardware), f"{key}_basis", str)) == {"scaled"}
    whole = float(profile(TEACHER, "jetson-nano")[-1]["head_s"])
    assert 0 < float(profile(STUDENT, "jetson-nano")[1]["head_s"]) < 0.02 * whole


def test_vgg16_heads_and_payloads_are_the_measured_ones():
    known = read("published/vgg16_tx2_cuts.csv")
    assert len(model(VGG)) == len(known) == 23
    heads_ms = [1e3 * s for s in column(profile(VGG, "jetson-tx2"), "head_s")]
    assert heads_ms == pytest.approx(column(known, "head_ms"))
    assert set(column(profile(VGG, "jetson-tx2"), "head_basis", str)) == {"measured"}
    assert [8 * b for b in column(model(VGG), "wire_bytes")] == column(known, "payload_bits")
    assert model(VGG)[19]["layer"] == "pool5"


@pytest.mark.parametrize(("name", "hardware"), PROFILES)
def test_every_time_has_a_basis_and_a_source(name, hardware):
    rows = profile(name, hardware)
    header = ["cut", *(c for step in STEPS for c in (f"{step}_s", f"{step}_basis")), "source"]
    assert list(rows[0]) == header
    assert column(rows, "cut", int) == list(range(len(model(name))))
    filled = {"decode", "tail"} if hardware == "server-gpu" else {"pre", "head", "encode"}
    for row in rows:
        assert row["source"]
        for step in STEPS:
            assert bool(row[f"{step}_s"]) == bool(row[f"{step}_basis"]) == (step in filled)
            assert row[f"{step}_basis"] in BASES | {""}
            assert float(row[f"{step}_s"] or 0) >= 0


@pytest.mark.parametrize(("name", "hardware"), PROFILES)
def test_nothing_is_computed_before_the_first_or_after_the_last_cut(name, hardware):
    rows = profile(name, hardware)
    if hardware == "server-gpu":
        assert float(rows[-1]["tail_s"]) == float(rows[-1]["decode_s"]) == 0
    else:
        assert float(rows[0]["head_s"]) == float(rows[-1]["encode_s"]) == 0


def test_watts_come_from_their_sources():
    rows = {row["hardware"]: row for row in read("hardware.csv")}
    assert set(rows) == {"jetson-nano", "jetson-tx2", "server-gpu"}
    busy = {name: float(r["idle_w"]) + float(r["compute_w"]) for name, r in rows.items()}
    assert busy["jetson-nano"] == pytest.approx(9.32)
    assert busy["jetson-tx2"] == pytest.approx(16.775, abs=0.01)
    for row in rows.values():
        assert row["measuring_point"]
        assert row["source"]
        assert {row["idle_basis"], row["compute_basis"]} <= BASES
        assert int(row["memory_bytes"]) >= 4 * 2**30


def test_server_line_reproduces_its_load_points():
    row = row_of("hardware.csv", hardware="server-gpu")
    for share, power_w in ((0.56, 197), (0.79, 249), (0.91, 268)):
        fitted_w = float(row["idle_w"]) + share * float(row["compute_w"])
        assert fitted_w == pytest.approx(power_w, rel=0.02)


def test_lte_worked_value():
    lte = row_of("radios.csv", radio="lte")
    bits, seconds = 8 * 10_092, 8 * 10_092 / 5.85e6
    joules = float(lte["a_up_j_per_bit"]) * bits + float(lte["b_w"]) * seconds
    assert seconds == pytest.approx(13.8e-3, rel=5e-3)
    assert joules == pytest.approx(53.2e-3, rel=2e-3)
    assert float(lte["tail_s"]) * float(lte["tail_w"]) == pytest.approx(11.05, rel=1e-6)


def test_radios():
    rows = {row["radio"]: row for row in read("radios.csv")}
    assert set(rows) == {"lte", "wifi", "3g", "none"}
    numbers = ("a_up_j_per_bit", "a_down_j_per_bit", "b_w", "tail_s", "tail_w")
    assert all(float(rows["none"][key]) == 0 for key in numbers)
    assert all(row["basis"] in BASES and row["source"] for row in rows.values())


def test_published_rows_have_a_source():
    for file in (TRACES / "published").glob("*.csv"):
        assert all(row["source"] for row in read(f"published/{file.name}")), file.name


def test_counts_of_published_networks():
    known = {
        "resnet18": (21, 1.814, 11.69), "resnet34": (37, 3.664, 21.80),
        "resnet50": (54, 4.089, 25.56), "resnet101": (105, 7.801, 44.55),
        "resnet152": (156, 11.514, 60.19), "vgg16": (16, 15.470, 138.36),
        "alexnet": (8, 0.714, 61.10), "squeezenet1_1": (26, 0.349, 1.24),
        "densenet121": (121, 2.834, 7.98), "densenet169": (169, 3.360, 14.15),
        "densenet201": (201, 4.291, 20.01), "mobilenet_v2": (53, 0.301, 3.50),
    }  # fmt: skip
    rows = {row["model"]: row for row in read("published/networks.csv")}
    assert set(rows) == set(known)
    for name, (layers, gmac, million) in known.items():
        assert int(rows[name]["weighted_layers"]) == layers
        assert int(rows[name]["macs"]) / 1e9 == pytest.approx(gmac, rel=2e-3)
        assert int(rows[name]["params"]) / 1e6 == pytest.approx(million, rel=4e-3)
