"""What a policy is shown: its options as arrays of table means, and what a device can know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from splitsim.costs import FREE, CellCosts
from splitsim.entries import Radio
from splitsim.task import Option

MISSED = 3  # reports in a row after which a server that tells of itself must be down

Place = tuple[float, float]


class Ways:
    """Arrays over the ways that options come down to, an entry per way.

    A way either uses the network or does not, so that what it costs under given circumstances is
    a formula; an option's expected cost is the mean over its ways.

    Attributes:
        law_s: shape (ways, 3 + servers); where nobody waits for anything, a way's latency is
            ``law_s @ (1, seconds per bit on the uplink, the same on the downlink, the wait at
            each server)``, and ``pauses_s`` where there is TCP.
        head_s: pre-processing, head and encoding on the device, with the branches of exits.
        send_bits: bits on the uplink, overheads included; 0 where nothing is sent.
        answer_bits: bits on the downlink.
        rtt_s: round trip to the server.
        setup_s: set-up on the medium, both ways together.
        answer_ahead_s: what else passes between the answer's coming to the cell and its first bit.
        far_s: from the last bit sent to the answer's coming to the cell: latencies, decoding, tail.
        longest_head_s: the longest of ``head_s``.
        longest_far_s: the longest of ``far_s``.
        fixed_j: joules that do not depend on the rate: computing, and per bit.
        sends: 1.0 where the network is used, else 0.0.
        server: index of the server; the number of servers where nothing is sent.
    """

    def __init__(
        self,
        ways: Sequence[Option],
        *,
        servers: Sequence[str],
        latency_s: float,
        backhaul_s: Sequence[float],
        compute_w: float,
        radio: Radio,
        costs: CellCosts = FREE,
    ) -> None:
        self.costs = costs
        self.server = _places(ways, servers)
        self.sends = (self.server < len(servers)).astype(float)
        self.head_s = np.array([way.head_s for way in ways])
        self.send_bits = costs.on_air(np.array([way.send_bits for way in ways])) * self.sends
        answers = costs.on_air(np.array([8 * way.mean.answer_bytes for way in ways]))
        self.answer_bits = answers * self.sends
        tail_s = np.array([way.mean.tail_s for way in ways])
        back_s = np.array([*backhaul_s, 0.0])[self.server]
        self.far_s = self.sends * (latency_s + 2 * back_s + tail_s)
        self.longest_head_s = float(self.head_s.max(initial=0.0))
        self.longest_far_s = float(self.far_s.max(initial=0.0))
        self.fixed_j = (
            np.array([_compute_j(way, compute_w) for way in ways])
            + radio.a_up_j_per_bit * self.send_bits
            + radio.a_down_j_per_bit * self.answer_bits
        )
        self.rtt_s = self.sends * 2 * (latency_s + back_s)
        before_s = costs.up.before_s(was_empty=True, rtt_s=self.rtt_s) * self.sends
        self.setup_s = (costs.up.setup_s + costs.down.setup_s) * self.sends
        self.answer_ahead_s = costs.down.ahead_s * self.sends
        fixed_s = self.head_s + self.far_s + latency_s * self.sends
        fixed_s += before_s + self.setup_s + self.answer_ahead_s
        at = self.server[:, None] == np.arange(len(servers))
        self.law_s = np.column_stack([fixed_s, self.send_bits, self.answer_bits, at])

    @property
    def has_pauses(self) -> bool:
        """Whether transfers wait for acknowledgements."""
        return self.costs.up.slow_start is not None or self.costs.down.slow_start is not None

    def pauses_s(self, up_s_per_bit: float, down_s_per_bit: float) -> np.ndarray:
        """Pauses of transfers for acknowledgements at steady rates, shape (ways,)."""
        total_s: np.ndarray = np.zeros_like(self.head_s)
        sides = (
            (self.costs.up, self.send_bits, up_s_per_bit),
            (self.costs.down, self.answer_bits, down_s_per_bit),
        )
        for costs, bits, s_per_bit in sides:
            if costs.slow_start is not None:
                total_s += costs.slow_start.pauses_s(bits, s_per_bit, self.rtt_s).sum(axis=0)
        return total_s


class Options(Sequence[Option]):
    """The options of a device, with arrays of table means for policies, an entry per option.

    Of an option with exits they are means over the samples, those that end early included.

    Attributes:
        law_s: as of ``Ways``; the mean latency where nobody waits for anything follows from it.
        head_s: computing on the device before the cut or the exit.
        send_bits: bits on the uplink; 0 for local options.
        answer_bits: bits on the downlink.
        far_s: from the last bit sent to the first of the answer.
        fixed_j: joules that do not depend on the rate: computing, and per bit.
        correct: expected share of right answers.
        sends: share of the tasks that use the network; 0.0 for local options.
        server: index into ``servers``; ``len(servers)`` for local options.
        servers: names of the servers.
        backhaul_s: of each, the latency between the cells and it, one way; of one that changes
            what it is at the beginning.
        places_m: of each, where it stands, in metres; None where nobody said so.
        silent_after_s: of each, the age of its last word from which on it must be down, for
            ``MISSED`` reports in a row did not come; inf where it does not report.
        radio: the device's radio.
        ways: what the options come down to.
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
        costs: CellCosts = FREE,
        places_m: Sequence[Place | None] = (),
        report_every_s: Sequence[float | None] = (),
    ) -> None:
        self._options = tuple(options)
        parts = [option.parts for option in options]
        counts = np.array([len(part) for part in parts])
        self._firsts = np.cumsum(counts) - counts
        # None where each option has but one way, which is itself.
        self._shares = np.array([s for part in parts for s, _ in part]) if any(counts > 1) else None
        self.ways = Ways(
            [way for part in parts for _, way in part],
            servers=servers,
            latency_s=latency_s,
            backhaul_s=backhaul_s,
            compute_w=compute_w,
            radio=radio,
            costs=costs,
        )
        self.servers = tuple(servers)
        self.backhaul_s = tuple(backhaul_s)
        self.places_m = tuple(places_m) or (None,) * len(self.servers)
        every_s = report_every_s or (None,) * len(servers)
        self.silent_after_s = tuple(
            math.inf if each_s is None else MISSED * each_s + latency_s + back_s
            for each_s, back_s in zip(every_s, backhaul_s, strict=True)
        )
        self.radio = radio
        self.server = _places(options, servers)
        self.correct = np.array([option.mean.correct for option in options])
        self.law_s = self.mean(self.ways.law_s)
        self.head_s = self.mean(self.ways.head_s)
        self.send_bits = self.mean(self.ways.send_bits)
        self.answer_bits = self.mean(self.ways.answer_bits)
        self.far_s = self.mean(self.ways.far_s)
        self.fixed_j = self.mean(self.ways.fixed_j)
        self.sends = self.mean(self.ways.sends)

    def mean(self, of_ways: np.ndarray) -> np.ndarray:
        """Means over the ways of each option; shape (ways, ...) becomes (options, ...)."""
        if self._shares is None:
            return of_ways
        # Not a product of matrices: what is not known of one option stays its own.
        means: np.ndarray = np.add.reduceat(self._shares * of_ways.T, self._firsts, axis=-1)
        return means.T

    @overload
    def __getitem__(self, index: int) -> Option: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Option]: ...
    def __getitem__(self, index: int | slice) -> Option | Sequence[Option]:
        return self._options[index]

    def __len__(self) -> int:
        return len(self._options)

    def local(self, model: str, threshold: float | None = None) -> int:
        """The index of computing a model on the device, with exits or without.

        Raises:
            LookupError: the device cannot; the message lists what it can.
        """
        found = [(n, o) for n, o in enumerate(self._options) if o.server is None]
        models = dict.fromkeys(o.model for _, o in found)
        if model not in models:
            raise LookupError(f"model {model!r} cannot run here; there are {_list(models)}")
        return _with_threshold([(n, o) for n, o in found if o.model == model], threshold)

    def find(
        self,
        model: str,
        cut: str | int,
        server: str | None = None,
        threshold: float | None = None,
    ) -> int:
        """The index of a way with a server; ``cut`` is a layer's name or a number.

        Without ``server`` the first that can run it is taken, without ``threshold`` the one that
        ends no task early.

        Raises:
            LookupError: there is none; the message lists those that exist.
        """
        remote = [(n, o) for n, o in enumerate(self._options) if o.server is not None]
        if not self.servers:
            raise LookupError("there is no server to send to; add one under servers")
        models = dict.fromkeys(o.model for _, o in remote)
        if model not in models:
            raise LookupError(f"no model {model!r} to send; there are {_list(models)}")
        cuts = [(n, o) for n, o in remote if o.model == model]
        found = [(n, o) for n, o in cuts if cut in (o.layer, o.cut)]
        if not found:
            layers = dict.fromkeys(o.layer for _, o in cuts)
            raise LookupError(f"model {model!r} has no cut {cut!r}; there are {_list(layers)}")
        there = [(n, o) for n, o in found if server in (o.server, None)]
        if not there:
            what = f"no server {server!r} for {model!r}"
            names = dict.fromkeys(o.server for _, o in found)
            raise LookupError(f"{what}; there are {_list(names)}")
        return _with_threshold(there, threshold)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(dict.fromkeys(option.model for option in self._options))


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
    speed: float = 1.0  # of the device's computing, as a factor; less where it is throttled
    position_m: Place | None = None  # where it is, if it has a mobility and a server a place


def _places(options: Sequence[Option], servers: Sequence[str]) -> np.ndarray:
    place = {name: n for n, name in enumerate(servers)}
    return np.array([place.get(option.server or "", len(servers)) for option in options])


def _compute_j(option: Option, compute_w: float) -> float:
    demand = option.mean
    return demand.head_s * compute_w if demand.energy_j is None else demand.energy_j


def _with_threshold(found: Sequence[tuple[int, Option]], threshold: float | None) -> int:
    """The first of some options that has a threshold."""
    for n, option in found:
        if option.threshold == threshold:
            return n
    _, first = found[0]
    where = "on the device" if first.server is None else f"up to cut {first.layer!r}"
    there = dict.fromkeys(o.threshold for _, o in found if o.threshold is not None)
    if not there:
        raise LookupError(f"model {first.model!r} has no exits {where}; leave out exit")
    raise LookupError(f"no exit {threshold}; among exits.thresholds there are {_list(there)}")


def _list(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"
