"""Writing traces: as csv, which keeps every digit, and for Mahimahi's emulator."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from splitsim.errors import BadInput
from splitsim.world.traces.formats import PACKET_BITS
from splitsim.world.traces.recording import SERIES, Recording
from splitsim.world.traces.trace import Trace
from splitsim.world.traces.units import in_words

MOST_LINES = 100_000_000
CHUNK_MS = 10_000  # written at a time
ROUNDING = 1e-6  # of a packet, which a sum of many rates may be off
HEAD = "# A rate holds from its time to the next; the last row only says where the trace ends."


def write_csv(
    path: str | os.PathLike[str], trace: Trace | Recording, comments: Sequence[str] = ()
) -> None:
    """Write a trace or recording in the ``csv`` form that is read without any option.

    The columns are ``time_s`` and the series, by their names: ``rate_bps`` or, where the
    direction is known, ``uplink_bps`` and ``downlink_bps``; ``rtt_s``, ``loss``, ... What was
    not measured is left empty. A last row without a rate says where the last rate ends; without
    it the reader could only assume the median step. Reading gives back the same numbers.

    Args:
        path: the file.
        trace: what to write.
        comments: lines to begin with, without ``#``.
    """
    series = dict(trace.series) if isinstance(trace, Recording) else {_name(trace): trace.rates_bps}
    keys = [key for key in SERIES if key in series]
    columns = [trace.starts_s.tolist(), *(series[key].tolist() for key in keys)]
    text = [
        *(f"# {comment}" for comment in comments),
        HEAD,
        ",".join(["time_s", *keys]),
        *(",".join(map(_number, row)) for row in zip(*columns, strict=True)),
        f"{float(trace.period_s)!r}{',' * len(keys)}",
    ]
    Path(path).write_text("\n".join(text) + "\n", encoding="utf-8")


def _name(trace: Trace) -> str:
    return f"{trace.way}_bps" if trace.way else "rate_bps"


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def write_mahimahi(path: str | os.PathLike[str], trace: Trace) -> None:
    """Write a trace as packet delivery opportunities, a line in ms for each 1500 B.

    An opportunity comes with the end of the millisecond in which its last bit has come
    together: up to any millisecond the file offers the trace's bits, less than a packet fewer.
    The period is rounded up to a whole millisecond and ends with an opportunity, even if it
    takes one more, for Mahimahi knows the period by the last one: the bits of a period are
    those of the trace to within one packet.

    Raises:
        BadInput: it would be too long.
    """
    lines = trace.mean_bps * trace.period_s / PACKET_BITS
    if lines > MOST_LINES:
        what = f"at {in_words(trace.mean_bps)} it would have {lines:,.0f} lines"
        raise BadInput(f"{path}: {what}, more than {MOST_LINES:,}; is the unit right?")
    period_ms = max(math.ceil(trace.period_s * 1e3 - 1e-6), 1)
    sent = 0
    with Path(path).open("w", encoding="ascii") as file:
        for first_ms in range(0, period_ms, CHUNK_MS):
            times_ms = np.arange(first_ms, min(first_ms + CHUNK_MS, period_ms)) + 1
            packets = np.floor(trace.bits(times_ms / 1e3) / PACKET_BITS + ROUNDING).astype(np.int64)
            counts = np.diff(packets, prepend=sent)
            sent = int(packets[-1])
            if times_ms[-1] == period_ms:
                counts[-1] = max(counts[-1], 1)
            file.writelines(f"{time_ms}\n" for time_ms in np.repeat(times_ms, counts).tolist())
