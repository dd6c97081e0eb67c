"""A task and what everybody says about it: Option, Demand, View, Record.

A network is a chain of blocks between valid cuts 0..L. Cut 0 is offloading, cut L is local
computing, any other a split; a policy picks one Option, and one code path runs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from splitsim.entries import Outcome, Radio
from splitsim.luck import NONE_DRAWN, Drawn, Luck, factor


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


@dataclass(frozen=True)
class Option:
    """One way of running an inference: this model, cut there, with that server (None: local)."""

    model: str
    cut: int
    layer: str
    server: str | None
    mean: Demand  # over the samples; all there is in a table without them
    outcome: Outcome | None = None
    runs: Drawn = NONE_DRAWN

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
        """What a task with this sample costs."""
        real = self.outcome
        if real is None:
            return self.mean
        return self.mean._replace(
            send_bytes=real.send_bytes.item(sample), correct=real.correct.item(sample)
        )

    @cached_property
    def label(self) -> str:
        """``local:resnet152``, ``offload:resnet152`` or ``split:resnet152/layer2``."""
        if self.server is None:
            return f"local:{self.model}"
        return f"split:{self.model}/{self.layer}" if self.cut else f"offload:{self.model}"

    @property
    def head_s(self) -> float:
        """Mean time on the device."""
        return self.mean.head_s

    @property
    def send_bits(self) -> float:
        """Mean bits on the uplink."""
        return 8 * self.mean.send_bytes


class Options(Sequence[Option]):
    """The options of a device, with arrays of table means for policies, an entry per option.

    Where nobody waits for anything, an option's latency is ``law_s @ (1, seconds per bit on the
    uplink, the same on the downlink, the wait at each server)``.

    Attributes:
        law_s: shape (options, 3 + servers); see above.
        head_s: pre-processing, head and encoding on the device.
        send_bits: bits on the uplink; 0 for local options.
        answer_bits: bits on the downlink.
        far_s: from the last bit sent to the first of the answer: latencies, decoding, tail.
        longest_head_s: the longest of them.
        longest_far_s: the longest of ``far_s``.
        fixed_j: joules that do not depend on the rate: computing, and per bit.
        correct: expected share of right answers.
        sends: 1.0 where the option uses the network, else 0.0.
        server: index into ``servers``; ``len(servers)`` for local options.
        servers: names of the servers.
        radio: the device's radio.
    """

    def __init__(
        self,
        options: Sequence[Option],
        *,
        servers: Sequence[str],
        latency_s: float,
        backhaul_s: Sequence[float],
        compute_w: float,
        radio: Radio,
    ) -> None:
        self._options = tuple(options)
        self.servers = tuple(servers)
        self.radio = radio
        place = {name: n for n, name in enumerate(servers)}
        self.server = np.array([place.get(o.server or "", len(servers)) for o in options])
        self.sends = (self.server < len(servers)).astype(float)
        self.head_s = np.array([option.head_s for option in options])
        self.send_bits = np.array([option.send_bits for option in options])
        self.answer_bits = 8 * self._mean("answer_bytes")
        self.correct = self._mean("correct")
        back_s = np.array([*backhaul_s, 0.0])[self.server]
        self.far_s = self.sends * (latency_s + 2 * back_s + self._mean("tail_s"))
        self.longest_head_s = float(self.head_s.max(initial=0.0))
        self.longest_far_s = float(self.far_s.max(initial=0.0))
        self.fixed_j = (
            np.array([_compute_j(option, compute_w) for option in options])
            + radio.a_up_j_per_bit * self.send_bits
            + radio.a_down_j_per_bit * self.answer_bits
        )
        fixed_s = self.head_s + self.far_s + latency_s * self.sends
        at = self.server[:, None] == np.arange(len(servers))
        self.law_s = np.column_stack([fixed_s, self.send_bits, self.answer_bits, at])

    @overload
    def __getitem__(self, index: int) -> Option: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Option]: ...
    def __getitem__(self, index: int | slice) -> Option | Sequence[Option]:
        return self._options[index]

    def __len__(self) -> int:
        return len(self._options)

    def local(self, model: str) -> int:
        """The index of computing a model on the device.

        Raises:
            LookupError: the device cannot; the message lists what it can.
        """
        able = {o.model: n for n, o in enumerate(self._options) if o.server is None}
        if model not in able:
            raise LookupError(f"model {model!r} cannot run here; there are {_list(able)}")
        return able[model]

    def find(self, model: str, cut: str | int, server: str | None = None) -> int:
        """The index of a way with a server; ``cut`` is a layer's name or a number.

        Without ``server`` the first that can run it is taken.

        Raises:
            LookupError: there is none; the message lists those that exist.
        """
        remote = [o for o in self._options if o.server is not None]
        if not self.servers:
            raise LookupError("there is no server to send to; add one under servers")
        models = dict.fromkeys(o.model for o in remote)
        if model not in models:
            raise LookupError(f"no model {model!r} to send; there are {_list(models)}")
        cuts = [o for o in remote if o.model == model]
        if not any(cut in (o.layer, o.cut) for o in cuts):
            layers = dict.fromkeys(o.layer for o in cuts)
            raise LookupError(f"model {model!r} has no cut {cut!r}; there are {_list(layers)}")
        for option in cuts:
            if cut in (option.layer, option.cut) and server in (option.server, None):
                return self._options.index(option)
        raise LookupError(f"no server {server!r} for {model!r}; there are {_list(self.servers)}")

    def _mean(self, name: str) -> np.ndarray:
        return np.array([getattr(option.mean, name) for option in self._options])

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(dict.fromkeys(option.model for option in self._options))


def _compute_j(option: Option, compute_w: float) -> float:
    demand = option.mean
    return demand.head_s * compute_w if demand.energy_j is None else demand.energy_j


def _list(names: Any) -> str:
    return ", ".join(names) or "none"


class Word(NamedTuple):
    """What a server last told a device of its queueing delay."""

    wait_s: float
    at_s: float  # when it was true; -inf: never told
    mean_s: float  # average of all it told, the later ones counting more


NOTHING_TOLD = Word(0.0, -math.inf, 0.0)


class View(NamedTuple):
    """What a device can know when it decides; values only, and nothing of this task's luck.

    Rates are averages of the device's own past transfers (NaN before the first); a server's
    state is what it last told this device, with the time at which it was true (-inf: never).
    """

    options: Options
    now_s: float
    deadline_s: float  # inf: none
    compute_backlog_s: float  # table means of own unfinished computations
    uplink_backlog_bits: float  # decided on, and not yet sent
    uplink_bps: float
    downlink_bps: float
    rate_at_s: float  # when the uplink was last observed; -inf: never
    task_gap_s: float  # average time between own tasks; inf before the second
    long_gaps: float  # share of them in which the radio falls asleep; 1 before the second
    tail_left_s: float  # of the radio's tail, if nothing is sent; 0: it sleeps
    battery_j: float  # what is left; inf: no battery
    in_flight: int  # own unanswered tasks, this one not counted
    told: tuple[Word, ...]  # per server


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
    status: str = _column("", "done, timeout, dropped or unfinished", UNFINISHED)
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
