"""The input image as JPEG or WebP, and which of its rows survive a loss."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from splitsim.dnn.fields import Mask, Octets
from splitsim.dnn.forms import Floats, Form, Shape
from splitsim.errors import BadInput

GREY = 0.5
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


@dataclass(frozen=True)
class Picture(Form):
    """A lossy image file of one picture: 1 x 3 x H x W or 1 x 1 x H x W, values from 0 to 1.

    JPEG is baseline with 4:2:0 colour and a restart marker after each row of blocks (a few bytes
    each): only the rows that a lost packet touches become grey, or all of them if it held the
    tables before the first. WebP has nothing to resume at: any loss leaves all grey.

    Attributes:
        format: ``jpeg`` or ``webp``.
        quality: 1 to 100.
        fitted: whether a JPEG has Huffman tables of its own, which pays for small ones only.
    """

    format: str
    quality: int
    fitted: bool = False

    def __str__(self) -> str:
        return f"{self.format}{self.quality}"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``jpeg1`` to ``jpeg100``, ``webp1`` to ``webp100``."""
        found = re.fullmatch(r"(jpeg|webp)(100|[1-9]\d?)", name)
        return cls(found[1], int(found[2])) if found else None

    def pack(self, values: Floats) -> bytes:
        """The image file."""
        self._check(values)
        pixels = np.rint(values[0].clip(0, 1) * 255).astype(np.uint8)
        picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        file = io.BytesIO()
        usual = {"quality": self.quality, "subsampling": "4:2:0", "restart_marker_rows": 1}
        picture.save(file, self.format, **usual, optimize=self.fitted)
        return file.getvalue()

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The picture; grey where it was lost."""
        if here is not None and not here.all():
            return self._what_is_left(body, shape, here)
        picture = Image.open(io.BytesIO(body.tobytes()), formats=[self.format])
        pixels = np.asarray(picture.convert("L" if shape[1] == 1 else "RGB"), np.float32)
        return np.ascontiguousarray(pixels.reshape(*shape[2:], -1).transpose(2, 0, 1)[None] / 255)

    def _what_is_left(self, body: Octets, shape: Shape, here: Mask) -> Floats:
        """The picture with grey rows.

        Decoded whole and then greyed, which is what a decoder gets that resumes at restart
        markers, but for the colour that bleeds over one line at the edge of a gap.
        """
        rows = self._rows(body.tobytes(), here, 8 if shape[1] == 1 else 16)
        if not rows.any():
            return np.full(shape, GREY, np.float32)
        values = self.unpack(body, shape, None)
        values[:, :, ~rows[: shape[2]]] = GREY
        return values

    def _rows(self, body: bytes, here: Mask, block: int) -> Mask:
        """Which rows of pixels arrived, the last block of rows filled up."""
        # Within a scan every 0xff of the data is followed by a zero: markers cannot be mistaken.
        scan = body.rfind(b"\xff\xda")
        if self.format == "webp" or scan < 0 or not here[:scan].all():
            return np.zeros(1, np.bool_)
        starts = [0, *(marker.start() for marker in RESTART.finditer(body[scan:]))]
        return np.repeat(np.logical_and.reduceat(here[scan:], starts), block)

    def _check(self, values: Floats) -> None:
        shape = values.shape
        if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3):
            wanted = "one image of shape (1, 3, height, width) or (1, 1, height, width)"
            raise BadInput(f"{self}: codes {wanted}, not {tuple(shape)}; use it at cut 0 only")
        # Half a grey level of slack: undoing a normalisation leaves rounding errors.
        if values.min() < -0.5 / 255 or values.max() > 255.5 / 255:
            found = f"{values.min():g} to {values.max():g}"
            raise BadInput(f"{self}: pixels are from 0 to 1, not {found}; normalise after decoding")
