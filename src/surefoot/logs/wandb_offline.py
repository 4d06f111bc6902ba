"""W&B offline runs (`run-*.wandb`): a log of records in blocks, each record a protocol buffer.

The file begins with `:W&B` and a version; blocks of 32 KiB hold pieces of records, each with a CRC-32 (zlib's, over
type and data), a length, and a type: whole, first, middle, last. A damaged piece costs its record; reading goes on
at the next block. Source: the layout of LevelDB's log, as W&B's own writer uses it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from surefoot.logs.channels import RawLog, Reading
from surefoot.logs.columns import Columns, number_or_none
from surefoot.logs.limits import LONGEST_RECORD, MOST_COLUMNS, clean
from surefoot.logs.sources import Source
from surefoot.logs.wire import BYTES, VARINT, WireError, fields, varint

__all__ = ["MAGIC", "read_wandb_offline"]

MAGIC = b":W&B"
_BLOCK = 1 << 15
_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY, _RUN, _CONFIG, _EXIT = 2, 17, 5, 18
_SKIPPED = {"_timestamp", "_runtime"}
_RATES = ("lr", "learning_rate", "optimizer.lr", "lr0", "base_lr", "max_lr", "optimizer/lr")


def read_wandb_offline(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The run of one offline file. Never raises for what the file holds."""
    raw = RawLog(path=source.shown, format="wandb")
    columns = Columns()
    known: dict[bytes, str] = {}
    broken = 0
    ended = False
    for record in _records(source, raw):
        try:
            for number, kind, low, high in fields(record, 0, len(record)):
                if kind != BYTES:
                    continue
                if number == _HISTORY:
                    row = _history(record, low, high, known)
                    if row and not raw.room(columns.add_row(row)):
                        break
                elif number == _RUN:
                    _run(record, low, high, raw)
                elif number == _CONFIG:
                    _config(record, low, high, raw)
                elif number == _EXIT:
                    ended = True
        except WireError:
            broken += 1
        if raw.stopped and raw.points:
            break
    if broken:
        raw.note("corrupt-records", f"{broken} records are damaged: they were left out")
    if not ended:
        raw.note("no-exit", "the run never wrote that it ended: its last steps may be missing")
    if {"train/global_step", "train/epoch", "train/learning_rate"} & set(
        columns.cells
    ) and "train/loss" in columns.cells:
        raw.loss_kind = "mean"
    return [columns.into(raw, mapping)]


def _records(source: Source, reading: Reading) -> Iterator[bytes]:
    """Whole records, their pieces joined."""
    kept = b""
    base = 0
    parts: list[bytes] = []
    held = damaged = 0
    at = _HEADER
    for piece in source.chunks(reading, _BLOCK * 32):
        data = kept + piece
        while at < len(data):
            room = _BLOCK - (base + at) % _BLOCK
            if room < _HEADER:
                at += room
                continue
            if at + _HEADER > len(data):
                break
            check, size, kind = struct.unpack_from("<IHB", data, at)
            if kind == 0 and size == 0:
                at += room
                continue
            if at + _HEADER + size > len(data) and size <= room - _HEADER:
                break
            body = data[at + _HEADER : at + _HEADER + size]
            if size > room - _HEADER or kind > _LAST or zlib.crc32(body, zlib.crc32(bytes([kind]))) != check:
                damaged += 1
                parts, held = [], 0
                at += room
                continue
            at += _HEADER + size
            if kind == _FULL:
                parts, held = [], 0
                yield body
            elif kind == _FIRST:
                parts, held = [body], size
            elif parts:
                held += size
                if held > LONGEST_RECORD:
                    parts, held = [], 0
                    continue
                parts.append(body)
                if kind == _LAST:
                    yield b"".join(parts)
                    parts, held = [], 0
        gone = min(at, len(data))
        kept, base, at = data[gone:], base + gone, at - gone
    if damaged:
        reading.note("corrupt-records", f"{damaged} blocks are damaged: their records were left out")
    if kept or parts:
        reading.stop(f"the last record, near byte {base:,}, is cut off")


def _history(data: bytes, at: int, end: int, known: dict[bytes, str]) -> list[tuple[str, float]]:
    """One row: key to number. The step stands in its own message or under `_step`. `known` keeps names read before."""
    row: list[tuple[str, float]] = []
    stepped = False
    while at < end:
        key = data[at]
        if at + 1 < end and data[at + 1] < 0x80:
            size, low = data[at + 1], at + 2
        else:
            size, low = varint(data, at + 1, end)
        if key & 7 != BYTES or low + size > end:
            raise WireError("an item is cut off")
        at = low + size
        if key == 0x0A:
            # one key and its value fill the item exactly, in all but odd files
            after = low + 2 + data[low + 1] if size > 5 else at
            if after + 3 <= at and data[after : after + 2] == b"\x82\x01" and after + 3 + data[after + 2] == at:
                coded, value = data[low:after], data[after + 3 : at]
                name = known.get(coded, "")
                if not name:
                    name, _ = _item(data, low, at)
                    if len(known) < MOST_COLUMNS:
                        known[coded] = name
                if name in _SKIPPED:
                    continue
            else:
                name, value = _item(data, low, at)
            number = _number(value)
            if number is None:
                continue
            if name[:1] == "_":
                if name != "_step":
                    continue
                stepped = True
            row.append((name, number))
        elif key == 0x12 and not stepped:
            for number_, kind, start, stop in fields(data, low, at):
                if number_ == 1 and kind == VARINT:
                    row.append(("_step", float(varint(data, start, stop)[0])))
    if stepped and row and sum(name == "_step" for name, _ in row) > 1:
        seen = dict(row)
        return list(seen.items())
    return row


def _item(data: bytes, at: int, end: int) -> tuple[str, bytes]:
    name, value = "", b""
    while at < end:
        key = data[at]
        at += 1
        if key == 0x82 and at < end and data[at] == 0x01:
            size, at = varint(data, at + 1, end)
            value = data[at : at + size]
        elif key in (0x0A, 0x12):
            size, at = varint(data, at, end)
            part = data[at : at + size].decode("utf-8", errors="replace")
            name = f"{name}.{part}" if name else part
        else:
            raise WireError("an unknown field in a history item")
        at += size
        if at > end:
            raise WireError("an item is cut off")
    return clean(name) if len(name) > 60 or not name.isprintable() else name, value


def _number(value: bytes) -> float | None:
    if not value or len(value) > 40:
        return None
    first = value[0]
    if first == 34:
        value = value.strip(b'"')
        if value not in (b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"-inf"):
            return None
    try:
        return float(value)
    except ValueError:
        return None


def _run(data: bytes, at: int, end: int, raw: RawLog) -> None:
    named = ""
    for number, kind, low, high in fields(data, at, end):
        if kind != BYTES:
            continue
        if number == 1 and not named:
            raw.name = raw.name or clean(data[low:high].decode("utf-8", errors="replace"), 60)
        elif number == 8 and high > low:
            named = clean(data[low:high].decode("utf-8", errors="replace"), 60)
            raw.name = named
        elif number == 4:
            _config(data, low, high, raw)


def _config(data: bytes, at: int, end: int, raw: RawLog) -> None:
    """Keep the rate among the settings."""
    for number, kind, low, high in fields(data, at, end):
        if number != 1 or kind != BYTES:
            continue
        try:
            name, value = _item(data, low, high)
            found = number_or_none(json.loads(value)) if name in _RATES and len(value) < 40 else None
        except (WireError, ValueError, RecursionError):
            continue
        if found is not None and 0 < found < float("inf") and raw.constant_lr is None:
            raw.constant_lr = found
