"""The figures of the study of exits: who leaves where by the tables, and what a task takes.

Nothing here compares: rows of one seed's networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from exits_networks import BACKBONE, folder_of
from exits_world import (
    DEADLINE_S,
    EARLY,
    LOCAL,
    PERIODIC,
    PLAIN,
    WARMUP_S,
    Link,
    Rule,
    loaded,
    option_of,
)

from splitsim import simulate
from splitsim.csvtable import Table
from splitsim.scenario import Spec
from splitsim.statistics import mean, quantiles
from splitsim.task import DONE, Option, Record

THROUGH, ALL, NEVER = "through", "all", "never"  # beside the names of exits: where tasks end

Row = dict[str, Any]


# --- By the tables ---------------------------------------------------------------------------


class Way(NamedTuple):
    """Those samples that end at one place, or all of them."""

    way: str
    share: float
    right: float  # share of right answers
    device_s: float  # that computing lasts on the device
    device_macs: float


def ways(spec: Spec, tables: Path, network: str, threshold: float) -> Iterator[Way]:
    """Where samples end by a threshold, all of them together, and all if no exit is asked."""
    macs = macs_of(tables, network)
    option, plain = (option_of(spec, network, at) for at in (threshold, None))
    found = [
        Way(end.exit or THROUGH, share, end.mean.correct, end.mean.head_s, macs(end))
        for share, end in option.parts
    ]
    yield from found
    total = math.fsum(way.share * way.device_macs for way in found)
    yield Way(ALL, 1.0, option.mean.correct, option.mean.head_s, total)
    yield Way(NEVER, 1.0, plain.mean.correct, plain.mean.head_s, macs(plain))


def macs_of(tables: Path, network: str) -> Callable[[Option], float]:
    """Gives the multiply-accumulates of a way on the device, its branches included."""
    rows = Table(tables / "models" / f"{network}.csv").rows
    heads = [float(row["macs"]) for row in rows]
    branches = [float(row.get("exit_macs") or 0) for row in rows]
    return lambda way: heads[way.cut] + sum(branches[cut] for cut in way.branches)


def rights(option: Option) -> np.ndarray:
    """Whether each sample is answered rightly; shape (samples,)."""
    ends, of_sample = [option], 0
    if option.mixture is not None:
        ends, of_sample = list(option.mixture.ways), option.mixture.of_sample
    every = np.stack([end.outcome.correct for end in ends if end.outcome is not None])
    found: np.ndarray = every[of_sample, np.arange(every.shape[1])]
    return found


def by_tables(work: Path, seed: int, rule: Rule) -> tuple[list[Row], dict[Any, np.ndarray]]:
    """A row per network, threshold and way; and what exits lose of the backbone, by sample."""
    tables = folder_of(work, seed)
    spec, rows, lost = loaded(tables, rule), [], {}
    backbone = rights(_local(spec, BACKBONE))
    for network, threshold in ((n, t) for n in EARLY for t in rule.thresholds):
        told = {"seed": seed, "by": rule.by, "network": network, "threshold": threshold}
        rows += [told | way._asdict() for way in ways(spec, tables, network, threshold)]
        option = option_of(spec, network, threshold)
        lost[rule.by, network, threshold] = backbone - rights(option)
    return rows, lost


def _local(spec: Spec, network: str) -> Option:
    (group,) = spec.options.values()
    return next(o for o in group if (o.model, o.server, o.threshold) == (network, None, None))


# --- By simulation ---------------------------------------------------------------------------


def figures(tasks: Sequence[Record]) -> dict[str, float]:
    """Of those created after the warm-up; in the quantile, no answer is an endless one."""
    rows = [row for row in tasks if row.created_s >= WARMUP_S]
    done = np.array([row.status == DONE for row in rows])
    latency_s = np.array([(row.done_s or math.inf) - row.created_s for row in rows])
    right = np.array([row.correct or 0.0 for row in rows])
    return {
        "done": mean(done),
        "latency_mean_s": mean(latency_s[done]),
        "latency_p95_s": quantiles(latency_s, [0.95])[0],
        "goodput": mean(right * (latency_s <= DEADLINE_S)),
        "accuracy": mean(right[done]),
        "exited": mean(np.array([row.exit is not None for row in rows])),
        "sent_bytes": mean(np.array([row.sent_bytes for row in rows])),
        "radio_j": mean(np.array([row.tx_j + row.rx_j + row.tail_j for row in rows])),
    }


def by_simulation(
    work: Path, seed: int, rule: Rule, links: Sequence[Link], duration_s: float
) -> list[Row]:
    """A row per link and policy."""
    found = []
    for link in links:
        spec = loaded(folder_of(work, seed), rule, link, duration_s)
        for policy in spec.scenario.policies:
            keys = policy.model_extra or {}
            told = {"seed": seed, "by": rule.by, "link": link.name, "kind": policy.kind}
            told |= {"network": keys["model"], "threshold": keys.get("exit")}
            found.append(told | figures(simulate(spec, policy.name, seed).tasks))
    return found


def idle_error(work: Path, seed: int, rule: Rule, tasks: int) -> float:
    """How far simulated means are from the tables' sums where nobody waits; relative, the worst.

    Of networks that stay on the device: the mean over the samples must be the sum over the ways
    of share x (head + branches). ``tasks`` must be so many that every sample is drawn.
    """
    spec = loaded(folder_of(work, seed), rule, PLAIN, float(tasks), PERIODIC)
    errors = []
    for policy in spec.scenario.policies:
        keys = policy.model_extra or {}
        if keys["model"] not in LOCAL:
            continue
        rows = {row.sample: row for row in simulate(spec, policy.name, seed).tasks}
        latency_s = mean(np.array([row.done_s - row.created_s for row in rows.values()]))
        parts = option_of(spec, keys["model"], keys["exit"]).parts
        errors.append(abs(latency_s / math.fsum(share * end.head_s for share, end in parts) - 1))
    return max(errors)
