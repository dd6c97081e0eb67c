"""Meters on a made-up sysfs: what they count, and what they say when something is wrong."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitsim.errors import BadInput
from splitsim.measure import Consumption, Meter, consumption, open_meter
from splitsim.measure.log import Log
from splitsim.measure.meter import Track, now_s
from splitsim.measure.sources import Counter, Integral

SELDOM_HZ = 0.01  # the thread of a meter does not come to read: only the test does

RAPL = "class/powercap"
HWMON = "class/hwmon"
IIO = "bus/iio/devices/iio:device0"
SUPPLY = "class/power_supply"


class Tree:
    """A sysfs in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: str, **files: object) -> None:
        """Write files as the kernel does: a reader sees the old value or the new one."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            draft = self.root / folder / f".{name}"
            draft.write_text(f"{value}\n")
            draft.replace(self.root / folder / name)

    def zone(self, zone: str, name: str, energy_uj: object, range_uj: object = 262143328850) -> str:
        folder = f"{RAPL}/{zone}"
        self.put(folder, name=name, energy_uj=energy_uj, max_energy_range_uj=range_uj)
        return folder

    def shunt(self, chip: str, folder: str, *rails: tuple[str, int, int]) -> str:
        """An INA3221 in hwmon: labels, millivolts, milliamperes."""
        self.put(f"{HWMON}/{folder}", name=chip)
        for channel, (label, millivolts, milliamperes) in enumerate(rails, 1):
            values = {f"in{channel}_label": label, f"in{channel}_input": millivolts}
            self.put(f"{HWMON}/{folder}", **values, **{f"curr{channel}_input": milliamperes})
        return f"{HWMON}/{folder}"

    def open(self, power: str, **how: object) -> Meter:
        meter = open_meter(power, root=self.root, **{"rate_hz": SELDOM_HZ, **how})
        assert meter is not None
        return meter

    def watts(self, power: str) -> float:
        """What a meter says of a constant power."""
        with self.open(power) as meter:
            start_s = meter.mark()
            time.sleep(0.002)
            end_s = meter.mark()
            return (meter.joules(end_s) - meter.joules(start_s)) / (end_s - start_s)

    def problems(self, power: str) -> tuple[str, ...]:
        with pytest.raises(BadInput) as caught:
            self.open(power)
        assert all("\n" not in problem for problem in caught.value.problems)
        return tuple(problem.replace(f"{self.root}/", "") for problem in caught.value.problems)


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Files of this name may not be read, not even by root, who runs some tests."""
    read_text = Path.read_text

    def forbid_name(name: str) -> None:
        def read(path: Path, *args: object, **how: object) -> str:
            if path.name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return read_text(path, *args, **how)

        monkeypatch.setattr(Path, "read_text", read)

    return forbid_name


def gained(meter: Meter, change: Callable[[], object]) -> float:
    """The joules of a change."""
    before = meter.joules()
    change()
    return meter.joules() - before


# RAPL


def test_rapl_adds_packages_and_nothing_twice(sysfs):
    first = sysfs.zone("intel-rapl:0", "package-0", 5_000_000)
    second = sysfs.zone("intel-rapl:1", "package-1", 9_000_000)
    rest = [
        sysfs.zone("intel-rapl:0:0", "core", 1_000_000),
        sysfs.zone("intel-rapl:0:1", "dram", 1_000_000),
        sysfs.zone("intel-rapl:2", "psys", 1_000_000),
        sysfs.zone("intel-rapl-mmio:0", "package-0", 5_000_000),
    ]
    with sysfs.open("rapl") as meter:
        assert (meter.name, meter.point) == ("rapl", "2 processor packages, without memory")

        def work() -> None:
            sysfs.put(first, energy_uj=7_500_000)
            sysfs.put(second, energy_uj=9_250_000)
            for folder in rest:
                sysfs.put(folder, energy_uj=8_000_000)

        assert gained(meter, work) == pytest.approx(2.75)


def test_rapl_goes_on_where_its_counter_wraps(sysfs):
    zone = sysfs.zone("intel-rapl:0", "package-0", 999_000, range_uj=999_999)
    with sysfs.open("rapl") as meter:
        assert gained(meter, lambda: sysfs.put(zone, energy_uj=1_000)) == pytest.approx(2_000e-6)
        assert gained(meter, lambda: sysfs.put(zone, energy_uj=400_000)) == pytest.approx(0.399)


