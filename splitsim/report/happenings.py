"""What changes along a time line: bars in lanes by where it happens, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from splitsim.report.look import FAILED_COLOUR, short
from splitsim.scenario.changes import Event

if TYPE_CHECKING:
    from splitsim.results import Results

CALM, BAD = "#9A9A9A", FAILED_COLOUR
LANE = 24  # pixels


class Happenings:
    """The events of a results folder that concern its first device and what it uses.

    Those that the scenario says come from the manifest, those of devices from the rows of the
    first replication.
    """

    def __init__(self, results: Results) -> None:
        self._points = results.manifest["points"]
        self._rows = results.events
        devices = results.devices
        self._device = "" if devices.empty else str(devices["device"].iloc[0])

    def of(self, point: int, policy: str) -> list[Event]:
        """By lane, and then in time."""
        group = self._device.rpartition("-")[0]
        said = [Event(**event) for event in self._points[point].get("events", ())]
        own = [e for e in said if not e.where.startswith("devices.") or e.where[8:] == group]
        found = [*own, *self._of_device(point, policy)]
        return sorted(found, key=lambda event: (event.where, event.start_s))

    def _of_device(self, point: int, policy: str) -> Iterator[Event]:
        rows = self._rows
        if rows.empty:
            return
        here = (rows["point"] == point) & (rows["policy"] == policy) & (rows["seed"] == 0)
        columns = ("what", "start_s", "end_s", "is_bad")
        own = rows[here & (rows["device"] == self._device)]
        for what, start_s, end_s, is_bad in zip(*(own[c].tolist() for c in columns), strict=True):
            yield Event(f"devices.{self._device}", what, "", start_s, end_s, bool(is_bad))


def lanes(events: Sequence[Event]) -> list[tuple[str, list[Event]]]:
    """Events by where and what they are."""
    found: dict[str, list[Event]] = {}
    for event in events:
        where = short(event.where.partition(".")[2])
        found.setdefault(f"{where}, {event.what}", []).append(event)
    return list(found.items())


def bars(events: Sequence[Event]) -> list[Any]:
    """A bar for each event, with its value written in it where it fits."""
    import plotly.graph_objects as go

    return [
        go.Bar(
            base=[event.start_s for event in lane],
            x=[event.end_s - event.start_s for event in lane],
            y=[n] * len(lane),
            orientation="h",
            yaxis="y4",
            text=[event.value for event in lane],
            hovertext=[f"{event.what} {event.value}" for event in lane],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            marker={
                "color": [BAD if event.is_bad else CALM for event in lane],
                "opacity": [0.75 if event.is_bad else 0.3 for event in lane],
                "line": {"width": 1, "color": "#ffffff"},
            },
            width=0.8,
            hovertemplate="%{hovertext}<br>from %{base:.4~g} s for %{x:.4~g} s<extra></extra>",
        )
        for n, (_, lane) in enumerate(lanes(events))
    ]


def axis(events: Sequence[Event]) -> dict[str, Any]:
    """The axis of the lanes."""
    names = [name for name, _ in lanes(events)]
    return {
        "range": [len(names) - 0.4, -0.6],
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "tickfont": {"size": 11},
        "zeroline": False,
        "showgrid": False,
    }


def shades(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Bands over all rows where something is down or slow, lines where something else changes."""
    band = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    shapes = [
        {**band, "x0": e.start_s, "x1": e.end_s, "fillcolor": BAD, "opacity": 0.13, "line_width": 0}
        for e in events
        if e.is_bad
    ]
    starts = {event.start_s for event in events if not event.is_bad and event.start_s > 0}
    dotted = {"color": CALM, "dash": "dot", "width": 1}
    return shapes + [{**line, "x0": at, "x1": at, "line": dotted} for at in sorted(starts)]
