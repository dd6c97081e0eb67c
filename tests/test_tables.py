"""The shipped tables are up to date, well formed, and load; watts and radios."""

import math
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from tracing import (
    BASES,
    GENERATOR,
    TRACES,
    card,
    column,
    counted_profiles,
    made_here,
    measured_profiles,
    model,
    names,
    profile,
    profiles,
    read,
    row_of,
)

from splitsim.profiles import Tables

STEPS = ("pre", "head", "encode", "decode", "tail")
# Known by the energies of their operations: whoever counts a network's has a profile of it.
ACCELERATORS = {row["hardware"] for row in read("hardware.csv") if row["mac_j"]}


def run(script, *arguments):
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generator_is_up_to_date():
    done = run(GENERATOR, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copied(tmp_path):
    """The generator and its inputs elsewhere, its tables built there."""
    shutil.copytree(TRACES / "published", tmp_path / "traces" / "published")
    shutil.copytree(GENERATOR.parent / "tables", tmp_path / "analysis" / "tables")
    (tmp_path / "traces" / "profiles").mkdir()
    for path in (TRACES / "profiles").glob("*@x86-1t.*"):  # the generator reads what was measured
        shutil.copy(path, tmp_path / "traces" / "profiles")
    script = shutil.copy(GENERATOR, tmp_path / "analysis")
    assert run(script).returncode == 0
    return tmp_path / "traces", script


def test_check_finds_a_changed_table_and_a_run_mends_it(copied):
    traces, script = copied
    table = traces / "models" / "resnet152.csv"
    right = table.read_bytes()
    assert right == (TRACES / "models" / "resnet152.csv").read_bytes()
    table.write_bytes(right.replace(b"44770", b"44771"))
    assert run(script, "--check").returncode == 1
    assert run(script).returncode == 0
    assert table.read_bytes() == right


def test_check_finds_a_table_that_nobody_makes(copied):
    traces, script = copied
    (traces / "profiles" / "resnet152@toaster.csv").write_text("cut\n")
    done = run(script, "--check")
    assert done.returncode == 1
    assert "nobody makes: traces/profiles/resnet152@toaster.csv" in done.stdout


@pytest.mark.parametrize("name", names("models"))
def test_model_table(name):
    rows = model(name)
    header = "cut layer macs params output_shape tensor_bytes wire_bytes"
    assert list(rows[0])[:7] == header.split()
    assert column(rows, "cut", int) == list(range(len(rows)))
    assert len({row["layer"] for row in rows}) == len(rows)
    assert float(rows[-1]["wire_bytes"]) == 0
    if not made_here(name):
        return
    assert (rows[0]["layer"], rows[-1]["layer"]) == ("input", "output")
    for key in ("macs", "params"):
        assert column(rows, key, int) == sorted(column(rows, key, int))
    for row in rows:
        elements = math.prod(map(int, row["output_shape"].split("x")))
        assert int(row["tensor_bytes"]) == 4 * elements


@pytest.mark.parametrize("name", names("models"))
def test_model_card(name):
    values = card(name)
    assert {"dataset", "top1_basis", "wire_format", "source", "answer_bytes"} <= set(values)
    assert values["top1_basis"] in BASES
    assert 0 < values["top1"] <= 1
    if made_here(name):
        assert name.startswith(values["network"])


@pytest.mark.parametrize("hardware", column(read("hardware.csv"), "hardware", str))
def test_profile_tables(hardware):
    of_it = [
        name
        for name, h in [*profiles(), *measured_profiles(), *counted_profiles()]
        if h == hardware
    ]
    assert of_it or hardware in ACCELERATORS
    for name in of_it:
        check_profile(name, hardware)


def check_profile(name, hardware):
    rows = profile(name, hardware)
    steps = [c for step in STEPS for c in (f"{step}_s", f"{step}_basis")]
    if (name, hardware) in profiles():
        factors = ["head_factor", "encode_factor", "tail_factor"]
        assert list(rows[0]) == ["cut", *steps, *factors, "energy_j", "source"]
    assert {"cut", *steps, "source"} <= set(rows[0])
    assert column(rows, "cut", int) == list(range(len(model(name))))
    for row in rows:
        assert row["source"]
        for step in STEPS:
            assert bool(row[f"{step}_s"]) == bool(row[f"{step}_basis"])
            assert row[f"{step}_basis"] in BASES | {""}
            assert float(row[f"{step}_s"] or 0) >= 0
        for key in ("head_factor", "encode_factor", "tail_factor"):
            assert float(row.get(key) or 1) >= 1


def test_everything_loads():
    tables = Tables()
    every = [*profiles(), *measured_profiles(), *counted_profiles()]
    for name, hardware in every:
        assert len(tables.profile(name, hardware).times["head"]) == len(tables.model(name).layers)
    for row in read("hardware.csv"):
        tables.hardware(row["hardware"])
    for row in read("radios.csv"):
        tables.radio(row["radio"])
    timed = {hardware for _, hardware in every}
    assert timed | ACCELERATORS == set(column(read("hardware.csv"), "hardware", str))


def test_published_rows_have_a_source():
    for file in (TRACES / "published").glob("*.csv"):
        assert all(row["source"] for row in read(f"published/{file.name}")), file.name


def test_every_published_file_is_described():
    described = (TRACES / "published" / "README.md").read_text(encoding="utf-8")
    assert [n for n in names("published") if f"`{n}.csv`" not in described] == []


# --- encoding ---

X86 = "x86-1t"
CODED = [(n, h) for n, h in measured_profiles() if h == X86 and made_here(n)]


def elements(row):
    return math.prod(map(int, row["output_shape"].split("x")))


def law():
    """a and b of seconds = a + b x elements, and the rms of its relative errors."""
    points = [
        (elements(cut), float(row["encode_s"]))
        for name, _ in CODED
        for cut, row in zip(model(name)[1:-1], profile(name, X86)[1:-1], strict=True)
    ]
    counts, seconds = np.array(points).T
    terms = np.column_stack([1 / seconds, counts / seconds])
    (a_s, b_s), *_ = np.linalg.lstsq(terms, np.ones(len(points)))
    return a_s, b_s, float(np.sqrt(np.mean((terms @ (a_s, b_s) - 1) ** 2)))


def ratio(hardware):
    """Mean and spread over networks of how much longer a hardware takes for them."""
    totals = [
        float(profile(name, hardware)[-1]["head_s"]) / float(profile(name, X86)[-1]["head_s"])
        for name, _ in CODED
        if (name, hardware) in profiles() and "-" not in name
    ]
    return np.exp(np.mean(np.log(totals))), np.exp(np.std(np.log(totals), ddof=1))


def test_what_was_measured_has_a_card_that_says_uint8():
    for name, hardware in CODED:
        said = tomllib.loads((TRACES / f"profiles/{name}@{hardware}.toml").read_text())
        assert said["wire"] == "uint8"


def test_encoding_takes_longer_with_the_elements():
    a_s, b_s, rms = law()
    assert 0 < a_s < 1e-3
    assert 1e-10 < b_s < 1e-8
    assert rms < 0.3


@pytest.mark.parametrize(
    ("hardware", "like", "basis", "usual"),
    [("raspberry-pi-4", "raspberry-pi-4", "scaled", 2),
     ("raspberry-pi-4-armnn", "raspberry-pi-4", "scaled", 2),
     ("raspberry-pi-3b+", "raspberry-pi-3b+", "scaled", 2),
     ("cortex-a76", "cortex-a76", "scaled", 2),
     ("jetson-nano", "raspberry-pi-4", "assumed", 3),
     ("jetson-xavier-tensorrt", "raspberry-pi-4", "assumed", 3)],
)  # fmt: skip
def test_encoding_on_a_board_is_the_law_by_its_processors_ratio(hardware, like, basis, usual):
    (a_s, b_s, rms), (times, spread) = law(), ratio(like)
    name = "mobilenet_v2" if hardware != "jetson-nano" else "resnet152-bottlefit12"
    factor = math.exp(math.hypot(math.log(usual), math.log(1 + rms), math.log(spread)))
    for cut, row in list(zip(model(name), profile(name, hardware), strict=True))[1:-1]:
        here_s = times * (a_s + b_s * elements(cut))
        assert float(row["encode_s"]) == pytest.approx(here_s, rel=1e-4)
        assert row["encode_basis"] == basis
        assert float(row["encode_factor"]) == pytest.approx(factor, abs=2e-3)


def test_encoding_is_slower_by_the_processors_clock_in_the_5_w_mode():
    name = "resnet152-bottlefit12"
    fast, slow = (
        column(profile(name, f"jetson-nano{mode}")[1:-1], "encode_s") for mode in ("", "-5w")
    )
    clocks = {row["mode"]: float(row["cpu_mhz"]) for row in read("published/nano_clocks.csv")}
    ratio_of_clocks = clocks["MAXN"] / clocks["5W"]
    assert slow == pytest.approx([ratio_of_clocks * s for s in fast], rel=1e-4)


# --- watts ---


def busy_w(hardware):
    row = row_of("hardware.csv", hardware=hardware)
    return float(row["idle_w"]) + float(row["compute_w"])


def test_every_watt_has_a_measuring_point_a_basis_and_a_source():
    for row in read("hardware.csv"):
        assert row["measuring_point"]
        assert row["source"]
        for key in ("idle", "compute"):
            assert bool(row[f"{key}_w"]) == bool(row[f"{key}_basis"])
            assert row[f"{key}_basis"] in BASES | {""}
            assert float(row[f"{key}_factor"] or 1) >= 1


def test_boards_nobody_metered_have_no_watts():
    unknown = {row["hardware"] for row in read("hardware.csv") if not row["idle_w"]}
    boards = {"jetson-xavier", "raspberry-pi-3b+", "cortex-a76", "splinter-server"}
    assert unknown == boards | {"x86-1t", "x86-2t", "h100"}


@pytest.mark.parametrize(
    ("hardware", "device", "mode"),
    [("jetson-nano-tensorrt", "Nano", "MAXN"), ("jetson-nano-5w-tensorrt", "Nano", "5W"),
     ("jetson-tx2-tensorrt", "TX2", "MAXN"), ("jetson-tx2-maxp-tensorrt", "TX2", "MAX-P"),
     ("jetson-tx2-maxq-tensorrt", "TX2", "MAX-Q"), ("jetson-xavier-tensorrt", "Xavier", "MAXN"),
     ("jetson-xavier-30w-tensorrt", "Xavier", "30W"),
     ("jetson-xavier-15w-tensorrt", "Xavier", "15W"),
     ("jetson-xavier-10w-tensorrt", "Xavier", "10W")],
)  # fmt: skip
def test_busy_watts_of_a_mode_are_the_mean_of_its_networks(hardware, device, mode):
    rows = [
        row
        for row in read("published/jetson_power_modes.csv")
        if (row["device"], row["power_mode"], row["precision"]) == (device, mode, "FP16")
    ]
    powers_w = column(rows, "power_w")
    assert busy_w(hardware) == pytest.approx(sum(powers_w) / len(powers_w), abs=0.011)
    assert max(powers_w) / min(powers_w) < 1.5  # power hardly depends on the network


def test_bounded_watts_reach_their_bounds():
    nano = row_of("hardware.csv", hardware="jetson-nano")
    for key, low_w, high_w in (("idle", 1.39, 4.31), ("compute", 9.32 - 4.31, 11.039 - 1.39)):
        watts, factor = float(nano[f"{key}_w"]), float(nano[f"{key}_factor"])
        assert watts / factor == pytest.approx(low_w, rel=3e-3)
        assert watts * factor == pytest.approx(high_w, rel=3e-3)


def test_raspberry_pi_at_the_wall():
    assert busy_w("raspberry-pi-4-armnn") == pytest.approx(5.48, abs=0.011)
    assert busy_w("raspberry-pi-4-tflite") == pytest.approx(5.90, abs=0.011)
    assert 23e-3 * busy_w("raspberry-pi-4-tflite-int8") == pytest.approx(155e-3, rel=3e-3)
    assert 329e-3 * busy_w("raspberry-pi-4-armnn") == pytest.approx(1.83, rel=0.02)
    assert 4.6 < busy_w("raspberry-pi-4") < 6.7
    assert 3.56 < float(row_of("hardware.csv", hardware="raspberry-pi-4")["idle_w"]) < 3.86


def test_server_line_reproduces_its_load_points():
    row = row_of("hardware.csv", hardware="server-gpu")
    for share, power_w in ((0.56, 197), (0.79, 249), (0.91, 268)):
        fitted_w = float(row["idle_w"]) + share * float(row["compute_w"])
        assert fitted_w == pytest.approx(power_w, rel=0.02)


# --- radios ---


def test_lte_worked_value():
    lte = Tables().radio("lte")
    bits, seconds = 8 * 10_092, 8 * 10_092 / 5.85e6
    assert seconds == pytest.approx(13.8e-3, rel=5e-3)
    assert lte.send_j(bits, seconds) == pytest.approx(53.2e-3, rel=2e-3)
    assert lte.tail_j(60.0) == pytest.approx(11.05, rel=1e-6)
    assert lte.promotion_j == pytest.approx(0.26 * 1.21)


def test_radios():
    tables = Tables()
    radios = {row["radio"]: tables.radio(row["radio"]) for row in read("radios.csv")}
    assert set(radios) == {
        *("lte", "wifi", "3g", "lte-2021", "mmwave", "lte-router", "wifi-included", "none"),
    }  # fmt: skip
    for free in ("none", "wifi-included"):
        assert radios[free].send_j(1e6, 1.0, 0.5) == radios[free].tail_j(60.0) == 0
    assert (radios["3g"].tail_s, radios["3g"].tail_w) == ((4, 10), (1.3, 0.3))
    assert radios["3g"].promotion_s == 2
    assert radios["lte-2021"].send_j(1e9, 1.0) == pytest.approx(76.7)
    assert radios["mmwave"].receive_j(1e9, 1.0) == pytest.approx(1.73)
    assert radios["lte-router"].send_j(1e9, 2.0) == pytest.approx(2 * 1.47)
    assert all(row["basis"] in BASES and row["source"] for row in read("radios.csv"))
