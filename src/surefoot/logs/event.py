"""A TensorBoard event: one protocol buffer with a time, a step and scalars, read one by one or many at once.

`scalars_of` is the plain reading of one event. `scalars_of_many` reads a matrix of events of equal length: it reads
one plainly, and takes every other row that agrees with it in all bytes but those of the time, the step and the value;
the tests hold the two against each other.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.logs.limits import clean
from surefoot.logs.wire import BYTES, EIGHT, FOUR, VARINT, WireError, fields, varint

__all__ = ["Scalars", "scalars_of", "scalars_of_many"]

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2", 17: "<u2", 22: "<u4", 23: "<u8"}
_BFLOAT16 = 14
_MOST_TEMPLATES = 64
_STEP_BITS = 63


@dataclasses.dataclass
class Scalars:
    """Parallel lists: tag, step, wall-clock time, value."""

    tags: list[str] = dataclasses.field(default_factory=list)
    steps: list[int] = dataclasses.field(default_factory=list)
    times: list[float] = dataclasses.field(default_factory=list)
    values: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Layout:
    """Where in the event's bytes its changing parts stand."""

    time: int = -1
    step: tuple[int, int] = (-1, -1)
    value: int = -1
    dtype: str = ""
    tag: str = ""
    plain: bool = True
    """Whether the event holds exactly one scalar and nothing whose bytes may differ otherwise."""


def scalars_of(data: bytes) -> Scalars:
    """The scalars of one event.

    Raises:
        WireError: the bytes are no event.
    """
    return _read(data, _Layout())


def scalars_of_many(
    rows: npt.NDArray[np.uint8],
) -> tuple[list[tuple[str, npt.NDArray[np.int64], Any, Any, Any]], list[int]]:
    """The scalars of events of one length.

    Returns:
        Groups of one tag each: tag, row numbers, steps, times, values; and the rows that are no event.
    """
    groups: list[tuple[str, npt.NDArray[np.int64], Any, Any, Any]] = []
    broken: list[int] = []
    left = np.arange(len(rows))
    templates = 0
    while len(left):
        layout = _Layout()
        first = rows[left[0]].tobytes()
        try:
            found = _read(first, layout)
        except WireError:
            broken.append(int(left[0]))
            left = left[1:]
            continue
        simple = layout.plain and layout.value >= 0 and layout.time >= 0
        templates += 1
        if not simple or templates > _MOST_TEMPLATES or len(left) < 4:
            for tag, step, time, value in zip(found.tags, found.steps, found.times, found.values, strict=True):
                one = np.array([step]), np.array([time]), np.array([value])
                groups.append((tag, left[:1].astype(np.int64), *one))
            left = left[1:]
            continue
        same = _same_layout(rows[left], first, layout)
        mine = left[same]
        groups.append((layout.tag, mine.astype(np.int64), *_take(rows[mine], layout)))
        left = left[~same]
    return groups, broken


def _same_layout(rows: npt.NDArray[np.uint8], first: bytes, layout: _Layout) -> npt.NDArray[np.bool_]:
    fixed = np.ones(rows.shape[1], dtype=bool)
    fixed[layout.time : layout.time + 8] = False
    fixed[layout.value : layout.value + np.dtype(layout.dtype).itemsize] = False
    low, high = layout.step
    if low >= 0:
        fixed[low:high] = False
    pattern = np.frombuffer(first, dtype=np.uint8)
    same = np.asarray(np.all(rows[:, fixed] == pattern[fixed], axis=1))
    if low >= 0:
        goes_on = (rows[:, low:high] & 0x80) != 0
        same &= np.all(goes_on == ((pattern[low:high] & 0x80) != 0), axis=1)
    same[0] = True
    return same


def _take(rows: npt.NDArray[np.uint8], layout: _Layout) -> tuple[Any, Any, Any]:
    times = np.ascontiguousarray(rows[:, layout.time : layout.time + 8]).view("<f8")[:, 0]
    width = np.dtype(layout.dtype).itemsize
    values = np.ascontiguousarray(rows[:, layout.value : layout.value + width]).view(layout.dtype)[:, 0]
    steps = np.zeros(len(rows), dtype=np.uint64)
    low, high = layout.step
    for place in range(max(0, high - low)):
        steps |= (rows[:, low + place].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * place)
    return steps.astype(np.int64), times, values.astype(np.float64)


