"""The picture of the study of methods: accuracy against bytes, and against the head's MACs.

Usage: python analysis/methods_picture.py   (reads methods_summary.csv, writes methods.png beside
it; needs Debian's package chromium)
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from picture import photograph_figure
from plotly.subplots import make_subplots

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1300, 620
COLOURS = {
    ("bottlefit", "two_stage"): "#0072b2",
    ("bottlefit", "cross_entropy"): "#d55e00",
    ("bottlefit", "distillation"): "#e69f00",
    ("bottlefit", "head_distillation"): "#009e73",
    ("autoencoder", "two_stage"): "#cc79a7",
    ("bottlenet", "cross_entropy"): "#56b4e9",
    ("bottlenetpp", "cross_entropy"): "#7f7f7f",
    ("bottlenetpp-awgn", "cross_entropy"): "#bcbd22",
    ("spikebottlenet", "cross_entropy"): "#000000",
    ("spinn", "exits"): "#8c564b",
    ("branchynet", "exits"): "#9467bd",
}
AXES = {
    "payload_bytes": "bytes of codes in a message",
    "head_macs": "multiply-accumulates of the head (spiking: in all time steps)",
}
TICKS = {"payload_bytes": (10, 20, 50, 100, 200), "head_macs": (1e6, 2e6, 5e6, 1e7)}
APART = 1.02  # between strategies of equal cost, so that their bars can be told apart


def name_of(key: tuple[str, str]) -> str:
    """In the legend."""
    method, strategy = key
    return f"{method}, {strategy.replace('_', ' ')}"


def figure_of(means: pd.DataFrame) -> go.Figure:
    """Accuracy with its interval over seeds, by both costs."""
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.03)
    for column, (axis, title) in enumerate(AXES.items(), start=1):
        for key in COLOURS:
            own = means[(means.method == key[0]) & (means.strategy == key[1])]
            add(figure, own.dropna(subset=[axis]), axis, key, column)
        ticks = {"tickvals": TICKS[axis], "title": title}
        figure.update_xaxes(type="log", **ticks, row=1, col=column)
    test = 100 * means[means.method == "bottlefit"].test_se.mean()
    title = (
        "Ways of training narrow bottlenecks on digits: means over seeds, bars 95 % over seeds "
        "(strategies are set apart a little);<br>the test part's own standard error is about "
        f"{test:.1f} points. Digits are 64 bytes as pixels: this compares ways of training,"
        "<br>never bytes or latency"
    )
    figure.update_yaxes(title="right answers, %", row=1, col=1)
    return figure.update_layout(
        title={"text": title, "font_size": 16, "y": 0.95},
        width=WIDTH,
        height=HEIGHT,
        margin={"t": 120, "l": 70, "r": 20},
        template="plotly_white",
    )


def add(figure: go.Figure, own: pd.DataFrame, axis: str, key: tuple[str, str], column: int) -> None:
    """A method by a strategy: its widths joined by a line."""
    place = list(COLOURS).index(key) if key[0] == "bottlefit" else 0
    figure.add_scatter(
        x=own[axis] * APART**place,
        y=100 * own.top1,
        error_y={"array": 100 * own.seeds_ci95, "thickness": 1.2},
        mode="lines+markers",
        name=name_of(key),
        legendgroup=name_of(key),
        showlegend=axis == "head_macs",
        marker={"color": COLOURS[key], "size": 9},
        row=1,
        col=column,
    )


def draw(means: pd.DataFrame, picture: Path) -> None:
    """Draw, and look at it in a headless Chromium."""
    photograph_figure(figure_of(means), picture)


if __name__ == "__main__":
    draw(pd.read_csv(HERE / "methods_summary.csv"), HERE / "methods.png")
