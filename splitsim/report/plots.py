"""Figures of one point: distributions and parts, from digested rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from splitsim.report.basis import shares_text, total
from splitsim.report.digest import Curve, Group
from splitsim.report.look import BASIS_LOOKS, PART_LOOKS, Line, Unit, short, unit

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 360
BAR = 34  # pixels of a bar, the space around it included
SPREAD = 25.0  # largest over smallest value from which on an axis is logarithmic
DEADLINES = 3  # lines drawn at most
LINE = 14  # pixels of a line of text
TEXT = {"yref": "paper", "showarrow": False}
HATCH = {"size": 6, "solidity": 0.4, "fgcolor": "#ffffff", "fgopacity": 0.75}


@dataclass(frozen=True)
class Axis:
    """An axis for a quantity, the same at every point of a sweep."""

    unit: Unit
    low: float
    high: float
    log: bool

    @classmethod
    def over(cls, kind: str, curves: Sequence[Curve], marks: Sequence[float] = ()) -> Axis:
        """An axis that shows these curves, and the marks if they are not far away."""
        curves = [curve for curve in curves if len(curve.values)]
        highs = [curve.at(1.0 if curve.end < 1 else 0.997) for curve in curves]
        high = max(highs, default=0.0) or 1.0
        high = max([high, *(mark for mark in marks if mark < 2 * high)])
        low = min((low for curve in curves if (low := curve.at(0.005)) > 0), default=high)
        return cls(unit(kind, [high]), low, high, high > SPREAD * low)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values in this axis' unit; what a logarithmic axis cannot show stands at its edge."""
        shown = np.maximum(values, 0.9 * self.low) if self.log else values
        return (shown * self.unit.factor).astype(np.float32)

    def layout(self, title: str) -> dict[str, Any]:
        """For plotly."""
        named = {"title": {"text": f"{title}, {self.unit.name}"}}
        if not self.log:
            return {**named, "range": [0.0, 1.04 * self.high * self.unit.factor]}
        ends = [math.log10(n * self.unit.factor) for n in (0.8 * self.low, 1.2 * self.high)]
        return {**named, "type": "log", "range": ends, **_log_ticks(*ends)}

    def place(self, value: float) -> float:
        """Where an annotation for a value goes: plotly wants the logarithm."""
        shown = value * self.unit.factor
        return math.log10(shown) if self.log else shown


def latency_curves(groups: Sequence[Group], looks: Mapping[str, Line], axis: Axis) -> go.Figure:
    """Share of the tasks answered within a time, by policy, with the deadlines."""
    curves = {group.policy: group.latency_s for group in groups}
    deadlines_s = sorted({d for group in groups for d in group.deadlines_s})[:DEADLINES]
    layout = _curve_layout(axis.layout("latency"))
    layout["shapes"] = [_upright(d * axis.unit.factor) for d in deadlines_s]
    layout["annotations"] = [_deadline(n, d, axis) for n, d in enumerate(deadlines_s)]
    layout["margin"] = {"t": 14 + LINE * max(len(deadlines_s), 1)}
    if not any(len(curve.values) for curve in curves.values()):
        layout["annotations"].append(_middle("no task got an answer"))
    return figure(_curves(curves, looks, axis, "got no answer"), layout)


def energy_curves(groups: Sequence[Group], looks: Mapping[str, Line], axis: Axis) -> go.Figure:
    """Share of the tasks that took no more than an energy, by policy."""
    curves = {group.policy: group.energy_j for group in groups}
    return figure(_curves(curves, looks, axis, ""), _curve_layout(axis.layout("energy per task")))


def latency_parts(groups: Sequence[Group], used: Sequence[str]) -> go.Figure:
    """Mean seconds of each part of a latency: a bar's length is the mean latency."""
    bars = {group.policy: group.latency_parts_s for group in groups}
    rests = {group.policy: group.latency_basis_s for group in groups}
    return _stack(bars, used, "seconds", "mean latency of answered tasks", rests)


def energy_parts(groups: Sequence[Group], used: Sequence[str]) -> go.Figure:
    """Mean joules of each part: a bar's length is the mean energy of a task."""
    bars = {group.policy: group.energy_parts_j for group in groups}
    rests = {group.policy: group.energy_basis_j for group in groups}
    return _stack(bars, used, "joules", "mean energy per task", rests)


def latency_basis(groups: Sequence[Group], used: Sequence[str]) -> go.Figure:
    """The same latencies by what they rest on."""
    bars = {group.policy: total(group.latency_basis_s) for group in groups}
    return _stack(bars, used, "seconds", "mean latency of answered tasks")


def energy_basis(groups: Sequence[Group], used: Sequence[str]) -> go.Figure:
    """The same energies by what they rest on."""
    bars = {group.policy: total(group.energy_basis_j) for group in groups}
    return _stack(bars, used, "joules", "mean energy per task")


def parts_used(bars: Sequence[Mapping[str, float]]) -> list[str]:
    """The parts that are not zero everywhere, in order."""
    parts = bars[0] if bars else ()
    return [part for part in parts if any(bar[part] > 0 for bar in bars)]


def figure(traces: Sequence[Any], layout: Mapping[str, Any]) -> go.Figure:
    """A figure without a template: the page gives it one for light and one for dark."""
    import plotly.graph_objects as go

    made = go.Figure(list(traces), {"template": {}, "showlegend": False, **layout})
    made.layout.template = None
    return made


