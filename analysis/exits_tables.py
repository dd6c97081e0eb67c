"""The figures of the study of exits over seeds: means, intervals, the test set's own error.

Two errors are kept apart. ``ci95`` is half a 95 % interval over seeds (Student's t): other first
weights, other tasks. ``test95`` is that of the 597 pictures of the test part, the same for all
seeds: binomial, or for a difference on the same pictures from its spread over them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from exits_figures import ALL, Row

from splitsim.statistics import half_width

Z = 1.96
OPTION = ["by", "network", "threshold"]
POLICY = ["by", "link", "kind", "network", "threshold"]
MEASURED = (
    *("done", "latency_mean_s", "latency_p95_s", "goodput", "accuracy"),
    *("exited", "sent_bytes", "radio_j"),
)


def over_seeds(rows: Sequence[Row]) -> pd.DataFrame:
    """A row per rule, network, threshold and way; where nobody ends, ``right`` is empty.

    ``right`` is pooled: of all that end there, over all seeds.
    """
    found = pd.DataFrame(rows)
    seeds = found.seed.nunique()
    found["rights"] = found.share * found.right
    groups = found.groupby([*OPTION, "way"], sort=False)
    table = groups[["device_s", "device_macs"]].mean()
    table["share"] = groups.share.sum() / seeds
    table["share_ci95"] = groups.share.agg(lambda own: _half(own, seeds, missing=0.0))
    table["right"] = groups.rights.sum() / groups.share.sum()
    table["right_ci95"] = groups.right.agg(lambda own: _half(own, len(own)))
    return table.reset_index()


def _half(values: pd.Series, seeds: int, missing: float = math.nan) -> float:
    return half_width([*values, *[missing] * (seeds - len(values))])


def with_errors(
    table: pd.DataFrame, losses: Sequence[Mapping[Any, np.ndarray]], samples: int
) -> pd.DataFrame:
    """Beside them the test set's error, and how much fewer are right than by the backbone.

    Args:
        table: as ``over_seeds`` gives it.
        losses: of each seed, by rule, network and threshold, the backbone's right answers less
            those with exits; shape (samples,).
        samples: of the test part.
    """
    share = table.share * samples
    table["right_test95"] = Z * np.sqrt(table.right * (1 - table.right) / share)
    found = pd.DataFrame([[*key, ALL, *_lost(losses, key)] for key in losses[0]])
    found.columns = pd.Index([*OPTION, "way", "lost", "lost_ci95", "lost_test95"])
    return table.merge(found, how="left", on=[*OPTION, "way"])


def _lost(losses: Sequence[Mapping[Any, np.ndarray]], key: Any) -> tuple[float, float, float]:
    by_seed = np.stack([lost[key] for lost in losses])
    by_sample = by_seed.mean(axis=0)
    of_test = Z * float(by_sample.std(ddof=1)) / math.sqrt(len(by_sample))
    return float(by_seed.mean()), half_width([*by_seed.mean(axis=1)]), of_test


def on_links(rows: Sequence[Row]) -> pd.DataFrame:
    """A row per rule, link and policy."""
    groups = pd.DataFrame(rows).groupby(POLICY, sort=False, dropna=False)
    means = groups[list(MEASURED)].mean()
    halves = groups[list(MEASURED)].agg(lambda own: half_width([*own]))
    columns = [name for key in MEASURED for name in (key, f"{key}_ci95")]
    return means.join(halves.add_suffix("_ci95"))[columns].reset_index()


def rules_apart(table: pd.DataFrame, network: str) -> tuple[float, float]:
    """By entropy instead of confidence, for the same computing: most more and most fewer right.

    Between thresholds of confidence a line is drawn; only where both rules reach counts.
    """
    whole = table[(table.way == ALL) & (table.network == network)].sort_values("device_macs")
    ours, theirs = (whole[whole.by == by] for by in ("confidence", "entropy"))
    reached = theirs[theirs.device_macs.between(ours.device_macs.min(), ours.device_macs.max())]
    line = np.interp(reached.device_macs, ours.device_macs, ours.right)
    apart = reached.right - line
    return float(apart.max()), float(apart.min())
