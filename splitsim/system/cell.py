"""A cell: how devices share its spectrum, its channels, its latency and its radio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from splitsim.component import Component, NonNegative, Share
from splitsim.outages import Outages
from splitsim.steps import Steps
from splitsim.system.clock import Clock
from splitsim.system.stations import Link
from splitsim.world.around import Around
from splitsim.world.channel import Channel, FadingChannel, HasSnr
from splitsim.world.geometry import Geometry
from splitsim.world.rate import Symbols
from splitsim.world.snr import GeometrySnr


class Dedicated(Component):
    """Every device has its channels for itself."""

    kind: Literal["dedicated"] = "dedicated"

    def link(self, clock: Clock, rate: Steps) -> Link:
        """The link of one device in one direction."""
        return Link(clock, rate)


class Reliable(Component):
    """Lost packets are sent again until they arrive: loss costs time and energy.

    A packet takes 1 / (1 - loss) attempts on average, and every transfer that many times its
    bits; the chance in it, and waiting for acknowledgements, are left out.
    """

    kind: Literal["reliable"] = "reliable"
    loss: Share = 0.0

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which new bits arrive."""
        return rate.times(1 - self.loss)

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1 / (1 - self.loss)

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return 0.0


class Unreliable(Component):
    """Lost packets stay lost: loss costs accuracy, as the outcomes at that loss say."""

    kind: Literal["unreliable"]
    loss: Share = 0.0

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which bits are sent."""
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without."""
        return self.loss


class Analogue(Component):
    """Numbers are sent as symbols and heard with noise, as the outcomes at that SNR say.

    It concerns the uplink, whose rate is of kind ``symbols``; answers come back as bits. What the
    radio draws per bit is drawn for each bit of the numbers.
    """

    kind: Literal["analogue"]

    def goodput(self, rate: Steps) -> Steps:
        """The rate at which numbers are sent, in bits of them."""
        return rate

    @property
    def attempts(self) -> float:
        """How often a bit is sent."""
        return 1.0

    @property
    def erased(self) -> float:
        """The share of packets that the receiver has to do without: there are none."""
        return 0.0


class CellSpec(Component):
    """A cell in the scenario file; ``latency_s`` is one way, between device and cell.

    In one of its ``outages`` nothing is sent; a transfer spans it.
    """

    sharing: Annotated[Dedicated, Field(discriminator="kind")] = Dedicated()
    transport: Annotated[Reliable | Unreliable | Analogue, Field(discriminator="kind")] = Reliable()
    radio: str
    latency_s: NonNegative = 0.0
    geometry: Geometry | None = None
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

    def misfits(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Keys and what is wrong with them: what one of them says, another may rule out."""
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

    def snrs(self, around: Around) -> Steps | None:
        """The SNR over time at which numbers are heard, a ratio of powers; None: bits are sent."""
        if isinstance(self.transport, Analogue) and isinstance(self.uplink, HasSnr):
            return self.uplink.snrs(around)
        return None


def _two_ways(up: Channel, down: Channel) -> Iterator[tuple[tuple[str, ...], str]]:
    """Fading that is the same in both directions is said in the same words."""
    if not isinstance(up, FadingChannel) or not isinstance(down, FadingChannel):
        return
    if (up.fading.reciprocal or down.fading.reciprocal) and up.fading != down.fading:
        what = "reciprocal fading is the same in both directions; say the same as for the uplink"
        yield ("downlink", "fading"), what


def _is_of_symbols(channel: Channel) -> bool:
    return isinstance(channel, HasSnr) and isinstance(channel.rate, Symbols)
