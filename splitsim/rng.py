"""Named random streams: every draw is a function of (seed, role, name, index) and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import numpy as np

CHUNK = 1024


def stream(seed: int, role: str, name: str, index: int = 0) -> np.random.Generator:
    """A generator seeded with the SHA-256 of its arguments.

    Adding or reordering other streams leaves this one unchanged; ``seed`` is the replication.
    """
    key = json.dumps([seed, role, name, index]).encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest())))


class Series:
    """An endless sequence of floats drawn in chunks; member n depends on the stream and n only.

    Args:
        draw: ``draw(size)`` gives the next ``size`` members as a float array.
    """

    __slots__ = ("_draw", "_drawn")

    def __init__(self, draw: Callable[[int], np.ndarray]) -> None:
        self._draw = draw
        self._drawn: list[float] = []

    def __getitem__(self, n: int) -> float:
        while n >= len(self._drawn):
            self._drawn.extend(self._draw(CHUNK).tolist())
        return self._drawn[n]
