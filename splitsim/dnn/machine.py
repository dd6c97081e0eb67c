"""What machine this is, for the metadata of what is measured on it."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

CPU = Path("/proc/cpuinfo")
CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def machine(device: str) -> dict[str, object]:
    """Processor, clock, versions and date, as far as they can be known.

    Args:
        device: ``cpu`` or ``cuda``: whose processor is meant.
    """
    found = {
        "processor": torch.cuda.get_device_name() if device == "cuda" else _cpu("model name"),
        "cores": os.cpu_count() or 0,
        "memory_bytes": memory_bytes(device),
        "virtual_machine": "hypervisor" in _cpu("flags").split(),
        "governor": _line(CLOCK / "scaling_governor") or "not readable",
        "clock_mhz": _clock_mhz(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_before": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    return {key: value for key, value in found.items() if value != ""}


def memory_bytes(device: str) -> int:
    """Of the device."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _clock_mhz() -> float | str:
    """The highest clock the system allows, or the one it has now."""
    highest = _line(CLOCK / "scaling_max_freq")
    if highest.isdecimal():
        return int(highest) / 1e3
    now = _cpu("cpu MHz")
    return float(now) if now else "not readable"


def _cpu(key: str) -> str:
    return next(_cpu_values(key), "") or (platform.processor() if key == "model name" else "")


def _cpu_values(key: str) -> Iterator[str]:
    try:
        lines = CPU.read_text().splitlines()
    except OSError:
        return
    pairs = (line.partition(":") for line in lines)
    yield from (value.strip() for name, _, value in pairs if name.strip() == key)


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
