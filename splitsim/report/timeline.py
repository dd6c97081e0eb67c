"""The time line of one device: what changed, its uplink, what was chosen, how long it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from splitsim.report import happenings
from splitsim.report.digest import Group, TimeLine
from splitsim.report.look import FAILED_COLOUR, OPTION_COLOURS, SYMBOLS, Unit, short, unit
from splitsim.report.plots import figure
from splitsim.scenario.changes import Event

if TYPE_CHECKING:
    import plotly.graph_objects as go

Marker = Mapping[str, Any]

RATE, OPTION, LATENCY, GAP, EDGES = 100, 42, 200, 44, 78  # heights in pixels


@dataclass(frozen=True)
class Uplink:
    """The rate of the device, at equal steps."""

    start_s: float
    step_s: float
    rate_bps: np.ndarray


def markers(timelines: Sequence[TimeLine]) -> dict[str, Marker]:
    """A marker for every option chosen in some time lines, the same in all of them."""
    ways = sorted({way for timeline in timelines for way in timeline.option.tolist()}, key=_rank)
    return {way: _marker(n) for n, way in enumerate(ways)}


def time_line(
    group: Group, uplink: Uplink, looks: Mapping[str, Marker], events: Sequence[Event] = ()
) -> go.Figure:
    """Rows over one axis of time: what changed, if anything; the uplink, options, latencies."""
    shown = group.timeline
    chosen = set(shown.option.tolist())
    ways = [way for way in looks if way in chosen]
    latencies_s = [*shown.latency_s.tolist(), min(group.deadline_s, 1e9)]
    scale = unit("seconds", [s for s in latencies_s if s < 1e9])
    traces: list[Any] = [_rate(uplink)]
    for row, way in enumerate(ways):
        here = shown.option == way
        traces.append(_choices(shown.created_s[here], row, way, looks[way]))
        done = here & shown.done
        traces.append(_latencies(shown.created_s[done], shown.latency_s[done], scale, looks[way]))
    if not shown.done.all():
        traces.append(_failures(shown, scale))
    layout = _layout(group, uplink, ways, scale)
    if not events:
        return figure(traces, layout)
    return figure([*traces, *happenings.bars(events)], _with_events(layout, events))


def _with_events(layout: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
    """Make room at the top for the lanes of what changed."""
    before = layout["height"] - EDGES
    added = happenings.LANE * len(happenings.lanes(events)) + GAP
    share = before / (before + added)
    for axis in ("yaxis", "yaxis2", "yaxis3"):
        layout[axis]["domain"] = [share * end for end in layout[axis]["domain"]]
    words = [_moved(word, share) for word in layout["annotations"]]
    lanes = {"domain": [share + GAP / (before + added), 1], **happenings.axis(events)}
    return layout | {
        "height": layout["height"] + added,
        "yaxis4": {**lanes, "anchor": "x"},
        "annotations": [*words, _heading(1, "what changed")],
        "shapes": [*layout.get("shapes", ()), *happenings.shades(events)],
        "barmode": "overlay",
        "uniformtext": {"mode": "hide", "minsize": 9},
    }


def _moved(word: dict[str, Any], share: float) -> dict[str, Any]:
    return {**word, "y": share * word["y"]} if word["yref"] == "paper" else word


def _rank(way: str) -> tuple[int, str]:
    kinds = ("local", "offload", "split")
    kind = way.partition(":")[0]
    return kinds.index(kind) if kind in kinds else len(kinds), way


def _marker(n: int) -> Marker:
    colours, symbols = OPTION_COLOURS, SYMBOLS
    return {"color": colours[n % len(colours)], "symbol": symbols[n % len(symbols)], "size": 7}


def _label(way: str, servers: set[str]) -> str:
    """Two lines for an option; its server where there are several."""
    option, _, server = way.partition("@")
    kind, _, rest = option.partition(":")
    model, _, layer = rest.partition("/")
    where = f" @ {short(server)}" if server and len(servers) > 1 else ""
    return f"{kind}{f' {short(layer)}' if layer else ''}{where}<br>{short(model)}"


def _rate(uplink: Uplink) -> Any:
    """In the colour of text: the page's template has no other for it."""
    import plotly.graph_objects as go

    return go.Scatter(
        x0=uplink.start_s,
        dx=uplink.step_s,
        y=(uplink.rate_bps / 1e6).astype(np.float32),
        yaxis="y",
        mode="lines",
        line={"shape": "hv", "width": 1.2},
        hovertemplate="%{x:.1f} s: %{y:.3~g} Mbit/s<extra>uplink</extra>",
    )