def test_a_counter_that_was_reset_is_told(sysfs):
    zone = sysfs.zone("intel-rapl:0", "package-0", 800_000, range_uj=999_999)
    with sysfs.open("rapl") as meter:
        sysfs.put(zone, energy_uj=700_000)
        with pytest.raises(BadInput, match=r"energy_uj: the counter went back: it was reset"):
            meter.joules()


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(0, 999))
def test_a_counter_sums_all_its_steps(steps, start):
    counts = iter([count % 1000 for count in accumulate([start, *steps])])
    counter = Counter("counter", lambda: next(counts), unit_j=0.5, range_counts=1000)
    for _ in range(len(steps) + 1):
        joules = counter.joules(0.0)
    assert joules == sum(steps) * 0.5


def test_the_thread_reads_often_enough_for_wraps_that_nobody_asks_for(sysfs):
    """Three wraps' worth of energy between two questions."""
    tick_uj, range_uj, ticks = 10_000, 2_000_000, 600
    zone = sysfs.zone("intel-rapl:0", "package-0", 0, range_uj - 1)

    def run() -> None:
        for tick in range(1, ticks + 1):
            sysfs.put(zone, energy_uj=tick * tick_uj % range_uj)
            time.sleep(0.001)

    with sysfs.open("rapl", rate_hz=500) as meter:
        ticking = threading.Thread(target=run)
        assert gained(meter, lambda: (ticking.start(), ticking.join())) == pytest.approx(6.0)


