"""The entropy stage: bodies squeezed by zlib or Zstandard, or left as they are."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
import zstandard

from splitsim.dnn.fields import Mask
from splitsim.errors import BadInput

USUAL = {"none": 0, "zlib": 6, "zstd": 1}
HIGHEST = {"zlib": 9, "zstd": 22}


@dataclass(frozen=True)
class Entropy:
    """A lossless coder and its level."""

    kind: str = "none"
    level: int = 0

    def __str__(self) -> str:
        return self.kind if self.level == USUAL[self.kind] else f"{self.kind}{self.level}"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``zlib`` (level 6), ``zlib1`` to ``zlib9``, ``zstd`` (1), ``zstd1`` to ``zstd22``."""
        found = re.fullmatch(r"(zlib|zstd)([1-9]\d?)?", name)
        if not found or int(found[2] or 1) > HIGHEST[found[1]]:
            return None
        return cls(found[1], int(found[2] or USUAL[found[1]]))

    def squeeze(self, bodies: bytes) -> bytes:
        """The bodies, coded as one stream."""
        if self.kind == "zlib":
            return zlib.compress(bodies, self.level)
        if self.kind == "zstd":
            return zstandard.ZstdCompressor(level=self.level).compress(bodies)
        return bodies

    def expand(self, coded: bytes) -> bytes:
        """The bodies; BadInput if the stream is damaged."""
        try:
            if self.kind == "zlib":
                return zlib.decompress(coded)
            if self.kind == "zstd":
                return zstandard.ZstdDecompressor().decompress(coded)
        except (zlib.error, zstandard.ZstdError) as error:
            raise BadInput(f"message: is damaged: {error}") from error
        return coded

    def expand_rest(self, coded: bytes, here: Mask, size: int) -> tuple[bytes, Mask]:
        """What the bytes that arrived tell of the bodies.

        Args:
            coded: the whole stream.
            here: which bytes of it arrived; not all did.
            size: bytes of the bodies.

        Returns:
            The bodies, of no meaning where they cannot be told, and per byte whether they can.
        """
        if self.kind == "none":
            return coded, here
        beginning = self._expand_beginning(coded[: int(here.argmin())])
        return beginning.ljust(size, b"\0"), np.arange(size) < len(beginning)

    def _expand_beginning(self, coded: bytes) -> bytes:
        """As much as can be told: Zstandard gives whole blocks only, which may hold 128 KiB."""
        if self.kind == "zlib":
            return zlib.decompressobj().decompress(coded)
        return zstandard.ZstdDecompressor().decompressobj().decompress(coded)
