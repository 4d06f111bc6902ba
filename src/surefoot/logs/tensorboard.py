"""TensorBoard event files: TFRecord framing, checksums, events. Every point is kept; none is sampled away.

A record is its length (8 bytes), the length's masked CRC-32C, the data, the data's masked CRC-32C. A record whose
data fails its checksum is left out and counted; a length that fails ends the file, for nothing says where the next
record begins. Source: TensorFlow, "TFRecord and tf.train.Example".
"""

from __future__ import annotations

import dataclasses
import itertools
import struct

import numpy as np
import numpy.typing as npt

from surefoot.logs.channels import RawLog, Reading
from surefoot.logs.crc32c import crc32c, crc32c_rows, masked, masked_rows
from surefoot.logs.event import scalars_of, scalars_of_many
from surefoot.logs.limits import LONGEST_RECORD, MOST_COLUMNS
from surefoot.logs.sources import Source
from surefoot.logs.wire import WireError

__all__ = ["EventFile", "add_event_files", "looks_like_events", "read_event_file"]

_PIECE = 1 << 22
_FEW = 8
_WIDEST = 4096
"""Records longer than this are pictures and histograms: they are read one at a time."""


@dataclasses.dataclass
class EventFile:
    """The scalars of one file: tag to order of writing, step, time and value."""

    tags: dict[str, list[tuple[npt.NDArray[np.float64], ...]]] = dataclasses.field(default_factory=dict)
    first_time: float = np.inf
    last_time: float = -np.inf
    records: int = 0

    def add(self, tag: str, order: object, step: object, time: object, value: object) -> None:
        """Append points of one tag."""
        if tag not in self.tags and len(self.tags) >= MOST_COLUMNS:
            return
        columns = tuple(np.asarray(column, dtype=np.float64) for column in (order, step, time, value))
        finite = columns[2][np.isfinite(columns[2])]
        if len(finite):
            self.first_time = min(self.first_time, float(finite.min()))
            self.last_time = max(self.last_time, float(finite.max()))
        self.tags.setdefault(tag, []).append(columns)


def looks_like_events(head: bytes) -> bool:
    """Whether a file begins like an event file: a first record with a sound length, or the mark of its version."""
    if len(head) < 12:
        return False
    size, check = struct.unpack_from("<QI", head)
    return (size < LONGEST_RECORD and masked(crc32c(head[:8])) == check) or b"brain.Event:" in head[:64]


def read_event_file(source: Source, reading: Reading) -> EventFile:
    """All scalars of one event file. Damage is noted in `reading`, never raised."""
    found = EventFile()
    lengths: dict[bytes, int] = {}
    kept = b""
    base = skip = damaged = 0
    for piece in source.chunks(reading, _PIECE):
        data, at = kept + piece, 0
        starts: list[int] = []
        sizes: list[int] = []
        if skip:
            at = min(skip, len(data))
            skip -= at
        while not skip and at + 12 <= len(data):
            header = data[at : at + 12]
            size = lengths.get(header)
            if size is None:
                size, check = struct.unpack("<QI", header)
                if masked(crc32c(header[:8])) != check:
                    reading.stop(f"the record at byte {base + at:,} has a damaged length: the rest was not read")
                    break
                lengths[header] = size
            if size > LONGEST_RECORD:
                skip = max(0, at + 16 + size - len(data))
                at = min(len(data), at + 16 + size)
                break
            if at + 16 + size > len(data):
                break
            starts.append(at + 12)
            sizes.append(size)
            at += 16 + size
        damaged += _decode(data, starts, sizes, found)
        kept = data[at:]
        base += at
        if len(lengths) > 100_000:
            lengths.clear()
        if reading.stopped or not reading.room(len(starts)):
            break
    if (kept or skip) and not reading.stopped:
        reading.stop(f"the last record, at byte {base:,}, is cut off")
    if damaged:
        reading.note("corrupt-records", f"{damaged} records fail their checksum or are no events: they were left out")
    return found


def _decode(data: bytes, starts: list[int], sizes: list[int], found: EventFile) -> int:
    """Read the records that lie whole in `data`; the number of damaged ones."""
    damaged = 0
    begin = np.array(starts, dtype=np.int64)
    length = np.array(sizes, dtype=np.int64)
    buffer = np.frombuffer(data, dtype=np.uint8)
    first = found.records
    for size in np.unique(length):
        places = np.flatnonzero(length == size)
        if len(places) < _FEW or size > _WIDEST:
            damaged += sum(_decode_one(data, starts[place], int(size), first + int(place), found) for place in places)
            continue
        rows = buffer[begin[places][:, None] + np.arange(size + 4)]
        checks = np.ascontiguousarray(rows[:, size:]).view("<u4")[:, 0]
        sound = masked_rows(crc32c_rows(rows[:, :size])) == checks
        damaged += int(np.sum(~sound))
        places, rows = places[sound], rows[sound][:, :size]
        groups, broken = scalars_of_many(rows)
        damaged += len(broken)
        for tag, at, steps, times, values in groups:
            found.add(tag, first + places[at], steps, times, values)
    found.records += len(starts)
    return damaged


def _decode_one(data: bytes, start: int, size: int, order: int, found: EventFile) -> int:
    body = data[start : start + size]
    # the checksum of a long record (a picture, a graph) would cost more than it tells
    if size <= _WIDEST and struct.unpack_from("<I", data, start + size)[0] != masked(crc32c(body)):
        return 1
    try:
        scalars = scalars_of(body)
    except WireError:
        return 1
    for tag, step, time, value in zip(scalars.tags, scalars.steps, scalars.times, scalars.values, strict=True):
        found.add(tag, [order], [step], [time], [value])
    return 0


def add_event_files(raw: RawLog, files: list[tuple[str, EventFile]]) -> None:
    """Put the files of one training into its raw log, each under the prefix of its folder.

    Files of one folder that were written one after the other are resumes; that overlap in time, several writers.
    """
    folders: dict[str, list[EventFile]] = {}
    for prefix, file in files:
        if file.tags:
            folders.setdefault(prefix, []).append(file)
    if len(folders) > 1:
        raw.note(
            "separate-writers",
            f"training and validation lie in separate folders ({', '.join(filter(None, folders))[:100]})",
        )
    for prefix, members in folders.items():
        members.sort(key=lambda one: one.first_time)
        together = any(
            later.first_time < earlier.last_time and set(later.tags) & set(earlier.tags)
            for earlier, later in itertools.pairwise(members)
        )
        if together:
            raw.note("two-writers", "several writers wrote the same series at the same time: they were merged by time")
        shift = 0.0
        for file in members:
            for tag, blocks in file.tags.items():
                channel = raw.channel(f"{prefix}/{tag}" if prefix else tag)
                if channel is None:
                    continue
                order, step, time, value = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
                place = np.argsort(order, kind="stable")
                channel.extend((time if together else order + shift)[place], step[place], value[place])
            shift += file.records
    if any(len(members) > 1 for members in folders.values()):
        for channel in raw.channels.values():
            channel.sort()
    _dress(raw)


def _dress(raw: RawLog) -> None:
    """What the tags tell about the tool behind them."""
    tags = {name.rsplit("/", 1)[-1] for name in raw.channels}
    if "epoch_loss" in tags:
        raw.loss_kind, raw.unit, raw.lr_of = "epoch", "epoch", "this"
    elif {"train/loss", "train/learning_rate", "train/epoch"} <= set(raw.channels):
        raw.loss_kind = "mean"
