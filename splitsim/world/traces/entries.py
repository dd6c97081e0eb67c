"""Formats in JSON: Sabre's list of periods, and what iperf3 reports."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from splitsim.world.traces.lines import Lines
from splitsim.world.traces.recording import Recording, checked_recording
from splitsim.world.traces.trace import Floats

AGREE = 0.01  # share by which iperf3's rate may differ from its bytes over its seconds
MOST = 1e300  # in size; what is beyond is no measurement
JOIN = 0.05  # share of an interval that may lie between it and the next


class Entry(NamedTuple):
    """A member of a list in the file, and the line where it begins."""

    line: int
    of: Mapping[str, Any]


def sabre(lines: Lines) -> Recording:
    """``[{"duration_ms": 725, "bandwidth_kbps": 36014, "latency_ms": 20}, ...]``.

    Periods are played back to back. ``latency_ms`` is what a request waits for its first byte,
    and is taken as the round trip; where it is null or left out, none was measured. Sabre plays
    videos: its traces are of downloads. Source: Spiteri et al., MMSys 2018.
    """
    _parsed(lines, list)
    entries = list(_entries(lines, re.search(r"\[", lines.text)))
    lengths_s = _column(lines, entries, "duration_ms", above=True) / 1e3
    rates_bps = _column(lines, entries, "bandwidth_kbps") * 1e3
    rtts_s = _column(lines, entries, "latency_ms", needed=False) / 1e3
    if not entries:
        lines.report(0, "the list is empty; fetch or record it again")
    lines.check()
    ends_s = np.cumsum(lengths_s)
    series = {"rate_bps": rates_bps, "rtt_s": rtts_s}
    starts_s = np.append(0.0, ends_s[:-1])
    return checked_recording(lines, starts_s, series, float(ends_s[-1]), "downlink")


def iperf3(lines: Lines) -> Recording:
    """What ``iperf3 --json`` prints: a rate per interval, without those that were omitted.

    ``start.test_start.reverse`` makes it a downlink, ``bidir`` both. A sender's TCP also tells
    its round trip, the mean of the streams, and a receiver of UDP its loss.
    """
    document = _parsed(lines, dict)
    if document.get("error"):
        lines.report(0, f"iperf3 gave up: {document['error']}; measure again")
    found = list(_entries(lines, re.search(r'"intervals"\s*:\s*\[', lines.text)))
    entries = [entry for entry in found if not _sum(entry).get("omitted")]
    if not entries:
        lines.report(0, "has no intervals that are not omitted; is it iperf3 --json?")
    lines.check()
    begins_s, ends_s = (_column(lines, _sums(entries), key) for key in ("start", "end"))
    _check_intervals(lines, entries, begins_s, ends_s)
    test = document.get("start", {}).get("test_start", {})
    reverse, both = bool(test.get("reverse")), bool(test.get("bidir"))
    own, other = ("downlink_bps", "uplink_bps") if reverse else ("uplink_bps", "downlink_bps")
    series = {own: _rates(lines, _sums(entries))}
    if both:
        series[other] = _rates(lines, _sums(entries, "sum_bidir_reverse"))
    series |= _others(entries)
    lines.check()
    starts_s = begins_s - begins_s[0]
    return checked_recording(lines, starts_s, series, float(ends_s[-1] - begins_s[0]))


def _parsed(lines: Lines, kind: type) -> Any:
    """The file as JSON: a list, or an object."""
    what = "a list" if kind is list else "an object"
    found = None
    try:
        found = json.loads(lines.text)
    except json.JSONDecodeError as error:
        lines.report(error.lineno, f"is not JSON ({error.msg}); fetch or record the file again")
    except (RecursionError, ValueError) as error:  # nested too deep, or too many digits
        lines.report(0, f"cannot be read as JSON ({error}); is it another format?")
    else:
        if not isinstance(found, kind):
            lines.report(0, f"is not {what}, as it is in this format; is it another one?")
    lines.check()
    return found


def _entries(lines: Lines, begin: re.Match[str] | None) -> Iterator[Entry]:
    """The members of a list that begins at a place in the text, which is known to be JSON."""
    text, decoder = lines.text, json.JSONDecoder()
    at = begin.end() if begin else len(text)
    line, counted_to = 1, 0
    while (at := _not_blank(text, at)) < len(text) and text[at] != "]":
        line, counted_to = line + text.count("\n", counted_to, at), at
        found, at = decoder.raw_decode(text, at)
        if isinstance(found, dict):
            yield Entry(line, found)
        else:
            lines.report(line, f"{reprlib.repr(found)} is not an object {{...}}; correct it")


def _not_blank(text: str, at: int) -> int:
    match = re.compile(r"[\s,]*").match(text, at)
    return match.end() if match else at


def _column(
    lines: Lines, entries: list[Entry], key: str, *, above: bool = False, needed: bool = True
) -> Floats:
    """A number of every entry, 0 or more, or above 0; NaN where it need not be there."""
    values = []
    for line, of in entries:
        value = of.get(key)
        number = _number(value)
        if number < 0 or (above and number == 0):
            number = math.nan
        if math.isnan(number) and (needed or value is not None):
            lines.report(line, _misfit(key, value, above))
        values.append(number)
    return np.array(values, dtype=np.float64)


def _number(value: object) -> float:
    """A finite number of the file; NaN if it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < MOST:
        return math.nan
    return float(value)


