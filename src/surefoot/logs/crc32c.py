"""CRC-32C (Castagnoli), one record at a time or many records of one length at once, and TFRecord's masked form.

Source: RFC 3720 appendix B.4 for the polynomial; the mask is TensorFlow's record format (rotate right by 15, add).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["crc32c", "crc32c_rows", "masked", "masked_rows"]

_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()
_TABLE_ARRAY = np.array(_TABLE, dtype=np.uint32)


def crc32c(data: bytes) -> int:
    """The checksum of `data`."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def crc32c_rows(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The checksum of every row of a matrix of bytes."""
    value = np.full(len(rows), 0xFFFFFFFF, dtype=np.uint32)
    for column in rows.T:
        value = _TABLE_ARRAY[(value ^ column) & np.uint32(0xFF)] ^ (value >> np.uint32(8))
    return value ^ np.uint32(0xFFFFFFFF)


def masked(value: int) -> int:
    """A checksum as TFRecord stores it."""
    return (((value >> 15) | (value << 17)) + _MASK) & 0xFFFFFFFF


def masked_rows(value: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Checksums as TFRecord stores them."""
    turned = (value >> np.uint32(15)) | (value << np.uint32(17))
    return turned + np.uint32(_MASK)
