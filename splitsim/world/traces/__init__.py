"""Measured channels: reading rate traces in the forms in which they are published.

A format is one function of ``formats``, from a file's lines to a ``Trace``; its keyword
parameters are the options it takes. To add one, write it there and list it in ``READERS`` (and
``SUFFIXES``). For scenarios, name it in ``TraceChannel.format``, too; an option that no format had
before becomes a parameter of ``read_trace`` and a field of ``TraceChannel``.
"""

from splitsim.world.traces.formats import PACKET_BITS
from splitsim.world.traces.read import read_trace
from splitsim.world.traces.statistics import TraceStatistics, trace_statistics
from splitsim.world.traces.trace import Trace, write_csv

__all__ = [
    "PACKET_BITS",
    "Trace",
    "TraceStatistics",
    "read_trace",
    "trace_statistics",
    "write_csv",
]