def _choices(created_s: np.ndarray, row: int, way: str, look: Marker) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=created_s.astype(np.float32),
        y=[row] * len(created_s),
        yaxis="y2",
        mode="markers",
        marker=dict(look),
        name=_label(way, set()),
        hovertemplate="created at %{x:.2f} s",
    )


def _latencies(created_s: np.ndarray, latency_s: np.ndarray, scale: Unit, look: Marker) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=created_s.astype(np.float32),
        y=(latency_s * scale.factor).astype(np.float32),
        yaxis="y3",
        mode="markers",
        marker=dict(look),
        hovertemplate=f"created at %{{x:.2f}} s: %{{y:,.4~g}} {scale.name}<extra></extra>",
    )


def _failures(shown: TimeLine, scale: Unit) -> Any:
    import plotly.graph_objects as go

    failed = ~shown.done
    text = f"created at %{{x:.2f}} s, %{{text}} after %{{y:,.4~g}} {scale.name}<extra></extra>"
    return go.Scatter(
        x=shown.created_s[failed].astype(np.float32),
        y=(shown.latency_s[failed] * scale.factor).astype(np.float32),
        text=shown.status[failed].tolist(),
        yaxis="y3",
        mode="markers",
        marker={"color": FAILED_COLOUR, "symbol": "x", "size": 8},
        cliponaxis=False,
        hovertemplate=text,
    )


def _layout(group: Group, uplink: Uplink, ways: Sequence[str], scale: Unit) -> dict[str, Any]:
    options = OPTION * max(len(ways), 2)
    total = LATENCY + options + RATE + 2 * GAP
    low, middle = LATENCY / total, (LATENCY + GAP + options) / total
    words = [_heading(1, "uplink rate, Mbit/s"), _heading(middle, "option chosen")]
    layout: dict[str, Any] = {
        "height": total + EDGES,
        "margin": {"t": 30, "b": 48},
        "xaxis": {"range": _span(group.timeline, uplink), "anchor": "y3", "title": "time, s"},
        "yaxis": {"domain": [middle + GAP / total, 1], "rangemode": "tozero", "nticks": 4},
        "yaxis2": {"domain": [low + GAP / total, middle], **_ways(ways)},
        "yaxis3": {"domain": [0, low], "rangemode": "tozero"},
        "annotations": [*words, _heading(low, f"latency, {scale.name}")],
    }
    if math.isfinite(group.deadline_s):
        layout |= _deadline(group.deadline_s * scale.factor, layout["annotations"])
    return layout


def _ways(ways: Sequence[str]) -> dict[str, Any]:
    """The axis of the options."""
    servers = {way.partition("@")[2] for way in ways} - {""}
    return {
        "range": [max(len(ways), 1) - 0.4, -0.6],
        "tickvals": list(range(len(ways))),
        "ticktext": [_label(way, servers) for way in ways],
        "tickfont": {"size": 11},
        "zeroline": False,
    }


def _span(shown: TimeLine, uplink: Uplink) -> list[float]:
    """Where the tasks and the rate are, and a little more, so that no marker is cut."""
    ends_s = [uplink.start_s + uplink.step_s * len(uplink.rate_bps), *shown.created_s[-1:].tolist()]
    margin_s = 0.008 * (max(ends_s) - uplink.start_s)
    return [uplink.start_s - margin_s, max(ends_s) + margin_s]


def _heading(top: float, text: str) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {"x": 0, "y": top, "text": f"<b>{text}</b>", "showarrow": False, "yshift": 4, **place}


def _deadline(at: float, annotations: Sequence[Any]) -> dict[str, Any]:
    line = {"dash": "dot", "width": 1.5}
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y3", "y0": at, "y1": at}
    word = {"xref": "paper", "x": 1, "xanchor": "right", "yref": "y3", "y": at, "showarrow": False}
    text = {**word, "text": "deadline", "yanchor": "bottom"}
    return {"shapes": [{**shape, "line": line}], "annotations": [*annotations, text]}
