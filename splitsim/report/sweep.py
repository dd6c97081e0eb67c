"""Figures of a sweep: columns of the summary against a swept number, and tables of them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitsim.report.look import INFINITE, Line, Unit, short, unit
from splitsim.report.plots import SPREAD, figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]

NO_VALUE = "no value: a queue grows, or too few got an answer"


@dataclass(frozen=True)
class Metric:
    """A column of the summary that a sweep is looked at by.

    ``interval`` is that of the mean over seeds; ``of_done`` that it is known for done tasks only.
    """

    title: str
    column: str
    kind: str
    interval: str | None = None
    of_done: bool = False

    def value(self, row: Row) -> float:
        """Of the column; inf for a latency that would only say how long the run was."""
        grows = not row["stable"] and self.kind == "seconds"
        return math.inf if grows else float(row[self.column])

    def half_width(self, row: Row) -> float:
        """Half the 95 % interval; 0 where it is not known."""
        if math.isinf(self.value(row)):
            return 0.0
        if self.interval is None or (self.of_done and row["done"] < row["tasks"]):
            return 0.0
        half = float(row[self.interval])
        return half if math.isfinite(half) else 0.0


METRICS = (
    Metric("Median latency", "latency_p50_all_s", "seconds"),
    Metric(
        "95th percentile of latency", "latency_p95_all_s", "seconds", "latency_p95_s_ci95", True
    ),
    Metric("Energy per task", "energy_mean_j", "joules", "energy_mean_j_ci95"),
    Metric("Missed deadlines", "deadline_miss", "share", "deadline_miss_ci95"),
    Metric("Goodput", "goodput", "share", "goodput_ci95"),
)


def sweep_lines(
    rows: Sequence[Row], parameter: str, metric: Metric, looks: Mapping[str, Line]
) -> go.Figure:
    """A column of the summary against a swept number, by policy, with intervals if known."""
    values = [metric.value(row) for row in rows]
    scale = unit(metric.kind, values)
    top = _top(rows, metric)
    traces: list[Any] = []
    for n, (policy, look) in enumerate(looks.items()):
        own = [row for row in rows if row["policy"] == policy]
        traces.append(_sweep_line(own, parameter, metric, scale, policy, look))
        endless = [row[parameter] for row in own if math.isinf(metric.value(row))]
        traces += [_endless(endless, 0.94 * top * scale.factor, n, policy, look)] if endless else []
    xs = [float(row[parameter]) for row in rows]
    wide = min(xs, default=0) > 0 and max(xs) > SPREAD * min(xs)
    xaxis = {"title": {"text": html.escape(parameter)}, "type": "log" if wide else "linear"}
    yaxis = {"title": {"text": scale.name}, "range": [0, top * scale.factor]}
    return figure(traces, {"height": 300, "xaxis": xaxis, "yaxis": yaxis})


def _top(rows: Sequence[Row], metric: Metric) -> float:
    """Where the axis ends: above all values, and their intervals if these are not too long."""
    values = [metric.value(row) for row in rows]
    largest = max((v for v in values if math.isfinite(v)), default=1.0) or 1.0
    ends = [v + metric.half_width(row) for v, row in zip(values, rows, strict=True)]
    bars = max((v for v in ends if math.isfinite(v)), default=largest)
    top = max(1.2 * largest, min(1.05 * bars, 2 * largest))
    return min(top, 1.1) if metric.kind == "share" else top


def _sweep_line(
    rows: Sequence[Row], parameter: str, metric: Metric, scale: Unit, policy: str, look: Line
) -> Any:
    import plotly.graph_objects as go

    finite = [value if math.isfinite(value) else None for value in map(metric.value, rows)]
    return go.Scatter(
        x=[row[parameter] for row in rows],
        y=[None if value is None else value * scale.factor for value in finite],
        error_y={
            "array": [metric.half_width(row) * scale.factor for row in rows],
            "thickness": 1.2,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": look.colour, "dash": look.dash, "width": look.width},
        marker={"symbol": look.symbol, "size": 7},
        name=short(policy),
        meta=policy,
        hovertemplate=f"%{{x}}: %{{y:,.4~g}} {scale.name}<extra>{short(policy)}</extra>",
    )


def _endless(xs: Sequence[float], top: float, n: int, policy: str, look: Line) -> Any:
    """A sign at the top where a value is infinite; policies take turns around the spot."""
    import plotly.graph_objects as go

    sides = ("middle center", "middle right", "middle left", "top center", "top right", "top left")
    return go.Scatter(
        x=list(xs),
        y=[top] * len(xs),
        mode="text",
        text=[INFINITE] * len(xs),
        textposition=sides[n % len(sides)],
        textfont={"color": look.colour, "size": 16},
        meta=policy,
        hovertemplate=f"{NO_VALUE}<extra>{short(policy)}</extra>",
    )
