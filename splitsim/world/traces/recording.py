"""Several quantities measured at the same times: what every format is read into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from splitsim.errors import BadInput
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.trace import Floats, Trace, Way, read_only

RATES = ("rate_bps", "uplink_bps", "downlink_bps")
SERIES = (*RATES, "rtt_s", "loss", "snr_db", "rsrp_dbm")
WAYS: dict[str, Way] = {"uplink_bps": "uplink", "downlink_bps": "downlink"}


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Rates, and what else was measured with them, as functions of time.

    Attributes:
        name: of the file.
        starts_s: n times, rising, the first one 0 (read-only float64 array).
        period_s: length of the recording.
        series: n values by name, each from its start to the next, read-only. ``rate_bps`` has
            no known direction; ``uplink_bps``, ``downlink_bps``; ``rtt_s``; ``loss`` is a share
            of packets; ``snr_db``; ``rsrp_dbm``. There is one rate at least, and a rate has a
            value everywhere. Of the others NaN says that nothing was measured.
        way: the direction of ``rate_bps``, where format or user tell.
        warnings: what is odd about the file.
        cautions: names of series, and what is odd about them.
    """

    name: str
    starts_s: Floats
    period_s: float
    series: Mapping[str, Floats]
    way: Way | None = None
    warnings: tuple[str, ...] = ()
    cautions: tuple[tuple[str, str], ...] = ()

    def trace(self, way: Way | None = None) -> Trace:
        """The rate in a direction; without one, the rate that there is.

        Raises:
            BadInput: there is no such rate, or more than one, or it is zero throughout.
        """
        key = self._rate(way)
        rates_bps = self.series[key]
        if not np.any(rates_bps > 0):
            raise BadInput(f"{self.name}: {ALL_ZERO}")
        told = WAYS.get(key, way or self.way)
        odd = (*self.warnings, *(text for of, text in self.cautions if of == key))
        return Trace(self.starts_s, rates_bps, self.period_s, told, odd)

    def _rate(self, way: Way | None) -> str:
        """The series that has the rate of a direction."""
        there = [key for key in RATES if key in self.series]
        if way is None:
            if len(there) > 1 and there[0] != "rate_bps":
                raise BadInput(f"{self.name}: holds uplink and downlink; give way, one of them")
            return there[0]
        if f"{way}_bps" in there:
            return f"{way}_bps"
        if "rate_bps" not in there:
            other = WAYS[there[0]]
            what = f"holds the {other}, and no {way}; give way {other}, or leave it out"
            raise BadInput(f"{self.name}: {what}")
        return "rate_bps"

    def beside(self, key: str) -> Trace:
        """What was measured beside the rate, as a trace in its own unit.

        Where nothing was measured the last value holds, before the first one the first.

        Raises:
            BadInput: it was not measured.
        """
        values = self.series.get(key, np.array([np.nan]))
        known = values[~np.isnan(values)]
        if not len(known):
            raise BadInput(f"{self.name}: holds no {key}; name its column, or take another file")
        whole = held_on(np.append(known[0], values))[1:]
        odd = (*self.warnings, *(text for of, text in self.cautions if of == key))
        return Trace(self.starts_s, read_only(whole), self.period_s, None, odd)

    def mean(self, key: str) -> float:
        """The mean of a series over time, in its unit."""
        return (
            float(self.series[key] @ np.diff(self.starts_s, append=self.period_s)) / self.period_s
        )

    def with_caution(self, key: str, caution: str) -> Recording:
        """The same, with a warning for who uses a series."""
        return replace(self, cautions=(*self.cautions, (key, f"{self.name}: {caution}")))


def held_on(values: Floats) -> Floats:
    """Every hole filled with the last value before it, if there is one."""
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last >= 0, values[last], np.nan)


ALL_ZERO = "every rate is zero, a transfer would never end; is it the right column?"


def checked_recording(
    lines: Lines,
    starts_s: Floats,
    series: Mapping[str, Floats],
    period_s: float,
    way: Way | None = None,
) -> Recording:
    """A checked recording, whose arrays cannot be changed."""
    rates = [series[key] for key in RATES if key in series]
    if not any(np.any(rates_bps > 0) for rates_bps in rates):
        lines.report(0, ALL_ZERO)
    if not math.isfinite(period_s) or not all(np.all(np.isfinite(rate)) for rate in rates):
        lines.report(0, "the numbers are too large; correct time_unit_s or rate_unit_bps")
    lines.check()
    frozen = {key: read_only(values) for key, values in series.items()}
    return Recording(lines.name, read_only(starts_s), period_s, frozen, way, tuple(lines.warnings))
