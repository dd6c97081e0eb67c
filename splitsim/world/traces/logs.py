"""The logs of phones: G-NetTrack Pro's, and that of the Ghent and Riiser data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from splitsim.world.traces.columns import (
    Rows,
    Table,
    as_numbers,
    counted,
    indices,
    is_missing,
    table_of,
)
from splitsim.world.traces.dates import as_seconds
from splitsim.world.traces.formats import in_units
from splitsim.world.traces.holding import Missing, Repeats, Rules, held
from splitsim.world.traces.lines import Lines
from splitsim.world.traces.recording import RATES, Recording, checked_recording
from splitsim.world.traces.trace import Floats


def g_nettrack(
    lines: Lines,
    *,
    missing: Missing = "error",
    repeats: Repeats = "last",
    max_hold_s: float | None = None,
) -> Recording:
    """The log of G-NetTrack Pro: bitrates in kbit/s, times to a second, ``-`` for missing.

    Series: DL_bitrate, UL_bitrate, PINGAVG (ms), PINGLOSS (per cent), SNR and RSRP. Of rows
    with the same time the last one counts. 2147483647, Android's word for unknown, is missing.
    Source: Raca et al., MMSys 2020.
    """
    table = table_of(lines)
    chosen = {key: name for key, (name, _) in NETTRACK.items() if name in table.names}
    if not any(key in chosen for key in RATES):
        table.ask(lines, NETTRACK["downlink_bps"][0])
    table.ask(lines, "Timestamp")
    lines.check()
    texts = {key: _known(table.column(name)) for key, name in chosen.items()}
    rows = Rows(table.lines, table.column("Timestamp"), texts)
    factors = {key: NETTRACK[key][1] for key in chosen}
    times_s = as_seconds(lines, rows, None)
    rules = Rules("previous", missing, repeats, max_hold_s)
    recording = held(lines, rows, times_s, in_units(lines, rows, factors, "next"), rules)
    return _with_idle(recording, table, chosen)


NETTRACK = {
    "downlink_bps": ("DL_bitrate", 1e3),
    "uplink_bps": ("UL_bitrate", 1e3),
    "rtt_s": ("PINGAVG", 1e-3),
    "loss": ("PINGLOSS", 1e-2),
    "snr_db": ("SNR", 1.0),
    "rsrp_dbm": ("RSRP", 1.0),
}


def _known(texts: list[str]) -> list[str]:
    return ["" if text.startswith("2147483647") or is_missing(text) else text for text in texts]


def _with_idle(recording: Recording, table: Table, chosen: Mapping[str, str]) -> Recording:
    """A caution for a direction in which the phone was never loaded."""
    states = set(table.column("State")) if "State" in table.names else {"D", "U"}
    for key, state in (("downlink_bps", "D"), ("uplink_bps", "U")):
        if key in chosen and state not in states:
            what = f"the phone never loaded this direction (no State {state})"
            odd = f"{what}; {chosen[key]} is acknowledgements and the like, not what it can carry"
            recording = recording.with_caution(key, odd)
    return recording


def riiser_log(lines: Lines, *, gaps: Literal["join", "zero"] = "join") -> Recording:
    """Epoch, monotonic ms, latitude, longitude, bytes and ms since the last row.

    A row's rate is 8 x bytes / ms in kbit/s, over the ms before it: no byte is lost. Where the
    monotonic clock went on for longer than a row's own ms there is a gap. ``join`` leaves it
    out and plays the rows back to back, as Sabre does; ``zero`` makes its rate zero. The
    logs of this form are of downloads. Source: Riiser et al., MMSys 2013; van der Hooft et
    al., IEEE Comm. Letters 2016.
    """
    table = [text.split() for text in lines.uncommented()]
    for line, fields in enumerate(table, 1):
        if len(fields) not in {0, 6}:
            what = (
                f"{counted(fields)} where 6 are needed: epoch, ms, latitude, longitude, bytes, ms"
            )
            lines.report(line, f"{what}; correct it")
    where = [line for line, fields in enumerate(table, 1) if len(fields) == 6]
    stamps_ms, sent_bytes, lengths_ms = (
        as_numbers(lines, where, [table[line - 1][i] for line in where], what, "correct it")
        for i, what in ((1, "time"), (4, "number of bytes"), (5, "number of ms"))
    )
    _check_log(lines, where, stamps_ms, sent_bytes, lengths_ms)
    bits, lengths_s = 8 * sent_bytes, lengths_ms / 1e3
    if gaps == "join":
        ends_s = np.cumsum(lengths_s)
        starts_s, rates_bps = ends_s - lengths_s, bits / lengths_s
    else:
        ends_s = (stamps_ms - stamps_ms[0] + lengths_ms[0]) / 1e3
        starts_s, rates_bps = _with_gaps(ends_s, lengths_s, bits)
    starts_s[0] = 0.0
    series = {"rate_bps": rates_bps}
    return checked_recording(lines, starts_s, series, float(ends_s[-1]), "downlink")


def _check_log(
    lines: Lines, where: list[int], stamps_ms: Floats, sent_bytes: Floats, lengths_ms: Floats
) -> None:
    if not where:
        lines.report(0, "has no rows; is it another format?")
    for i in indices(sent_bytes < 0):
        lines.report(where[i], f"{sent_bytes[i]:g} bytes are negative; correct it")
    for i in indices(lengths_ms <= 0):
        lines.report(where[i], f"a row of {lengths_ms[i]:g} ms has no length; delete it")
    for i in indices(np.diff(stamps_ms) <= 0):
        what = f"time does not go on from {stamps_ms[i]:.15g} to {stamps_ms[i + 1]:.15g} ms"
        lines.report(where[i + 1], f"{what}; sort the rows by time, or delete one")
    lines.check()


def _with_gaps(ends_s: Floats, lengths_s: Floats, bits: Floats) -> tuple[Floats, Floats]:
    """Starts and rates by the clock: no row begins before the last one ended."""
    begins_s = ends_s - lengths_s
    begins_s[1:] = np.maximum(begins_s[1:], ends_s[:-1])
    rates_bps = bits / (ends_s - begins_s)
    gaps = np.flatnonzero(begins_s[1:] > ends_s[:-1]) + 1
    starts_s = np.insert(begins_s, gaps, ends_s[gaps - 1])
    return starts_s, np.insert(rates_bps, gaps, 0.0)
