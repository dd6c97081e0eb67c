"""The account of a cell: what was sent on it, and how busy it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from splitsim.system.cell import Cell, Way


@dataclass
class CellRow:
    """One direction of a cell in a part; of a half-duplex medium the busy time is that of both."""

    point: int
    policy: str
    seed: int
    cell: str
    direction: str
    sharing: str  # its kind
    links: int  # devices with tasks
    duration_s: float  # in which tasks were created
    end_s: float
    transfers: int  # that began, of tasks
    cut: int  # of them, by owners who gave up
    bits: float  # moved for tasks
    airtime_s: float  # used for tasks, all devices together
    background_transfers: int
    background_bits: float
    background_airtime_s: float
    busy_s: float | None  # of the medium; null in a dedicated cell, which has none
    load: float  # of the medium, or of the busiest link: busy time over duration_s


def cell_row(
    ids: tuple[int, str, int], cell: Cell, way: Way, duration_s: float, end_s: float
) -> CellRow:
    """The account of one direction.

    Args:
        ids: point, policy and seed.
        cell: when all is over.
        way: the direction.
        duration_s: in which tasks were created.
        end_s: when the last one ended.
    """
    links, medium = cell.links[way], cell.media.get(way)
    crowd = cell.spec.background
    others = cell.others if crowd is not None and crowd.direction == way else []
    busiest_s = max((link.airtime_s for link in links), default=0.0)
    return CellRow(
        *ids,
        cell=cell.name,
        direction=way,
        sharing=cell.spec.sharing.kind,
        links=len(links),
        duration_s=duration_s,
        end_s=end_s,
        transfers=sum(link.transfers for link in links),
        cut=sum(link.cuts for link in links),
        bits=math.fsum(link.moved_bits for link in links),
        airtime_s=math.fsum(link.airtime_s for link in links),
        background_transfers=sum(link.transfers for link in others),
        background_bits=math.fsum(link.moved_bits for link in others),
        background_airtime_s=math.fsum(link.airtime_s for link in others),
        busy_s=None if medium is None else medium.busy_s,
        load=(busiest_s if medium is None else medium.busy_s) / duration_s,
    )
