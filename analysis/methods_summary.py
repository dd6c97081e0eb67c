"""What the study of methods found: means with two errors, paired differences, and words.

Two things could have come out otherwise: the trainings (another seed) and the test part (other
digits). Their errors are stated apart: Student's t over seeds, and over test samples the binomial
standard error, or of a difference that of each sample's mean difference over the seeds. The test
samples are taken as independent; they are by a few writers, so that their error is rather larger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from methods_plan import STRATEGIES, WIDTHS
from methods_train import Row

from splitsim.statistics import half_width

KEYS = ["method", "channels", "strategy"]
MEANS = ["message_bytes", "payload_bytes", "head_macs", "macs", "head_params", "params", "cpu_s"]
OURS = ("bottlefit", "two_stage")
Z = 1.96  # of a 95 % interval


def summary(rows: Sequence[Row]) -> pd.DataFrame:
    """A row per method, channels and strategy: means over the seeds."""
    table = pd.DataFrame(rows)
    table["payload_bytes"] = table["message_bytes"] - table["overhead_bytes"]
    found = []
    for key, group in table.groupby(KEYS, sort=False, dropna=False):
        top1, samples = group["top1"].mean(), len(group["right"].iloc[0])
        errors = {
            "seeds": len(group),
            "top1": top1,
            "seeds_ci95": half_width(list(group["top1"])),
            "test_se": math.sqrt(top1 * (1 - top1) / samples),
        }
        found.append(dict(zip(KEYS, key, strict=True)) | errors | dict(group[MEANS].mean()))
    return pd.DataFrame(found)


def paired(rows: Sequence[Row]) -> pd.DataFrame:
    """BottleFit by two stages less what it is compared with, at equal channels, pair by pair."""
    others = [("bottlefit", strategy) for strategy in STRATEGIES[1:]]
    others.append(("autoencoder", "two_stage"))
    compared = [
        _difference(width, other, *pair)
        for width, other in product(WIDTHS, others)
        if all(pair := (_right(rows, width, *OURS), _right(rows, width, *other)))
    ]
    return pd.DataFrame(compared)


def _right(rows: Sequence[Row], width: int, method: str, strategy: str) -> dict[int, np.ndarray]:
    """Which test samples were answered rightly, by seed."""
    wanted = (method, width, strategy)
    found = (row for row in rows if tuple(row[key] for key in KEYS) == wanted)
    return {row["seed"]: np.array(row["right"], float) for row in found}


def _difference(
    width: int,
    other: tuple[str, str],
    ours: dict[int, np.ndarray],
    theirs: dict[int, np.ndarray],
) -> Row:
    apart = np.array([ours[seed] - theirs[seed] for seed in sorted(ours)])  # seeds x samples
    by_sample = apart.mean(axis=0)
    return {
        "channels": width,
        "method": other[0],
        "strategy": other[1],
        "difference": apart.mean(),
        "seeds_ci95": half_width(list(apart.mean(axis=1))),
        "test_ci95": Z * by_sample.std(ddof=1) / math.sqrt(len(by_sample)),
        "only_two_stage": int((apart > 0).sum()),
        "only_other": int((apart < 0).sum()),
    }


def finding(means: pd.DataFrame, pairs: pd.DataFrame, seeds: int) -> str:
    """All of it in words."""
    return "\n".join([*_head(seeds), *map(_accuracy, means.to_dict("records")), *_verdicts(pairs)])


def _head(seeds: int) -> Iterator[str]:
    yield "Ways of training narrow bottlenecks, tested on 597 digits, mostly by other writers."
    yield "Digits are 64 bytes as pixels: this compares ways of training, never bytes or latency."
    yield "All students learn for equally many epochs, few; what more would change is not known."
    yield "The autoencoder keeps the teacher's own layers before it: its head computes more."
    yield "Every seed's teacher starts from the same weights; order, shifts, samples held back and"
    yield "the students' new layers differ: the intervals know nothing of other first weights."
    yield ""
    yield f"Right answers, means of {seeds} seeds, +- 95 % over seeds (test: standard error):"


def _accuracy(row: Row) -> str:
    width = "" if math.isnan(row["channels"]) else f" {row['channels']:.0f}"
    sent = "" if math.isnan(row["payload_bytes"]) else f", {row['payload_bytes']:.0f} B"
    seeds, test = _points(row["seeds_ci95"]), _points(row["test_se"])
    name = f"{row['method']}{width} by {row['strategy']}{sent}".replace(" by alone", "")
    return f"  {name:<45} {_points(row['top1']):>5} % +- {seeds:>4} (test {test})"


def _verdicts(pairs: pd.DataFrame) -> Iterator[str]:
    if pairs.empty:
        return
    yield ""
    yield "BottleFit by two stages, against the same channels otherwise, in points of accuracy:"
    yield from map(_compared, pairs.to_dict("records"))
    yield ""
    yield from map(_verdict, (group for _, group in pairs.groupby(["method", "strategy"])))
    yield ""


def _compared(row: Row) -> str:
    other = f"{row['channels']} channels, {row['method']} by {row['strategy']}"
    seeds, test = _points(row["seeds_ci95"]), _points(row["test_ci95"])
    errors = f"+- {seeds} over seeds, +- {test} over samples"
    alone = f"{row['only_two_stage']} against {row['only_other']} answers that only one has right"
    return f"  {other:<45} {100 * row['difference']:+5.1f} {errors}; {alone}"


def _verdict(group: pd.DataFrame) -> str:
    """Where two stages are better or worse beyond both errors."""
    sure = group["difference"].abs() > group[["seeds_ci95", "test_ci95"]].max(axis=1)
    where = {
        "better": group.channels[sure & (group.difference > 0)],
        "worse": group.channels[sure & (group.difference < 0)],
        "no different beyond these errors": group.channels[~sure],
    }
    parts = [f"{word} at {', '.join(map(str, at))}" for word, at in where.items() if len(at)]
    method, strategy = group.iloc[0][["method", "strategy"]]
    return f"Against {method} by {strategy}, two stages are {'; '.join(parts)} channels."


def _points(share: float) -> str:
    return "?" if math.isnan(share) else f"{100 * share:.1f}"
