"""The maps of a tensor side by side as one grey picture, coded as a JPEG."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

import numpy as np

from splitsim.dnn.fields import Mask, Octets
from splitsim.dnn.forms import Floats, Form, Shape, fill
from splitsim.dnn.images import GREY, Picture
from splitsim.errors import BadInput

RANGE_BYTES = 8


@dataclass(frozen=True)
class MapJpeg(Form):
    """Codes of 8 bits as the pixels of a JPEG: 1 x C x H x W, as BottleNet sends its maps.

    The body is the least and the greatest value as float32 and the file (``Picture``), with Huffman
    tables of its own: the usual ones would be the most of a small one. A code is as in ``Affine``;
    the maps lie row by row in a picture about as high as wide, filled up with codes of 0. A lost
    packet takes the rows of pixels that it touches, of all maps there; with the range all is lost.
    """

    quality: int

    def __str__(self) -> str:
        return f"map-jpeg{self.quality}"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``map-jpeg1`` to ``map-jpeg100``."""
        found = re.fullmatch(r"map-jpeg(100|[1-9]\d?)", name)
        return cls(int(found[1])) if found else None

    def pack(self, values: Floats) -> bytes:
        """Range, then file."""
        if values.ndim != 4 or len(values) != 1:
            found = f"1 x channels x height x width, not {values.shape}"
            raise BadInput(f"{self}: codes the maps of one sample, {found}")
        low, high = float(values.min()), float(values.max())
        codes = np.rint((values[0].astype(float) - low) / ((high - low) or 1) * 255)
        picture = _tiled((codes / 255).astype(np.float32))
        return np.array([low, high], "<f4").tobytes() + self._picture.pack(picture[None, None])

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The values of the pixels; their mean where a pixel or the range was lost."""
        start = None if here is None else here[RANGE_BYTES:]
        known = here is None or bool(here[:RANGE_BYTES].all())
        low, high = body[:RANGE_BYTES].view("<f4").astype(float) if known else (0.0, 0.0)
        picture = self._picture.unpack(body[RANGE_BYTES:], (1, 1, *_size(shape[1:])), start)
        share = _maps(picture[0, 0], shape[1:])
        values = (low * (1 - share.astype(float)) + high * share).astype(np.float32)
        if here is not None:
            fill(values, (share != GREY) & known)  # no pixel of 8 bits is as grey as a lost one
        whole: Floats = values[None]
        return whole

    @property
    def _picture(self) -> Picture:
        return Picture("jpeg", self.quality, fitted=True)


def _grid(shape: Shape) -> tuple[int, int]:
    """Rows and columns of maps."""
    count, height, width = shape
    columns = min(count, max(1, round(math.sqrt(count * height / width))))
    return -(-count // columns), columns


def _size(shape: Shape) -> tuple[int, int]:
    """Height and width of the picture."""
    rows, columns = _grid(shape)
    return rows * shape[1], columns * shape[2]


def _tiled(maps: Floats) -> Floats:
    """A picture of maps (C x H x W)."""
    rows, columns = _grid(maps.shape)
    count, height, width = maps.shape
    full = np.pad(maps, ((0, rows * columns - count), (0, 0), (0, 0)))
    laid = full.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(laid.reshape(_size(maps.shape)))


def _maps(picture: Floats, shape: Shape) -> Floats:
    """The maps in a picture."""
    rows, columns = _grid(shape)
    laid = picture.reshape(rows, shape[1], columns, shape[2]).transpose(0, 2, 1, 3)
    return laid.reshape(-1, *shape[1:])[: shape[0]]
