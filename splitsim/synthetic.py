"""Traces made by a scenario's channel: what a device could get at a time, as a file to replay."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from splitsim.errors import BadInput
from splitsim.scenario import LoadedScenario, Spec
from splitsim.simulation import channel
from splitsim.steps import Steps
from splitsim.system.group import DeviceSpec
from splitsim.world.traces import Trace, Way
from splitsim.world.traces.trace import Floats

MOST = 10_000_000  # steps of a trace
TOLD = 1000  # steps between two words on the progress


def synthetic_trace(
    scenario: LoadedScenario,
    device: str,
    way: Way,
    *,
    seed: int = 0,
    point: int = 0,
    duration_s: float = 300.0,
    step_s: float = 0.1,
    progress: Callable[[float], None] = lambda _: None,
) -> Trace:
    """The rate of a device's channel in a scenario, alone in its cell, as a trace.

    Each rate is the mean over its step, so that a trace carries exactly the bits that the
    channel does.

    Args:
        scenario: from ``load_scenario``.
        device: one of a group's, as ``nano-0``.
        way: uplink or downlink.
        seed: the replication.
        point: of the sweep.
        duration_s: length of the trace.
        step_s: how long a rate holds.
        progress: told which share is done.

    Raises:
        BadInput: there is no such device or point, or the trace would be empty.
    """
    problems = list(_problems(scenario, seed, point, duration_s, step_s))
    if problems:
        raise BadInput(*problems)
    spec = scenario.points[point]
    steps = channel(spec, group_of(spec, device), device, seed, way)
    count = math.ceil(duration_s / step_s - 1e-9)
    starts_s = np.array([round(n * step_s, 9) for n in range(count)])
    edges_s = np.append(starts_s, duration_s)
    rates_bps: Floats = np.diff(_areas(steps, edges_s, progress)) / np.diff(edges_s)
    if not np.any(rates_bps > 0):
        raise BadInput(f"{device}: its {way} has a rate of zero for all of {duration_s:g} s")
    return Trace(starts_s, rates_bps, duration_s, way)


def _problems(
    scenario: LoadedScenario, seed: int, point: int, duration_s: float, step_s: float
) -> Iterator[str]:
    if seed < 0:
        yield f"--seed: must be 0 or more, not {seed}"
    if not 0 <= point < len(scenario.points):
        last = len(scenario.points) - 1
        yield f"--point: must be from 0 to {last}, the points of the sweep, not {point}"
    sizes = {"--duration-s": duration_s, "--step-s": step_s}
    wrong = [name for name, value in sizes.items() if not 0 < value < math.inf]
    yield from (f"{name}: must be above 0, not {sizes[name]:g}" for name in wrong)
    if not wrong and duration_s / step_s > MOST:
        yield f"--step-s: {step_s:g} s makes more than {MOST:,} steps; give a longer one"
    if not wrong and step_s > duration_s:
        yield f"--step-s: {step_s:g} s is longer than the {duration_s:g} s of --duration-s"


def _areas(steps: Steps, edges_s: Floats, progress: Callable[[float], None]) -> Floats:
    areas: Floats = np.empty(len(edges_s))
    for n, edge_s in enumerate(edges_s.tolist()):
        areas[n] = steps.area(edge_s)
        if n % TOLD == 0:
            progress(n / len(edges_s))
    return areas


def group_of(spec: Spec, device: str) -> DeviceSpec:
    """The group of a device.

    Raises:
        BadInput: there is none; says what there is.
    """
    groups = spec.scenario.devices
    for group in groups:
        name, _, number = device.rpartition("-")
        if name == group.name and number in map(str, range(group.count)):
            return group
    there = ", ".join(f"{g.name}-0 to {g.name}-{g.count - 1}" for g in groups)
    raise BadInput(f"--device: there is no device {device!r}; there are {there}")


def device_in(spec: Spec, cell: str | None, device: str | None) -> str:
    """The device that is meant: by its name, or the first one in a cell.

    Raises:
        BadInput: there is no such cell, or the device is in another.
    """
    cells = spec.scenario.cells
    if cell is not None and cell not in cells:
        raise BadInput(f"--cell: there is no cell {cell!r}; there are {', '.join(cells)}")
    if device is None:
        group = next((g for g in spec.scenario.devices if cell in {None, g.cell}), None)
        if group is None:
            raise BadInput(f"--cell: no device is in the cell {cell!r}; give another")
        return f"{group.name}-0"
    found = group_of(spec, device)
    if cell not in {None, found.cell}:
        raise BadInput(f"--device: {device} is in the cell {found.cell!r}, not in {cell!r}")
    return device


def provenance(
    scenario: LoadedScenario,
    device: str,
    way: Way,
    *,
    seed: int,
    point: int,
    overrides: Sequence[str] = (),
) -> list[str]:
    """How a trace was made, in sentences for the head of its file."""
    spec = scenario.points[point]
    cell = group_of(spec, device).cell
    made = spec.scenario.cells[cell].model_dump(exclude_none=True)[way]
    replayed = sorted(set(_files(made)))
    origin = (
        f"Made from the trace {', '.join(replayed)} by a scenario's channel."
        if replayed
        else "Synthetic: made by a scenario's channel, measured by nobody."
    )
    digest = hashlib.sha256(scenario.text.encode()).hexdigest()
    changed = [f"Changed: {', '.join(overrides)}."] if overrides else []
    swept = [f"Point {point}: {dict(spec.swept)}."] if spec.swept else []
    return [
        origin,
        f"Scenario: {scenario.name} ({scenario.path.name}, sha256 {digest}).",
        *changed,
        *swept,
        f"Channel: {way} of {device} in the cell {cell}, alone in it, seed {seed}: {made}.",
        f"Each rate is the mean over its step. splitsim {version('splitsim')}.",
    ]


def _files(made: Any) -> Iterator[str]:
    """The traces that a channel replays, wherever in it."""
    if isinstance(made, Mapping):
        if isinstance(made.get("file"), str):
            yield made["file"]
        made = list(made.values())
    if isinstance(made, list | tuple):
        for part in made:
            yield from _files(part)
