"""A cell: how devices share its spectrum, its channels, its latency and its radio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from splitsim.component import Component, ConstantCurve, NonNegative
from splitsim.costs import CellCosts, Costs
from splitsim.outages import Outages, mask
from splitsim.rng import stream
from splitsim.steps import Steps
from splitsim.system.clock import Clock, Key, Life, Moment, task_key
from splitsim.system.sharing.kinds import DedicatedSharing, Sharing, WifiSharing
from splitsim.system.sharing.link import Line, SharedLink
from splitsim.system.sharing.medium import Medium
from splitsim.system.stations import Link, Transfer
from splitsim.system.transport import Analogue, Reliable, Transport
from splitsim.world.around import Around
from splitsim.world.channel import Channel, FadingChannel, HasSnr
from splitsim.world.crowd import Crowd
from splitsim.world.fading import Scattered
from splitsim.world.geometry import Geometry
from splitsim.world.latency import Latency, expected_s
from splitsim.world.rate import Symbols
from splitsim.world.snr import GeometrySnr

Way = Literal["uplink", "downlink"]
WAYS: tuple[Way, Way] = ("uplink", "downlink")


class Setup(Component):
    """What a transfer takes before its bits go, by direction; in a file perhaps one number."""

    uplink: NonNegative = 0.0
    downlink: NonNegative = 0.0


def _number_as_setup(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"uplink": value, "downlink": value}
    if not isinstance(value, dict | Component):
        what = "must be a number, or a mapping of uplink and downlink"
        raise ValueError(what)  # noqa: TRY004 - pydantic's way
    return value


class CellSpec(Component):
    """A cell in the scenario file; ``latency_s`` is one way, between device and cell.

    A transfer of some bytes takes ``setup_s``, which occupies the medium unless
    ``setup_occupies_medium`` is false, and then carries ``byte_overhead`` times its bytes and
    ``overhead_bytes``. One that finds its device's uplink empty waits ``grant_delay_s`` first.
    ``background`` are devices that only load a shared cell.
    """

    sharing: Sharing = DedicatedSharing()
    transport: Transport = Reliable()
    radio: str
    geometry: Geometry | None = None
    latency_s: Latency = ConstantCurve(value=0.0)
    setup_s: Annotated[
        Setup, BeforeValidator(_number_as_setup, json_schema_input_type=float | Setup)
    ] = Setup()
    setup_occupies_medium: bool = True
    overhead_bytes: NonNegative = 0.0
    byte_overhead: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    grant_delay_s: NonNegative = 0.0
    background: Crowd | None = None
    uplink: Channel
    downlink: Channel
    outages: Outages = ()

    @property
    def snr_db(self) -> float | None:
        """The mean SNR at which numbers are heard; None where bits are sent."""
        if not isinstance(self.transport, Analogue) or not isinstance(self.uplink, HasSnr):
            return None
        snr = self.uplink.snr
        return None if isinstance(snr, GeometrySnr) else snr.expected_db

    @property
    def expected_latency_s(self) -> float:
        """What devices expect: the mean latency, or that at the beginning."""
        return expected_s(self.latency_s)

    @cached_property
    def costs(self) -> CellCosts:
        """Of every transfer."""
        up, down = self._costs("uplink"), self._costs("downlink")
        return CellCosts(up, down, self.byte_overhead, 8 * self.overhead_bytes)

    def _costs(self, way: Way) -> Costs:
        setup_s: float = getattr(self.setup_s, way)
        is_down = way == "downlink"
        tcp = self.transport.tcp if isinstance(self.transport, Reliable) else None
        return Costs(
            ahead_s=0.0 if self.setup_occupies_medium else setup_s,
            grant_s=0.0 if is_down else self.grant_delay_s,
            setup_s=setup_s if self.setup_occupies_medium else 0.0,
            slow_start=None if tcp is None else tcp.slow_start(is_down=is_down),
        )

    def misfits(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Keys and what is wrong with them: what one of them says, another may rule out."""
        yield from self._sharing_misfits()
        yield from self._crowd_misfits()
        yield from self._site_misfits()
        yield from _two_ways(self.uplink, self.downlink)
        yield from self._unheard()

    def _unheard(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Symbols and an analogue transport need each other."""
        up, down = self.uplink, self.downlink
        has_snr, symbols = isinstance(up, HasSnr), _is_of_symbols(up)
        if _is_of_symbols(down):
            yield ("downlink", "rate"), "answers come back as bits, not as symbols; choose another"
        if not isinstance(self.transport, Analogue):
            if symbols:
                what = "symbols need transport: {kind: analogue}; add it, or choose another kind"
                yield ("uplink", "rate"), what
        elif not has_snr:
            what = "has no SNR, at which an analogue transport is heard; make it awgn or fading"
            yield ("uplink",), what
        elif not symbols:
            yield ("uplink", "rate"), "an analogue transport sends {kind: symbols}, nothing else"
        for way, snr in self.placed.items():
            for key, what in snr.misfits(way, self.geometry):
                yield (way, "snr", *key), what
        if isinstance(self.transport, Analogue) and "uplink" in self.placed:
            what = "policies plan an analogue transport at one mean SNR, not at one of geometry"
            yield ("uplink", "snr"), f"{what}; give {{kind: constant}}"

    @property
    def placed(self) -> dict[str, GeometrySnr]:
        """The SNRs that follow from where a device is, by direction."""
        ways = {"uplink": self.uplink, "downlink": self.downlink}
        snrs = {way: channel.snr for way, channel in ways.items() if isinstance(channel, HasSnr)}
        return {way: snr for way, snr in snrs.items() if isinstance(snr, GeometrySnr)}

    def _site_misfits(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Where a hand-over changes whom a device competes with."""
        sites = self.geometry.sites if self.geometry is not None else ()
        if self.placed and len(sites) > 1 and self.sharing.kind != "dedicated":
            what = f"{len(sites)} sites would share one medium, wherever a device is; make a cell"
            yield ("sharing", "kind"), f"{what} of each site, or sharing: {{kind: dedicated}}"

    @property
    def _loses(self) -> bool:
        loss = self.transport.loss if isinstance(self.transport, Reliable) else None
        return loss is not None and loss != ConstantCurve(value=0.0)

    def _sharing_misfits(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What needs competition, or cannot have it."""
        kind = self.sharing.kind
        if kind == "dedicated" and self.background is not None:
            what = "a dedicated cell is not shared, so nobody can load it; remove this, or share"
            yield ("background",), f"{what} the cell (sharing: {{kind: airtime}})"
        if isinstance(self.transport, Analogue):
            if self.sharing.is_half_duplex:
                what = "symbols and the bits of answers cannot share one medium; leave out"
                yield ("sharing",), f"{what} half_duplex, or use another kind than {kind}"
            if self.overhead_bytes or self.byte_overhead != 1:
                key = "overhead_bytes" if self.overhead_bytes else "byte_overhead"
                yield (key,), "symbols carry no bytes beside the numbers; remove it"
        elif isinstance(self.sharing, WifiSharing) and self._loses:
            what = "wifi sends again what collides; losses would slow its PHY rate; leave out loss"
            yield ("transport", "loss"), what
        others = None if self.background is None else self.background.channel
        if others is not None and _is_of_symbols(others):
            what = "background devices send bits, not symbols; choose another kind"
            yield ("background", "channel", "rate"), what

    def _crowd_misfits(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Background devices are at no place, and have no speed."""
        if self.background is None:
            return
        channel: Channel | None = self.background.channel
        where = ("background",) if channel is None else ("background", "channel")
        channel = channel or getattr(self, self.background.direction)
        if isinstance(channel, HasSnr) and isinstance(channel.snr, GeometrySnr):
            what = "background devices are at no place from which an SNR could follow"
            yield where, f"{what}; give a channel with snr: {{kind: constant, mean_db: ...}}"
        fading = getattr(channel, "fading", None)
        if isinstance(fading, Scattered) and fading.doppler_hz is None:
            what = "background devices have no speed"
            yield where, f"{what}; give a channel whose fading has a doppler_hz"

    def snrs(self, around: Around) -> Steps | None:
        """The SNR over time at which numbers are heard, a ratio of powers; None: bits are sent."""
        if isinstance(self.transport, Analogue) and isinstance(self.uplink, HasSnr):
            return self.uplink.snrs(around)
        return None

    def rate(self, around: Around, channel: Channel | None = None) -> Steps:
        """What a device would get alone over time, in bit/s of what arrives.

        Args:
            around: of the device and direction.
            channel: its own, if it is not the cell's.
        """
        chosen: Channel = getattr(self, around.way) if channel is None else channel
        steps = chosen.steps(around)
        if self.outages:
            steps = steps.product(mask(self.outages))
        return self.transport.goodput(steps, around)


def _two_ways(up: Channel, down: Channel) -> Iterator[tuple[tuple[str, ...], str]]:
    """Fading that is the same in both directions is said in the same words."""
    if not isinstance(up, FadingChannel) or not isinstance(down, FadingChannel):
        return
    if (up.fading.reciprocal or down.fading.reciprocal) and up.fading != down.fading:
        what = "reciprocal fading is the same in both directions; say the same as for the uplink"
        yield ("downlink", "fading"), what


def _is_of_symbols(channel: Channel) -> bool:
    return isinstance(channel, HasSnr) and isinstance(channel.rate, Symbols)


class Cell:
    """A running cell: its media, and the links of its devices.

    Args:
        clock: simulated time.
        name: of the cell.
        spec: what the scenario says.
    """

    def __init__(self, clock: Clock, name: str, spec: CellSpec) -> None:
        self.name = name
        self.spec = spec
        self._clock = clock
        self.media: Mapping[Way, Medium] = _media(clock, spec)
        self.links: dict[Way, list[Line]] = {"uplink": [], "downlink": []}
        self.others: list[Line] = []  # of background devices

    def link(self, way: Way, rate: Steps, device: Key) -> Line:
        """A link for a device, of whose kind others may be."""
        link = self._link(way, rate, device)
        self.links[way].append(link)
        return link

    def _link(self, way: Way, rate: Steps, device: Key) -> Line:
        costs = self.spec.costs.down if way == "downlink" else self.spec.costs.up
        if way not in self.media:
            return Link(self._clock, rate, costs)
        is_down = way == "downlink"
        return SharedLink(self._clock, self.media[way], rate, device, is_down=is_down, costs=costs)

    @property
    def crowd_size(self) -> int:
        """How many background devices there are."""
        return 0 if self.spec.background is None else self.spec.background.count

    def crowd(
        self, seed: int, first: Key, until_s: float, is_over: Callable[[], bool]
    ) -> Iterator[Life]:
        """The lives of background devices.

        Args:
            seed: the replication.
            first: rank of the first of them.
            until_s: when all is over at the latest.
            is_over: whether nobody is left whom they could hinder.
        """
        for n in range(self.crowd_size):
            yield self._other(f"{self.name}-crowd-{n}", seed, first + n, until_s, is_over)

    def _other(
        self, name: str, seed: int, device: Key, until_s: float, is_over: Callable[[], bool]
    ) -> Life:
        crowd, clock, spec = self.spec.background, self._clock, self.spec
        assert crowd is not None
        around = Around(seed, name, crowd.direction, self.name, geometry=spec.geometry)
        link = self._link(crowd.direction, spec.rate(around, crowd.channel), device)
        self.others.append(link)
        times, sizes = (stream(seed, f"crowd-{what}", name) for what in ("times", "sizes"))
        for n, (time_s, size) in enumerate(crowd.transfers(times, sizes)):
            if time_s >= until_s:
                return
            key = task_key(device, n)
            yield clock.at(time_s, Moment(clock, key))
            if is_over():
                return
            transfer = Transfer(clock, key, spec.costs.on_air(8 * size), until_s)
            transfer.rtt_s = 2 * spec.expected_latency_s
            link.submit(transfer)


def _media(clock: Clock, spec: CellSpec) -> Mapping[Way, Medium]:
    disciplines = [spec.sharing.discipline() for _ in WAYS]
    both = [Medium(clock, discipline) for discipline in disciplines if discipline is not None]
    if spec.sharing.is_half_duplex:
        both = both[:1] * 2
    return dict(zip(WAYS, both, strict=False))
