"""Which figures there are, what they show and leave out, and all of them for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitsim.report import bands, plots, sweep, timeline
from splitsim.report.basis import total
from splitsim.report.digest import Group
from splitsim.report.happenings import Happenings
from splitsim.report.look import Line
from splitsim.results import Results


@dataclass(frozen=True)
class Figure:
    """A place on the page.

    ``by`` says what it depends on: a "point", a "policy" too, or nothing.
    """

    key: str
    title: str
    caption: str
    by: str = "point"
    wide: bool = False


LATENCY = Figure(
    "latency",
    "Latency",
    "Share of all tasks answered within a time, up to the deadline and beyond. A task without "
    "an answer never counts: the curve then ends below 100 %, at a cross.",
)
ENERGY = Figure(
    "energy",
    "Energy",
    "Share of all tasks that took no more than an energy: computing, sending, receiving and the "
    "radio's tail. The board's idle power is left out.",
)
LATENCY_PARTS = Figure(
    "latency-parts",
    "Where the time goes",
    "Mean time of each part over the answered tasks, hatched where something is waited for; the "
    "length is the mean latency. Tasks without an answer are left out. Fallback is the time from "
    "the last thing that happened before the device gave up to its own answer.",
    wide=True,
)
ENERGY_PARTS = Figure(
    "energy-parts",
    "Where the energy goes",
    "Mean of each part over all tasks, failed ones included. The idle power of the board and all "
    "energy of the servers are left out.",
    wide=True,
)
LATENCY_BASIS = Figure(
    "latency-basis",
    "What the latency rests on",
    "The same means by what the tables say of the entries behind them. Scenario: waiting, sending "
    "and network latency, which follow from the channels and loads that were chosen.",
)
ENERGY_BASIS = Figure(
    "energy-basis",
    "What the energy rests on",
    "Computing rests on the weaker of its time and its watts, sending, receiving and the radio's "
    "tail on the radio.",
)
TIME_LINE = Figure(
    "time-line",
    "One device over time",
    "The first device in the first replication: at most a minute after the warm-up or, where "
    "conditions change, the whole run. What changed, where and when; what its uplink could "
    "carry, what the policy chose for each task, and how long each task took, at its creation. A "
    "cross is a task without an answer, at the time after which it ended.",
    by="policy",
    wide=True,
)
POINT_FIGURES = (
    *(LATENCY, ENERGY, LATENCY_PARTS, ENERGY_PARTS, LATENCY_BASIS, ENERGY_BASIS),
    TIME_LINE,
)
SWEEP_CAPTIONS = (
    "Over all tasks; one without an answer counts as infinite (\N{INFINITY} at the top), as does "
    "all that waits in a queue that grows without bound.",
    "Over all tasks, infinite where more than 5 % got no answer or a queue grows without bound. "
    "Bars: 95 % interval of the replications' percentiles, where every task was answered.",
    "Mean over all tasks, without the board's idle power. Bars: 95 % interval of the mean over "
    "replications.",
    "Share of all tasks that were late or got no answer. Bars: 95 % interval of the mean over "
    "replications.",
    "Share of all tasks whose answer was right and in time. Bars: likewise.",
)


def point_figures(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """A place for each figure of a point; none of energy where no row of a summary knows it."""
    unknown = all(math.isnan(row["energy_mean_j"]) for row in rows)
    energy = (ENERGY, ENERGY_PARTS, ENERGY_BASIS) if unknown else ()
    return [figure for figure in POINT_FIGURES if rows and figure not in energy]


def sweep_figures(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """A place for each metric of a sweep that some row of a summary knows."""
    return [
        Figure(f"sweep-{metric.column}", metric.title, caption, by="nothing")
        for metric, caption in zip(sweep.METRICS, SWEEP_CAPTIONS, strict=True)
        if not all(math.isnan(row[metric.column]) for row in rows)
    ]


def shift_figures(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """A place for each metric that the shifts of a summary tell of."""
    return [Figure(f"shift-{column.key}", column.title, "") for column in bands.shown(rows)]


def figures_json(
    results: Results, groups: Sequence[Group], looks: Mapping[str, Line], parameter: str | None
) -> str:
    """Every figure by key and, where it depends on them, by point and policy.

    It may stand in a script element: no "<" is left in it.

    Args:
        results: the folder.
        groups: its digest.
        looks: by policy, in order.
        parameter: the swept one, if there is one only and it is a number.
    """
    drawn: dict[str, Any] = {}
    if results.summary_rows:
        drawn = _of_points(results, groups, looks) | _of_shifts(results, looks)
    if parameter is not None:
        drawn |= _of_sweep(results, parameter, looks)
    return json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c")


def _of_sweep(results: Results, parameter: str, looks: Mapping[str, Line]) -> dict[str, Any]:
    return {
        f"sweep-{metric.column}": _plain(
            sweep.sweep_lines(results.summary_rows, parameter, metric, looks)
        )
        for metric in sweep.METRICS
    }


def _of_shifts(results: Results, looks: Mapping[str, Line]) -> dict[str, Any]:
    rows = results.summary_rows
    points = [
        [row for row in rows if row["point"] == n] for n in range(len(results.manifest["points"]))
    ]
    return {
        f"shift-{column.key}": [
            _plain(bands.bands(own, column, looks)) if own else None for own in points
        ]
        for column in bands.shown(rows)
    }


def _of_points(
    results: Results, groups: Sequence[Group], looks: Mapping[str, Line]
) -> dict[str, Any]:
    points = [
        [group for group in groups if group.point == point]
        for point in range(len(results.manifest["points"]))
    ]
    draw = _Points(groups, looks)
    lanes = _TimeLines(results, groups)
    return {
        LATENCY.key: [_plain(draw.latency(point)) if point else None for point in points],
        ENERGY.key: [_plain(draw.energy(point)) if point else None for point in points],
        LATENCY_PARTS.key: [
            _plain(draw.latency_parts(point)) if point else None for point in points
        ],
        ENERGY_PARTS.key: [_plain(draw.energy_parts(point)) if point else None for point in points],
        LATENCY_BASIS.key: [
            _plain(draw.latency_basis(point)) if point else None for point in points
        ],
        ENERGY_BASIS.key: [_plain(draw.energy_basis(point)) if point else None for point in points],
        TIME_LINE.key: [lanes.by_policy(point) for point in points],
    }


class _Points:
    """Draws single points with what is common to all: axes, and the parts in the legend."""

    def __init__(self, groups: Sequence[Group], looks: Mapping[str, Line]) -> None:
        self._looks = looks
        deadlines_s = sorted({d for group in groups for d in group.deadlines_s})
        self._latency = plots.Axis.over("seconds", [g.latency_s for g in groups], deadlines_s)
        self._energy = plots.Axis.over("joules", [g.energy_j for g in groups])
        self._latency_used = plots.parts_used([g.latency_parts_s for g in groups])
        self._energy_used = plots.parts_used([g.energy_parts_j for g in groups])
        self._latency_basis = plots.parts_used([total(g.latency_basis_s) for g in groups])
        self._energy_basis = plots.parts_used([total(g.energy_basis_j) for g in groups])

    def latency(self, groups: Sequence[Group]) -> Any:
        return plots.latency_curves(groups, self._looks, self._latency)

    def energy(self, groups: Sequence[Group]) -> Any:
        return plots.energy_curves(groups, self._looks, self._energy)

    def latency_parts(self, groups: Sequence[Group]) -> Any:
        return plots.latency_parts(groups, self._latency_used)

    def energy_parts(self, groups: Sequence[Group]) -> Any:
        return plots.energy_parts(groups, self._energy_used)

    def latency_basis(self, groups: Sequence[Group]) -> Any:
        return plots.latency_basis(groups, self._latency_basis)

    def energy_basis(self, groups: Sequence[Group]) -> Any:
        return plots.energy_basis(groups, self._energy_basis)


class _TimeLines:
    """Draws time lines with the same marker for an option in all of them."""

    def __init__(self, results: Results, groups: Sequence[Group]) -> None:
        self._warmups_s = [point["warmup_s"] for point in results.manifest["points"]]
        self._channels = results.channels
        self._happened = Happenings(results)
        self._looks = timeline.markers([group.timeline for group in groups])

    def by_policy(self, groups: Sequence[Group]) -> dict[str, Any]:
        return {
            group.policy: _plain(
                timeline.time_line(
                    group,
                    self._uplink(group.point),
                    self._looks,
                    self._happened.of(group.point, group.policy),
                )
            )
            for group in groups
        }

    def _uplink(self, point: int) -> timeline.Uplink:
        start_s = self._warmups_s[point]
        if self._channels.empty:
            return timeline.Uplink(start_s, 0.0, np.array([]))
        rows = self._channels[self._channels["point"] == point]
        times_s = rows["time_s"].to_numpy()
        step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 0.0
        return timeline.Uplink(start_s, step_s, rows["uplink_bps"].to_numpy())


def _plain(figure: Any) -> Any:
    """A figure as plotly.js takes it; arrays of numbers stay in their short binary form."""
    return json.loads(figure.to_json())
