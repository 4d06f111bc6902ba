"""Blobs: series of numbers as compact bytes with a checksum.

Losses come out of float32 arithmetic, so float32 keeps them whole. Bytes of equal weight are put side by side before
zlib sees them, which finds more to save; where it saves less than a tenth, the plain bytes are kept.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from surefoot.errors import RecordError

__all__ = ["Floats", "checksum", "decoded", "encoded"]

Floats: TypeAlias = npt.NDArray[np.float32]

PLAIN, PACKED = "f4", "f4-shuffled-zlib"
_PAYS = 0.9
_LEAST = 64
"""Values below which packing is not tried."""


def encoded(values: npt.ArrayLike) -> tuple[str, bytes]:
    """Name of the encoding, and the bytes of `values` (one dimension) as float32."""
    plain = np.ascontiguousarray(values, dtype="<f4").tobytes()
    if len(plain) >= 4 * _LEAST:
        packed = zlib.compress(np.frombuffer(plain, dtype=np.uint8).reshape(-1, 4).T.tobytes(), 1)
        if len(packed) < _PAYS * len(plain):
            return PACKED, packed
    return PLAIN, plain


def decoded(encoding: str, data: bytes, count: int) -> Floats:
    """The `count` values that `encoded` turned into `data`.

    Raises:
        RecordError: the bytes are damaged or the encoding is unknown.
    """
    if encoding == PACKED:
        try:
            data = zlib.decompress(data)
        except zlib.error as error:
            raise RecordError(f"a series is damaged: {error}") from None
        if len(data) % 4 == 0:
            data = np.frombuffer(data, dtype=np.uint8).reshape(4, -1).T.tobytes()
    elif encoding != PLAIN:
        raise RecordError(f"a series has the encoding {encoding!r}, which this version does not read: upgrade Surefoot")
    if len(data) != 4 * count:
        raise RecordError(f"a series has {len(data)} bytes and {count} values of 4 bytes; it is damaged")
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def checksum(*parts: bytes | str) -> bytes:
    """BLAKE2b of the parts in order, 16 bytes; where one part ends matters."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
