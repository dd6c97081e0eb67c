"""NVML: the energy of an NVIDIA GPU, by the optional package nvidia-ml-py.

GPUs since Volta count millijoules; older ones tell milliwatts, which are sampled.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from splitsim.errors import BadInput
from splitsim.measure.meter import Source
from splitsim.measure.sources import Absent, Counter, Integral, Read, Sensor


def nvml(which: str = "") -> Sensor:
    """One GPU.

    Args:
        which: its number as ``nvidia-smi`` counts them (``CUDA_VISIBLE_DEVICES`` does not
            renumber these); 0 if empty.

    Raises:
        Absent: there is no such GPU.
        BadInput: the package is missing, or the GPU tells neither energy nor power.
    """
    number = which or "0"
    if not number.isdecimal():
        raise BadInput(f"nvml:{which}: must be a GPU's number, like nvml:0")
    library = _library()
    try:
        library.nvmlInit()
        gpu = library.nvmlDeviceGetHandleByIndex(int(number))
        name = library.nvmlDeviceGetName(gpu)
    except library.NVMLError as error:
        raise Absent(f"nvml: no GPU {number}: {error}; is the driver loaded?") from error
    label = name.decode() if isinstance(name, bytes) else name
    return Sensor(f"GPU {number} ({label}), its whole board", _source(library, gpu, number))


def _library() -> ModuleType:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        raise BadInput("nvml: needs nvidia-ml-py: pip install nvidia-ml-py") from None


def _source(library: ModuleType, gpu: Any, number: str) -> Source:
    """Its counter of energy, or else its power integrated."""
    millijoules = _reading(library, "nvmlDeviceGetTotalEnergyConsumption", gpu)
    try:
        millijoules()
    except BadInput:
        milliwatts = _reading(library, "nvmlDeviceGetPowerUsage", gpu)
        milliwatts()
        return Integral(lambda: milliwatts() * 1e-3).joules
    return Counter(f"nvml: GPU {number}", millijoules, 1e-3).joules


def _reading(library: ModuleType, function: str, gpu: Any) -> Read:
    def read() -> float:
        try:
            return float(getattr(library, function)(gpu))
        except library.NVMLError as error:
            raise BadInput(f"nvml: {function}: {error}; choose another meter") from error

    return read
