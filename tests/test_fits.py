"""Published totals are met, fits are what they say, students keep their teachers' times."""

import math
from decimal import Decimal

import pytest
from tracing import (
    SERVERS,
    TEACHERS,
    at,
    card,
    column,
    made_here,
    model,
    names,
    profile,
    profiles,
    read,
    row_of,
)

NAMES = {"AlexNet": "alexnet", "VGG-16": "vgg16"} | {
    f"ResNet-{depth}": f"resnet{depth}" for depth in (18, 50, 101, 152)
}
OURS = [(name, hardware) for name, hardware in profiles() if made_here(name)]
BOARDS = sorted({hardware for _, hardware in OURS})
NETWORKS = column(read("published/networks.csv"), "model", str)
MODES = {
    "jetson-nano-5w-tensorrt": ("Nano", "5W"),
    "jetson-tx2-tensorrt": ("TX2", "MAXN"),
    "jetson-tx2-maxp-tensorrt": ("TX2", "MAX-P"),
    "jetson-tx2-maxq-tensorrt": ("TX2", "MAX-Q"),
    "jetson-xavier-tensorrt": ("Xavier", "MAXN"),
    "jetson-xavier-30w-tensorrt": ("Xavier", "30W"),
    "jetson-xavier-15w-tensorrt": ("Xavier", "15W"),
    "jetson-xavier-10w-tensorrt": ("Xavier", "10W"),
}
RUNTIMES = {
    ("jetson-nano", "pytorch-fp16"): "jetson-nano",
    ("jetson-nano", "tensorrt-fp16"): "jetson-nano-tensorrt",
    ("jetson-xavier", "pytorch-fp16"): "jetson-xavier",
    ("server-gpu", "pytorch-fp16"): "server-gpu",
    ("server-gpu", "tensorrt-fp16"): "server-gpu-tensorrt",
    ("cortex-a76", "tflite-fp32"): "cortex-a76",
    ("raspberry-pi-4", "pytorch-fp32"): "raspberry-pi-4",
    ("raspberry-pi-4", "armnn-fp32"): "raspberry-pi-4-armnn",
    ("raspberry-pi-4", "tflite-fp32"): "raspberry-pi-4-tflite",
    ("raspberry-pi-4", "tflite-int8"): "raspberry-pi-4-tflite-int8",
    ("raspberry-pi-3b+", "pytorch-fp32"): "raspberry-pi-3b+",
}


def published_totals():
    """Network, hardware and milliseconds of every total that stands in a profile as it is."""
    for row in read("published/device_latency.csv"):
        hardware = RUNTIMES.get((row["hardware"], row["runtime"]))
        if hardware and row["input"] == "224":
            yield row["model"], hardware, row["latency_ms"]
    for row in read("published/jetson_power_modes.csv"):
        for hardware, mode in MODES.items():
            wanted = (*mode, "FP16")
            timed = (row["device"], row["power_mode"], row["precision"]) == wanted
            if timed and row["model"] in NAMES:
                yield NAMES[row["model"]], hardware, row["latency_ms"]
    yield "mobilenet_v2", "jetson-xavier-tensorrt", "1.67"


def whole(name, hardware):
    """Cell and basis of a whole network."""
    row, key = profile(name, hardware)[-1], "head"
    if hardware in SERVERS:
        row, key = profile(name, hardware)[0], "tail"
    return row[f"{key}_s"], row[f"{key}_basis"], row[f"{key}_factor"]


@pytest.mark.parametrize(("network", "hardware", "ms"), list(published_totals()))
def test_published_totals_are_met_exactly(network, hardware, ms):
    cell, basis, factor = whole(network, hardware)
    assert 1000 * Decimal(cell) == Decimal(ms)
    assert (basis, factor) == ("published", "")


def test_only_published_totals_are_published():
    known = {(network, hardware) for network, hardware, _ in published_totals()}
    chains = {(name, hardware) for name, hardware in OURS if name in NETWORKS}
    slowed = {(name, hardware) for name, hardware in chains if "nano-5w" in hardware}
    assert chains - known == slowed - known
    assert all(whole(*pair)[1] == "scaled" for pair in slowed - known)


