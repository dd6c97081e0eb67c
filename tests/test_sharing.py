"""Shared media against integrators that walk from change to change and share no code with them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
from building import agrees

from splitsim.chunk import Chunk
from splitsim.costs import Costs, SlowStart
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Moment, task_key
from splitsim.system.sharing.kinds import (
    AirtimeSharing,
    EqualRateSharing,
    ProportionalFairSharing,
    WifiSharing,
)
from splitsim.system.sharing.link import SharedLink
from splitsim.system.sharing.medium import Medium
from splitsim.system.stations import Link, Transfer
from splitsim.world.dcf import Wlan

AIRTIME = AirtimeSharing(kind="airtime")
EQUAL_RATE = EqualRateSharing(kind="equal_rate", min_rate_bps=3e5)
FAIR = ProportionalFairSharing(kind="proportional_fair", block_s=0.0271, window_s=0.4)
WIFI = WifiSharing(kind="wifi")
ALL = {kind.kind: kind for kind in (AIRTIME, EQUAL_RATE, FAIR, WIFI)}


@dataclass
class Station:
    """A device in one direction: when its rate changes to what, and its transfers."""

    starts: np.ndarray
    values: np.ndarray
    jobs: list[tuple[float, float, float]]  # arrival, bits, patience ends
    is_down: bool = False
    period_s: float = 3.0
    step_s: float | None = None

    def steps(self) -> Steps:
        if len(self.values) == 1:
            return Steps.constant(float(self.values[0]))
        if self.step_s is not None:
            chunk = Chunk(self.starts, self.values, self.period_s, self.step_s)
            return Steps(lambda _: chunk, self.period_s, self.step_s)
        return Steps.loop(self.starts, self.values, self.period_s)

    def value(self, time_s: float) -> float:
        local = math.fmod(time_s, self.period_s)
        return float(self.values[np.searchsorted(self.starts, local, side="right") - 1])

    def edges(self, until_s: float) -> list[float]:
        loops = range(int(until_s / self.period_s) + 1)
        return [k * self.period_s + start for k in loops for start in self.starts.tolist()]


def stations(count, seed, *, transfers=25, load=1.0, zero=0.2, down=0):
    """Rates that change at times of their own, some to zero; transfers of all sizes."""
    rng = np.random.default_rng([count, seed])
    found = []
    for n in range(count):
        edges = np.sort(rng.choice(np.arange(1, 300), 30, replace=False)) / 100
        values = rng.exponential(2e6, 31) * (rng.random(31) > zero)
        arrivals = np.cumsum(rng.exponential(0.2 * count / load, transfers))
        bits = rng.exponential(2e5, transfers)
        limits = arrivals + rng.exponential(3.0, transfers)
        jobs = list(zip(arrivals.tolist(), bits.tolist(), limits.tolist(), strict=True))
        found.append(Station(np.concatenate([[0.0], edges]), values, jobs, n < down))
    return found


def steady(count, seed, **how):
    """Rates that never change; one is too low for equal_rate."""
    crowd = stations(count, seed, **how)
    for n, station in enumerate(crowd):
        station.starts, station.values = np.zeros(1), np.array([2e5 + 1.3e6 * n])
    return crowd


def transferred(crowd, kind, *, costs=None, dedicated=False):
    """What the links made of the transfers: jobs by station; and the medium."""
    clock = Clock()
    medium = Medium(clock, kind.discipline())
    rows = []
    for n, station in enumerate(crowd):
        how = {} if costs is None else {"costs": costs}
        if dedicated:
            link = Link(clock, station.steps(), *how.values())
        else:
            link = SharedLink(clock, medium, station.steps(), n, is_down=station.is_down, **how)
        mine = []
        rows.append(mine)
        clock.spawn(sending(clock, n, station, link, mine))
    clock.run()
    return rows, medium, clock


def sending(clock, n, station, link, mine):
    for k, (arrival, bits, limit) in enumerate(station.jobs):
        key = task_key(n, k)
        yield clock.at(arrival, Moment(clock, key))
        job = Transfer(clock, key, bits, limit)
        job.rtt_s = 0.04
        owner = SimpleNamespace(job=job, went_on=None)
        mine.append(owner)
        link.submit(job)
        clock.spawn(waiting(clock, owner))


def waiting(clock, owner):
    yield owner.job
    owner.went_on = clock.now


@dataclass(eq=False)
class Walked:
    """A transfer of the integrator."""

    arrival: float
    left: float
    limit: float
    bits: float
    start: float | None = None
    end: float | None = None
    went_on: float | None = None
    sent: float = 0.0
    airtime: float = 0.0


@dataclass
class Integrator:
    """Walks through time from change to change: rates, arrivals, ends, and patience.

    ``law(now, middle, active)`` gives bit/s and share of the airtime of every active station.
    """

    crowd: list[Station]
    law: object
    more_edges: list[float] = field(default_factory=list)

    def run(self):
        last_s = max(limit for s in self.crowd for _, _, limit in s.jobs)
        edges = sorted({e for s in self.crowd for e in s.edges(last_s)} | set(self.more_edges))
        edges.append(math.inf)
        rows = [[Walked(a, b, g, b) for a, b, g in s.jobs] for s in self.crowd]
        coming = deque(sorted((r for mine in rows for r in mine), key=lambda row: row.arrival))
        self.queue_of = {id(row): n for n, mine in enumerate(rows) for row in mine}
        self.queues = [[] for _ in self.crowd]
        now, edge, busy = 0.0, 0, 0.0
        while coming or any(self.queues):
            while edges[edge] <= now:
                edge += 1
            first = [coming[0].arrival] if coming else []
            next_s = self.step(now, min([edges[edge], *first]), (now + edges[edge]) / 2)
            busy += (next_s - now) * any(self.queues)
            now = next_s
            self.change(now, coming)
        return rows, busy

    def step(self, now, next_s, middle):
        """Move everybody up to the next change, and say when that is.

        ``middle`` is within the step of all rates, whatever the rounding of its ends.
        """
        active = [n for n, queue in enumerate(self.queues) if queue]
        speeds = self.law(now, middle, active)
        next_s = min([next_s, *(row.limit for queue in self.queues for row in queue)])
        ends = {n: now + self.queues[n][0].left / speeds[n][0] for n in active if speeds[n][0] > 0}
        next_s = min([next_s, *ends.values()])
        for n in active:
            row, (bps, share) = self.queues[n][0], speeds[n]
            row.left -= bps * (next_s - now)
            row.sent += bps * (next_s - now)
            row.airtime += share * (next_s - now)
            if ends.get(n) == next_s:
                row.end, row.sent = next_s, row.bits
        return next_s

    def change(self, now, coming):
        for queue in self.queues:
            for row in [row for row in queue if row.end is not None or row.limit <= now]:
                queue.remove(row)
                row.went_on = now
        while coming and coming[0].arrival <= now:
            row = coming.popleft()
            if row.limit > now:
                self.queues[self.queue_of[id(row)]].append(row)
            else:
                row.went_on = now
        for queue in self.queues:
            if queue and queue[0].start is None:
                queue[0].start = now


def equal_airtime(crowd):
    def law(now, middle, active):
        share = 1 / max(len(active), 1)
        return {n: (crowd[n].value(middle) * share, share) for n in active}

    return law


def equal_rate(crowd, least):
    def law(now, middle, active):
        rates = {n: crowd[n].value(middle) for n in active}
        served = [n for n in active if rates[n] >= least and rates[n] > 0]
        served = served or [n for n in active if rates[n] > 0]
        if not served:
            return {n: (0.0, 1 / len(active)) for n in active}
        common = 1 / sum(1 / rates[n] for n in served)
        return {n: (common, common / rates[n]) if n in served else (0.0, 0.0) for n in active}

    return law


def contention(crowd, wlan=WIFI):
    """The law of a WLAN written out for each set of stations, the access point being one."""

    def law(now, middle, active):
        rates = {n: crowd[n].value(middle) for n in active}
        sends = [n for n in active if rates[n] > 0]
        if not sends:
            return {n: (0.0, 1 / len(active)) for n in active}
        frame = {n: wlan.preamble_s + 8 * 1536 / rates[n] for n in sends}
        ups = [n for n in sends if not crowd[n].is_down]
        downs = [n for n in sends if crowd[n].is_down]
        times = [frame[n] for n in ups]
        if downs:
            times.append(sum(frame[n] for n in downs) / len(downs))
        total = frames_hz(times, wlan)
        mine = {n: total / len(times) / (len(downs) if crowd[n].is_down else 1) for n in sends}
        used = sum(mine[n] * frame[n] for n in sends)
        return {
            n: (12_000 * mine[n], mine[n] * frame[n] / used) if n in mine else (0.0, 0.0)
            for n in active
        }

    return law


@cache
def attempts(n):
    """How often each of n stations sends in a slot, by iteration."""
    p = 0.1
    for _ in range(3000):
        backoff = 14 / 2 * (1 - p)
        backoff += sum((1 - p) * p**j * (16 * 2**j - 1) / 2 for j in range(1, 6))
        backoff += p**6 * (16 * 64 - 1) / 2
        tau = 1 / (1 + backoff)
        p = 0.9 * p + 0.1 * (1 - (1 - tau) ** (n - 1))
    return tau


def frames_hz(times, wlan):
    """Bianchi's saturated DCF, with the corrected slot after DIFS."""
    n, tau = len(times), attempts(len(times))
    silent, success = (1 - tau) ** n, n * tau * (1 - tau) ** (n - 1)
    longer = [max(a, b) for i, a in enumerate(times) for b in times[:i]]
    ack = wlan.preamble_s + 8 * 14 / 24e6
    good = (sum(times) / n + 16e-6 + ack + 34e-6) * 16 / 15 + 9e-6
    bad = (sum(longer) / len(longer) if longer else 0.0) + 34e-6 + 9e-6
    slot = silent * 9e-6 + success * good + (1 - silent - success) * bad
    return success * 16 / 15 / slot


