"""A page of traces: their rates over time and how they are distributed, laid over each other."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splitsim.parts import whole
from splitsim.report.figures import Figure
from splitsim.report.look import Line, lines, short
from splitsim.world.traces import Trace, TraceStatistics, trace_statistics

HEIGHT = 360
POINTS = 8000  # of a curve over time at most
QUANTILES = 1000  # of a distribution
UNITS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))

RATES = Figure(
    "rate",
    "Rate over time",
    "Mean rates in bins; where a trace is too long to be drawn so, bins of it are taken together.",
    by="nothing",
    wide=True,
)
SHARES = Figure(
    "shares",
    "Share of the time",
    "In which share of the bins the rate is no higher.",
    by="nothing",
    wide=True,
)


def write_trace_page(path: Path, traces: Mapping[str, Trace], bin_s: float = 1.0) -> None:
    """Write a page that shows traces; the file is whole or not there, and needs no network.

    Args:
        path: an HTML file.
        traces: by the name that they are shown by.
        bin_s: width of the bins.
    """
    with whole(path) as partial:
        partial.write_text(trace_page(traces, bin_s), encoding="utf-8")


def trace_page(traces: Mapping[str, Trace], bin_s: float = 1.0) -> str:
    """The page as HTML."""
    from importlib.metadata import version

    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    looks = lines(list(traces))
    drawn = json.dumps(trace_figures(traces, looks, bin_s), separators=(",", ":"))
    return environment.get_template("traces.html").render(
        names=list(traces),
        looks=looks,
        bin_s=bin_s,
        headings=HEADINGS,
        table=_table(traces, bin_s),
        figures=(RATES, SHARES),
        version=version("splitsim"),
        data=Markup(drawn.replace("<", "\\u003c")),
        plotly_js=Markup(get_plotlyjs()),
    )


def trace_figures(
    traces: Mapping[str, Trace], looks: Mapping[str, Line], bin_s: float
) -> dict[str, Any]:
    """The two figures, as plotly takes them, by their keys."""
    unit_bps, unit = _unit(traces.values())
    rate = {"title": {"text": f"rate, {unit}"}, "rangemode": "tozero"}
    share = {"range": [0, 1.02], "tickformat": ".0%", "title": {"text": "share of the bins"}}
    over_time = {
        "height": HEIGHT,
        "showlegend": False,
        "xaxis": {"title": {"text": "time, s"}, "rangemode": "tozero"},
        "yaxis": rate,
    }
    return {
        "rate": {
            "data": [_over_time(*at, looks[at[0]], bin_s, unit_bps, unit) for at in traces.items()],
            "layout": over_time,
        },
        "shares": {
            "data": [_shares(*at, looks[at[0]], bin_s, unit_bps, unit) for at in traces.items()],
            "layout": {"height": HEIGHT, "showlegend": False, "xaxis": rate, "yaxis": share},
        },
    }


def _unit(traces: Iterable[Trace]) -> tuple[float, str]:
    """A unit that suits the mean of the fastest trace."""
    largest_bps = max(trace.mean_bps for trace in traces)
    return next(((bps, name) for bps, name in UNITS if largest_bps >= bps), (1.0, "bit/s"))


def _over_time(
    name: str, trace: Trace, look: Line, bin_s: float, unit_bps: float, unit: str
) -> dict[str, Any]:
    bins = max(trace.period_s / bin_s, 1.0)
    width_s = min(bin_s, trace.period_s) * max(math.ceil(bins / POINTS), 1)
    rates = trace.binned_bps(width_s) / unit_bps
    return {
        **_line(name, look),
        "x": [float(f"{n * width_s:.9g}") for n in range(len(rates) + 1)],
        "y": _short_numbers(np.append(rates, rates[-1])),
        "hovertemplate": f"%{{x:,.6~g}} s: %{{y:,.4~g}} {unit}<extra>{short(name)}</extra>",
    }


def _shares(
    name: str, trace: Trace, look: Line, bin_s: float, unit_bps: float, unit: str
) -> dict[str, Any]:
    rates = np.sort(trace.binned_bps(min(bin_s, trace.period_s))) / unit_bps
    if len(rates) > QUANTILES:
        rates = np.quantile(rates, np.linspace(0, 1, QUANTILES), method="inverted_cdf")
    return {
        **_line(name, look),
        "x": _short_numbers(rates[[0, *range(len(rates))]]),
        "y": _short_numbers(np.arange(len(rates) + 1) / len(rates)),
        "hovertemplate": f"%{{x:,.4~g}} {unit}: %{{y:.1%}}<extra>{short(name)}</extra>",
    }


def _line(name: str, look: Line) -> dict[str, Any]:
    width = look.width / 2  # there are many steps
    line = {"shape": "hv", "color": look.colour, "dash": look.dash, "width": width}
    return {"type": "scatter", "mode": "lines", "line": line, "name": short(name), "meta": name}


def _short_numbers(values: np.ndarray) -> list[float]:
    """With the six digits that a screen can show."""
    return [float(f"{value:.6g}") for value in values.tolist()]


# Of a table of statistics: a heading and its unit.
HEADINGS = (
    ("length", "s"),
    ("mean", "Mbit/s"),
    ("std", "Mbit/s"),
    ("5 %", "Mbit/s"),
    ("median", "Mbit/s"),
    ("95 %", "Mbit/s"),
    ("min", "Mbit/s"),
    ("max", "Mbit/s"),
    ("zero", "%"),
    ("outages", ""),
    ("longest", "s"),
    ("lag 1", ""),
)


def statistics_cells(found: TraceStatistics) -> list[str]:
    """The figures of a trace as text, in the order of ``HEADINGS``."""
    rates_bps = (
        *(found.mean_bps, found.std_bps, found.p5_bps, found.p50_bps, found.p95_bps),
        *(found.min_bps, found.max_bps),
    )
    return [
        f"{found.length_s:,.1f}",
        *(f"{rate_bps / 1e6:,.3f}" for rate_bps in rates_bps),
        f"{100 * found.zero_share:.2f}",
        f"{found.outages}",
        f"{found.longest_outage_s:,.1f}",
        "-" if math.isnan(found.lag1) else f"{found.lag1:.3f}",
    ]


def _table(traces: Mapping[str, Trace], bin_s: float) -> Sequence[tuple[str, list[str]]]:
    return [(n, statistics_cells(trace_statistics(t, bin_s))) for n, t in traces.items()]
