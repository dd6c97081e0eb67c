"""The picture of BottleFit's headline: what is saved over the uplink's rate, beside the paper.

Usage: python analysis/bottlefit_picture.py   (reads bottlefit_rates.csv, writes bottlefit.png
beside it; needs Debian's package chromium)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pandas as pd
import plotly.graph_objects as go
from bottlefit import HERE
from bottlefit_claims import CLAIMS, NAMES, claimed
from bottlefit_sweep import MEASURED, METERED, METRICS
from bottlefit_times import CLOSEST
from picture import photograph_figure
from plotly.subplots import make_subplots

AGAINST = tuple(dict.fromkeys(claim.against for claim in CLAIMS))
COLOURS = {"latency_s": (0, 114, 178), "power_w": (213, 94, 0), "energy_j": (0, 158, 115)}
TICKS = (0.5, 1, 2, 5, 10, 20, 50)
EDGES = (-0.4, 1.8)  # powers of ten: a little beyond the ticks
WIDTH, HEIGHT = 1400, 1200


def band(
    figure: go.Figure, rows: pd.DataFrame, ends: tuple[str, str], colour: str, **place: int
) -> None:
    """The area between two columns."""
    low, high = (100 * rows[end] for end in ends)
    mbps = rows.rate_bps / 1e6
    shape = {"mode": "lines", "line_width": 0, **place}
    figure.add_scatter(x=mbps, y=low, **shape)
    figure.add_scatter(x=mbps, y=high, fill="tonexty", fillcolor=colour, **shape)


def draw(figure: go.Figure, rows: pd.DataFrame, claim: float | None, **place: int) -> None:
    """A comparison: range and bands at 12 channels, the most at 3, the claim."""
    wide, narrow = rows[rows.channels == CLOSEST], rows[rows.channels != CLOSEST]
    red, green, blue = COLOURS[rows.metric.iloc[0]]
    colour = f"rgba({red},{green},{blue}," + "{})"
    band(figure, wide, ("least_low", "most_high"), colour.format(0.2), **place)
    band(figure, wide, ("least", "most"), colour.format(0.55), **place)
    thin = {"color": colour.format(1), "width": 1.5, "dash": "dash"}
    mbps = narrow.rate_bps / 1e6
    figure.add_scatter(x=mbps, y=100 * narrow.most, mode="lines", line=thin, **place)
    if claim is not None:
        figure.add_hline(100 * claim, line_color="black", line_dash="dot", **place)


def drawn(rows: pd.DataFrame) -> go.Figure:
    """A row per metric and a column per metered board and comparison; below, the measured one."""
    columns, below = list(product(METERED, AGAINST)), len(METRICS) + 1
    figure = make_subplots(
        below,
        len(columns),
        specs=[[{}] * len(columns)] * len(METRICS) + [[{"colspan": 2}, None] * len(AGAINST)],
        subplot_titles=titles(columns),
        shared_yaxes=True,
        horizontal_spacing=0.012,
        vertical_spacing=0.06,
    )
    cells = product(enumerate(METRICS, start=1), enumerate(columns, start=1))
    for (row, metric), (column, (board, against)) in cells:
        draw(figure, *of(rows, board, against, metric), row=row, col=column)
    for number, against in enumerate(AGAINST):
        draw(figure, *of(rows, MEASURED, against, METRICS[0]), row=below, col=2 * number + 1)
    for row, metric in enumerate((*METRICS, METRICS[0]), start=1):
        figure.update_yaxes(title=f"{NAMES[metric]} saved, %", row=row, col=1)
    return figure


def titles(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Over the first row and over the last, whose cells are twice as wide."""
    first = [f"{NAMES[board]}<br>against {NAMES[against]}" for board, against in columns]
    between = [""] * len(columns) * (len(METRICS) - 1)
    last = [f"{NAMES[MEASURED]}, measured, against {NAMES[against]}" for against in AGAINST]
    return [*first, *between, *last]


def of(
    rows: pd.DataFrame, board: str, against: str, metric: str
) -> tuple[pd.DataFrame, float | None]:
    """A comparison, and what the paper claims of it."""
    same = (rows.board == board) & (rows.against == against) & (rows.metric == metric)
    return rows[same], claimed(board, against, metric)


def figure_of(rows: pd.DataFrame) -> go.Figure:
    """With its title and axes."""
    figure = drawn(rows)
    figure.update_yaxes(range=[-100, 100], dtick=50, zerolinecolor="grey")
    figure.update_xaxes(type="log", tickvals=TICKS, range=EDGES)
    figure.update_xaxes(title="Mbit/s", row=len(METRICS) + 1)
    title = (
        "What BottleFit saves: range over three networks, WiFi and LTE with two laws of radio "
        "power each, at 12 channels<br>pale: 5 to 95 % over shifts of the tables; dashed: the most "
        "at 3 channels; dotted: the paper's “up to”"
    )
    return figure.update_layout(
        title={"text": title, "y": 0.97},
        showlegend=False,
        width=WIDTH,
        height=HEIGHT,
        margin={"t": 140, "b": 60, "l": 70, "r": 20},
        template="plotly_white",
    )


def main() -> None:
    """Draw, and look at it in a headless Chromium."""
    figure = figure_of(pd.read_csv(HERE / "bottlefit_rates.csv"))
    photograph_figure(figure, HERE / "bottlefit.png")


if __name__ == "__main__":
    main()
