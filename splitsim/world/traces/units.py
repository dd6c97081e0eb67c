"""Whether a rate is in the unit that the reader was told: its name, its mean, its own counter."""

from __future__ import annotations

import math
import re

from splitsim.world.traces.trace import Trace

# Means of links that people measure. Outside, a unit is wrong more often than not.
LEAST_BPS, MOST_BPS = 50e3, 2e9
OFF = 4.0  # a factor between a reading and what was expected that no variation explains

_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
# A unit at the end of a name, or in brackets: throughput_mbps, RATE(MBit/s), rate [kB/s], DL_bps.
_UNIT = re.compile(
    r"(?:^|[\s_(\[,/-])([kmg]?)(bits?|bytes?|b)(?:ps|/s(?:ec)?|_per_s|_s)[)\]]?$", re.IGNORECASE
)


def unit_in(name: str) -> float | None:
    """The unit in bit/s that a column's name tells, None if it tells none.

    ``MB/s`` and ``MBps`` are of bytes; ``Mb/s``, ``mbps`` and, as it is shouted, ``MBPS`` of bits.
    """
    match = _UNIT.search(name.strip())
    if match is None:
        return None
    prefix, word = match.groups()
    is_byte = word.lower().startswith("byte") or (word == "B" and not match[0].isupper())
    return _PREFIXES[prefix.lower()] * (8 if is_byte else 1)


def contradiction(column: str, unit_bps: float, mean_bps: float) -> str | None:
    """What to say where a column's name tells another unit than the reader was told."""
    told = unit_in(column)
    if told is None or math.isclose(told, unit_bps, rel_tol=1e-3):
        return None
    read, meant = in_words(mean_bps), in_words(mean_bps / unit_bps * told)
    return (
        f"the column {column!r} is read in units of {unit_bps:g} bit/s, which gives a mean of "
        f"{read}; its name says {told:g} bit/s, which gives {meant}"
    )


def implausible(trace: Trace, expected_mean_bps: float | None) -> str | None:
    """What to say of a mean that no measured link has, or that is not the one expected."""
    mean_bps = trace.mean_bps
    if expected_mean_bps is not None:
        ratio = max(mean_bps / expected_mean_bps, expected_mean_bps / mean_bps)
        if ratio < OFF:
            return None
        what = f"{ratio:.3g} times off the {in_words(expected_mean_bps)} expected"
    elif LEAST_BPS <= mean_bps <= MOST_BPS:
        return None
    else:
        what = "which few links have"
    return f"the mean rate is {in_words(mean_bps)}, {what}; is the unit right (rate_unit_bps)?"


def in_words(rate_bps: float) -> str:
    """A rate with three digits: ``3.34 Mbit/s``."""
    for unit, name in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if rate_bps >= 0.9995 * unit:
            return f"{rate_bps / unit:.3g} {name}"
    return f"{rate_bps:.3g} bit/s"