def test_every_counter_that_may_not_be_read_is_told_with_its_remedy(sysfs, forbid):
    sysfs.zone("intel-rapl:0", "package-0", 1)
    sysfs.zone("intel-rapl:1", "package-1", 1)
    forbid("energy_uj")
    told = sysfs.problems("rapl")
    assert len(told) == 2
    path = "class/powercap/intel-rapl:1/energy_uj"
    assert told[1].startswith(f"{path}: you may not read it")
    assert told[1].endswith(f"sudo chmod a+r {path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(sysfs):
    zone = sysfs.zone("intel-rapl:0", "package-0", 1)
    (sysfs.root / zone / "energy_uj").chmod(0)
    assert "sudo chmod a+r" in sysfs.problems("rapl")[0]


@pytest.mark.parametrize("content", ["", "many", "nan", "1 2"])
def test_nonsense_in_a_counter_is_told(sysfs, content):
    sysfs.zone("intel-rapl:0", "package-0", content)
    (told,) = sysfs.problems("rapl")
    assert told.startswith(
        f"class/powercap/intel-rapl:0/energy_uj: must be a number, not '{content}'"
    )


def test_bytes_that_are_no_text_are_told(sysfs):
    zone = sysfs.zone("intel-rapl:0", "package-0", 1)
    (sysfs.root / zone / "energy_uj").write_bytes(b"\xff\xfe")
    assert "cannot be read: it is not UTF-8 text" in sysfs.problems("rapl")[0]


def test_a_sensor_that_vanishes_while_the_thread_reads_is_told_to_who_asks(sysfs):
    zone = sysfs.zone("intel-rapl:0", "package-0", 1)
    with sysfs.open("rapl", rate_hz=1000) as meter:
        (sysfs.root / zone / "energy_uj").unlink()
        time.sleep(0.05)
        with pytest.raises(BadInput, match=r"energy_uj: is not there \(any more\)"):
            meter.mark()


# Jetsons and other boards with shunts


def test_jetson_input_by_name_and_not_its_parts(sysfs):
    rails = ("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 400), ("VDD_SOC", 5000, 300)
    sysfs.shunt("ina3221", "hwmon4", *rails)
    sysfs.put(f"{HWMON}/hwmon4", in7_label="sum of shunt voltages", curr4_input=1900)
    sysfs.shunt("tmp451", "hwmon0", ("VDD_IN", 1, 1))
    assert sysfs.open("ina3221").point == "module input (VDD_IN)"
    assert sysfs.watts("ina3221") == pytest.approx(6.0)
    assert sysfs.watts("ina3221:VDD_SOC") == pytest.approx(1.5)
    assert sysfs.watts("ina3221:VDD_SOC+VDD_CPU_GPU_CV") == pytest.approx(3.5)


def test_power_that_is_told_goes_before_volts_times_amperes(sysfs):
    folder = sysfs.shunt("ina3221", "hwmon1", ("VDD_IN", 5000, 1000))
    sysfs.put(folder, power1_input=4_900_000)
    assert sysfs.watts("ina3221") == pytest.approx(4.9)


def test_agx_orin_is_the_sum_of_its_supplies(sysfs):
    supplies = ("VDD_GPU_SOC", 10000, 300), ("VDD_CPU_CV", 10000, 100), ("VIN_SYS_5V0", 5000, 800)
    sysfs.shunt("ina3221", "hwmon2", *supplies)
    sysfs.shunt("ina3221", "hwmon3", ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 200), ("NC", 0, 0))
    assert sysfs.open("ina3221").point == "module input (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0)"
    assert sysfs.watts("ina3221") == pytest.approx(8.0)


@pytest.mark.parametrize(
    "files",
    [{"in_power0_input": 4321}, {"in_voltage0_input": 4321, "in_current0_input": 1000}],
)
def test_jetson_nano_by_the_older_driver(sysfs, files):
    sysfs.put(IIO, name="ina3221x", rail_name_0="POM_5V_IN", rail_name_1="POM_5V_GPU")
    sysfs.put(IIO, **files, in_power1_input=500)
    assert sysfs.open("ina3221").point == "module input (POM_5V_IN)"
    assert sysfs.watts("ina3221") == pytest.approx(4.321)
    assert sysfs.watts("ina3221:POM_5V_GPU") == pytest.approx(0.5)


def test_rails_that_are_not_known_must_be_named(sysfs):
    sysfs.shunt("ina3221", "hwmon1", ("VDD_A", 5000, 1000), ("VDD_B", 5000, 1000))
    (told,) = sysfs.problems("ina3221")
    assert told.endswith("name some of VDD_A, VDD_B, like ina3221:VDD_A+VDD_B")
    assert sysfs.watts("ina3221:VDD_A+VDD_B") == pytest.approx(10.0)
    assert sysfs.problems("ina3221:VDD_A+VDD_C") == (
        "ina3221: no rail VDD_C; there are VDD_A, VDD_B",
    )


def test_power_in_between_is_a_trapezoid():
    """2, 4 and 3 W, half a second and two seconds apart."""
    watts = iter([2.0, 4.0, 3.0])
    integral = Integral(lambda: next(watts))
    assert [integral.joules(at_s) for at_s in (10.0, 10.5, 12.5)] == [0.0, 1.5, 8.5]


def test_a_power_that_changes_is_followed_by_the_thread(sysfs):
    """1 W, then 3 W, for as long as it took: an end alone would say 2 W or 3 W for the whole."""
    folder = sysfs.shunt("ina3221", "hwmon1", ("VDD_IN", 1000, 1000))
    with sysfs.open("ina3221", rate_hz=500) as meter:
        start_s = meter.mark()
        time.sleep(0.3)
        sysfs.put(folder, curr1_input=3000)
        change_s = now_s()
        time.sleep(0.1)
        end_s = meter.mark()
        joules = meter.joules(end_s) - meter.joules(start_s)
    expected = (change_s - start_s) * 1.0 + (end_s - change_s) * 3.0
    assert joules == pytest.approx(expected, rel=0.2)


def test_ina226_and_its_like(sysfs):
    sysfs.put(f"{HWMON}/hwmon0", name="coretemp", power1_input=1)
    sysfs.put(f"{HWMON}/hwmon3", name="ina226", power1_input=7_250_000)
    assert sysfs.open("ina219").point == "the shunt of ina226 (hwmon3)"
    assert sysfs.watts("ina219") == pytest.approx(7.25)
    sysfs.put(f"{HWMON}/hwmon5", name="ina219", in1_input=5000, curr1_input=100)
    (told,) = sysfs.problems("ina219")
    assert told == "ina219: there are several; say which: ina219:hwmon3, ina219:hwmon5"
    assert sysfs.watts("ina219:hwmon5") == pytest.approx(0.5)
    assert sysfs.problems("ina219:hwmon9")[0].startswith("ina219: no hwmon9 in")


# Batteries


@pytest.fixture
def laptop(sysfs) -> Tree:
    sysfs.put(f"{SUPPLY}/AC", type="Mains", online=0)
    sysfs.put(f"{SUPPLY}/mouse", type="Battery", scope="Device", status="Discharging")
    sysfs.put(f"{SUPPLY}/BAT0", type="Battery", status="Discharging")
    return sysfs


@pytest.mark.parametrize(
    ("files", "watts"),
    [
        ({"power_now": 12_500_000, "energy_now": 1}, 12.5),
        ({"current_now": -1_000_000, "voltage_now": 11_400_000, "charge_now": 1}, 11.4),
    ],
)
def test_a_battery_that_tells_power_is_integrated(laptop, files, watts):
    laptop.put(f"{SUPPLY}/BAT0", **files)
    assert laptop.open("battery").point == "battery (BAT0), the whole device"
    assert laptop.watts("battery") == pytest.approx(watts)


def test_a_battery_that_tells_energy_is_counted_down(laptop):
    laptop.put(f"{SUPPLY}/BAT0", energy_now=40_000_000)
    with laptop.open("battery") as meter:
        drop = gained(meter, lambda: laptop.put(f"{SUPPLY}/BAT0", energy_now=39_990_000))
    assert drop == pytest.approx(36.0)


def test_a_sag_of_the_voltage_is_no_energy(laptop):
    laptop.put(f"{SUPPLY}/BAT0", charge_now=3_000_000, voltage_now=12_000_000)
    with laptop.open("battery") as meter:
        sag = gained(meter, lambda: laptop.put(f"{SUPPLY}/BAT0", voltage_now=11_000_000))
        drop = gained(meter, lambda: laptop.put(f"{SUPPLY}/BAT0", charge_now=2_999_000))
    assert (sag, drop) == (0.0, pytest.approx(1e-3 * 3600 * 11))


def test_two_batteries_add_up(laptop):
    laptop.put(f"{SUPPLY}/BAT0", power_now=5_000_000)
    laptop.put(f"{SUPPLY}/BAT1", type="Battery", status="Not charging", power_now=0)
    assert laptop.watts("battery") == pytest.approx(5.0)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_a_battery_on_the_mains_says_that_it_cannot(laptop, status):
    laptop.put(f"{SUPPLY}/BAT0", power_now=5_000_000, status=status)
    (told,) = laptop.problems("battery")
    assert f"says {status}: the mains drive the device; unplug it" in told


def test_plugging_in_meanwhile_is_told(laptop):
    laptop.put(f"{SUPPLY}/BAT0", power_now=5_000_000)
    with laptop.open("battery") as meter:
        laptop.put(f"{SUPPLY}/BAT0", status="Charging")
        with pytest.raises(BadInput, match="unplug it"):
            meter.joules()


def test_a_battery_that_tells_nothing(laptop):
    assert laptop.problems("battery") == (
        "class/power_supply/BAT0: tells neither power nor energy; choose another meter",
    )


# GPUs


class NVMLError(Exception):
    """As the library's."""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """One GPU that counts energy."""

    def by_index(index: int) -> int:
        if index:
            raise NVMLError("Invalid Argument")
        return index

    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=by_index,
        nvmlDeviceGetName=lambda gpu: "Tesla",
        nvmlDeviceGetTotalEnergyConsumption=lambda gpu: 1_000,
        nvmlDeviceGetPowerUsage=lambda gpu: 70_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def unsupported(gpu: int) -> int:
    raise NVMLError("Not Supported")


def test_a_gpu_that_counts_energy(gpu, sysfs):
    with sysfs.open("nvml") as meter:
        assert meter.point == "GPU 0 (Tesla), its whole board"

        def work() -> None:
            gpu.nvmlDeviceGetTotalEnergyConsumption = lambda gpu: 3_500

        assert gained(meter, work) == pytest.approx(2.5)


def test_an_older_gpu_that_tells_power(gpu, sysfs):
    gpu.nvmlDeviceGetTotalEnergyConsumption = unsupported
    assert sysfs.watts("nvml:0") == pytest.approx(70.0)
    gpu.nvmlDeviceGetPowerUsage = unsupported
    assert sysfs.problems("nvml") == (
        "nvml: nvmlDeviceGetPowerUsage: Not Supported; choose another meter",
    )


def test_gpus_that_are_not_there(gpu, sysfs, monkeypatch):
    assert sysfs.problems("nvml:1")[0].startswith("nvml: no GPU 1: Invalid Argument")
    assert sysfs.problems("nvml:one") == ("nvml:one: must be a GPU's number, like nvml:0",)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert sysfs.problems("nvml") == ("nvml: needs nvidia-ml-py: pip install nvidia-ml-py",)


def test_the_real_library_has_what_is_called_and_says_what_is_missing(sysfs, gpu, monkeypatch):
    """Without a GPU it says so; with one, there is no GPU 99."""
    monkeypatch.delitem(sys.modules, "pynvml")
    library = pytest.importorskip("pynvml")
    assert all(hasattr(library, name) for name in vars(gpu))
    assert sysfs.problems("nvml:99")[0].startswith("nvml: no GPU 99: ")


# Logs of external meters


@pytest.fixture
def log(tmp_path: Path) -> Callable[[str], Log]:
    def write(text: str) -> Log:
        (tmp_path / "plug.csv").write_text(text)
        return Log(tmp_path / "plug.csv", patience_s=0.3)

    return write


def test_a_log_is_matched_by_time(log):
    with log("time,volts,watts\n100,230,2\n101,230,4\n103,230,4\n104,230,0\n") as meter:
        assert meter.joules(103) - meter.joules(101) == 8.0
        assert meter.joules(104) - meter.joules(100) == 13.0
        assert meter.joules(102.5) - meter.joules(101.5) == 4.0


def test_a_log_may_grow_meanwhile(tmp_path):
    """The meter writes in halves of lines, late, and goes on after the work."""
    path = tmp_path / "plug.csv"
    path.write_text("time,watts\n")

    def run(stop: threading.Event) -> None:
        with path.open("a", buffering=1) as file:
            while not stop.wait(0.01):
                file.write(f"{now_s()},1")
                file.flush()
                time.sleep(0.01)
                file.write("0\n")

    stop = threading.Event()
    writing = threading.Thread(target=run, args=(stop,))
    writing.start()
    try:
        time.sleep(0.05)
        with open_meter(f"csv:{path}") as meter:
            used = consumption(lambda: time.sleep(0.1), meter, idle_s=0.05)
    finally:
        stop.set()
        writing.join()
    assert (used.meter, used.point) == ("csv", f"external meter ({path})")
    assert (used.idle_w, used.busy_w) == (pytest.approx(10.0), pytest.approx(10.0))


def test_a_log_of_another_time_is_told(log):
    with log("time,watts\n100,2\n101,4\n") as meter, pytest.raises(BadInput) as caught:
        meter.joules()
    assert "has no rows around" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,power\n1,2\n", ":1: there is no column watts; needed are time,watts"),
        ("", ":1: there is no column time, watts; needed are time,watts"),
        ("time,watts\n1,2\n2,x\n", ":3: must be a time and watts, 0 or more"),
        ("time,watts\n1,2\n2,-1\n", ":3: must be a time and watts, 0 or more"),
        ("time,watts\n1,2\n2\n", ":3: must be a time and watts, 0 or more"),
        ("time,watts\n2,2\n1,2\n", ":3: time: must rise, not from 2.0 to 1.0"),
    ],
)
def test_a_log_that_is_wrong_is_told(log, text, told):
    with pytest.raises(BadInput) as caught, log(text):
        pass
    assert caught.value.problems[0].endswith(f"plug.csv{told}")


