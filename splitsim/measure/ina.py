"""Shunts of Texas Instruments on a board: INA3221 (Jetsons), INA219, INA226 and their like.

The kernel's drivers show them in ``class/hwmon`` (millivolts, milliamperes, microwatts), NVIDIA's
older one (Jetson Linux 32) in ``bus/iio/devices`` with names of rails and milliwatts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from splitsim.errors import BadInput
from splitsim.measure.sources import Absent, Integral, Read, Sensor
from splitsim.measure.sysfs import named, number, text

BOARD = ("VDD_IN", "POM_5V_IN")  # the module's input: TX1, TX2, NX and Orin Nano; Nano
# Modules without a sensor at their input, AGX Orin and AGX Xavier: their supplies. That Orin's
# fourth rail, VDDQ_VDD2_1V8AO, is fed from its 5 V and not a supply of its own, is assumed.
PARTS = (
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)


def ina3221(root: Path, which: str = "") -> Sensor:
    """A Jetson's power.

    Args:
        root: where sysfs is.
        which: rails to add up, ``VDD_CPU_GPU_CV`` or ``GPU+CPU``; the whole module if empty.

    Raises:
        Absent: there is no such sensor.
        BadInput: there is no such rail, or which make the whole is not known.
    """
    rails = {**dict(_iio(root)), **dict(_hwmon(root))}
    if not rails:
        raise Absent(f"ina3221: no rails in {root}/class/hwmon or {root}/bus/iio/devices")
    names = which.split("+") if which else _whole(rails)
    if missing := [name for name in names if name not in rails]:
        raise BadInput(f"ina3221: no rail {', '.join(missing)}; there are {', '.join(rails)}")
    point = f"{'rails' if which else 'module input'} ({' + '.join(names)})"
    return Sensor(point, Integral(lambda: sum(rails[name]() for name in names)).joules)


def _whole(rails: dict[str, Read]) -> list[str]:
    for names in (*((name,) for name in BOARD), *PARTS):
        if rails.keys() >= set(names):
            return list(names)
    raise BadInput(
        f"ina3221: which rails make up the whole is not known here; name some of "
        f"{', '.join(rails)}, like ina3221:{'+'.join(list(rails)[:2])}"
    )


def _hwmon(root: Path) -> Iterator[tuple[str, Read]]:
    for folder in named(root / "class/hwmon", "hwmon*", "name"):
        if text(folder / "name") == "ina3221":
            for label in sorted(folder.glob("in[123]_label")):
                yield text(label), _hwmon_watts(folder, label.name[2])


def _hwmon_watts(folder: Path, channel: str) -> Read:
    power = folder / f"power{channel}_input"
    if power.exists():
        return lambda: number(power) * 1e-6
    return partial(_product_w, folder / f"in{channel}_input", folder / f"curr{channel}_input")


def _iio(root: Path) -> Iterator[tuple[str, Read]]:
    for folder in named(root / "bus/iio/devices", "iio:device*", "rail_name_0"):
        for label in sorted(folder.glob("rail_name_*")):
            yield text(label), _iio_watts(folder, label.name.removeprefix("rail_name_"))


def _iio_watts(folder: Path, channel: str) -> Read:
    power = folder / f"in_power{channel}_input"
    if power.exists():
        return lambda: number(power) * 1e-3
    volts, amperes = (folder / f"in_{what}{channel}_input" for what in ("voltage", "current"))
    return partial(_product_w, volts, amperes)


def _product_w(millivolts: Path, milliamperes: Path) -> float:
    return number(millivolts) * number(milliamperes) * 1e-6


def ina219(root: Path, which: str = "") -> Sensor:
    """A shunt with one channel.

    Args:
        root: where sysfs is.
        which: its folder, ``hwmon3``; may be empty where there is only one.

    Raises:
        Absent: there is none, or not this one.
        BadInput: there are several.
    """
    folders = named(root / "class/hwmon", "hwmon*", "name")
    found = {at.name: at for at in folders if re.fullmatch(r"ina2\d\d", text(at / "name"))}
    if len(found) > 1 and not which:
        options = ", ".join(f"ina219:{name}" for name in found)
        raise BadInput(f"ina219: there are several; say which: {options}")
    chosen = found.get(which) if which else next(iter(found.values()), None)
    if chosen is None:
        raise Absent(f"ina219: no {which or 'INA219, INA226 or the like'} in {root}/class/hwmon")
    point = f"the shunt of {text(chosen / 'name')} ({chosen.name})"
    return Sensor(point, Integral(_hwmon_watts(chosen, "1")).joules)
