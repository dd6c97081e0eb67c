"""What one part of an experiment gives: rows of tasks, devices, servers, cells and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from splitsim.cells import CellRow
from splitsim.system.device import Device
from splitsim.system.happened import EventRow, pace
from splitsim.system.server import Server
from splitsim.task import Record


class Whose(NamedTuple):
    """Which part of an experiment a row is of."""

    point: int
    policy: str
    seed: int


@dataclass
class DeviceRow:
    """A device of a part: its constants, and its board's account from 0 to ``end_s``."""

    point: int
    policy: str
    seed: int
    device: str
    hardware: str
    radio: str
    arrivals: str  # their kind
    deadline_s: float | None
    tasks: int
    duration_s: float  # in which tasks were created
    end_s: float  # duration_s, or when the last task and all that was begun ended, if later
    join_s: float  # from when on it was there
    leave_s: float | None  # until when, if it left
    off_s: float | None  # when its battery was empty, if it was
    throttled_s: float  # for how long it was too hot
    peak_c: float | None  # its highest temperature, where that is known
    capacity_s: float  # work it could do until duration_s, heat left aside
    compute_s: float  # work the compute unit took
    offered_compute_s: float  # work it was offered
    airtime_s: float
    idle_j: float
    compute_j: float
    radio_j: float
    board_j: float


@dataclass
class ServerRow:
    """A server of a part, and the work it was offered."""

    point: int
    policy: str
    seed: int
    server: str
    hardware: str
    discipline: str  # its kind
    workers: int
    duration_s: float
    end_s: float
    offered_s: float  # by the tasks
    served_s: float
    background_s: float  # expected from others until duration_s
    capacity_s: float  # of all workers at full speed until duration_s
    gain: float  # of tasks' work that a worker does in a second of it: more than 1 in batches
    busy_s: float  # with tasks and others until end_s, all workers together
    idle_j: float  # every worker is a board of this hardware
    compute_j: float
    board_j: float
    loads: int  # of models into memories
    others_rejected: int  # jobs of the background that found no place
    submitted: int  # tasks; the sum of those below
    served: int  # to their end, though some clients had given up
    gave_up: int  # before they had begun
    rejected: int
    aborted: int  # after they had begun
    in_service: int  # at end_s


@dataclass
class Part:
    """What one simulation gives."""

    tasks: list[Record] = field(default_factory=list)
    devices: list[DeviceRow] = field(default_factory=list)
    servers: list[ServerRow] = field(default_factory=list)
    cells: list[CellRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)


def device_row(whose: Whose, device: Device, duration_s: float, end_s: float) -> DeviceRow:
    """Settle the account of a device.

    Args:
        whose: the part.
        device: when all has ended.
        duration_s: until when tasks were created.
        end_s: until when its board was on, if it did not leave before.
    """
    board = device.board
    idle_j = board.settle(end_s)
    off_s = board.off_s if board.off_s < device.leave_s else None
    left = device.leave_s <= end_s and off_s is None
    return DeviceRow(
        *whose,
        device=device.name,
        hardware=device.spec.hardware,
        radio=device.cell.radio,
        arrivals=device.spec.arrivals.kind,
        deadline_s=device.spec.deadline_s,
        tasks=device.created,
        duration_s=duration_s,
        end_s=end_s,
        join_s=device.join_s,
        leave_s=device.leave_s if left else None,
        off_s=off_s,
        **pace(device, duration_s, end_s),
        compute_s=device.compute.busy_s,
        offered_compute_s=device.compute.offered_s,
        airtime_s=device.uplink.airtime_s,
        idle_j=idle_j,
        compute_j=board.compute_j,
        radio_j=board.radio.joules,
        board_j=idle_j + board.compute_j + board.radio.joules,
    )


def server_row(whose: Whose, server: Server, duration_s: float, end_s: float) -> ServerRow:
    """The account of a server; times as of ``device_row``."""
    row: dict[str, Any] = server.row(end_s, duration_s)
    return ServerRow(
        *whose,
        server=server.name,
        hardware=server.spec.hardware,
        duration_s=duration_s,
        end_s=end_s,
        **row,
    )