def test_a_log_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="cannot be read as CSV"), open_meter(f"csv:{tmp_path}/no"):
        pass


# Which meter


@pytest.fixture
def everything(laptop, gpu) -> Tree:
    """A machine with all sensors."""
    laptop.shunt("ina3221", "hwmon1", ("VDD_IN", 5000, 1000))
    laptop.zone("intel-rapl:0", "package-0", 1)
    laptop.put(f"{HWMON}/hwmon2", name="ina226", power1_input=1)
    laptop.put(f"{SUPPLY}/BAT0", power_now=1)
    return laptop


@pytest.mark.parametrize(
    ("device", "order"),
    [
        ("cpu", ["ina3221", "rapl", "ina219", "battery"]),
        ("cuda", ["ina3221", "nvml", "ina219", "battery"]),
    ],
)
def test_auto_takes_the_best_and_says_which(everything, gpu, device, order):
    remove = {
        "ina3221": lambda: everything.put(f"{HWMON}/hwmon1", name="gone"),
        "rapl": lambda: everything.put(f"{RAPL}/intel-rapl:0", name="gone"),
        "nvml": lambda: setattr(gpu, "nvmlInit", lambda: unsupported(0)),
        "ina219": lambda: everything.put(f"{HWMON}/hwmon2", name="gone"),
        "battery": lambda: everything.put(f"{SUPPLY}/BAT0", type="gone"),
    }
    taken, said = [], []
    while meter := open_meter("auto", device=device, root=everything.root, say=said.append):
        taken.append(meter)
        remove[meter.name]()
    assert [meter.name for meter in taken] == order
    found = [f"power: by {meter.name}, at the {meter.point}" for meter in taken]
    assert said == [*found, f"power: no meter that works (looked for {', '.join(order)})"]


