"""Which meter: by name, or the best that this machine has.

``auto`` takes the first that works: a Jetson's module input has everything in it, a processor's
package what computes; then come a shunt that somebody put somewhere, and the battery. For a
network on a GPU, NVML stands in the processor's place. An external meter is always named.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from splitsim.errors import BadInput
from splitsim.measure.battery import battery
from splitsim.measure.ina import ina219, ina3221
from splitsim.measure.log import Log
from splitsim.measure.meter import Meter, SampledMeter, now_s
from splitsim.measure.nvml import nvml
from splitsim.measure.rapl import rapl
from splitsim.measure.sources import Absent, Sensor
from splitsim.measure.sysfs import SYS

AUTO = {
    "cpu": ("ina3221", "rapl", "ina219", "battery"),
    "cuda": ("ina3221", "nvml", "ina219", "battery"),
}
KINDS = "auto, none, rapl, ina3221[:RAIL+RAIL], ina219[:HWMON], battery, nvml[:GPU] or csv:FILE"


def open_meter(
    power: str,
    *,
    device: str = "cpu",
    root: Path = SYS,
    rate_hz: float = 20.0,
    say: Callable[[str], object] = lambda _line: None,
) -> Meter | None:
    """A meter by its name; enter it at once, it measures while it is entered.

    Args:
        power: what to read, one of ``KINDS``.
        device: where the network runs, ``cpu`` or ``cuda``; ``auto`` looks where it matters.
        root: where sysfs is.
        rate_hz: readings per second; what the sensor itself averages is its own.
        say: is told, in a line each, what ``auto`` passes over, and what it takes.

    Returns:
        The meter; None for ``none``, and for ``auto`` where there is nothing that works.

    Raises:
        BadInput: there is no such kind, or what was named cannot measure.
    """
    if not 0 < rate_hz <= 1000:
        raise BadInput(f"readings per second must be above 0 and at most 1000, not {rate_hz:g}")
    if power == "none":
        return None
    if power == "auto":
        return _best(device, root, rate_hz, say)
    return _open(power, root, rate_hz)


def _best(device: str, root: Path, rate_hz: float, say: Callable[[str], object]) -> Meter | None:
    for kind in AUTO[device]:
        try:
            meter = _open(kind, root, rate_hz)
        except Absent:
            continue
        except BadInput as error:
            for problem in error.problems:
                say(f"power: passed over {kind}: {problem}")
            continue
        say(f"power: by {meter.name}, at the {meter.point}")
        return meter
    say(f"power: no meter that works (looked for {', '.join(AUTO[device])})")
    return None


def _open(power: str, root: Path, rate_hz: float) -> Meter:
    kind, _, which = power.partition(":")
    if kind == "csv" and which:
        return Log(Path(which))
    sensor = _sensor(kind, which, root)
    sensor.source(now_s())  # a sensor that cannot be read is told of before any work
    return SampledMeter(kind, sensor.point, sensor.source, rate_hz)


def _sensor(kind: str, which: str, root: Path) -> Sensor:
    match kind, which:
        case "rapl", "":
            return rapl(root)
        case "ina3221", _:
            return ina3221(root, which)
        case "ina219", _:
            return ina219(root, which)
        case "battery", "":
            return battery(root)
        case "nvml", _:
            return nvml(which)
    raise BadInput(f"power: must be {KINDS}, not {':'.join(filter(None, (kind, which)))!r}")
