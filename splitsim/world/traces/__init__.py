"""Measured channels: reading recordings in the forms in which they are published.

A format is one function, from a file's lines to a ``Recording``; its keyword parameters are the
options it takes. To add one, write it and list it in ``read.READERS`` (and ``SUFFIXES``) and in
``read.Format``; an option that no format had before goes into ``read.Options``, too, and into
``TraceChannel``.
"""

from splitsim.world.traces.formats import PACKET_BITS
from splitsim.world.traces.gains import FadingTrace, read_fading
from splitsim.world.traces.read import Format, Options, read_beside, read_recording, read_trace
from splitsim.world.traces.recording import Recording
from splitsim.world.traces.statistics import TraceStatistics, trace_statistics
from splitsim.world.traces.trace import Trace, Way
from splitsim.world.traces.write import write_csv, write_mahimahi

__all__ = [
    "PACKET_BITS",
    "FadingTrace",
    "Format",
    "Options",
    "Recording",
    "Trace",
    "TraceStatistics",
    "Way",
    "read_beside",
    "read_fading",
    "read_recording",
    "read_trace",
    "trace_statistics",
    "write_csv",
    "write_mahimahi",
]
