"""The wire format of protocol buffers, read by hand: enough for the few fields a log needs, and no generated code.

A message is a row of fields: a key (number and wire type), then a varint, eight bytes, a length and that many bytes,
or four bytes. Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BYTES", "EIGHT", "FOUR", "VARINT", "WireError", "fields", "varint"]

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protocol buffer."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned number at `at`, and the place after it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise WireError("a number is cut off")


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of each field's content between `at` and `end`."""
    while at < end:
        key, at = varint(data, at, end)
        kind = key & 7
        if kind == VARINT:
            start = at
            _, at = varint(data, at, end)
            yield key >> 3, kind, start, at
            continue
        if kind == BYTES:
            size, at = varint(data, at, end)
        elif kind == EIGHT:
            size = 8
        elif kind == FOUR:
            size = 4
        else:
            raise WireError(f"wire type {kind}")
        if at + size > end:
            raise WireError("a field is longer than its message")
        yield key >> 3, kind, at, at + size
        at += size
