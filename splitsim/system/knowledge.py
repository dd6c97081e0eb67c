"""What a device can know when it decides: its own past and backlog, and what servers told it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from splitsim.system.distance import Distance
from splitsim.system.server import Server
from splitsim.system.sharing.link import Line
from splitsim.system.stations import Job, Transfer
from splitsim.view import NOTHING_TOLD, Options, View, Word

MEMORY = 0.8  # weight of the past in a device's averages, per observation


class Average:
    """A ratio that forgets: weighted sum of amounts over weighted sum of times.

    Args:
        value: what it is before the first observation.
    """

    __slots__ = ("_amount", "_time", "at_s", "value")

    def __init__(self, value: float) -> None:
        self._amount = self._time = 0.0
        self.value = value
        self.at_s = -math.inf

    def observe(self, amount: float, time: float, now_s: float) -> None:
        """Take in one more observation, made now."""
        self._amount = MEMORY * self._amount + amount
        self._time = MEMORY * self._time + time
        self.value = self._amount / self._time
        self.at_s = now_s


class Backlog:
    """Own jobs at a station that are not over, with the amounts a device expects of them."""

    __slots__ = ("_jobs", "_total")

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._total = 0.0

    def add(self, job: Job, amount: float) -> None:
        """A job was submitted."""
        job.expected = amount
        self._jobs.append(job)
        self._total += amount

    def expect(self, job: Job, amount: float) -> None:
        """More is known of a job submitted before."""
        self._total += amount - job.expected
        job.expected = amount

    def open(self, now_s: float) -> tuple[float, Job | None, float]:
        """The sum of all amounts, the oldest job and its amount."""
        jobs = self._jobs
        while jobs:
            job = jobs[0]
            if not job.processed and (job.end_s is None or job.end_s > now_s):
                return self._total, job, job.expected
            jobs.popleft()
            self._total -= job.expected
        self._total = 0.0
        return 0.0, None, 0.0


def _blend(mean: float, new: float) -> float:
    return MEMORY * mean + (1 - MEMORY) * new


class Knowledge:
    """Everything a device's view is made of; nothing here is the truth of the simulator.

    Times of queued computations are table means. How much of a running transfer has left is
    known, for a sender sees its own buffer.
    """

    def __init__(
        self,
        options: Options,
        deadline_s: float,
        uplink: Line,
        servers: Sequence[Server],
        distances: Sequence[Distance],
    ) -> None:
        self._options = options
        self._deadline_s = deadline_s
        self._uplink = uplink
        self._computing, self._sending = Backlog(), Backlog()
        self._up, self._down = Average(math.nan), Average(math.nan)
        self._gap, self._long_gaps = Average(math.inf), Average(1.0)
        self._created_s = math.nan
        self._active_s = -math.inf  # when the radio was last known to be active
        self._told = (NOTHING_TOLD,) * len(servers)
        self._reporting = [
            (n, server, distance)
            for n, (server, distance) in enumerate(zip(servers, distances, strict=True))
            if server.spec.report_every_s
        ]

    def view(self, now_s: float, in_flight: int, battery_j: float) -> View:
        """What the policy is shown for a task created now."""
        if self._created_s == self._created_s:  # not NaN
            gap_s = now_s - self._created_s
            self._gap.observe(gap_s, 1.0, now_s)
            self._long_gaps.observe(float(gap_s > self._options.radio.awake_s), 1.0, now_s)
        self._created_s = now_s
        if self._reporting:
            self._hear_reports(now_s)
        backlog_bits = self._uplink_backlog_bits(now_s)
        tail_s = self._options.radio.awake_s
        left_s = tail_s if backlog_bits else self._active_s + tail_s - now_s
        return View(
            self._options,
            now_s,
            self._deadline_s,
            self._compute_backlog_s(now_s),
            backlog_bits,
            self._up.value,
            self._down.value,
            self._up.at_s,
            self._gap.value,
            self._long_gaps.value,
            left_s if left_s > 0 else 0.0,
            battery_j,
            in_flight,
            self._told,
        )

    def computing(self, job: Job, expected_s: float) -> None:
        """A computation was queued."""
        self._computing.add(job, expected_s)

    def sending(self, transfer: Transfer, expected_bits: float) -> None:
        """A transfer was queued, perhaps behind a head that is not over."""
        self._sending.add(transfer, expected_bits)

    def decided(self, transfer: Transfer, expected_bits: float) -> None:
        """A head is over, and with it is known whether its task sends."""
        self._sending.expect(transfer, expected_bits)

    def sent(self, transfer: Transfer, now_s: float) -> None:
        """A transfer ended, or was cut."""
        if transfer.moving_s > 0:
            self._up.observe(transfer.sent_bits, transfer.moving_s, now_s)
            self._active_s = now_s

    def received(self, transfer: Transfer, now_s: float) -> None:
        """An answer came."""
        if transfer.moving_s > 0:
            self._down.observe(transfer.sent_bits, transfer.moving_s, now_s)
            self._active_s = now_s

    def told(self, server: int, wait_s: float, at_s: float) -> None:
        """An answer brought word of a server's queueing delay at an earlier time."""
        last = self._told[server]
        if at_s > last.at_s:
            mean_s = wait_s if last is NOTHING_TOLD else _blend(last.mean_s, wait_s)
            word = Word(wait_s, at_s, mean_s)
            self._told = (*self._told[:server], word, *self._told[server + 1 :])

    def _hear_reports(self, now_s: float) -> None:
        for n, server, distance in self._reporting:
            report = server.reported(now_s, distance.one_way_s(now_s))
            if report is not None:
                self.told(n, *report)

    def _compute_backlog_s(self, now_s: float) -> float:
        total, job, expected_s = self._computing.open(now_s)
        if job is None or job.start_s is None or job.start_s >= now_s:
            return total
        done_s = now_s - job.start_s
        if job.progress is not None and job.work:  # it sees how far it is
            done_s = expected_s / job.work * float(np.interp(now_s, *job.progress))
        return total - min(done_s, expected_s)

    def _uplink_backlog_bits(self, now_s: float) -> float:
        total, job, bits = self._sending.open(now_s)
        if isinstance(job, Transfer) and job.start_s is not None and job.start_s < now_s:
            total -= min(self._uplink.sent(job, now_s).bits, bits)
        return total