def _read(data: bytes, layout: _Layout) -> Scalars:
    out = Scalars()
    time, step = 0.0, 0
    values: list[tuple[str, float]] = []
    for number, kind, start, end in fields(data, 0, len(data)):
        if number == 1 and kind == EIGHT:
            layout.time = start
            time = struct.unpack_from("<d", data, start)[0]
        elif number == 2 and kind == VARINT:
            layout.step = (start, end)
            raw, _ = varint(data, start, end)
            step = raw - (1 << 64) if raw >> _STEP_BITS else raw
            layout.plain &= end - start < 10
        elif number == 5 and kind == BYTES:
            for inner, inner_kind, low, high in fields(data, start, end):
                if inner == 1 and inner_kind == BYTES:
                    pair = _value(data, low, high, layout)
                    if pair is not None:
                        values.append(pair)
        else:
            layout.plain = False
    layout.plain &= len(values) == 1
    for tag, value in values:
        out.tags.append(tag)
        out.steps.append(step)
        out.times.append(time)
        out.values.append(value)
    return out


def _value(data: bytes, at: int, end: int, layout: _Layout) -> tuple[str, float] | None:
    tag, value = "", None
    for number, kind, low, high in fields(data, at, end):
        if number == 1 and kind == BYTES:
            tag = clean(data[low:high].decode("utf-8", errors="replace"))
        elif number == 2 and kind == FOUR:
            value = float(struct.unpack_from("<f", data, low)[0])
            layout.value, layout.dtype = low, "<f4"
        elif number == 8 and kind == BYTES:
            value = _tensor(data, low, high, layout)
    layout.tag = tag
    return None if value is None or not tag else (tag, value)


def _tensor(data: bytes, at: int, end: int, layout: _Layout) -> float | None:
    """The number in a tensor of one element; None for any other tensor."""
    dtype, size = 0, 1
    content: tuple[int, int] | None = None
    typed: tuple[int, int, int, int] | None = None
    for number, kind, low, high in fields(data, at, end):
        if number == 1 and kind == VARINT:
            dtype, _ = varint(data, low, high)
        elif number == 2 and kind == BYTES:
            size = _elements(data, low, high)
        elif number == 4 and kind == BYTES and high > low:
            content = (low, high)
        elif number in (5, 6, 7, 10, 13):
            typed = (number, kind, low, high)
    if size != 1:
        return None
    if content is not None and dtype in _DTYPES and content[1] - content[0] == np.dtype(_DTYPES[dtype]).itemsize:
        layout.value, layout.dtype = content[0], _DTYPES[dtype]
        return float(np.frombuffer(data, _DTYPES[dtype], 1, content[0])[0])
    if content is not None and dtype == _BFLOAT16 and content[1] - content[0] == 2:
        layout.plain = False
        return float(struct.unpack("<f", b"\x00\x00" + data[content[0] : content[1]])[0])
    return None if typed is None else _typed(data, typed, dtype, layout)


def _typed(data: bytes, field: tuple[int, int, int, int], dtype: int, layout: _Layout) -> float | None:
    number, kind, low, high = field
    width = {5: 4, 6: 8}.get(number)
    if width is not None:
        if high - low != width:
            return None
        layout.value, layout.dtype = low, "<f4" if width == 4 else "<f8"
        return float(struct.unpack_from("<f" if width == 4 else "<d", data, low)[0])
    layout.plain = False
    if kind not in (VARINT, BYTES) or high == low:
        return None
    raw, _ = varint(data, low, high)
    if number == 13:
        if dtype == _BFLOAT16:
            return float(struct.unpack("<f", struct.pack("<I", (raw & 0xFFFF) << 16))[0])
        return float(struct.unpack("<e", struct.pack("<H", raw & 0xFFFF))[0])
    return float(raw - (1 << 64) if raw >> _STEP_BITS else raw)


def _elements(data: bytes, at: int, end: int) -> int:
    size = 1
    for number, kind, low, high in fields(data, at, end):
        if number == 2 and kind == BYTES:
            for inner, inner_kind, start, stop in fields(data, low, high):
                if inner == 1 and inner_kind == VARINT:
                    size *= min(varint(data, start, stop)[0], 1 << 20)
        size = min(size, 1 << 20)
    return size
