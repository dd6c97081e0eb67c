"""What a summary says of shifted tables: how far each figure moves, and who stays best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from splitsim.statistics import quantiles

# Columns of the summary, and whether less of it is better.
METRICS = {
    "latency_mean_s": True,
    "latency_p95_s": True,
    "latency_p95_all_s": True,
    "energy_mean_j": True,
    "board_power_w": True,
    "deadline_miss": True,
    "goodput": False,
}
ENDS = (0.05, 0.95)
EQUAL = 1e-9  # sums of the same terms in another order differ by less
FEW = 20  # with fewer shifts less than one lies beyond each end: the extremes are given

Row = Mapping[str, Any]
Index = Mapping[tuple[int, str], Row]  # rows by point and policy


def with_shifts(
    rows: Sequence[Row], shifted: Sequence[Sequence[Row]], swept: Sequence[str]
) -> list[dict[str, Any]]:
    """A summary with the columns that tell of shifts, ahead of what is swept.

    ``shifts`` is how many there are; per metric, ``_low`` and ``_high`` are its 5 % and 95 %
    quantiles over them (the least and the greatest value of fewer than twenty), and ``_best`` is
    the share of them in which the policy is best at its point; who is equally good shares it.
    Only shifts that have all policies and seeds of a point count, and only metrics that are
    known.

    Args:
        rows: of the summary, by point.
        shifted: the rows of each shift.
        swept: the last columns.
    """
    indexed = [{(row["point"], row["policy"]): row for row in own} for own in shifted]
    known = [m for m in METRICS if not all(math.isnan(row[m]) for row in rows)]
    found: list[dict[str, Any]] = []
    for _, group in groupby(rows, key=lambda row: int(row["point"])):
        own = list(group)
        columns = _columns(own, [i for i in indexed if _has_all(i, own)], known)
        found += [
            {name: value for name, value in row.items() if name not in swept}
            | column
            | {name: row[name] for name in swept}
            for row, column in zip(own, columns, strict=True)
        ]
    return found


def _has_all(shift: Index, rows: Sequence[Row]) -> bool:
    nothing: Row = {"seeds": 0}
    return all(
        shift.get((row["point"], row["policy"]), nothing)["seeds"] == row["seeds"] for row in rows
    )


def _columns(
    rows: Sequence[Row], shifts: Sequence[Index], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """By policy of one point, what the shifts say."""
    columns: list[dict[str, Any]] = [{"shifts": len(shifts)} for _ in rows]
    for metric in metrics:
        values = np.array(
            [[shift[row["point"], row["policy"]][metric] for shift in shifts] for row in rows],
            float,
        )
        best = _best(values if METRICS[metric] else -values)
        for column, own, share in zip(columns, values, best, strict=True):
            low, high = _ends(own)
            column |= {f"{metric}_low": low, f"{metric}_high": high, f"{metric}_best": share}
    return columns


def _best(costs: np.ndarray) -> list[float]:
    """The share of shifts in which each policy costs least; NaN for one that is not known.

    Ties share, but nobody is best where all cost infinitely much.

    Args:
        costs: shape (policies, shifts).
    """
    if not costs.shape[1]:
        return [math.nan] * len(costs)
    least = np.where(np.isnan(costs), math.inf, costs).min(axis=0)
    finite = np.isfinite(least)
    first = (costs <= np.where(finite, least + EQUAL * np.abs(least), 0.0)) & finite
    shares = first / np.maximum(first.sum(axis=0), 1)
    shares[np.isnan(costs).any(axis=1)] = math.nan
    return [float(share) for share in shares.mean(axis=1)]


def _ends(values: np.ndarray) -> list[float]:
    """Between which most of the values lie; NaN if some are not known."""
    if not len(values) or np.isnan(values).any():
        return [math.nan, math.nan]
    if len(values) < FEW:
        return [float(values.min()), float(values.max())]
    return quantiles(values, ENDS)
