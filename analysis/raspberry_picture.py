"""The picture of the measured splits: totals, joules and residuals of every cut.

Usage: python analysis/raspberry_picture.py   (reads raspberry_splits.csv, writes
raspberry_splits.png beside it; needs Debian's package chromium)
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from picture import photograph_figure
from plotly.subplots import make_subplots
from raspberry_splits import EDGE_BOUND, HERE, TOTAL_BOUND

BOARDS = {"off": "without TPU", "max": "with TPU"}
MEASURED, TOTAL, EDGE = "#000000", "#0072B2", "#D55E00"
WIDTH, HEIGHT = 1200, 900


def draw_levels(figure: go.Figure, rows: pd.DataFrame, column: int) -> None:
    """Totals and joules: simulated as a line, measured as crosses."""
    crosses = {"mode": "markers", "marker": {"color": MEASURED, "symbol": "x"}}
    for row, measured, simulated, colour in (
        (1, "total_ms", "simulated_ms", TOTAL),
        (2, "edge_j", "simulated_j", EDGE),
    ):
        place = {"row": row, "col": column}
        figure.add_scatter(x=rows.cut, y=rows[simulated], line_color=colour, **place)
        figure.add_scatter(x=rows.cut, y=rows[measured], **crosses, **place)


def draw_errors(figure: go.Figure, rows: pd.DataFrame, column: int) -> None:
    """Simulated / measured - 1 in percent, and the bounds."""
    for error, bound, colour in (
        ("total_error", TOTAL_BOUND, TOTAL),
        ("edge_error", EDGE_BOUND, EDGE),
    ):
        place = {"row": 3, "col": column}
        figure.add_bar(x=rows.cut, y=100 * rows[error], marker_color=colour, **place)
        for sign in (-1, 1):
            figure.add_hline(100 * sign * bound, line_color=colour, line_dash="dot", **place)


def figure_of(rows: pd.DataFrame) -> go.Figure:
    """A column per board."""
    figure = make_subplots(3, 2, column_titles=list(BOARDS.values()), vertical_spacing=0.06)
    for column, accelerator in enumerate(BOARDS, start=1):
        own = rows[rows.edge_accelerator == accelerator]
        draw_levels(figure, own, column)
        draw_errors(figure, own, column)
    for row, title in enumerate(("total, ms", "edge, J", "simulated / measured - 1, %"), start=1):
        figure.update_yaxes(title=title, row=row, col=1)
    figure.update_xaxes(range=[-0.7, 22.7])
    figure.update_xaxes(title="cut", row=3)
    title = (
        "VGG-16 split on a Raspberry Pi 4: crosses measured, lines simulated<br>"
        f'<span style="color:{TOTAL}">total</span>, <span style="color:{EDGE}">edge joules</span>; '
        "dotted: the bounds"
    )
    return figure.update_layout(
        title=title, showlegend=False, width=WIDTH, height=HEIGHT, template="plotly_white"
    )


def main() -> None:
    """Draw, and look at it in a headless Chromium."""
    figure = figure_of(pd.read_csv(HERE / "raspberry_splits.csv"))
    photograph_figure(figure, HERE / "raspberry_splits.png")


if __name__ == "__main__":
    main()
