"""A task's life, from its creation to its answer.

created -> decide -> compute unit: pre-process, head, encode -> uplink -> network -> server:
decode, tail -> answer -> done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import count
from typing import Any

from splitsim.luck import Luck
from splitsim.system.clock import Clock, Key, Life, Moment, task_key
from splitsim.system.device import Device
from splitsim.system.distance import Distance
from splitsim.system.stations import Job, Transfer, settle, travel
from splitsim.task import DONE, DROPPED, TIMEOUT, UNFINISHED, Option, Record

INSTANT = 10_000  # tasks of one device at one instant that can only be a mistake


def arrivals(
    device: Device, times: Iterator[float], until_s: float, create: Callable[[int], Record]
) -> Life:
    """Create a device's tasks until a time.

    Args:
        device: whose tasks.
        times: of arrivals, or think times in a closed loop; seconds.
        until_s: no task is created at or after it.
        create: makes the record of task n.
    """
    clock, spec = device.clock, device.spec
    closed, most = spec.arrivals.closed, spec.max_in_flight
    until_s, tasks = min(until_s, device.leave_s), count()
    still = 0
    for time_s in times:
        created_s = max(clock.now, device.join_s) + time_s if closed else time_s
        still = still + 1 if created_s == clock.now else 0
        if still > INSTANT:
            raise RuntimeError(
                f"{device.name} created {INSTANT} tasks at {created_s:g} s: its arrivals, or its "
                "closed loop of think time and tasks, take no time at all"
            )
        if created_s >= until_s:
            return
        if created_s < device.join_s:
            continue
        task = next(tasks)
        yield clock.at(created_s, Moment(clock, task_key(device.index, task)))
        record, luck = create(task), next(device.luck)
        record.created_s = created_s
        if device.board.is_off(created_s):
            record.status, record.left_s = DROPPED, created_s
            if closed:
                return
        elif most is not None and device.in_flight >= most:
            record.status, record.left_s = DROPPED, created_s
        elif closed:
            yield from life(device, record, luck)
        else:
            clock.spawn(life(device, record, luck))


def life(device: Device, record: Record, luck: Luck) -> Life:
    """The life of one task; one that loses patience on its way fails, or goes on by itself.

    Args:
        device: where it is created.
        record: its row, filled in on the way.
        luck: what chance holds for it.
    """
    record.sample = luck.sample
    option = device.decide(record)
    if device.board.battery is None:
        yield from _life(device, record, option, luck)
        return
    for awaited in _life(device, record, option, luck):
        yield awaited
        if device.board.is_off(device.clock.now):
            device.cut_off(record, awaited)
            return


def _life(device: Device, record: Record, option: Option, luck: Luck) -> Life:
    way = option if option.mixture is None else option.taken(record.sample)
    if not (yield from _journey(device, record, option, way, luck)):
        yield from _give_up(device, record, option, way, luck)


def _journey(
    device: Device, record: Record, option: Option, way: Option, luck: Luck
) -> Generator[Any, Any, bool]:
    """The way to the answer; False where the task gives up.

    The device knows the option; which way it comes down to turns out at the end of the head.
    """
    clock = device.clock
    key = task_key(device.index, record.task)
    demand = way.demand(record.sample)
    limit_s = device.limit_s(record.created_s, "created", option)

    head = device.compute.admit(Job(clock, key, demand.head_s * way.head_factor(luck), limit_s))
    device.computing(record, head, option, demand)
    if head.end_s is None:
        yield settle(head)
        return False
    if option.server is None:
        yield settle(head)
        return device.leave(record, DONE, demand.correct, way.exit)

    at = device.position[option.server]
    server, way_there = device.servers[at], device.distances[at]
    send_bits = device.on_air(8 * demand.send_bytes)
    sent = Transfer(clock, key, send_bits, limit_s, way_there.ahead_s(luck.up_s), head.end_s)
    sent.rtt_s = 2 * way_there.one_way_s(head.end_s)
    device.known.sending(sent, device.on_air(option.send_bits))
    if option.mixture is not None or device.radio.may_sleep(head.end_s):
        device.radio.undecided += 1
        yield settle(head)
        device.radio.undecided -= 1
        device.known.decided(sent, device.on_air(way.send_bits) if way.server else 0.0)
        if way.server is None:
            sent.end_s = clock.now  # of nothing
            return device.leave(record, DONE, demand.correct, way.exit)
        sent.ready_s = device.radio.wake(record, clock.now, device.radio.up)
    else:
        sent.ready_s = device.radio.awake_s(head.end_s)
    yield device.send(sent)
    device.sent(record, sent)
    if sent.gave_up or sent.end_s is None:
        return False

    limit_s = min(limit_s, device.limit_s(sent.end_s, "sent", option))
    if not (yield from _pass(clock, key, way_there.there_s(clock.now), limit_s)):
        return False
    correct = demand.correct if way.heard is None else device.heard(record, way, sent)
    record.server_arrival_s = clock.now
    tail = Job(clock, key, demand.tail_s * way.tail_factor(luck, at), limit_s)
    yield server.serve(tail, way, device.due_s(record), device.spec.priority)
    record.server_start_s, record.server_end_s = tail.start_s, tail.end_s
    record.rejected = tail.rejected
    if tail.gave_up:
        return False

    told = at, server.station.wait_s(), clock.now
    if not (yield from _pass(clock, key, way_there.back_s(clock.now), limit_s)):
        return False
    answer_bytes = server.spec.refusal_bytes if tail.rejected else demand.answer_bytes
    answer_bits = device.on_air(8 * answer_bytes)
    answer = Transfer(clock, key, answer_bits, limit_s, luck.down_s)
    answer.rtt_s = sent.rtt_s
    answer.ready_s = device.radio.wake(record, clock.now, device.radio.down)
    if not (yield from _receive(device, record, answer, way_there)):
        return False
    device.known.told(*told)
    return not tail.rejected and device.leave(record, DONE, correct)


def _receive(
    device: Device, record: Record, answer: Transfer, way_back: Distance
) -> Generator[Any, Any, bool]:
    """Let an answer come; False where the task gives up meanwhile."""
    clock = device.clock
    yield device.receive(answer)
    device.received(record, answer)
    if answer.gave_up or not way_back.changes:
        return not answer.gave_up
    return (yield from _pass(clock, answer.key, way_back.air_s(clock.now), answer.give_up_s))


def _pass(clock: Clock, key: Key, work_s: float, limit_s: float) -> Generator[Any, Any, bool]:
    """Let a while pass on the way; False where the task gives up meanwhile."""
    if not work_s:
        return True
    way = Job(clock, key, work_s, limit_s)
    yield travel(way)
    return not way.gave_up


def _give_up(device: Device, record: Record, option: Option, way: Option, luck: Luck) -> Life:
    """Fail, take an exit's answer, or compute the rest here; the end of the simulation ends all.

    A task that was rejected has lost nothing but time: it goes on as after a timeout.
    """
    if device.clock.now >= device.horizon_s:
        device.leave(record, UNFINISHED)
    elif device.then == "local":
        yield from _go_on(device, record, option, way, luck)
    elif device.then == "exit" and way.spare is not None and record.head_end_s is not None:
        record.fallback_start_s = record.fallback_end_s = device.clock.now
        correct = way.spare.demand(record.sample).correct
        device.leave(record, DONE, correct, way.spare.exit)
    else:
        device.leave(record, DROPPED if record.rejected else TIMEOUT)


def _go_on(device: Device, record: Record, option: Option, way: Option, luck: Luck) -> Life:
    """Compute the rest here, as far as the way goes."""
    demand, begun = way.demand(record.sample), record.head_start_s is not None
    known = option.mean if record.head_end_s is None else way.mean
    rest_s, expected_s = (d.rest_s if begun else d.whole_s for d in (demand, known))
    work_s = (rest_s or 0.0) * way.rest_factor(luck, begun=begun)
    key = task_key(device.index, record.task)
    rest = Job(device.clock, key, work_s, device.horizon_s)
    device.computing_rest(record, device.compute.submit(rest), expected_s or 0.0)
    yield rest
    if rest.gave_up:
        device.leave(record, UNFINISHED)
    else:
        device.leave(record, DONE, demand.correct, way.exit)
