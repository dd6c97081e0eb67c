"""Figures of shifted tables: how far a column of the summary moves, by policy, at one point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from splitsim.report.look import INFINITE, Line, Unit, short, unit
from splitsim.report.plots import BAR, figure, names_axis
from splitsim.report.tables import SHIFTED, Column

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]


def shown(rows: Sequence[Row]) -> list[Column]:
    """The metrics that the shifts of a summary tell of."""
    return [column for column in SHIFTED if rows and f"{column.key}_best" in rows[0]]


def bands(rows: Sequence[Row], column: Column, looks: Mapping[str, Line]) -> go.Figure:
    """A line per policy over most of its shifted values, with a marker where no table is shifted.

    Args:
        rows: of the summary, at one point.
        column: one of ``shown``.
        looks: by policy.
    """
    keys = [column.key, f"{column.key}_low", f"{column.key}_high"]
    finite = [float(row[key]) for row in rows for key in keys if math.isfinite(row[key])]
    scale, top = unit(column.kind, finite), max([*finite, 1e-9])
    policies = [str(row["policy"]) for row in rows]
    lines = [_line(row, n, column, scale, top, looks) for n, row in enumerate(rows)]
    markers = [_marker(row, n, column, scale, looks) for n, row in enumerate(rows)]
    shares = [_share(row, n, column) for n, row in enumerate(rows)]
    layout = {
        "height": 64 + BAR * len(rows),
        "margin": {"t": 8, "r": 92},
        "xaxis": {"title": {"text": scale.name}, "range": [0, 1.06 * top * scale.factor]},
        "yaxis": names_axis([short(policy) for policy in policies]),
        "annotations": shares,
    }
    return figure([*lines, *markers], layout)


def _line(
    row: Row, n: int, column: Column, scale: Unit, top: float, looks: Mapping[str, Line]
) -> Any:
    """From low to high; to the edge, with a sign, where the high end is infinite."""
    import plotly.graph_objects as go

    policy = str(row["policy"])
    low, high = float(row[f"{column.key}_low"]), float(row[f"{column.key}_high"])
    ends = [None if math.isnan(v) else min(v, 1.05 * top) * scale.factor for v in (low, high)]
    return go.Scatter(
        x=ends,
        y=[n, n],
        mode="lines+text",
        line={"color": looks[policy].colour, "width": 9},
        opacity=0.5,
        text=["", INFINITE if math.isinf(high) else ""],
        textposition="middle right",
        cliponaxis=False,
        meta=policy,
        hovertemplate=f"{scale.text(low)} to {scale.full(high)}<extra>{short(policy)}</extra>",
    )


def _marker(row: Row, n: int, column: Column, scale: Unit, looks: Mapping[str, Line]) -> Any:
    import plotly.graph_objects as go

    policy, value = str(row["policy"]), float(row[column.key])
    return go.Scatter(
        x=[value * scale.factor if math.isfinite(value) else None],
        y=[n],
        mode="markers",
        marker={"color": looks[policy].colour, "symbol": looks[policy].symbol, "size": 9},
        cliponaxis=False,
        meta=policy,
        hovertemplate=f"as the tables say: {scale.full(value)}<extra>{short(policy)}</extra>",
    )


def _share(row: Row, n: int, column: Column) -> dict[str, Any]:
    """At the right edge, how often the policy is best."""
    share = float(row[f"{column.key}_best"])
    text = "" if math.isnan(share) else f"best in {100 * share:.0f} %"
    place = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 8, "y": n, "yref": "y"}
    return {**place, "text": text, "showarrow": False}