def test_the_5_w_mode_is_slower_by_the_ratio_of_clocks():
    clocks = {row["mode"]: float(row["gpu_mhz"]) for row in read("published/nano_clocks.csv")}
    ratio = clocks["MAXN"] / clocks["5W"]
    assert ratio == pytest.approx(1.44)
    for network in ("resnet152", "densenet169", "vgg16"):
        fast, slow = (float(whole(network, h)[0]) for h in ("jetson-nano", "jetson-nano-5w"))
        assert slow / fast == pytest.approx(ratio, rel=1e-6)


def test_the_ratio_of_clocks_against_networks_timed_in_both_modes():
    rows = read("published/jetson_power_modes.csv")
    ms = {
        (row["model"], row["power_mode"]): float(row["latency_ms"])
        for row in rows
        if (row["device"], row["precision"]) == ("Nano", "FP16")
    }
    ratios = {name: ms[name, "5W"] / ms[name, "MAXN"] for name in NAMES}
    assert all(1.26 < ratio < 1.44 for ratio in ratios.values())
    assert ratios["ResNet-152"] == pytest.approx(1.44, rel=0.03)


def test_fits():
    """What facts say of two of them, and the residuals that the table claims."""
    fits = {row["hardware"]: row for row in read("fits.csv")}
    assert float(fits["jetson-nano"]["b_s_per_gmac"]) == pytest.approx(13.6e-3, rel=0.05)
    assert float(fits["server-gpu"]["a_s_per_layer"]) == pytest.approx(0.173e-3, rel=5e-3)
    assert float(fits["server-gpu"]["b_s_per_gmac"]) == 0
    assert {name for name, row in fits.items() if float(row["rms_error"]) > 0.31} == {
        "server-gpu-tensorrt"
    }
    for hardware, row in fits.items():
        assert int(row["networks"]) > 2
        errors = {
            name: residual(name, hardware, row)
            for name, h in OURS
            if h == hardware and name in NETWORKS
        }
        assert len(errors) == int(row["networks"])
        rms = math.sqrt(sum(error**2 for error in errors.values()) / len(errors))
        assert rms == pytest.approx(float(row["rms_error"]), rel=5e-3)
        worst = max(errors, key=lambda name: abs(errors[name]))
        assert worst == row["worst_network"]
        assert errors[worst] == pytest.approx(float(row["worst_error"]), abs=1e-3)


def residual(network, hardware, law):
    counts = row_of("published/networks.csv", model=network)
    a_s, b_s = float(law["a_s_per_layer"]), float(law["b_s_per_gmac"])
    fitted_s = a_s * int(counts["weighted_layers"]) + b_s * int(counts["macs"]) / 1e9
    return fitted_s / float(whole(network, hardware)[0]) - 1


def test_factors_of_scaled_times():
    fits = {row["hardware"]: float(row["rms_error"]) for row in read("fits.csv")}
    for name, hardware in OURS:
        for row in profile(name, hardware):
            for key in ("head", "tail"):
                if row[f"{key}_basis"] == "scaled" and row[f"{key}_factor"]:
                    r = fits[hardware]
                    usual = math.exp(math.hypot(math.log(2), math.log(1 + r)))
                    assert float(row[f"{key}_factor"]) == pytest.approx(usual, abs=2e-3)


def test_few_totals_give_no_inner_cuts():
    for hardware in ("raspberry-pi-4-armnn", "raspberry-pi-4-tflite", "raspberry-pi-4-tflite-int8"):
        for name in (name for name, h in OURS if h == hardware):
            heads = column(profile(name, hardware), "head_s", str)
            assert [head != "" for head in heads] == [True] + [False] * (len(heads) - 2) + [True]


@pytest.mark.parametrize("hardware", BOARDS)
def test_times_of_a_device_and_of_a_server(hardware):
    for name in (name for name, h in OURS if h == hardware):
        check_times(name, hardware)


