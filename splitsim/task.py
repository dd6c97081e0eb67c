"""A task and what everybody says about it: Option, Demand, Record.

A network is a chain of blocks between valid cuts 0..L. Cut 0 is offloading, cut L is local
computing, any other a split; a policy picks one Option, and one code path runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from splitsim.luck import NONE_DRAWN, Drawn, Luck, factor
from splitsim.outcomes import Heard, Outcome


class Demand(NamedTuple):
    """What one task costs under one option, before noise.

    ``rest_s`` is what the device still has to compute after the head if no answer comes, and
    ``whole_s`` the same if the head was never begun; both None where the device cannot.
    """

    head_s: float
    send_bytes: float = 0.0
    tail_s: float = 0.0
    answer_bytes: float = 0.0
    correct: float = 1.0
    rest_s: float | None = None
    whole_s: float | None = None
    energy_j: float | None = None


class Mixture(NamedTuple):
    """What an option with a threshold comes down to, sample by sample."""

    ways: Sequence[Option]
    shares: Sequence[float]  # of the samples that take each of them
    of_sample: np.ndarray  # index into ``ways``; shape (samples,)


@dataclass(frozen=True)
class Option:
    """One way of running an inference: this model, cut there, with that server (None: local).

    ``branches`` are the cuts of the exits that it evaluates before that cut. With a
    ``threshold`` a task ends at the first of them that is sure enough of its sample: such an
    option is a ``mixture`` of ways, options without thresholds. A way that ends early has no
    server, and ``exit`` names the cut whose exit answers. ``spare`` is the way that ends at the
    last exit evaluated: whose answer is at hand if no other comes.
    """

    model: str
    cut: int
    layer: str
    server: str | None
    mean: Demand  # over the samples; all there is in a table without them
    outcome: Outcome | None = None
    runs: Drawn = NONE_DRAWN
    branches: tuple[int, ...] = ()
    exit: str | None = None
    spare: Option | None = None
    threshold: float | None = None
    mixture: Mixture | None = None
    heard: Heard | None = None  # by SNR, where that decides what is answered

    def taken(self, sample: int) -> Option:
        """The way that a task with this sample takes."""
        mixture = self.mixture
        return self if mixture is None else mixture.ways[mixture.of_sample.item(sample)]

    @property
    def parts(self) -> Sequence[tuple[float, Option]]:
        """The ways, each with the share of the samples that take it."""
        if self.mixture is None:
            return [(1.0, self)]
        return list(zip(self.mixture.shares, self.mixture.ways, strict=True))

    def head_factor(self, luck: Luck) -> float:
        """What a task's time on the device is multiplied by."""
        return factor(self.runs.head, luck.head)

    def tail_factor(self, luck: Luck, server: int) -> float:
        """What its time at a server is multiplied by."""
        return factor(self.runs.tail, luck.tails[server])

    def rest_factor(self, luck: Luck, *, begun: bool) -> float:
        """What the time is multiplied by that the device has left after a head, or without one."""
        return factor(self.runs.rest if begun else self.runs.whole, luck.head)

    def demand(self, sample: int) -> Demand:
        """What a task with this sample costs, if it takes this way."""
        real = self.outcome
        if real is None:
            return self.mean
        return self.mean._replace(
            send_bytes=real.send_bytes.item(sample), correct=real.correct.item(sample)
        )

    @cached_property
    def label(self) -> str:
        """``local:resnet152``, ``offload:resnet152`` or ``split:resnet152/layer2 exit 0.9``."""
        early = "" if self.threshold is None else f" exit {self.threshold}"
        if self.server is None:
            return f"local:{self.model}{early}"
        where = f"split:{self.model}/{self.layer}" if self.cut else f"offload:{self.model}"
        return where + early

    @property
    def head_s(self) -> float:
        """Mean time on the device."""
        return self.mean.head_s

    @property
    def send_bits(self) -> float:
        """Mean bits on the uplink."""
        return 8 * self.mean.send_bytes


DONE, TIMEOUT, DROPPED, UNFINISHED = "done", "timeout", "dropped", "unfinished"


def _column(unit: str, meaning: str, default: Any = None) -> Any:
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclass(init=False, eq=False)
class Record:
    """One row per task created; Parquet columns, documentation and checks are made from it.

    A stamp is null where it did not happen. For ``done`` rows the differences of consecutive
    stamps that are not null sum to ``done_s - created_s``.
    """

    point: int = _column("", "point of the sweep", 0)
    policy: str = _column("", "name of the policy", "")
    seed: int = _column("", "replication", 0)
    device: str = _column("", "device, with its number", "")
    task: int = _column("", "number of the task on its device", 0)
    sample: int = _column("", "row of the outcomes table", 0)
    option: str | None = _column("", "what the policy chose")
    server: str | None = _column("", "server of that option; null for local computing")
    exit: str | None = _column("", "cut whose exit gave the answer; null if none did")
    status: str = _column("", "done, timeout, dropped or unfinished", UNFINISHED)
    rejected: bool = _column("", "the server had no place for it, and said so", False)
    created_s: float = _column("s", "the task arrives and the policy decides", 0.0)
    head_start_s: float | None = _column("s", "the device begins pre-processing, head, encoding")
    head_end_s: float | None = _column("s", "the device ends them")
    tx_start_s: float | None = _column("s", "the first bit leaves on the uplink")
    tx_end_s: float | None = _column("s", "the last bit leaves")
    server_arrival_s: float | None = _column("s", "the last bit reaches the server")
    server_start_s: float | None = _column("s", "a worker begins decoding and tail")
    server_end_s: float | None = _column("s", "the worker ends")
    answer_start_s: float | None = _column("s", "the answer enters the downlink")
    fallback_start_s: float | None = _column("s", "the device begins the rest by itself")
    fallback_end_s: float | None = _column("s", "the device ends it")
    done_s: float | None = _column("s", "the answer is there")
    left_s: float | None = _column("s", "the task ends, however it ends")
    airtime_s: float = _column("s", "time on the uplink", 0.0)
    snr_db: float | None = _column("dB", "mean SNR while sent, where that decided what is answered")
    sent_bytes: float = _column("B", "bytes that left on the uplink", 0.0)
    received_bytes: float = _column("B", "bytes that came on the downlink", 0.0)
    compute_j: float = _column("J", "compute increment over idle", 0.0)
    tx_j: float = _column("J", "radio increment while sending, and waking up for it", 0.0)
    rx_j: float = _column("J", "radio increment while receiving, and waking up for it", 0.0)
    tail_j: float = _column("J", "radio tail this task's last byte started", 0.0)
    correct: float | None = _column("", "share of right answers in [0, 1]; null unless done")


COLUMNS = fields(Record)
STAMPS = tuple(
    c.name for c in COLUMNS if c.name.endswith("_s") and c.name not in {"left_s", "airtime_s"}
)
