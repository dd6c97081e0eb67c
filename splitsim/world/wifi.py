"""WiFi's rates: the modulation and coding schemes of IEEE 802.11n, ac and ax."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from splitsim.component import Component, Positive
from splitsim.world.adaptation import Adaptation, Ideal
from splitsim.world.around import Around
from splitsim.world.mcs import Ladder, Scheme, ladder, wifi_bits
from splitsim.world.nr import Loss, Part
from splitsim.world.travel import Gains

NOISE_20MHZ_DBM = -174 + 10 * math.log10(20e6)
NOISE_FIGURE_DB = 10.0  # that the standard's sensitivities allow for
MARGIN_DB = 5.0  # and its allowance for implementation
TENTH_DB = 0.7  # from half of the packets lost to a tenth


class Standard(NamedTuple):
    """What a standard allows.

    Attributes:
        symbol_s: a symbol without its guard interval.
        guards_s: guard intervals.
        subcarriers: that carry data, by bandwidth in MHz.
        schemes: how many there are.
        streams: the most.
    """

    symbol_s: float
    guards_s: tuple[float, ...]
    subcarriers: dict[int, int]
    schemes: int
    streams: int


SHORT, LONG = (0.8e-6, 0.4e-6), (0.8e-6, 1.6e-6, 3.2e-6)
STANDARDS = {
    "n": Standard(3.2e-6, SHORT, {20: 52, 40: 108}, 8, 4),
    "ac": Standard(3.2e-6, SHORT, {20: 52, 40: 108, 80: 234, 160: 468}, 10, 8),
    "ax": Standard(12.8e-6, LONG, {20: 234, 40: 468, 80: 980, 160: 1960}, 12, 8),
}
# Of ac, whose coded bits do not fall evenly to its encoders: by MCS and MHz, the streams.
MISSING = {
    (9, 20): (1, 2, 4, 5, 7, 8),
    (6, 80): (3, 7),
    (9, 80): (6,),
    (9, 160): (3,),
}


class Wifi(Component):
    """802.11n, ac or ax: rates as in the standard, overheads of the medium left to the cell.

    ``bandwidth_hz`` is the nominal one and must be the channel's, of which bit/s/Hz are counted.
    MCS are numbered per stream. ``streams`` share the power and are separated without loss: each
    needs as much SNR as one alone, together 10 log10(streams) dB more.

    An MCS's SNR is the standard's minimum sensitivity (a tenth of packets of 4,096 bytes lost) less
    thermal noise, a noise figure of 10 dB and a margin of 5 dB, the standard's own allowances: 4 dB
    for MCS 0, 22 for MCS 7. ``loss_db`` is what a receiver needs more; better ones need less.
    Half of the packets are lost 0.7 dB below: an error event of a convolutional code has about the
    probability Q(x) with x^2 proportional to the SNR, and 32,768 bits of code rate 1/2 have half
    and a tenth of their packets lost at x = 4.62 and 5.00.
    """

    kind: Literal["wifi"]
    standard: Literal["n", "ac", "ax"]
    bandwidth_hz: Positive
    streams: Annotated[int, Field(ge=1, le=8)] = 1
    guard_s: Positive = 0.8e-6
    max_mcs: Annotated[int, Field(ge=0, le=11)] | None = None
    efficiency: Part = 1.0
    loss_db: Loss = 0.0
    adaptation: Adaptation = Ideal(kind="ideal")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [*self._problems()]
        if problems:
            raise ValueError(f"802.11{self.standard} " + "; ".join(problems))
        return self

    def _problems(self) -> list[str]:
        may, found = STANDARDS[self.standard], []
        if self._mhz not in may.subcarriers:
            hz = ", ".join(f"{mhz}e6" for mhz in may.subcarriers)
            found.append(f"has bandwidth_hz {hz}, not {self.bandwidth_hz:g}")
        if self.streams > may.streams:
            found.append(f"has at most {may.streams} streams, not {self.streams}")
        if self.guard_s not in may.guards_s:
            guards = ", ".join(f"{guard_s:g}" for guard_s in may.guards_s)
            found.append(f"has guard_s {guards}, not {self.guard_s:g}")
        if self.max_mcs is not None and not found and not self._has(self.max_mcs):
            found.append(
                f"has no MCS {self.max_mcs} with {self._of} at {self._mhz:g} MHz; "
                f"its highest max_mcs is {max(self._schemes())}"
            )
        return found

    @property
    def _of(self) -> str:
        return "one stream" if self.streams == 1 else f"{self.streams} streams"

    @property
    def _mhz(self) -> float:
        return self.bandwidth_hz / 1e6

    def _has(self, mcs: int) -> bool:
        missing = MISSING.get((mcs, round(self._mhz)), ()) if self.standard == "ac" else ()
        return mcs < STANDARDS[self.standard].schemes and self.streams not in missing

    def _schemes(self) -> list[int]:
        most = 11 if self.max_mcs is None or not self._has(self.max_mcs) else self.max_mcs
        return [mcs for mcs in range(most + 1) if self._has(mcs)]

    def rate_bps(self, mcs: int) -> float:
        """Data bits of all subcarriers and streams per symbol and guard interval."""
        has = STANDARDS[self.standard]
        bits = has.subcarriers[round(self._mhz)] * wifi_bits()[mcs][0] * self.streams
        return bits / (has.symbol_s + self.guard_s)

    def needs_db(self, mcs: int) -> float:
        """The SNR at which a tenth of the packets is lost, over all streams."""
        noise_dbm = NOISE_20MHZ_DBM + NOISE_FIGURE_DB + MARGIN_DB
        return wifi_bits()[mcs][1] - noise_dbm + 10 * math.log10(self.streams)

    def rates(self, snr: Gains, around: Around) -> Gains:
        """Bit/s/Hz of one device in one direction, for an SNR as a ratio of powers."""
        return self.adaptation.rates(self.ladder(), snr, around)

    def ladder(self) -> Ladder:
        """The schemes in use, in bit/s/Hz."""
        schemes = [self._scheme(mcs) for mcs in self._schemes()]
        return ladder(schemes, self.efficiency, self.loss_db, 1)

    def _scheme(self, mcs: int) -> Scheme:
        needs_db = self.needs_db(mcs)
        return Scheme(mcs, self.rate_bps(mcs) / self.bandwidth_hz, needs_db - TENTH_DB, needs_db)
