"""The picture of the measured case: errors beside their bounds, and 0 to 30 other clients.

Usage: python analysis/measured_picture.py   (reads measured_case.csv and measured_clients.csv,
writes measured_case.png beside them; needs Debian's package chromium)
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from measured_case import BOUNDS, CASES, HERE, UNEXPLAINED, WAYS
from picture import photograph_figure
from plotly.subplots import make_subplots

COLOURS = dict(
    zip(
        (way.name for way in WAYS),
        ("#000000", "#0072B2", "#56B4E9", "#D55E00", "#E69F00"),
        strict=True,
    )
)
ERRORS = {
    "frame_ms": ("latency", "#009E73"),
    "frame_j": ("joules", "#CC79A7"),
    "network_ms": ("network", "#999999"),
}
QUANTITIES = {"frame_ms": "ms per frame", "frame_j": "J per frame"}
WIDTH, HEIGHT = 1200, 900


def draw_errors(figure: go.Figure, rows: pd.DataFrame) -> None:
    """Simulated / measured - 1 in percent, and the bounds."""
    for quantity, (name, colour) in ERRORS.items():
        own = rows[rows.quantity == quantity]
        cases = own.case.str.replace(", ", "<br>")
        figure.add_bar(x=cases, y=100 * own.error, name=name, marker_color=colour, row=1, col=1)
        for sign in (-1, 1):
            bound = {"line_color": colour, "line_dash": "dot", "line_width": 1}
            figure.add_hline(100 * sign * BOUNDS[quantity], **bound, row=1, col=1)


def draw_crowds(figure: go.Figure, rows: pd.DataFrame, row: int, quantity: str) -> None:
    """A line per way over the number of other clients."""
    for way, own in rows.groupby("way", sort=False):
        figure.add_scatter(
            x=own.others,
            y=own[quantity],
            name=way,
            line_color=COLOURS[way],
            showlegend=row == 2,
            row=row,
            col=1,
        )


def draw_measured(figure: go.Figure, rows: pd.DataFrame, row: int, quantity: str) -> None:
    """What was measured, as crosses."""
    cases = {case.name: case for case in (*CASES, UNEXPLAINED[0])}
    own = rows[(rows.quantity == quantity) & rows.case.isin(cases)]
    figure.add_scatter(
        x=[cases[name].others for name in own.case],
        y=own.measured,
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": [COLOURS[cases[n].way.name] for n in own.case]},
        name="measured",
        showlegend=row == 2,
        row=row,
        col=1,
    )


def figure_of(compared: pd.DataFrame, crowds: pd.DataFrame) -> go.Figure:
    """Errors above; below, latency and joules over the number of others."""
    figure = make_subplots(3, 1, vertical_spacing=0.1)
    draw_errors(figure, compared)
    for row, quantity in enumerate(QUANTITIES, start=2):
        draw_crowds(figure, crowds, row, quantity)
        draw_measured(figure, compared, row, quantity)
        figure.update_yaxes(title=QUANTITIES[quantity], type="log", dtick=1, row=row, col=1)
    figure.update_yaxes(title="simulated / measured - 1, %", row=1, col=1)
    figure.update_xaxes(title="other clients of the same kind", row=3, col=1)
    title = (
        "An object detector on a Jetson: measured totals against the model of their parts<br>"
        "dotted: the bounds; split beside 4 others is not explained and has none"
    )
    return figure.update_layout(title=title, width=WIDTH, height=HEIGHT, template="plotly_white")


def main() -> None:
    """Draw, and look at it in a headless Chromium."""
    tables = (pd.read_csv(HERE / f"measured_{name}.csv") for name in ("case", "clients"))
    figure = figure_of(*tables)
    photograph_figure(figure, HERE / "measured_case.png")


if __name__ == "__main__":
    main()