def test_auto_says_what_it_passes_over_and_why(everything, forbid):
    everything.put(f"{HWMON}/hwmon1", name="gone")
    forbid("energy_uj")
    said = []
    meter = open_meter("auto", root=everything.root, say=said.append)
    assert meter.name == "ina219"
    assert len(said) == 2
    assert said[0].startswith("power: passed over rapl: ")
    assert "sudo chmod a+r" in said[0]


def test_a_machine_without_sensors(sysfs):
    assert open_meter("auto", root=sysfs.root) is None
    assert open_meter("none", root=sysfs.root) is None
    for kind in ("rapl", "ina3221", "ina219", "battery"):
        assert sysfs.problems(kind)[0].startswith(f"{kind}: ")


@pytest.mark.parametrize("power", ["rabl", "rapl:0", "battery:BAT0", "csv", "csv:", ""])
def test_a_meter_that_is_none(sysfs, power):
    (told,) = sysfs.problems(power)
    assert told.startswith("power: must be auto, none, rapl, ina3221[:RAIL+RAIL]")


@pytest.mark.parametrize("rate_hz", [0, -1, float("nan"), 1e6])
def test_rates_that_cannot_be(sysfs, rate_hz):
    with pytest.raises(BadInput, match="readings per second must be above 0"):
        open_meter("rapl", root=sysfs.root, rate_hz=rate_hz)


