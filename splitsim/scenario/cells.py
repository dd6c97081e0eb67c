"""What only a look at cells together with devices and servers can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from splitsim.scenario.document import Path_
from splitsim.scenario.schema import Scenario
from splitsim.system.cell import WAYS, CellSpec
from splitsim.world.fading import Scattered
from splitsim.world.fading_replay import RecordedFading
from splitsim.world.latency import shortest_s
from splitsim.world.replay import Replay, TraceChannel

Recording = Replay | RecordedFading


def replays(cell: CellSpec) -> Iterator[tuple[Path_, Recording]]:
    """Every recording that a cell replays, with its key."""
    crowd = cell.background
    parts: dict[Path_, Any] = {
        ("uplink",): cell.uplink,
        ("downlink",): cell.downlink,
        ("uplink", "fading"): getattr(cell.uplink, "fading", None),
        ("downlink", "fading"): getattr(cell.downlink, "fading", None),
        ("latency_s",): cell.latency_s,
        ("transport", "loss"): getattr(cell.transport, "loss", None),
        ("background", "channel"): None if crowd is None else crowd.channel,
    }
    yield from ((key, part) for key, part in parts.items() if isinstance(part, Recording))


def channel_oddities(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """What is allowed of channels and in the replay of recordings, and hardly meant."""
    for name, cell in scenario.cells.items():
        for way, channel in (("uplink", cell.uplink), ("downlink", cell.downlink)):
            if not isinstance(channel, Replay):
                yield from ((("cells", name, way), what) for what in channel.warnings)
        for key, replay in replays(cell):
            at: Path_ = ("cells", name, *key)
            yield from ((at, what) for what in replay.warnings)
            if isinstance(replay, Replay):
                odd = [*_crowded(scenario, name, replay), *_misplaced(cell, replay)]
                yield from ((at, what) for what in odd)
            if isinstance(replay, TraceChannel):
                yield from ((at, what) for what in _misled(scenario, str(key[0]), replay))


def _misled(scenario: Scenario, way: str, channel: TraceChannel) -> Iterator[str]:
    for other in sorted(channel.ways - {way}) if way in WAYS else ():
        yield (
            f"the {way} replays what was measured on the {other} ({', '.join(channel.names)}); "
            f"rates of the two are not alike: take one of the {way}"
        )
    if not channel.loop and channel.length_s < scenario.duration_s:
        yield (
            f"the trace ends after {channel.length_s:g} s, and nothing is sent until "
            f"duration_s ({scenario.duration_s:g}); 'loop: true' would go on"
        )


def _crowded(scenario: Scenario, cell: str, replay: Replay) -> Iterator[str]:
    for device in scenario.devices if replay.segments else ():
        if device.cell == cell and device.count > replay.segments:
            yield (
                f"the trace has {replay.segments} segments of {replay.segment_s:g} s, and "
                f"{device.name} is {device.count} devices: some replay the same"
            )


def _misplaced(cell: CellSpec, replay: Replay) -> Iterator[str]:
    """One recording, at different places for its rate and for what was measured with it."""
    rates = [way for way in (cell.uplink, cell.downlink) if isinstance(way, TraceChannel)]
    places = [rate.place for rate in rates if rate.names == replay.names]
    if places and replay.place not in places and not isinstance(replay, TraceChannel):
        what = "replays the recording of the rate, but from another place; say the same from_s"
        yield f"{what}, to_s, resample_s, loop, offset_s, offset and segment_s as there"


def fading_misfits(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """What counts the distance needs devices that say how fast they go."""
    for name, cell in scenario.cells.items():
        mobility = all(d.mobility for d in scenario.devices if d.cell == name)
        for way, channel in (("uplink", cell.uplink), ("downlink", cell.downlink)):
            fading = getattr(channel, "fading", None)
            if isinstance(fading, Scattered):
                carrier = cell.geometry is not None
                if what := fading.lacks(mobility=mobility, carrier=carrier):
                    yield ("cells", name, way, "fading"), what


def patience_misfits(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """Who gives up before the last byte has arrived never gets an answer."""
    far_s = max((s.backhaul_s.extremes[0] for s in scenario.servers.values()), default=0.0)
    for n, device in enumerate(scenario.devices):
        cell, timeout = scenario.cells.get(device.cell), device.timeout
        if timeout is None or cell is None or timeout.since != "sent":
            continue
        least_s = shortest_s(cell.latency_s) + far_s
        if timeout.after_s <= least_s:
            what = f"must be more than the one-way latency ({least_s:g} s)"
            yield ("devices", n, "timeout", "after_s"), what


def cell_misfits(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """What does not go together in a cell."""
    for name, cell in scenario.cells.items():
        yield from ((("cells", name, *path), what) for path, what in cell.misfits())


def place_misfits(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """Where an SNR follows from places, they must be known, and within the law's range."""
    for n, device in enumerate(scenario.devices):
        cell = scenario.cells.get(device.cell)
        if cell is None or not cell.placed:
            continue
        if device.mobility is None:
            what = f"where is it? the SNR of cell {device.cell} depends on it; give a mobility"
            yield ("devices", n), what
        elif cell.geometry is not None:
            for what in cell.geometry.beyond(device.mobility):
                yield ("devices", n, "mobility"), what
