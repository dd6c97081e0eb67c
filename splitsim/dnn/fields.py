"""Fields of 1 to 32 bits packed side by side into bytes, most significant bit first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Codes = NDArray[np.unsignedinteger]
Mask = NDArray[np.bool_]


def size(bits: int, count: int) -> int:
    """Bytes that ``count`` fields take."""
    return -(-bits * count // 8)


def pack(codes: Codes, bits: int) -> bytes:
    """Fields of ``bits`` bits, in bytes; the last byte is filled up with zeros.

    Args:
        codes: flat, each below ``2**bits``.
        bits: of a field.
    """
    if bits == 8:
        return codes.astype(np.uint8).tobytes()
    groups = np.pad(codes, (0, -len(codes) % 8)).reshape(-1, 8).T.copy()
    packed = np.zeros((bits, groups.shape[1]), np.uint8)
    for field, byte, shift in _overlaps(bits):
        packed[byte] |= _shifted(groups[field], -shift).astype(np.uint8)
    return packed.T.tobytes()[: size(bits, len(codes))]


def unpack(packed: Octets, bits: int, count: int) -> Codes:
    """The ``count`` fields of ``bits`` bits that were packed.

    Args:
        packed: as many bytes as ``size`` says.
        bits: of a field.
        count: of fields.
    """
    if bits == 8:
        return packed
    wide = np.uint16 if bits <= 16 else np.uint32
    columns = np.pad(packed, (0, -len(packed) % bits)).reshape(-1, bits).T.astype(wide)
    codes = np.zeros((8, columns.shape[1]), wide)
    for field, byte, shift in _overlaps(bits):
        codes[field] |= _shifted(columns[byte], shift)
    return codes.T.ravel()[:count] & wide(2**bits - 1)


def arrived(here: Mask, bits: int, count: int) -> Mask:
    """Which of the fields lie wholly in bytes that arrived.

    Args:
        here: per byte.
        bits: of a field.
        count: of fields.

    Returns:
        Per field.
    """
    first = np.arange(count) * bits
    missing = np.concatenate(([0], np.cumsum(~here)))
    whole: Mask = missing[(first + bits + 7) // 8] == missing[first // 8]
    return whole


def _overlaps(bits: int) -> Iterator[tuple[int, int, int]]:
    """Field, byte and left shift from byte to field, where they meet; 8 fields fill whole bytes."""
    for field in range(8):
        for byte in range(field * bits // 8, ((field + 1) * bits - 1) // 8 + 1):
            yield field, byte, (field + 1) * bits - (byte + 1) * 8


def _shifted(values: Codes, left: int) -> Codes:
    shift, by = (np.left_shift, left) if left >= 0 else (np.right_shift, -left)
    return np.asarray(shift(values, by), values.dtype)
