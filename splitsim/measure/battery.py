"""Batteries of laptops and telephones: what the whole device takes while it is unplugged.

``class/power_supply`` has microwatts, -amperes, -volts, and micro(watt or ampere) hours. Power is
taken where it is told: what is left comes in steps of 10 mWh (36 J) or more, too coarse for runs
of seconds.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from splitsim.errors import BadInput
from splitsim.measure.meter import Source
from splitsim.measure.sources import Absent, Counter, Integral, Read, Sensor, together
from splitsim.measure.sysfs import named, number, text

HOUR_S = 3600


def battery(root: Path) -> Sensor:
    """All batteries that drive this machine.

    Raises:
        Absent: there is none.
        BadInput: it is plugged in, or a battery tells nothing.
    """
    folder = root / "class/power_supply"
    batteries = [supply for supply in named(folder, "*", "type") if _drives(supply)]
    if not batteries:
        raise Absent(f"battery: there is none in {folder}")
    _check_unplugged(batteries)
    drained = together([_source(supply) for supply in batteries])

    def source(at_s: float) -> float:
        _check_unplugged(batteries)
        return drained(at_s)

    return Sensor(f"battery ({' + '.join(at.name for at in batteries)}), the whole device", source)


def _drives(supply: Path) -> bool:
    """Whether it is a battery of this machine, not of its mouse."""
    scope = supply / "scope"
    of_a_device = scope.exists() and text(scope) == "Device"
    return text(supply / "type") == "Battery" and not of_a_device


def _check_unplugged(batteries: list[Path]) -> None:
    status = [text(supply / "status") for supply in batteries]
    if "Discharging" not in status or "Charging" in status:
        raise BadInput(
            f"battery: cannot measure while {batteries[0].parent} says {', '.join(status)}: the "
            "mains drive the device; unplug it, or choose another meter"
        )


def _source(supply: Path) -> Source:
    def has(*names: str) -> bool:
        return all((supply / name).exists() for name in names)

    def read(name: str) -> Read:
        return partial(number, supply / name)

    if has("power_now"):
        power = read("power_now")
        return Integral(lambda: abs(power()) * 1e-6).joules
    if has("current_now", "voltage_now"):
        current, voltage = read("current_now"), read("voltage_now")
        return Integral(lambda: abs(current()) * voltage() * 1e-12).joules
    if has("energy_now"):
        energy = read("energy_now")
        return Counter(str(supply / "energy_now"), lambda: -energy(), HOUR_S * 1e-6).joules
    if has("charge_now", "voltage_now"):
        return Drain(read("charge_now"), read("voltage_now")).joules
    raise BadInput(f"{supply}: tells neither power nor energy; choose another meter")


class Drain:
    """Joules from charge and voltage: the drop of charge times the mean voltage of its ends.

    The difference of two products would count every sag of the voltage under load as energy.
    """

    def __init__(self, charge: Read, voltage: Read) -> None:
        self._charge = charge
        self._voltage = voltage
        self._last: tuple[float, float] | None = None
        self._joules = 0.0

    def joules(self, _at_s: float) -> float:
        """Joules since the first reading."""
        charge, voltage = self._charge() * 1e-6 * HOUR_S, self._voltage() * 1e-6
        before, volts = self._last or (charge, voltage)
        self._joules += (before - charge) * (volts + voltage) / 2
        self._last = charge, voltage
        return self._joules
