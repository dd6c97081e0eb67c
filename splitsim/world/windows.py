"""Traces as Steps: laid out whole, in arrays that devices share, or a window at a time.

A replay costs no events. Where every device has its own place in a recording, windows of it are
made as time goes on, so that many devices on a long recording need little memory.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from splitsim.chunk import Chunk
from splitsim.steps import Steps
from splitsim.world.traces import Trace

STEPS = 1024  # that a window shows, on average


def windows(block: Callable[[int], Trace], offset_s: float, width_s: float) -> Steps:
    """An endless sequence of traces, from an offset on, made a window at a time.

    Args:
        block: ``block(n)`` is the n-th trace, the same at every call.
        offset_s: where in the sequence time begins.
        width_s: length of a window.
    """
    begins_s = [0.0]  # of block 0, 1, ...

    def begin_s(n: int) -> float:
        while len(begins_s) <= n:
            begins_s.append(begins_s[-1] + block(len(begins_s) - 1).period_s)
        return begins_s[n]

    def chunk(k: int) -> Chunk:
        from_s = offset_s + k * width_s
        to_s = from_s + width_s
        while begins_s[-1] <= from_s:
            begin_s(len(begins_s))
        n = bisect_right(begins_s, from_s) - 1
        starts, rates = [], []
        while begin_s(n) < to_s:
            trace, begin = block(n), begins_s[n]
            first = max(int(np.searchsorted(trace.starts_s, from_s - begin, side="right")) - 1, 0)
            last = int(np.searchsorted(trace.starts_s, to_s - begin))
            starts.append(np.maximum(trace.starts_s[first:last] + (begin - from_s), 0.0))
            rates.append(trace.rates_bps[first:last])
            n += 1
        return Chunk(np.concatenate(starts), np.concatenate(rates), width_s)

    return Steps(chunk, width_s)


def laid_out(chunk: Chunk) -> Steps:
    """A recording that was laid out before, over and over if it has an end."""
    return Steps(lambda _: chunk, chunk.length_s)


def rotated(trace: Trace, offset_s: float, loop: bool) -> Chunk:
    """A trace from an offset on: to its end, or around."""
    starts, rates = trace.starts_s, trace.rates_bps
    first = int(np.searchsorted(starts, offset_s, side="right")) - 1
    later = np.maximum(starts[first:] - offset_s, 0.0)
    left_s = trace.period_s - offset_s
    if not loop:
        return Chunk(np.append(later, left_s), np.append(rates[first:], 0.0), math.inf)
    split = int(starts[first] < offset_s)  # a step that the offset cuts in two
    earlier = starts[: first + split] + left_s
    return Chunk(
        np.concatenate([later, earlier]),
        np.concatenate([rates[first:], rates[: first + split]]),
        trace.period_s,
    )


shared = lru_cache(maxsize=32)(rotated)  # devices that replay the same share its arrays


def joined(traces: Sequence[Trace]) -> Trace:
    """Traces one after the other."""
    begins_s = np.cumsum([0.0, *(trace.period_s for trace in traces)])
    starts_s = [trace.starts_s + begin for trace, begin in zip(traces, begins_s[:-1], strict=True)]
    rates_bps = np.concatenate([trace.rates_bps for trace in traces])
    return Trace(np.concatenate(starts_s), rates_bps, float(begins_s[-1]))


def window_s(traces: Sequence[Trace]) -> float:
    """How long a window is that shows STEPS steps on average."""
    return STEPS * sum(t.period_s for t in traces) / sum(len(t.starts_s) for t in traces)
