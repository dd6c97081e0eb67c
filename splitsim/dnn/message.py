"""The layout of a message: a header that describes the tensors, and their bodies.

Counts are in base 128 (seven bits a byte, the lowest first, the high bit set on all but the last)::

    1+ bytes  length of the wire format's name
    n bytes   the name, as ``uint8+zstd``: the entropy stage that squeezed the bodies is in it
    1+ bytes  number of tensors; 0 for one that is not in a tuple
    then for every tensor
    1 byte    type (high four bits) and number of dimensions (low four bits)
    1+ bytes  each dimension
    1+ bytes  bytes of its body
    then the bodies, one after the other, squeezed together by the entropy stage

A body holds what its form needs: ranges, codes, indices, floats (little-endian). A ``uint8``
message of 1 x C x 29 x 29 with C from 1 to 19 has 14 bytes of header, 8 of range and 841 x C of
codes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from splitsim.dnn.forms import Shape
from splitsim.errors import BadInput

TYPES = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Part:
    """A tensor's type and shape, and how many bytes its body has."""

    dtype: torch.dtype
    shape: Shape
    size: int

    def __bytes__(self) -> bytes:
        first = TYPES.index(self.dtype) << 4 | len(self.shape)
        return bytes([first]) + b"".join(map(_count, (*self.shape, self.size)))

    @classmethod
    def read(cls, file: io.BytesIO) -> Part:
        """The next one in a header."""
        first = file.read(1)[0]
        shape = tuple(_read(file) for _ in range(first & 15))
        return cls(TYPES[first >> 4], shape, _read(file))


@dataclass(frozen=True)
class Header:
    """What a message says of itself; ``bare`` if its tensor is not in a tuple."""

    wire: str
    bare: bool
    parts: Sequence[Part]

    def __bytes__(self) -> bytes:
        count = _count(0 if self.bare else len(self.parts))
        name = _count(len(self.wire)) + self.wire.encode()
        return name + count + b"".join(map(bytes, self.parts))

    @classmethod
    def read(cls, message: bytes) -> tuple[Header, int]:
        """The header of a message, and where the bodies start.

        Raises:
            BadInput: there is none.
        """
        file = io.BytesIO(message)
        try:
            name = file.read(_read(file)).decode()
            count = _read(file)
            parts = tuple(Part.read(file) for _ in range(count or 1))
        except (IndexError, UnicodeDecodeError) as error:
            raise BadInput("message: has no header of a wire format, or a part of one") from error
        return cls(name, count == 0, parts), file.tell()

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(part.size for part in self.parts)

    def slices(self) -> list[slice]:
        """Where among the bodies that of each tensor is."""
        ends = list(accumulate(part.size for part in self.parts))
        return [slice(end - part.size, end) for part, end in zip(self.parts, ends, strict=True)]


def _count(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _count(number >> 7)


def _read(file: io.BytesIO) -> int:
    digit = file.read(1)[0]
    return digit if digit < 128 else digit - 128 + (_read(file) << 7)
