"""Measuring a link between two machines: what TCP gets through, each way, and the round trip.

``Server`` stands at one end and serves one client at a time; ``record`` measures from the other.
What counts is what the receiver got in each interval. All connections go to the server's one
port: one that carries words (terms, pings, reports), and those that carry data. Both sides prove
that they know a shared secret; what is sent is random, and is not encrypted.
"""

from splitsim.measure.link.client import BYTES, GONE, INTERRUPTED, WHOLE, LinkRecording, record
from splitsim.measure.link.rows import Row, RowFile
from splitsim.measure.link.secret import read_secret
from splitsim.measure.link.server import Server
from splitsim.measure.link.terms import PORT, Limits, Terms, address
from splitsim.measure.link.wire import LinkFailed

__all__ = [
    "BYTES",
    "GONE",
    "INTERRUPTED",
    "PORT",
    "WHOLE",
    "Limits",
    "LinkFailed",
    "LinkRecording",
    "Row",
    "RowFile",
    "Server",
    "Terms",
    "address",
    "read_secret",
    "record",
]
