"""The picture of the study of exits: shares, accuracy and latency over the threshold.

Usage: python analysis/exits_picture.py   (reads exits.csv and exits_links.csv, writes exits.png
beside it; needs Debian's package chromium)
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from exits_figures import ALL, NEVER, THROUGH
from exits_world import EARLY, LINKS, LOCAL, OUTAGES
from picture import photograph_figure
from plotly.subplots import make_subplots

HERE = Path(__file__).parent
PLACES = {"layer1": "#0072b2", "layer2": "#56b4e9", "layer3": "#009e73", THROUGH: "#cccccc"}
COLOURS = ("#d55e00", "#e69f00", "#cc79a7")
LINK_COLOURS = dict(zip([at.name for at in LINKS if at is not OUTAGES], COLOURS, strict=True))
RULES = {"confidence": "#0072b2", "entropy": "#d55e00"}
TITLES = {
    "branchynet": "BranchyNet<br>on the device alone, trained together",
    "spinn": "SPINN<br>split behind layer3, on a frozen backbone",
    "spinn-joint": "SPINN's exits<br>split behind layer3, trained together",
}
ROWS = (
    "end there, %",
    "answered rightly, %",
    "latency /<br>without exits",
    "answered rightly, %",
)
FEW = 0.01
WIDTH, HEIGHT = 1300, 1350


def shares(figure: go.Figure, own: pd.DataFrame, column: int) -> None:
    """Where tasks end, stacked."""
    table = own.pivot_table(index="threshold", columns="way", values="share").fillna(0)
    for way, colour in PLACES.items():
        if way in table:
            figure.add_scatter(
                x=table.index,
                y=100 * table[way],
                stackgroup="ends",
                mode="lines",
                line={"color": colour, "width": 0.5},
                fillcolor=colour,
                name=f"ends at {way}" if way != THROUGH else "goes through",
                **_once(column, "ends"),
                row=1,
                col=column,
            )


def accuracy(figure: go.Figure, own: pd.DataFrame, column: int) -> None:
    """At each exit where one in a hundred ends, and of all; bars are intervals over seeds."""
    for way, colour in {**PLACES, ALL: "#000000", NEVER: "#000000"}.items():
        rows = own[own.way.eq(way) & own.share.ge(FEW)].sort_values("threshold")
        if rows.empty or way == THROUGH:
            continue
        bars = {"type": "data", "array": 100 * rows.right_ci95, "thickness": 1, "width": 3}
        figure.add_scatter(
            x=rows.threshold,
            y=100 * rows.right,
            error_y=bars if way == ALL else None,
            line={"color": colour, "width": 2, "dash": "dot" if way == NEVER else "solid"},
            mode="lines",
            name={ALL: "all tasks", NEVER: "no exit asked"}.get(way, f"those at {way}"),
            **_once(column, "right"),
            row=2,
            col=column,
        )


def latency(figure: go.Figure, links: pd.DataFrame, network: str, column: int) -> None:
    """Mean and 95th percentile against the same way without exits."""
    kind = "local" if network in LOCAL else "split"
    for link, colour in LINK_COLOURS.items():
        at = links[links.link.eq(link) & links.by.eq("confidence")]
        own = at[at.network.eq(network)].sort_values("threshold")
        plain = at[at.kind.eq(kind) & at.threshold.isna()].iloc[0]
        for figure_s, dash in (("latency_mean_s", "solid"), ("latency_p95_s", "dash")):
            figure.add_scatter(
                x=own.threshold,
                y=own[figure_s] / plain[figure_s],
                line={"color": colour, "width": 2, "dash": dash},
                mode="lines",
                name=f"{link}, {'mean' if dash == 'solid' else '95th percentile'}",
                **_once(column, "latency"),
                row=3,
                col=column,
            )


def trade(figure: go.Figure, table: pd.DataFrame, network: str, column: int) -> None:
    """Accuracy over computing on the device, by both rules."""
    for by, colour in RULES.items():
        own = table[table.network.eq(network) & table.by.eq(by)]
        whole = own[own.way == ALL].sort_values("device_macs")
        never = own[own.way == NEVER].device_macs.iloc[0]
        figure.add_scatter(
            x=whole.device_macs / never,
            y=100 * whole.right,
            line={"color": colour, "width": 2},
            mode="lines+markers",
            name=f"by {by}",
            **_once(column, "trade"),
            row=4,
            col=column,
        )


def _once(column: int, group: str) -> dict[str, object]:
    """A line of the legend of its row; from the last column, which has all places."""
    legend = {"ends": "legend", "right": "legend2", "latency": "legend3", "trade": "legend4"}
    return {"showlegend": column == len(EARLY), "legend": legend[group]}


def figure_of(table: pd.DataFrame, links: pd.DataFrame) -> go.Figure:
    """A column per network, a row per question."""
    figure = make_subplots(
        len(ROWS),
        len(EARLY),
        subplot_titles=[TITLES[network] for network in EARLY],
        horizontal_spacing=0.05,
        vertical_spacing=0.065,
    )
    for column, network in enumerate(EARLY, start=1):
        own = table[table.network.eq(network) & table.by.eq("confidence")]
        shares(figure, own, column)
        accuracy(figure, own, column)
        latency(figure, links, network, column)
        trade(figure, table, network, column)
    for row, column in product(range(1, len(ROWS) + 1), range(1, len(EARLY) + 1)):
        last = row == len(ROWS)
        title = "MACs on the device / without exits" if last else "threshold of confidence"
        figure.update_xaxes(title={"text": title, "standoff": 4}, row=row, col=column)
    for row, title in enumerate(ROWS, start=1):
        figure.update_yaxes(title=title, row=row, col=1)
    return dressed(figure)


def dressed(figure: go.Figure) -> go.Figure:
    """With title, legends and sizes."""
    title = (
        "Exits on digits (64 bytes: nothing is said of bytes saved, nor of absolute latencies; "
        "device and server are the same core)"
    )
    legends = {
        f"legend{n if n > 1 else ''}": {"x": 1.01, "y": y, "font": {"size": 11}}
        for n, y in enumerate((1.0, 0.73, 0.46, 0.18), start=1)
    }
    for row, least in ((1, 0), (2, 90), (4, 95.5)):
        figure.update_yaxes(range=[least, 100 + (row > 1) * (100 - least) / 40], row=row)
    for row in range(1, len(ROWS)):
        figure.update_xaxes(range=[0.28, 1], row=row)
    return figure.update_layout(
        title={"text": title, "y": 0.985, "font": {"size": 15}},
        width=WIDTH,
        height=HEIGHT,
        margin={"t": 110, "b": 50, "l": 80, "r": 220},
        template="plotly_white",
        **legends,
    )


def main() -> None:
    """Draw, and look at it in a headless Chromium."""
    table, links = (pd.read_csv(HERE / name) for name in ("exits.csv", "exits_links.csv"))
    photograph_figure(figure_of(table, links), HERE / "exits.png")


if __name__ == "__main__":
    main()