LAWS = {
    "airtime": equal_airtime,
    "equal_rate": lambda crowd: equal_rate(crowd, 3e5),
    "wifi": contention,
}


def compare(found, expected, near=1e-9):
    seen = {"through": 0, "cut": 0, "never": 0}
    for mine, walked in zip(found, expected, strict=True):
        for owner, row in zip(mine, walked, strict=True):
            job = owner.job
            assert (job.start_s is None) == (row.start is None)
            assert (job.end_s is None) == (row.end is None)
            for a, b in ((job.start_s, row.start), (job.end_s, row.end)):
                assert a is None or abs(a - b) <= near
            assert owner.went_on == pytest.approx(row.went_on, abs=near)
            assert job.sent_bits == pytest.approx(row.sent, abs=1e-2, rel=1e-9)
            assert job.airtime_s == pytest.approx(row.airtime, abs=near)
            way = "through" if row.end is not None else "cut" if row.start is not None else "never"
            seen[way] += 1
    return seen


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize(("count", "load"), [(1, 1.5), (3, 0.8), (8, 1.2)])
def test_a_medium_equals_walking_from_change_to_change_transfer_by_transfer(kind, count, load):
    seen = {"through": 0, "cut": 0, "never": 0}
    for seed in range(3):
        crowd = stations(count, seed, load=load, down=count // 3)
        found, medium, _ = transferred(crowd, ALL[kind])
        expected, busy = Integrator(crowd, LAWS[kind](crowd)).run()
        for way, number in compare(found, expected).items():
            seen[way] += number
        assert medium.busy_s == pytest.approx(busy, abs=1e-7)
    assert min(seen.values()) > 0, seen


@pytest.mark.parametrize("kind", LAWS)
def test_a_medium_equals_walking_where_rates_never_change(kind):
    for seed in range(3):
        crowd = steady(6, seed, load=0.7, down=2)
        found, medium, _ = transferred(crowd, ALL[kind])
        expected, busy = Integrator(crowd, LAWS[kind](crowd)).run()
        compare(found, expected)
        assert medium.busy_s == pytest.approx(busy, abs=1e-7)


def on_grids(crowd, seed, steps_s):
    """The same transfers where rates change at multiples of a step; None: as they did."""
    rng = np.random.default_rng(seed)
    for n, station in enumerate(crowd):
        step_s = steps_s[n % len(steps_s)]
        if step_s is not None:
            count = round(3.0 / step_s)
            fades = np.convolve(rng.exponential(1.2e6, count + 3), np.ones(4) / 4, "valid")
            station.starts = step_s * np.arange(count)
            station.values = fades * (rng.random(count) > 0.1)
            station.step_s, station.period_s = step_s, step_s * count
    return crowd


grids = pytest.mark.parametrize(
    "steps_s", [(0.01,), (1 / 3000,), (0.01, None), (0.3, 0.01), (None, 0.01, 1 / 3000)]
)


@grids
def test_equal_airtime_equals_walking_where_rates_have_common_steps(steps_s):
    """The times at which they change are then counted once for all; others are looked up."""
    seen = {"through": 0, "cut": 0, "never": 0}
    for seed, load in ((0, 0.5), (1, 2.0)):
        crowd = on_grids(stations(9, seed, transfers=14, load=load), seed, steps_s)
        found, medium, _ = transferred(crowd, AIRTIME)
        expected, busy = Integrator(crowd, equal_airtime(crowd)).run()
        for way, number in compare(found, expected).items():
            seen[way] += number
        assert medium.busy_s == pytest.approx(busy, abs=1e-7)
    assert min(seen.values()) > 0, seen


@grids
def test_it_is_the_same_whether_common_steps_are_known_or_not(steps_s):
    for costs in (Costs(setup_s=0.02), Costs(0.01, 0.02, 0.004, SlowStart(3e4))):
        crowd = on_grids(stations(9, 2, load=1.2), 2, steps_s)
        known, _, _ = transferred(crowd, AIRTIME, costs=costs)
        for station in crowd:
            station.step_s = None
        plain, _, _ = transferred(crowd, AIRTIME, costs=costs)
        for one, other in zip(chain(*known), chain(*plain), strict=True):
            assert one.went_on == pytest.approx(other.went_on, abs=1e-9)
            assert one.job.airtime_s == pytest.approx(other.job.airtime_s, abs=1e-9)
            assert one.job.moving_s == pytest.approx(other.job.moving_s, abs=1e-9)
            assert one.job.sent_bits == pytest.approx(other.job.sent_bits, abs=1e-2, rel=1e-9)


def test_many_changes_are_forgotten_without_a_trace():
    """What is written down is cut now and then, while somebody is active all the time."""
    crowd = on_grids(stations(4, 3, transfers=500), 3, (0.002, None))
    crowd[0].jobs[0] = (0.0, 1e12, 1e4)
    crowd[1].jobs[0] = (0.0, 1e12, 1e4)
    found, medium, _ = transferred(crowd, AIRTIME)
    total = math.fsum(owner.job.airtime_s for mine in found for owner in mine)
    assert medium.busy_s == pytest.approx(1e4, abs=1e-9)
    assert total == pytest.approx(1e4, abs=1e-8)


def lone(first_s=1.0, **how):
    """Two links; on the first a transfer that takes four seconds, if it is left alone."""
    clock = Clock()
    medium = Medium(clock, AIRTIME.discipline())
    links = [SharedLink(clock, medium, Steps.constant(1.0), n, is_down=False) for n in range(2)]
    job = Transfer(clock, task_key(0, 0), 4.0, how.get("limit_s", 100.0))
    clock.run(until=first_s)
    links[0].submit(job)
    return clock, medium, links, job


def test_who_is_alone_costs_one_event_and_is_not_through_before_time():
    clock, medium, (link, _), job = lone()
    assert next(clock._eid) == 1
    clock.run(until=4.0)
    assert link.free_s == math.inf
    assert not job.processed
    clock.run(until=6.0)
    assert (link.free_s, job.processed, medium.busy_s, link.airtime_s) == (5.0, True, 4.0, 4.0)


@pytest.mark.parametrize("at_s", [1.0, 3.0, 5.0])
def test_who_was_alone_shares_from_when_another_comes(at_s):
    clock, medium, links, job = lone()
    clock.run(until=at_s)
    other = links[1].submit(Transfer(clock, task_key(1, 0), 4.0, 100.0))
    clock.run()
    alone_s = at_s - 1.0
    ends = (5.0 + (4.0 - alone_s), 9.0) if alone_s < 4 else (5.0, 9.0)
    assert (job.end_s, other.end_s) == pytest.approx(ends)
    assert (job.airtime_s, other.airtime_s) == pytest.approx((4.0, 4.0))
    assert [link.transfers for link in links] == [1, 1]
    assert [link.airtime_s for link in links] == pytest.approx([4.0, 4.0])
    assert [link.moved_bits for link in links] == [4.0, 4.0]
    assert medium.busy_s == pytest.approx(8.0)
    assert job.processed


def test_who_is_alone_can_be_asked_and_withdrawn_and_followed():
    clock, medium, (link, _), job = lone()
    clock.run(until=2.0)
    assert link.sent(job, 2.0).bits == pytest.approx(1.0)
    follows = link.submit(Transfer(clock, task_key(0, 1), 2.0, 100.0))
    clock.run(until=3.0)
    link.withdraw(job)
    clock.run(until=4.0)
    assert (job.gave_up, job.end_s, job.sent_bits) == (True, None, pytest.approx(2.0))
    clock.run()
    assert (follows.start_s, follows.end_s) == (3.0, 5.0)
    assert medium.busy_s == pytest.approx(4.0)
    assert (link.transfers, link.cuts) == (2, 1)


def test_who_is_alone_gives_up_in_time():
    clock, _, _, job = lone(limit_s=3.5)
    clock.run()
    assert (job.gave_up, job.over_s, job.sent_bits) == (True, 3.5, pytest.approx(2.5))


def proportional(crowd, block_s, window_s):
    """The law of proportional fairness, block after block, remembering what everybody got."""
    state = SimpleNamespace(block=-1, averages={}, got={}, served=None, at=0.0, speeds={})
    weight = block_s / window_s

    def law(now, middle, active):
        for n, (bps, _) in state.speeds.items():
            state.got[n] = state.got.get(n, 0.0) + bps * (now - state.at)
        block = math.floor(middle / block_s)
        if block != state.block:
            for n in state.averages:
                old = state.averages[n]
                state.averages[n] = old + weight * (state.got.get(n, 0.0) / block_s - old)
            state.got, state.served, state.block = {}, None, block
        if not active:
            state.averages, state.speeds, state.served = {}, {}, None
            return {}
        rates = {n: crowd[n].value(middle) for n in active}
        state.averages = {n: state.averages.get(n, rates[n] / len(active)) for n in active}
        state.got = {n: state.got.get(n, 0.0) for n in active}
        if state.served not in active:
            ratios = [rates[n] / max(state.averages[n], 1e-300) for n in active]
            state.served = active[int(np.argmax(ratios))]
        served = state.served
        state.speeds = {n: (rates[n], 1.0) if n == served else (0.0, 0.0) for n in active}
        state.at = now
        return state.speeds

    return law


@pytest.mark.parametrize(("count", "load"), [(2, 0.7), (5, 1.0)])
def test_proportional_fairness_equals_walking_block_by_block(count, load):
    for seed in range(3):
        crowd = stations(count, seed, load=load)
        found, _, _ = transferred(crowd, FAIR)
        blocks = [k * FAIR.block_s for k in range(20_000)]
        law = proportional(crowd, FAIR.block_s, FAIR.window_s)
        expected, _ = Integrator(crowd, law, blocks).run()
        compare(found, expected)


@pytest.mark.parametrize("kind", ["airtime", "equal_rate", "proportional_fair"])
@pytest.mark.parametrize("setup_s", [0.0, 0.02])
def test_one_station_in_a_shared_cell_is_one_on_a_link_of_its_own(kind, setup_s):
    slow = SlowStart(3e4)
    for costs in (Costs(setup_s=setup_s), Costs(0.01, 0.02, setup_s, slow)):
        crowd = stations(1, 5, transfers=60, load=0.6)
        (found,), _, _ = transferred(crowd, ALL[kind], costs=costs)
        (expected,), _, _ = transferred(crowd, ALL[kind], costs=costs, dedicated=True)
        names = ("start_s", "end_s", "over_s", "airtime_s", "pause_s", "moving_s")
        for one, other in zip(found, expected, strict=True):
            assert one.went_on == pytest.approx(other.went_on, abs=1e-9)
            assert one.job.sent_bits == pytest.approx(other.job.sent_bits, abs=1e-2)
            for name in names:
                a, b = getattr(one.job, name), getattr(other.job, name)
                assert (a is None) == (b is None), name
                assert a is None or a == pytest.approx(b, abs=1e-9), name
        ends = [owner.job.end_s for owner in found]
        assert 0 < sum(end is None for end in ends) < len(ends)


def test_one_station_of_a_wlan_has_what_its_phy_rate_leaves():
    (crowd,) = [stations(1, 6, zero=0.1)]
    (station,) = crowd
    (found,), _, _ = transferred(crowd, WIFI)
    mine = [12_000 * frames_hz([20e-6 + 12_288 / v], WIFI) if v else 0.0 for v in station.values]
    alone = Station(station.starts, np.array(mine), station.jobs)
    (expected,), _, _ = transferred([alone], AIRTIME, dedicated=True)
    for one, other in zip(found, expected, strict=True):
        assert one.went_on == pytest.approx(other.went_on, abs=1e-9)


@pytest.mark.parametrize(("count", "mbps"), [(5, 29.83), (10, 28.15), (20, 26.30), (50, 23.55)])
def test_saturated_dcf_has_its_published_throughput(count, mbps):
    rates = np.full((1, count), 54e6)
    shares = WIFI.discipline()._law.at(rates, np.zeros(count, bool))
    assert shares.bps.sum() == pytest.approx(mbps * 1e6, rel=0.01)
    assert shares.bps[0] == pytest.approx(shares.bps.mean())
    frame_s = Wlan().frame_s(rates)
    total = Wlan().frames_hz(np.array([count]), frame_s[:, 0], frame_s[:, 0])
    assert 12_000 * total[0] == pytest.approx(shares.bps.sum(), rel=1e-12)


def test_a_slow_station_slows_everybody_down_to_its_own_throughput():
    """Heusse et al.: one at 1 Mbit/s among fast ones gets what they get."""
    law = WIFI.discipline()._law
    fast = law.at(np.array([[54e6, 54e6, 54e6]]), np.zeros(3, bool)).bps[0]
    mixed = law.at(np.array([[54e6, 54e6, 6e6]]), np.zeros(3, bool))
    assert np.ptp(mixed.bps) < 1e-6
    assert mixed.bps[0, 0] < 0.4 * fast[0]
    assert mixed.airtime.sum() == pytest.approx(1.0)
    assert mixed.airtime[0, 2] > 0.7


def test_all_downlinks_of_a_wlan_are_one_station():
    law = WIFI.discipline()._law
    down = np.array([False, True, True, True])
    shares = law.at(np.full((1, 4), 54e6), down).bps[0]
    two = law.at(np.full((1, 2), 54e6), np.zeros(2, bool)).bps[0]
    assert shares == pytest.approx([two[0], *[two[0] / 3] * 3])


@pytest.mark.parametrize(("users", "gain"), [(2, 1.2588), (4, 1.4597), (8, 1.6124), (16, 1.7320)])
def test_the_gain_of_proportional_fairness_over_turns(users, gain):
    """IID Rayleigh at 10 dB per block: the published E[max] / E of log2(1 + snr)."""
    blocks, block_s, found = 1200, 0.01, []
    for replication in range(16):
        rng = np.random.default_rng([users, replication])
        rates = 1e6 * np.log2(1 + 10 * rng.exponential(size=(users, blocks)))
        rates[:, 0] = 2.9e6  # all averages begin alike, and in so long a window stay so
        clock = Clock()
        sharing = ProportionalFairSharing(kind="proportional_fair", block_s=block_s, window_s=1e4)
        medium = Medium(clock, sharing.discipline())
        starts, length_s = block_s * np.arange(blocks), block_s * blocks
        jobs = []
        for n in range(users):
            chunk = Chunk(starts, rates[n], length_s, block_s)
            steps = Steps(lambda _, chunk=chunk: chunk, length_s)
            link = SharedLink(clock, medium, steps, n, is_down=False)
            jobs.append(link.submit(Transfer(clock, task_key(n, 0), 1e18, length_s)))
        clock.run()
        found.append(sum(job.sent_bits for job in jobs) / (rates.mean() * length_s))
    agrees(found, gain, error=0.006)


@pytest.mark.parametrize("kind", ALL)
def test_airtimes_sum_to_the_time_in_which_the_medium_is_busy(kind):
    crowd = stations(6, 3, load=1.0, down=2)
    for costs in (Costs(), Costs(setup_s=0.01), Costs(slow_start=SlowStart(2e4))):
        found, medium, _ = transferred(crowd, ALL[kind], costs=costs)
        total = math.fsum(owner.job.airtime_s for mine in found for owner in mine)
        assert total == pytest.approx(medium.busy_s, abs=1e-9)


@pytest.mark.parametrize("kind", ALL)
def test_a_shared_medium_costs_few_events_whatever_the_company(kind):
    """Beginning, end and the owner's going on; a change may set the alarm anew."""
    for count in (2, 12):
        crowd = stations(count, 4, load=1.0, transfers=40)
        found, _, clock = transferred(crowd, ALL[kind])
        steps = next(clock._eid)
        transfers = sum(map(len, found))
        assert steps <= transfers * (1 + 4), "its arrival in this test, and four more"


def test_a_withdrawn_transfer_leaves_at_once_and_the_others_have_its_share():
    clock = Clock()
    medium = Medium(clock, AIRTIME.discipline())
    links = [SharedLink(clock, medium, Steps.constant(1.0), n, is_down=False) for n in range(2)]
    jobs = [
        links[n].submit(Transfer(clock, task_key(n, k), 4.0, 100.0)) for n in (0, 1) for k in (0, 1)
    ]

    def withdraw():
        yield clock.at(2.0, Moment(clock, 2))
        links[0].withdraw(jobs[1])
        links[0].withdraw(jobs[0])

    clock.spawn(withdraw())
    clock.run()
    assert [job.gave_up for job in jobs] == [True, True, False, False]
    assert jobs[0].sent_bits == pytest.approx(1.0)
    assert jobs[0].over_s == 2.0
    assert jobs[1].start_s is None
    assert [job.end_s for job in jobs[2:]] == pytest.approx([5.0, 9.0])


def test_a_link_of_zero_rate_for_ever_waits_until_patience_ends():
    for kind in ALL.values():
        clock = Clock()
        medium = Medium(clock, kind.discipline())
        link = SharedLink(clock, medium, Steps.constant(0.0), 0, is_down=False)
        job = link.submit(Transfer(clock, task_key(0, 0), 4.0, 200.0))
        clock.run()
        assert (job.over_s, job.sent_bits, job.end_s) == (200.0, 0.0, None)
        assert job.airtime_s == pytest.approx(200.0)


def test_the_order_in_which_devices_are_made_changes_nothing():
    for kind in ALL.values():
        crowd = stations(4, 9)
        found, _, _ = transferred(crowd, kind)
        clock = Clock()
        medium = Medium(clock, kind.discipline())
        rows = {}
        for n in (2, 0, 3, 1):
            link = SharedLink(clock, medium, crowd[n].steps(), n, is_down=False)
            rows[n] = []
            clock.spawn(sending(clock, n, crowd[n], link, rows[n]))
        clock.run()
        for n in range(4):
            for one, other in zip(found[n], rows[n], strict=True):
                assert (one.job.end_s, one.went_on) == (other.job.end_s, other.went_on)
