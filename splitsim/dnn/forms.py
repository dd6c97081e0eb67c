"""How the elements of a tensor become bytes: floats, codes of few bits, spikes, the largest few.

Arrays have a batch dimension first, and channels, where there are any, second.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from splitsim.dnn import fields
from splitsim.dnn.fields import Codes, Mask, Octets
from splitsim.errors import BadInput

Floats = NDArray[np.float32]
Shape = tuple[int, ...]
DTYPES = {32: torch.float32, 16: torch.float16}


class Form(ABC):
    """A way to write an array of floats as a body of bytes."""

    @classmethod
    @abstractmethod
    def named(cls, name: str) -> Self | None:
        """The form of that name; None if it is not one of this class."""

    @abstractmethod
    def pack(self, values: Floats) -> bytes:
        """The body of an array of finite values; BadInput if the form cannot carry them."""

    @abstractmethod
    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The array in a body; ``here`` tells which bytes arrived, None that all did."""


@dataclass(frozen=True)
class Float(Form):
    """Every element as a float of 32 or 16 bits."""

    bits: int

    def __str__(self) -> str:
        return f"float{self.bits}"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``float32`` or ``float16``."""
        found = re.fullmatch(r"float(32|16)", name)
        return cls(int(found[1])) if found else None

    def pack(self, values: Floats) -> bytes:
        """Every float, one after the other."""
        largest, limit = float(np.abs(values).max()), float(np.finfo(f"f{self.bits // 8}").max)
        if largest > limit:
            raise BadInput(f"{self}: goes to {limit:g}, the tensor to {largest:g}; use float32")
        # torch turns floats into halves, and back, some ten times faster than NumPy.
        return torch.from_numpy(values).to(DTYPES[self.bits]).numpy().tobytes()

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The floats; their mean where one was lost."""
        floats = torch.from_numpy(body.copy()).view(DTYPES[self.bits])
        values: Floats = floats.to(torch.float32).numpy()
        if here is not None:
            fill(values, fields.arrived(here, self.bits, len(values)))
        return values.reshape(shape)


@dataclass(frozen=True)
class Affine(Form):
    """Every element as a code of 1 to 16 bits, evenly between a least and a greatest value.

    ``value = low + code * (high - low) / (2**bits - 1)``, the quantiser of BottleFit (arXiv
    2201.02693) at 8 bits, with ``low`` itself where others round it to a whole zero point: the
    error is at most half a step whatever the range. The body is low and high as float32, once or
    per channel (dimension 1 of three or more, in each sample), and then the codes, packed. With
    its range an element is lost too.
    """

    bits: int
    per_channel: bool = False

    def __str__(self) -> str:
        name = "uint8" if self.bits == 8 else f"{self.bits}bit"
        return name + "-channel" * self.per_channel

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``uint8`` or ``1bit`` to ``16bit``, with ``-channel`` behind it or without."""
        found = re.fullmatch(r"(?:uint(8)|(1[0-6]|[1-9])bit)(-channel)?", name)
        return cls(int(found[1] or found[2]), bool(found[3])) if found else None

    def pack(self, values: Floats) -> bytes:
        """Ranges, then codes."""
        rows = values.reshape(self._ranges(values.shape), -1)
        low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
        ranges = np.hstack((low, high)).astype("<f4")
        return ranges.tobytes() + fields.pack(self._codes(rows, low, high).ravel(), self.bits)

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The values of the codes; their mean where a code or its range was lost."""
        ranges, count = self._ranges(shape), math.prod(shape)
        if here is not None:
            body = body * here  # a range of which half was lost could be infinite
        bounds = body[: 8 * ranges].view("<f4").reshape(ranges, 2).astype(float)
        codes = fields.unpack(body[8 * ranges :], self.bits, count).reshape(ranges, -1)
        share = codes / (2**self.bits - 1)
        low, high = bounds.T[:, :, None]
        # Not low + share * (high - low): that misses high by a rounding error, and coding a
        # decoded tensor again would change it.
        values = (low * (1 - share) + high * share).astype(np.float32)
        if here is not None:
            whole = fields.arrived(here[8 * ranges :], self.bits, count).reshape(ranges, -1)
            fill(values, whole & fields.arrived(here[: 8 * ranges], 64, ranges)[:, None])
        whole_shape: Floats = values.reshape(shape)
        return whole_shape

    def _codes(self, rows: Floats, low: Floats, high: Floats) -> Codes:
        step = (high.astype(float) - low) / (2**self.bits - 1)
        step[step == 0] = 1  # a constant: every code is 0
        codes: Codes = np.rint((rows - low.astype(float)) / step).astype(np.uint16)
        return codes

    def _ranges(self, shape: Shape) -> int:
        return math.prod(shape[:2]) if self.per_channel and len(shape) > 2 else 1


@dataclass(frozen=True)
class TopK(Form):
    """The elements largest in magnitude, a share of all in millionths; the others are 0.

    The body is the values as float32, in the order of the tensor, and then their flat indices in
    as few bits as the last index needs. A lost entry is 0 as if it had not been chosen.
    """

    millionths: int

    def __str__(self) -> str:
        return f"topk{self.millionths / 1e6:.6f}".rstrip("0").rstrip(".")

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``topk0.05`` or another share of up to six digits."""
        found = re.fullmatch(r"topk(1|0?\.(?=0*[1-9])\d{1,6})", name)
        return cls(round(float(found[1]) * 1e6)) if found else None

    def pack(self, values: Floats) -> bytes:
        """The values that are kept, then their indices."""
        flat = values.ravel()
        kept, bits = self._kept(flat.size)
        index = np.sort(np.argpartition(np.abs(flat), -kept)[-kept:]).astype(np.uint32)
        return flat[index].astype("<f4").tobytes() + fields.pack(index, bits)

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """The values at their indices, and 0 elsewhere."""
        values = np.zeros(math.prod(shape), np.float32)
        kept, bits = self._kept(values.size)
        index = fields.unpack(body[4 * kept :], bits, kept)
        chosen = body[: 4 * kept].view("<f4")
        if here is not None:
            whole = fields.arrived(here, 32, kept) & fields.arrived(here[4 * kept :], bits, kept)
            index, chosen = index[whole], chosen[whole]
        values[index] = chosen
        return values.reshape(shape)

    def _kept(self, count: int) -> tuple[int, int]:
        """Entries that are kept, rounded up, and bits of an index."""
        return -(-count * self.millionths // 10**6), max(1, (count - 1).bit_length())


@dataclass(frozen=True)
class Spikes(Form):
    """Zeros and ones, a bit each and nothing else; a lost one is 0, as if there was no spike."""

    def __str__(self) -> str:
        return "spikes"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """``spikes``."""
        return cls() if name == "spikes" else None

    def pack(self, values: Floats) -> bytes:
        """The bits, in the order of the tensor."""
        spikes = values == 1
        if not (spikes | (values == 0)).all():
            other = float(values[~spikes & (values != 0)][0])
            raise BadInput(f"{self}: carries zeros and ones, not {other:g}; use uint8 or float32")
        return fields.pack(spikes.ravel().astype(np.uint8), 1)

    def unpack(self, body: Octets, shape: Shape, here: Mask | None) -> Floats:
        """Zeros and ones."""
        known = body if here is None else body * here
        return fields.unpack(known, 1, math.prod(shape)).reshape(shape).astype(np.float32)


def fill(values: Floats, here: Mask) -> None:
    """Lost elements become the mean of those that arrived, or 0 if none did."""
    values[~here] = values[here].mean(dtype=float) if here.any() else 0