def check_times(name, hardware):
    server = hardware in SERVERS
    filled = {"decode", "tail"} if server else {"pre", "head", "encode"}
    rows = profile(name, hardware)
    for step in ("pre", "head", "encode", "decode", "tail"):
        assert bool(rows[0][f"{step}_s"]) == bool(rows[-1][f"{step}_s"]) == (step in filled)
    key, start, end = ("tail", -1, 0) if server else ("head", 0, -1)
    assert float(rows[start][f"{key}_s"]) == 0 < float(rows[end][f"{key}_s"])
    assert float(rows[-1]["decode_s" if server else "encode_s"]) == 0
    if (name, hardware) != ("vgg16-tx2", "jetson-tx2"):  # measured heads need not rise
        times = [float(row[f"{key}_s"]) for row in rows if row[f"{key}_s"]]
        assert times == sorted(times, reverse=server)


# --- students ---

STUDENTS = [(n, h) for n, h in OURS if n.startswith(TEACHERS) and n not in TEACHERS]


def test_students_are_where_their_teachers_are():
    for teacher in TEACHERS:
        hardware = {h for name, h in OURS if name == teacher}
        for name in (n for n in names("models") if n.startswith(f"{teacher}-")):
            assert {h for n, h in OURS if n == name} == hardware


@pytest.mark.parametrize("hardware", sorted({h for _, h in STUDENTS}))
def test_students_keep_their_teachers_times_exactly(hardware):
    for name in (name for name, h in STUDENTS if h == hardware):
        check_kept_times(name, hardware)


def check_kept_times(name, hardware):
    teacher = card(name)["network"]
    key = "tail_s" if hardware in SERVERS else "head_s"
    join = at(teacher, "layer2" if teacher == "resnet152" else "transition2")
    theirs = [Decimal(row[key]) for row in profile(teacher, hardware)[join:]]
    ours = [Decimal(row[key]) for row in profile(name, hardware)[at(name, "decoder") :]]
    assert [t - theirs[0] for t in theirs] == [t - ours[0] for t in ours]
    if key == "tail_s":
        assert theirs == ours


@pytest.mark.parametrize("hardware", ["jetson-nano", "server-gpu"])
@pytest.mark.parametrize(
    "name",
    [
        *(f"{teacher}-autoencoder12" for teacher in TEACHERS),
        *(f"{t}-bottlefit12-v{n}" for t in TEACHERS if t != "resnet152" for n in (1, 3)),
    ],
)
def test_times_with_a_decoder_of_ours_are_assumed_and_reach_their_bounds(name, hardware):
    key = "tail" if hardware in SERVERS else "head"
    rows, cut = profile(name, hardware), at(name, "bottleneck")
    inside = rows[: cut + 1] if key == "tail" else rows[cut + 1 :]
    assert {row[f"{key}_basis"] for row in inside} == {"assumed"}
    law = row_of("fits.csv", hardware=hardware)
    scaled = math.hypot(math.log(2), math.log(1 + float(law["rms_error"])))
    decoder_s = abs(float(rows[cut + 1][f"{key}_s"]) - float(rows[cut][f"{key}_s"]))
    for row in inside:
        time_s = float(row[f"{key}_s"])
        bound = math.log(time_s / (time_s - decoder_s))
        factor = math.exp(math.hypot(scaled, bound))
        assert float(row[f"{key}_factor"]) == pytest.approx(factor, abs=3e-3)


def test_known_students_are_scaled_and_their_heads_are_short():
    for teacher in TEACHERS:
        name = f"{teacher}-bottlefit12"
        for hardware, key in (("jetson-nano", "head"), ("server-gpu", "tail")):
            assert set(column(profile(name, hardware), f"{key}_basis", str)) == {"scaled"}
        total_s = float(whole(teacher, "jetson-nano")[0])
        assert 0 < float(profile(name, "jetson-nano")[1]["head_s"]) < 0.03 * total_s


def test_vgg16_heads_and_payloads_are_the_measured_ones():
    known = read("published/vgg16_tx2_cuts.csv")
    rows = profile("vgg16-tx2", "jetson-tx2")
    assert len(model("vgg16-tx2")) == len(known) == 23
    assert [1e3 * s for s in column(rows, "head_s")] == pytest.approx(column(known, "head_ms"))
    assert set(column(rows, "head_basis", str)) == {"measured"}
    assert [8 * b for b in column(model("vgg16-tx2"), "wire_bytes")] == column(
        known, "payload_bits"
    )
    assert model("vgg16-tx2")[19]["layer"] == "pool5"