# Readings in time


def test_joules_between_readings_lie_on_a_straight_line():
    track = Track()
    for point in ((10, 0.0), (12, 4.0), (13, 4.0)):
        track.add(*point)
    assert [track.at(at_s) for at_s in (10, 11, 12, 12.5, 13)] == [0, 2, 4, 4, 4]
    for at_s in (9.9, 13.1):
        with pytest.raises(ValueError, match="no reading"):
            track.at(at_s)


def test_a_meter_answers_about_its_past(sysfs):
    """Runs are stamped while they are timed; their joules are asked for afterwards."""
    zone = sysfs.zone("intel-rapl:0", "package-0", 0)
    stamps = []
    with sysfs.open("rapl") as meter:
        for energy_uj in (0, 1_000_000, 3_000_000):
            sysfs.put(zone, energy_uj=energy_uj)
            stamps.append(meter.mark())
    assert [meter.joules(at_s) for at_s in stamps] == pytest.approx([0, 1, 3])
    with pytest.raises(ValueError, match="no reading"):
        meter.joules(stamps[0] - 60)


# Work above the idle machine


def test_consumption_is_told_above_idle(sysfs, monkeypatch):
    zone = sysfs.zone("intel-rapl:0", "package-0", 0)
    sleep = time.sleep

    def idle(duration_s: float) -> None:
        sleep(duration_s)
        sysfs.put(zone, energy_uj=200_000)

    def work() -> None:
        sleep(0.1)
        sysfs.put(zone, energy_uj=1_200_000)

    monkeypatch.setattr(time, "sleep", idle)
    with sysfs.open("rapl") as meter:
        used = consumption(work, meter, idle_s=0.2)
    assert (used.meter, used.point) == ("rapl", "processor package, without memory")
    assert used.busy_j == pytest.approx(1.0)
    # Sleeping takes at least as long as was asked for.
    assert 0.099 < used.busy_s < 2
    assert 0.1 < used.idle_w < 1.01


def test_the_increment_is_what_is_above_idle():
    used = Consumption(meter="rapl", point="package", idle_w=2.0, busy_s=4.0, busy_j=20.0)
    assert (used.busy_w, used.increment_w, used.increment_j) == (5.0, 3.0, 12.0)


def test_a_meter_that_did_not_move_is_told(sysfs):
    sysfs.zone("intel-rapl:0", "package-0", 0)
    with sysfs.open("rapl") as meter, pytest.raises(BadInput, match="measure more runs at once"):
        consumption(lambda: None, meter, idle_s=0.01)
