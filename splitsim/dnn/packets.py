"""The packets a message travels in, and which of them are lost."""

from __future__ import annotations

import numpy as np

from splitsim.dnn.fields import Mask
from splitsim.errors import BadInput

PACKET_BYTES = 1400


def packets(message: bytes) -> int:
    """How many packets a message fills; the last one may be shorter."""
    return -(-len(message) // PACKET_BYTES)


def lose(message: bytes, loss: float, *, rng: np.random.Generator) -> Mask:
    """Which packets of a message are lost, each with probability ``loss`` on its own.

    A generator in the same state loses at a higher loss the same packets and more.

    Returns:
        Per packet.
    """
    if not 0 <= loss <= 1:
        raise BadInput(f"loss: must be a probability from 0 to 1, not {loss!r}")
    lost: Mask = rng.random(packets(message)) < loss
    return lost


def arrived(message: bytes, lost: Mask | None) -> Mask | None:
    """Which bytes of a message arrived; None if all did."""
    if lost is None:
        return None
    if len(lost) != packets(message):
        raise BadInput(f"lost: tells of {len(lost)} packets, the message has {packets(message)}")
    return np.repeat(~lost, PACKET_BYTES)[: len(message)] if lost.any() else None