def _misfit(key: str, value: object, above: bool) -> str:
    if value is None:
        return f"{key} is missing; add it, or delete the entry"
    limit = "above 0" if above else "of 0 or more"
    return f"{key} is {reprlib.repr(value)}; it must be a finite number {limit}"


def _sum(entry: Entry, key: str = "sum") -> Mapping[str, Any]:
    """The sum over the streams of an interval; nothing if there is none."""
    found = entry.of.get(key)
    return found if isinstance(found, dict) else {}


def _sums(entries: list[Entry], key: str = "sum") -> list[Entry]:
    return [Entry(entry.line, _sum(entry, key)) for entry in entries]


def _rates(lines: Lines, sums: list[Entry]) -> Floats:
    """Rates that agree with the bytes and seconds beside them."""
    rates_bps = _column(lines, sums, "bits_per_second")
    for (line, of), rate_bps in zip(sums, rates_bps, strict=True):
        bits, seconds = 8 * _number(of.get("bytes")), _number(of.get("seconds"))
        if seconds > 0 and abs(rate_bps - bits / seconds) > AGREE * max(rate_bps, bits / seconds):
            what = f"bits_per_second is {rate_bps:.4g}, but bytes and seconds make"
            lines.report(line, f"{what} {bits / seconds:.4g}; fetch or record it again")
    return rates_bps


def _check_intervals(lines: Lines, entries: list[Entry], begins_s: Floats, ends_s: Floats) -> None:
    for entry, begin_s, end_s in zip(entries, begins_s, ends_s, strict=True):
        if begin_s >= end_s:
            lines.report(entry.line, f"the interval {begin_s:g} to {end_s:g} s has no length")
    for i in np.flatnonzero(np.abs(begins_s[1:] - ends_s[:-1]) > JOIN * (ends_s - begins_s)[:-1]):
        what = f"begins at {begins_s[i + 1]:g} s, where the one before ended at {ends_s[i]:g} s"
        lines.report(entries[i + 1].line, f"the interval {what}; they must follow each other")
    lines.check()


def _others(entries: list[Entry]) -> dict[str, Floats]:
    """The round trip in microseconds by stream, and the loss in per cent, where they are."""
    series = {
        "rtt_s": np.array([_rtt_s(entry) for entry in entries]),
        "loss": np.array([_loss(entry) for entry in entries]),
    }
    return {key: values for key, values in series.items() if not np.all(np.isnan(values))}


def _rtt_s(entry: Entry) -> float:
    streams = entry.of.get("streams")
    of = [stream for stream in streams or () if isinstance(stream, dict)]
    rtts_us = [_number(stream.get("rtt")) for stream in of]
    return sum(rtts_us) / len(rtts_us) * 1e-6 if rtts_us else math.nan


def _loss(entry: Entry) -> float:
    share = _number(_sum(entry).get("lost_percent")) / 100
    return share if 0 <= share <= 1 else math.nan
