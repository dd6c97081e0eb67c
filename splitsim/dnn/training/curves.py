"""The report of a training: curves of loss and accuracy, in one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from splitsim import report
from splitsim.dnn.training.state import Epoch
from splitsim.report.look import COLOURS
from splitsim.report.plots import HEIGHT, SPREAD, figure

LEARNED, WATCHED = "learned from", "held back"
LOOKS = dict(zip((LEARNED, WATCHED), COLOURS[:2], strict=True))
Card = Mapping[str, Any]
Values = Mapping[str, Sequence[float | None]]


def page(card: Card, rows: Sequence[Card], history: Sequence[Epoch], recipe: str) -> str:
    """The report as HTML.

    Args:
        card: of the network.
        rows: of its cuts.
        history: of all epochs.
        recipe: as it was run.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *report.__path__]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = figures(card["stages"], history)
    plain = {title: json.loads(made.to_json()) for title, made in drawn.items()}
    return environment.get_template("curves.html").render(
        card=card,
        rows=rows,
        leaves=any(row["exit_top1"] is not None for row in rows),
        recipe=recipe,
        titles=list(drawn),
        data=Markup(json.dumps(plain, separators=(",", ":")).replace("<", "\\u003c")),
        plotly_js=Markup(get_plotlyjs()),
    )


def figures(stages: Sequence[str], history: Sequence[Epoch]) -> dict[str, Any]:
    """By their titles: accuracy over all epochs, the loss of each stage, and the learning rate."""
    drawn = {"Accuracy": _accuracy(history)}
    for number in range(1, len(stages) + 1):
        own = [row for row in history if row.stage == number]
        drawn |= {f"Loss of stage {number}": _loss(own, history)} if own else {}
    return drawn | {"Learning rate": _rate(history)}


def _accuracy(history: Sequence[Epoch]) -> Any:
    values: Values = {
        LEARNED: [row.accuracy for row in history],
        WATCHED: [row.validation_accuracy for row in history],
    }
    layout = {**_layout(history), "yaxis": {"tickformat": ".3~p", "title": {"text": "accuracy"}}}
    return figure(_lines(values, range(1, len(history) + 1)), layout)


def _loss(own: Sequence[Epoch], history: Sequence[Epoch]) -> Any:
    values: Values = {
        LEARNED: [row.loss for row in own],
        WATCHED: [row.validation_loss for row in own],
    }
    first = history.index(own[0]) + 1
    there = [value for line in values.values() for value in line if value]
    wide = min(there, default=0.0) > 0 and max(there) > SPREAD * min(there)
    axis = {"type": "log" if wide else "linear", "title": {"text": "loss per sample"}}
    return figure(_lines(values, range(first, first + len(own))), {**_layout(()), "yaxis": axis})


def _rate(history: Sequence[Epoch]) -> Any:
    values: Values = {LEARNED: [row.lr for row in history]}
    layout = {**_layout(history), "yaxis": {"type": "log", "exponentformat": "power"}}
    return figure(_lines(values, range(1, len(history) + 1)), layout | {"showlegend": False})


def _lines(values: Values, epochs: Sequence[int]) -> list[Any]:
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=list(epochs),
            y=list(line),
            name=name,
            mode="lines+markers",
            line={"color": LOOKS[name], "width": 2.5},
            marker={"size": 5},
            hovertemplate=f"epoch %{{x}}: %{{y:,.4~g}}<extra>{name}</extra>",
        )
        for name, line in values.items()
        if any(value is not None for value in line)
    ]


def _layout(history: Sequence[Epoch]) -> dict[str, Any]:
    """An axis of epochs, with a line where a stage begins."""
    begins = [n for n, row in enumerate(history) if row.epoch == 1 and n > 0]
    return {
        "height": HEIGHT,
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.12},
        "xaxis": {"title": {"text": "epoch"}},
        "shapes": [
            {
                "type": "line",
                "yref": "paper",
                "x0": n + 0.5,
                "x1": n + 0.5,
                "y0": 0,
                "y1": 1,
                "line": {"dash": "dot", "width": 1},
            }
            for n in begins
        ],
    }