def _curve_layout(xaxis: Mapping[str, Any]) -> dict[str, Any]:
    yaxis = {"range": [0, 1.02], "tickformat": ".0%", "title": {"text": "share of tasks"}}
    return {"height": HEIGHT, "xaxis": {**xaxis}, "yaxis": yaxis}


def _curves(
    curves: Mapping[str, Curve], looks: Mapping[str, Line], axis: Axis, missing: str
) -> list[Any]:
    drawn = {policy: curve for policy, curve in curves.items() if len(curve.values)}
    lines = [_curve(p, curve, looks[p], axis) for p, curve in drawn.items()]
    ends = {p: curve for p, curve in drawn.items() if curve.end < 1}
    return lines + [_curve_end(p, curve, looks[p], axis, missing) for p, curve in ends.items()]


def _curve(policy: str, curve: Curve, look: Line, axis: Axis) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=axis.of(curve.values[[0, *range(len(curve.values))]]),
        y0=0,
        dy=curve.end / len(curve.values),
        mode="lines",
        line={"shape": "hv", "color": look.colour, "dash": look.dash, "width": look.width},
        name=short(policy),
        meta=policy,
        hovertemplate=f"%{{x:,.4~g}} {axis.unit.name}: %{{y:.1%}}<extra>{short(policy)}</extra>",
    )


def _curve_end(policy: str, curve: Curve, look: Line, axis: Axis, missing: str) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=axis.of(curve.values[-1:]),
        y=[curve.end],
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": look.colour},
        cliponaxis=False,
        meta=policy,
        hovertemplate=f"{1 - curve.end:.1%} {missing}<extra>{short(policy)}</extra>",
    )


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 times powers of ten, or at these alone if the axis is long."""
    steps = (1, 2, 5) if high - low < 3 else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return {"tickvals": values, "ticktext": [f"{value:,.10g}" for value in values]}


def _upright(at: float) -> dict[str, Any]:
    line = {"dash": "dot", "width": 1.5}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def _deadline(n: int, deadline_s: float, axis: Axis) -> dict[str, Any]:
    """The word above its line; it leans inwards near an end of the axis, and points beyond it."""
    low, high = axis.layout("")["range"]
    at = min(axis.place(deadline_s), high)
    share = (at - low) / (high - low)
    side = "right" if share > 0.85 else "left" if share < 0.15 else "center"
    beyond = " \N{RIGHTWARDS ARROW}" if at == high else ""
    text = f"deadline {deadline_s * axis.unit.factor:,.4g} {axis.unit.name}{beyond}"
    place = {"x": at, "xanchor": side, "y": 1, "yanchor": "bottom", "yshift": LINE * n}
    return {**TEXT, **place, "text": text}


def _middle(text: str) -> dict[str, Any]:
    return {**TEXT, "x": 0.5, "xref": "paper", "y": 0.5, "text": text}


def _stack(
    bars: Mapping[str, Mapping[str, float]],
    used: Sequence[str],
    kind: str,
    title: str,
    rests: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> go.Figure:
    """Horizontal bars in the policies' order from the top, with their sums at the ends.

    The page makes the legend of them, as plotly's would push narrow figures together. What a
    part rests on is told where the pointer is.
    """
    sums = {policy: math.fsum(parts.values()) for policy, parts in bars.items()}
    scale = unit(kind, sums.values())
    notes = {
        part: [f": {shares_text(rests[p][part])}" if rests else "" for p in bars] for part in used
    }
    traces = [_bar_part(part, bars, scale, notes[part]) for part in used]
    longest = (max(sums.values(), default=0.0) or 1.0) * scale.factor
    layout = {
        "height": 64 + BAR * len(bars),
        "margin": {"t": 8, "r": 76},
        "barmode": "stack",
        "bargap": 0.3,
        "xaxis": {"title": {"text": f"{title}, {scale.name}"}, "range": [0, 1.02 * longest]},
        "yaxis": names_axis([short(policy) for policy in bars]),
    }
    return figure([*traces, _bar_sums(sums, scale)], layout)


def names_axis(names: Sequence[str]) -> dict[str, Any]:
    """An axis of names from the top; they need not differ, as cut ones may not."""
    return {
        "range": [len(names) - 0.5, -0.5],
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "showgrid": False,
        "zeroline": False,
    }


def _bar_part(
    part: str, bars: Mapping[str, Mapping[str, float]], scale: Unit, notes: Sequence[str]
) -> Any:
    import plotly.graph_objects as go

    colour, hatch = PART_LOOKS.get(part) or BASIS_LOOKS[part]
    digits = scale.digits + 1
    return go.Bar(
        x=[parts[part] * scale.factor for parts in bars.values()],
        y=list(range(len(bars))),
        customdata=[[short(p), note] for p, note in zip(bars, notes, strict=True)],
        orientation="h",
        name=part,
        marker={"color": colour, "pattern": {**HATCH, "shape": hatch, "bgcolor": colour}},
        hovertemplate=f"%{{customdata[0]}}: {part} %{{x:,.{digits}f}} {scale.name}"
        "%{customdata[1]}<extra></extra>",
    )


def _bar_sums(sums: Mapping[str, float], scale: Unit) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[value * scale.factor for value in sums.values()],
        y=list(range(len(sums))),
        mode="text",
        text=[f" {scale.full(value)}" if value else " none" for value in sums.values()],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
