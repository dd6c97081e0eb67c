"""What only a look at servers together with devices, models and hardware can tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from splitsim.entries import Hardware
from splitsim.profiles import Tables
from splitsim.scenario.document import Path_, listed
from splitsim.scenario.schema import Scenario
from splitsim.system.disciplines.batching import BatchingDiscipline
from splitsim.system.server import ServerSpec


def server_misfits(
    scenario: Scenario, tables: Tables, swept: Iterable[str]
) -> Iterator[tuple[Path_, str]]:
    """Paths and what is wrong with them; the tables must be whole.

    A sweep that compares disciplines may have some that do not know classes or deadlines.
    """
    tail_bytes = tables.tail_bytes(scenario.models)
    compared = any("discipline" in path for path in swept)
    for name, server in scenario.servers.items():
        hardware = tables.hardware(server.hardware)
        found = [
            *server.misfits(compared=compared),
            *_batches(server, scenario.models),
            *_memory(server, hardware, scenario.models, tail_bytes),
            *_power(server, hardware),
        ]
        yield from ((("servers", name, *path), what) for path, what in found)
    if not compared:
        yield from _classes(scenario)


def _classes(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """Deadlines and classes must be known where they are said, and said where they are used."""
    known = {key for server in scenario.servers.values() for key in server.discipline.knows}
    for n, device in enumerate(scenario.devices):
        if device.priority and "priority" not in known:
            what = "no server's discipline knows it; make one priority, or leave it out"
            yield ("devices", n, "priority"), what
    if "deadline_s" in known and all(device.deadline_s is None for device in scenario.devices):
        for name, server in scenario.servers.items():
            if "deadline_s" in server.discipline.knows:
                what = "no device has a deadline_s to go by; give them one, or make it fifo"
                yield ("servers", name, "discipline", "kind"), what


def _batches(server: ServerSpec, models: Sequence[str]) -> Iterator[tuple[Path_, str]]:
    """Tables of single models must be of models that there are."""
    if isinstance(server.discipline, BatchingDiscipline):
        for name in server.discipline.tables.keys() - set(models):
            path = ("discipline", "tables", name)
            yield path, f"is none of the models; there are {listed(models)}"


def _memory(
    server: ServerSpec, hardware: Hardware, models: Sequence[str], tail_bytes: Mapping[str, float]
) -> Iterator[tuple[Path_, str]]:
    """Models must fit, together or, where they make room for each other, one by one."""
    room_bytes, loading = server.room_bytes(hardware), server.loading
    if loading is not None and isinstance(loading.load_s, Mapping):
        for name in loading.load_s.keys() - set(models):
            yield ("loading", "load_s", name), f"is none of the models; there are {listed(models)}"
        missing = [name for name in models if name not in loading.load_s]
        if missing:
            yield ("loading", "load_s"), f"must have a time for {listed(missing)}"
    if room_bytes == math.inf:
        return
    unknown = [name for name in models if name not in tail_bytes]
    if loading is not None and loading.memory_bytes is not None and unknown:
        what = f"what {listed(unknown)} takes is not known: add tail_bytes to its table in models/"
        yield ("loading", "memory_bytes"), f"{what}, or leave it out"
    total = sum(tail_bytes.values())
    if loading is None and total > room_bytes:
        what = f"the models take {total:,.0f} B of memory, and {hardware.name!r} has"
        remedy = "add loading: {load_s: ...}, which has them make room, or take fewer"
        yield ("hardware",), f"{what} {room_bytes:,.0f} B; {remedy}"
    for name, size in tail_bytes.items():
        if size > room_bytes:
            what = f"{name} takes {size:,.0f} B of memory, and there are {room_bytes:,.0f} B"
            yield ("loading", "memory_bytes") if loading else ("hardware",), f"{what}; leave it out"


def _power(server: ServerSpec, hardware: Hardware) -> Iterator[tuple[Path_, str]]:
    power = server.power
    if power is not None and power.utilisation[0] > 0 and math.isnan(hardware.idle_w):
        what = f"must begin with 0, for the idle watts of {hardware.name!r} are not known"
        yield ("power", "utilisation"), what
