"""A device: one compute unit, its links and radio, its policy, and the account of its tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from splitsim.entries import Hardware
from splitsim.luck import Luck
from splitsim.policies.base import Policy
from splitsim.system.cell import CellSpec
from splitsim.system.clock import Clock
from splitsim.system.distance import Distance
from splitsim.system.energy import Board
from splitsim.system.group import DeviceSpec
from splitsim.system.knowledge import Knowledge
from splitsim.system.processor import Processor
from splitsim.system.server import Server
from splitsim.system.sharing.link import Line, SharedLink
from splitsim.system.stations import Job, Transfer
from splitsim.task import DONE, STAMPS, UNFINISHED, Demand, Option, Record
from splitsim.view import Options
from splitsim.world.around import Around
from splitsim.world.latency import over_time


class Device:
    """A running device."""

    def __init__(
        self,
        clock: Clock,
        index: int,
        name: str,
        spec: DeviceSpec,
        cell: CellSpec,
        *,
        hardware: Hardware,
        options: Options,
        policy: Policy,
        servers: Sequence[Server],
        uplink: Line,
        downlink: Line,
        around: Around,
        luck: Iterator[Luck],
        horizon_s: float,
        join_s: float = 0.0,
        leave_s: float = math.inf,
    ) -> None:
        self.clock = clock
        self.index = index
        self.name = name
        self.spec = spec
        self.cell = cell
        self.options = options
        self.policy = policy
        self.servers = servers
        self.uplink = uplink
        self.downlink = downlink
        self.snrs = cell.snrs(around)
        self.luck = luck
        self.horizon_s = min(horizon_s, leave_s)
        self.join_s, self.leave_s = join_s, leave_s
        self.compute = spec.processor(clock, hardware)
        self.board = Board(
            hardware,
            options.radio,
            uplink,
            downlink,
            spec.battery,
            join_s,
            leave_s,
            cell.transport.more_attempts(around),
        )
        self.radio = self.board.radio
        self.position = {server.name: n for n, server in enumerate(servers)}
        self.on_air = cell.costs.on_air
        air = over_time(cell.latency_s, around)
        self.distances = [Distance(air, cell.expected_latency_s, server.spec) for server in servers]
        deadline_s = math.inf if spec.deadline_s is None else spec.deadline_s
        self._path = around.path if any(options.places_m) else None  # else nobody asks for it
        self.known = Knowledge(options, deadline_s, uplink, servers, self.distances)
        self.then = "fail" if spec.timeout is None else spec.timeout.then
        self.created = self.in_flight = 0
        self._indices = range(len(options))
        self._learn = getattr(policy, "learn", None)

    @property
    def busy_until_s(self) -> float:
        """When what was begun is over, though its task may have given up; 0 once it is off."""
        if self.board.battery is not None and self.board.is_off(self.clock.now):
            return 0.0
        return max(self.compute.free_s, self.radio.awake_s(0.0))

    def decide(self, record: Record) -> Option:
        """Ask the policy."""
        now_s = record.created_s
        view = self.known.view(now_s, self.in_flight, self.board.left_j(now_s))
        if isinstance(self.compute, Processor):
            view = view._replace(speed=self.compute.speed(now_s))
        if self._path is not None:
            x_m, y_m = self._path.position_m(np.array([now_s]))[0].tolist()
            view = view._replace(position_m=(x_m, y_m))
        chosen = self.policy.choose(view)
        whole = type(chosen) is int or isinstance(chosen, np.integer)
        if not whole or chosen not in self._indices:
            raise ValueError(
                f"policy chose {chosen!r}: must be an index from 0 to {len(self.options) - 1}"
            )
        option = self.options[chosen]
        record.option, record.server = option.label, option.server
        self.in_flight += 1
        return option

    def limit_s(self, from_s: float, since: Literal["created", "sent"], option: Option) -> float:
        """When a task gives up that was created, or sent, at a time."""
        timeout = self.spec.timeout
        if timeout is None or timeout.since != since:
            return self.horizon_s
        if option.server is None and self.then == "local":
            return self.horizon_s
        return min(from_s + timeout.after_s, self.horizon_s)

    def due_s(self, record: Record) -> float:
        """When a task is late; inf: never."""
        deadline_s = self.spec.deadline_s
        return math.inf if deadline_s is None else record.created_s + deadline_s

    def computing(self, record: Record, head: Job, option: Option, demand: Demand) -> None:
        """Account for a head, whose end is known as soon as it is queued."""
        self.known.computing(head, option.head_s)
        record.head_start_s, record.head_end_s = head.start_s, head.end_s
        luck = head.work / demand.head_s if demand.head_s else 1.0
        self.board.compute(record, head, demand.energy_j and demand.energy_j * luck)

    def computing_rest(self, record: Record, rest: Job, expected_s: float) -> None:
        """Account for what no server answered, as soon as it is queued."""
        self.known.computing(rest, expected_s)
        record.fallback_start_s, record.fallback_end_s = rest.start_s, rest.end_s
        self.board.compute(record, rest)

    def send(self, transfer: Transfer) -> Transfer:
        """Put a transfer on the uplink."""
        self.radio.submitted(self.uplink.submit(transfer), self.radio.up)
        return transfer

    def sent(self, record: Record, transfer: Transfer) -> None:
        """Account for a transfer on the uplink that is over, or was cut."""
        self.known.sent(transfer, self.clock.now)
        self.radio.charge(record, transfer, self.radio.up)
        record.airtime_s, record.sent_bytes = transfer.airtime_s, transfer.sent_bits / 8
        record.tx_start_s, record.tx_end_s = transfer.start_s, transfer.end_s

    def heard(self, record: Record, way: Option, transfer: Transfer) -> float | None:
        """The share of right answers to symbols, at their mean SNR on the way; None: were bits."""
        start_s, end_s = transfer.start_s, transfer.over_s
        if way.heard is None or self.snrs is None or start_s is None or end_s is None:
            return None
        snr = self.snrs.mean(start_s, end_s) if end_s > start_s else self.snrs.value(start_s)
        record.snr_db = 10 * math.log10(snr) if snr > 0 else -math.inf
        return float(way.heard.at(record.snr_db).correct[record.sample])

    def receive(self, answer: Transfer) -> Transfer:
        """Put an answer on the downlink."""
        self.radio.submitted(self.downlink.submit(answer), self.radio.down)
        return answer

    def received(self, record: Record, answer: Transfer) -> None:
        """Account for an answer on the downlink that is over, or was cut."""
        self.known.received(answer, self.clock.now)
        self.radio.charge(record, answer, self.radio.down)
        record.received_bytes = answer.sent_bits / 8
        record.answer_start_s = answer.start_s

    def cut_off(self, record: Record, awaited: object) -> None:
        """End a task that was under way when the battery was empty, or the device left.

        Args:
            record: its row.
            awaited: the job it was waiting for.
        """
        off_s = self.board.off_s
        if isinstance(awaited, Transfer) and awaited.start_s is not None:
            answered = record.server_end_s is not None or record.rejected
            way = self.radio.down if answered else self.radio.up
            if awaited.over_s is not None and awaited.over_s > off_s:
                self._cut_short(awaited, way.link, off_s)
            if awaited.start_s < off_s:
                (self.received if way is self.radio.down else self.sent)(record, awaited)
        for link in (self.uplink, self.downlink):
            if isinstance(link, SharedLink):
                link.clear()
        for stamp in STAMPS:
            if (getattr(record, stamp) or 0.0) > off_s:
                setattr(record, stamp, None)
        record.status, record.left_s = UNFINISHED, off_s
        self.in_flight -= 1

    def _cut_short(self, transfer: Transfer, link: Line, off_s: float) -> None:
        sent = link.sent(transfer, off_s)
        transfer.sent_bits, transfer.airtime_s, transfer.zero_s, transfer.pause_s = sent
        transfer.end_s, transfer.over_s = None, max(off_s, transfer.start_s or 0.0)

    def leave(
        self,
        record: Record,
        status: str,
        correct: float | None = None,
        by_exit: str | None = None,
    ) -> bool:
        """End a task now, one way or other; always True.

        Args:
            record: its row.
            status: how it ends.
            correct: the share of right answers, if it is done.
            by_exit: the cut whose exit answered, if one did.
        """
        record.status = status
        record.left_s = self.clock.now
        if status == DONE:
            record.done_s = self.clock.now
            record.correct = correct
            if by_exit is not None:
                record.exit = by_exit
        self.in_flight -= 1
        if self._learn is not None and status != UNFINISHED:
            self._learn(record)
        return True
