"""The picture of the study of spikes: ratios of energy over the rate of firing, and what reaches.

Usage: python analysis/spikes_picture.py   (reads spikes_sweep.csv, spikes_sets.csv and
spikes_layers.csv, writes spikes.png beside them; needs Debian's package chromium)
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from picture import photograph_figure
from plotly.subplots import make_subplots
from spikes import HERE
from spikes_claims import ALIKE, FIRST, NUMBERS
from spikes_energy import CLAIMS, FIRSTS, USUAL, Assumptions
from spikes_trained import mean_rate

PANELS = {
    "resnet50-224": "ResNet-50, 224 x 224, layer4",
    "resnet50-32": "ResNet-50, 32 x 32, layer4",
    "mobilenet-v2": "MobileNetV2, 224 x 224, last stage",
}
COLOURS = ("#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7")  # of steps
FIRST_COLOURS = dict(zip(FIRSTS, COLOURS[::2], strict=True))
SHOWN = [each for each in ALIKE if each.first == FIRSTS[0]]
DASHES = {"float32": "solid", "int8": "dot"}
WIDTH, HEIGHT = 1400, 1150
LINKS = {"none": "computing alone", "wifi": "and WiFi", "lte": "and LTE"}


def claims(figure: go.Figure, **place: int) -> None:
    """The paper's lines, along the axis of ratios."""
    for claim, dash in zip(CLAIMS, ("dash", "dot"), strict=True):
        line = {"line_color": "black", "line_dash": dash, "line_width": 1}
        if place["row"] == 1:
            figure.add_hline(claim, **line, **place)
        else:
            figure.add_vline(claim, **line, **place)


def curves(figure: go.Figure, rows: pd.DataFrame, measured: float, column: int) -> None:
    """Ratio against rate for every number of steps, with numbers of one kind in both."""
    place = {"row": 1, "col": column}
    for each in SHOWN:
        for (steps, own), colour in zip(rows.groupby("steps"), COLOURS, strict=True):
            figure.add_scatter(
                x=own.rate,
                y=each.ratio(own),
                mode="lines",
                line={"color": colour, "dash": DASHES[each.spiking]},
                name=f"T = {steps}",
                showlegend=column == 1 and each.spiking == "float32",
                **place,
            )
    figure.add_vline(measured, line_color="grey", line_width=1, **place)
    claims(figure, **place)


def ranges(figure: go.Figure, sets: pd.DataFrame) -> None:
    """Of each set the range at an ordinary point, and the most in the sweep."""
    place = {"row": 2, "col": 1}
    for number, (first, own) in enumerate(sets.groupby("first", sort=False)):
        at = [len(own) - row + (1 - number) / 5 for row in range(len(own))]
        bars = own[["usual_least", "usual_most"]].assign(gap=float("nan")).to_numpy().ravel()
        colour = FIRST_COLOURS[str(first)]
        line = {"color": colour, "width": 6}
        heights = [y for y in at for _ in range(3)]
        figure.add_scatter(x=bars, y=heights, mode="lines", line=line, showlegend=False, **place)
        mark = {"color": colour, "symbol": "circle-open", "size": 9, "line_width": 2}
        name = f"first layer {FIRST[str(first)]}"
        figure.add_scatter(x=own.best, y=at, mode="markers", marker=mark, name=name, **place)
    claims(figure, **place)


def names(sets: pd.DataFrame) -> list[str]:
    """Of the sets, from above."""
    own = sets[sets["first"] == FIRSTS[0]]
    every = (
        Assumptions(row.spiking, row.bottlenet, row.link, row.first) for row in own.itertuples()
    )
    return [
        f"{NUMBERS[each.spiking]} spikes : {NUMBERS[each.bottlenet]} BottleNet, {LINKS[each.link]}"
        for each in every
    ]


def figure_of(sweep: pd.DataFrame, sets: pd.DataFrame, measured: float) -> go.Figure:
    """Curves above, ranges below."""
    figure = make_subplots(
        rows=2,
        cols=3,
        specs=[[{}, {}, {}], [{"colspan": 3}, None, None]],
        subplot_titles=[*PANELS.values(), ""],
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.09,
    )
    for column, name in enumerate(PANELS, start=1):
        rows = sweep[(sweep.subject == name) & (sweep["first"] == FIRSTS[0])]
        curves(figure, rows[rows.cut == rows.cut.iloc[-1]], measured, column)
    ranges(figure, sets)
    figure.update_xaxes(type="log", title="rate of firing", dtick="D2", row=1)
    figure.update_yaxes(type="log", row=1)
    figure.update_yaxes(title="BottleNet's joules / SpikeBottleNet's", row=1, col=1)
    labels = names(sets)
    ticks = {"tickvals": list(range(len(labels), 0, -1)), "ticktext": labels}
    figure.update_yaxes(**ticks, row=2, col=1)
    below = (
        f"BottleNet's joules / SpikeBottleNet's; bars: T = {USUAL['steps']} and rate "
        f"{USUAL['rate']} over networks and cuts; circles: the most in the sweep"
    )
    figure.update_xaxes(type="log", title=below, row=2, col=1)
    return _titled(figure)


def _titled(figure: go.Figure) -> go.Figure:
    title = (
        "Energy of SpikeBottleNet against BottleNet: what reaches 144x (dashed) or 98x (dotted, "
        "black)?<br>above: computing alone, first layer at each step, solid: floats in both, "
        "dotted: 8 bits in both; grey: the rate measured on digits"
    )
    return figure.update_layout(
        title={"text": title, "y": 0.975},
        legend={"orientation": "h", "y": -0.07},
        width=WIDTH,
        height=HEIGHT,
        margin={"t": 120, "b": 90, "l": 300, "r": 20},
        template="plotly_white",
    )


def main() -> None:
    """Draw, and look at it in a headless Chromium."""
    sweep, sets, layers = (
        pd.read_csv(HERE / f"spikes_{name}.csv") for name in ("sweep", "sets", "layers")
    )
    photograph_figure(figure_of(sweep, sets, mean_rate(layers)), HERE / "spikes.png")


if __name__ == "__main__":
    main()
