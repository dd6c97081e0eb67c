"""What changes over a run: curves, outages, devices that join and leave; and its phases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from pydantic import BaseModel

from splitsim.component import AnyCurve, ConstantCurve, CsvCurve, RampCurve, StepCurve
from splitsim.outages import Outage
from splitsim.scenario.document import Path_
from splitsim.system.group import DeviceSpec

MOST_PHASES = 20
EQUAL_PHASES = 10
MOST_EVENTS = 40  # of one curve
STOPPING = ("speed", "rate_bps")  # where a value of 0 is an outage

Change = AnyCurve | Outage


class Event(NamedTuple):
    """Something that happens, or has a value for a while.

    ``where`` is the room and the name: ``servers.edge``, ``devices.nano-0``. ``is_bad`` tells
    what is down or slow.
    """

    where: str
    what: str
    value: str
    start_s: float
    end_s: float
    is_bad: bool = False


class Turn(NamedTuple):
    """A time at which something changes, and where the file says so; a ramp begins before."""

    path: Path_
    time_s: float
    begins_s: float


def changes(component: object, path: Path_ = ()) -> Iterator[tuple[Path_, Change]]:
    """Every curve that is not constant, and every outage, with its path in the file."""
    if isinstance(component, ConstantCurve):
        return
    if isinstance(component, AnyCurve | Outage):
        yield path, component
    elif isinstance(component, BaseModel):
        for name, field in type(component).model_fields.items():
            yield from changes(getattr(component, name), (*path, field.alias or name))
    elif isinstance(component, Mapping):
        for name, member in component.items():
            yield from changes(member, (*path, name))
    elif isinstance(component, Sequence) and not isinstance(component, str):
        for n, member in enumerate(component):
            yield from changes(member, (*path, n))


def turns(component: BaseModel, devices: Sequence[DeviceSpec]) -> Iterator[Turn]:
    """When what changes, as the file says it; of a column of a file, when it changes first."""
    for path, change in changes(component):
        if isinstance(change, Outage):
            yield Turn((*path, "from_s"), change.from_s, change.from_s)
            yield Turn((*path, "to_s"), change.to_s, change.from_s)
        elif isinstance(change, CsvCurve):
            yield from (Turn((*path, "file"), time_s, time_s) for time_s in change.turns_s[:1])
        else:
            is_line = isinstance(change, RampCurve)
            for before_s, time_s in pairwise([0.0, *change.turns_s]):
                yield Turn((*path, "times_s"), time_s, before_s if is_line else time_s)
    for n, device in enumerate(devices):
        for key, times in (("join_s", device.join_s), ("leave_s", device.leave_s)):
            if times is not None:
                bounds = [times.bounds_s(member) for member in (0, device.count - 1)]
                ends = dict.fromkeys((bounds[0][0], bounds[1][1]))
                yield from (Turn(("devices", n, key), time_s, time_s) for time_s in ends)


def late(
    component: BaseModel, devices: Sequence[DeviceSpec], duration_s: float, drain_s: float
) -> Iterator[tuple[Path_, str]]:
    """Changes that come after the end, each path once.

    Who is on the way when the last task was created still meets changes.
    """
    told: set[Path_] = set()
    for turn in turns(component, devices):
        creates = "arrivals" in turn.path or turn.path[-1] == "join_s"
        end_s = duration_s + (0.0 if creates else drain_s)
        if turn.begins_s >= end_s and turn.path[-1] != "to_s" and turn.path not in told:
            told.add(turn.path)
            yield turn.path, f"a change at {turn.time_s:g} s comes after the end ({end_s:g} s)"


def phases_s(component: BaseModel, devices: Sequence[DeviceSpec], until_s: float) -> list[float]:
    """Where the phases of a run begin and end; nothing if nothing changes.

    They lie between the changes. Where there are too many, or a file has them, or devices only
    move, the run is cut into equal phases.
    """
    equal = [until_s * n / EQUAL_PHASES for n in range(EQUAL_PHASES + 1)]
    inside = {t for t in turns(component, devices) if 0 < t.time_s < until_s}
    times_s = sorted({t.time_s for t in inside})
    if not times_s:
        return equal if any(_moves(device) for device in devices) else []
    if len(times_s) >= MOST_PHASES or any(t.path[-1] == "file" for t in inside):
        return equal
    return [0.0, *times_s, until_s]


def _moves(device: DeviceSpec) -> bool:
    return device.mobility is not None and device.mobility.kind != "fixed"


def events(component: BaseModel, names: Mapping[Path_, str], until_s: float) -> list[Event]:
    """What the file says of changes, in words.

    Args:
        component: the scenario.
        names: of the members of lists, by their path.
        until_s: the end of the run.
    """
    found: list[Event] = []
    for path, change in changes(component):
        where = f"{path[0]}.{names.get(path[:2], path[1])}"
        rest = [str(key) for key in path[2:] if not isinstance(key, int)]
        if isinstance(change, Outage):
            what = "outage" if rest == ["outages"] else rest[-1].replace("_outages", " outage")
            found.append(Event(where, what, "", change.from_s, min(change.to_s, until_s), True))
        else:
            found += _curve_events(where, ".".join(rest), change, until_s)
    return [event for event in found if event.start_s < until_s]


def _curve_events(where: str, what: str, curve: AnyCurve, until_s: float) -> list[Event]:
    edges = [0.0, *(t for t in curve.turns_s if t < until_s), until_s]
    if len(edges) == 2 and (isinstance(curve, StepCurve) or not curve.turns_s):
        return []
    if isinstance(curve, CsvCurve):
        return [Event(where, what, f"as in {curve.file}", 0.0, until_s)]
    if len(edges) > MOST_EVENTS or isinstance(curve, ConstantCurve):
        return [Event(where, what, "changes", 0.0, until_s)]
    values = list(curve.values)
    if isinstance(curve, StepCurve):
        words = [f"{value:.4g}" for value in values]
    else:
        words = [f"{a:.4g} to {b:.4g}" for a, b in pairwise([*values, values[-1]])]
        words[-1] = f"{values[-1]:.4g}"
    stops = what.rpartition(".")[2] in STOPPING
    return [
        Event(where, what, word, begin, end, stops and word == "0")
        for word, (begin, end) in zip(words, pairwise(edges), strict=False)
    ]
