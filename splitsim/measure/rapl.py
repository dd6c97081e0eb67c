"""RAPL: the energy counters of x86 processors (Intel and AMD).

The kernel shows them as power-capping zones in ``class/powercap``: ``intel-rapl:0`` is a package,
``intel-rapl:0:1`` a part of it (cores, graphics; on servers also the memory beside it). Counted
are the packages: their parts would be counted twice, ``psys`` (the whole board) has them in it
and is there on few machines, and ``intel-rapl-mmio:0`` is a second way to the same counter. Of
memory, documents disagree whether a package has it in it: it is left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from splitsim.measure.meter import Source
from splitsim.measure.sources import Absent, Counter, Sensor, together
from splitsim.measure.sysfs import check_numbers, named, number, text

UNIT_J = 1e-6


def rapl(root: Path) -> Sensor:
    """All packages of this machine.

    Raises:
        Absent: there is none.
        BadInput: a counter cannot be read.
    """
    folder = root / "class/powercap"
    zones = named(folder, "intel-rapl:*", "name")
    packages = [zone for zone in zones if text(zone / "name").startswith("package")]
    if not packages:
        raise Absent(f"rapl: no processor package in {folder}; is this x86, not a virtual machine?")
    check_numbers(*(zone / "energy_uj" for zone in packages))
    point = "processor package" if len(packages) == 1 else f"{len(packages)} processor packages"
    return Sensor(f"{point}, without memory", together([_counter(zone) for zone in packages]))


def _counter(zone: Path) -> Source:
    energy = zone / "energy_uj"
    # The kernel's range is the highest count, after which comes 0.
    range_uj = number(zone / "max_energy_range_uj") + 1
    return Counter(str(energy), partial(number, energy), UNIT_J, range_uj).joules
