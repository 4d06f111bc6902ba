"""IDX: the file form of MNIST, a header (type, sizes) and then the numbers, plain or gzipped.

Bytes 0-1 are zero, byte 2 is the type of number, byte 3 the count of dimensions; then the size of each dimension as
a big-endian 32-bit integer; then the numbers, big-endian, last dimension fastest.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", section on file formats.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import DataError

__all__ = ["pack", "read", "unpack", "unzip"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
LARGEST = 2**31  # bytes after unzipping; a small file that grows beyond this is no data set


def read(path: Path) -> NDArray[Any]:
    """The array in an IDX file, plain or gzipped (told by its content, not its name).

    Raises:
        DataError: if the file cannot be read, is cut short, too long, or no IDX file; it says at which byte.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"`{path}` cannot be read ({error.strerror or error}); give a readable IDX file") from None
    return unpack(unzip(content, str(path)), str(path))


def unzip(content: bytes, name: str, *, largest: int = LARGEST) -> bytes:
    """The content itself, unzipped first where it is gzipped.

    Args:
        content: bytes of the file.
        name: what to call the file in an error.
        largest: greatest number of bytes to unzip to.

    Raises:
        DataError: if the gzip stream is cut short, damaged, or longer than `largest`.
    """
    if not content.startswith(GZIP_MAGIC):
        return content
    stream = gzip.GzipFile(fileobj=io.BytesIO(content))
    parts: list[bytes] = []
    done = 0
    try:
        while part := stream.read(min(2**20, largest + 1 - done)):
            parts.append(part)
            done += len(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"`{name}` is damaged: its gzip stream breaks after {done:,} unzipped bytes ({error}); get the file again"
        ) from None
    if done > largest:
        raise DataError(f"`{name}` unzips to more than {largest:,} bytes; this is not the file that was meant")
    return b"".join(parts)


def unpack(content: bytes, name: str) -> NDArray[Any]:
    """The array that IDX bytes hold, in the machine's byte order.

    Args:
        content: bytes of an unzipped IDX file.
        name: what to call the file in an error.

    Raises:
        DataError: if the header is wrong, or the numbers are fewer or more than it says.
    """
    if len(content) < 4:
        raise DataError(
            f"`{name}` is cut short in its header: {len(content)} bytes, at least 4 are needed; get the file again"
        )
    if content[:2] != b"\0\0" or content[2] not in TYPES or content[3] == 0:
        raise DataError(
            f"`{name}` is no IDX file: it begins with bytes {content[:4].hex(' ')}, not with 00 00, a type and a count"
        )
    kind = np.dtype(TYPES[content[2]])
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"`{name}` is cut short in its header: {len(content)} of {start} bytes; get the file again")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    promised = math.prod(shape) * kind.itemsize
    found = len(content) - start
    if found != promised:
        fault = (
            f"is cut short at byte {len(content):,}" if found < promised else f"goes on after byte {start + promised:,}"
        )
        sizes = " x ".join(str(size) for size in shape)
        raise DataError(
            f"`{name}` {fault}: its header says {sizes}, {promised:,} bytes, but {found:,} follow; get the file again"
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))


def pack(array: NDArray[np.uint8]) -> bytes:
    """IDX bytes of an array of unsigned bytes; `unpack` gives it back.

    Raises:
        DataError: if the array holds something else than unsigned bytes.
    """
    if array.dtype != np.uint8 or array.ndim == 0:
        raise DataError(f"`array` holds {array.dtype} in {array.ndim} dimensions; give unsigned bytes in one or more")
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()
