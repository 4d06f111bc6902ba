"""Sources: the files of a log, opened read-only, unpacked by what they are and not by their names, within bounds."""

from __future__ import annotations

import bz2
import codecs
import dataclasses
import errno
import gzip
import importlib
import io
import lzma
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from surefoot.errors import InputError
from surefoot.logs.channels import Reading
from surefoot.logs.limits import (
    DEEPEST_FOLDER,
    LONGEST_LINE,
    MOST_DOCUMENT,
    MOST_FILES,
    MOST_UNPACKED,
    clean,
)

__all__ = ["Source", "found_below", "open_source"]

_HEAD = 1 << 16
_CHUNK = 1 << 20
_REWRITTEN = re.compile(r"\r\n|[\r\b]+")
_PACKED = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2", b"(\xb5/\xfd": "zst"}
_DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


@dataclasses.dataclass
class Source:
    """One regular file: where it is, how it is shown, how it is packed, and its first bytes, unpacked."""

    path: Path
    shown: str
    size: int
    packed: str = ""
    head: bytes = b""

    def chunks(self, reading: Reading, chunk: int = _CHUNK) -> Iterator[bytes]:
        """The unpacked bytes, piece by piece; damage or a bound ends them and is said in `reading`."""
        given = 0
        try:
            with _opened(self) as stream:
                # read1 hands over what it has; read would lose it when the next bytes are damaged
                read = getattr(stream, "read1", stream.read) if self.packed else stream.read
                while piece := read(chunk):
                    given += len(piece)
                    yield piece
                    if self.packed and given > MOST_UNPACKED:
                        reading.stop(f"unpacks to more than {MOST_UNPACKED:,} bytes: the rest was not read")
                        return
        except _DAMAGE as error:
            reading.stop(
                f"after {given:,} unpacked bytes the file is damaged or cut off ({clean(error) or 'no reason'})"
            )
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            reading.stop(f"after {given:,} unpacked bytes the file is damaged or cut off ({clean(error)})")

    def whole(self, reading: Reading, most: int = MOST_DOCUMENT) -> bytes:
        """All unpacked bytes, as far as `most`."""
        pieces, size = [], 0
        for piece in self.chunks(reading):
            pieces.append(piece[: most - size])
            size += len(piece)
            if size > most:
                reading.stop(f"the document is longer than {most:,} bytes: the rest was not read")
                break
        return b"".join(pieces)

    def lines(self, reading: Reading, *, returns: bool = False) -> Iterator[str]:
        """The text line by line without line ends; overlong lines are cut and noted.

        Args:
            reading: where quirks go.
            returns: whether a lone carriage return, or backspaces, end a line too: what follows is written over it.
        """
        decoder = codecs.getincrementaldecoder(_encoding(self.head))(errors="replace")
        kept = ""
        cut = False
        for piece in self.chunks(reading):
            text = decoder.decode(piece)
            if returns and ("\r" in text or "\b" in text):
                text = _REWRITTEN.sub("\n", text)
            first, *others = text.split("\n")
            kept += first
            for other in others:
                yield kept[:LONGEST_LINE]
                kept, cut = other, False
            if len(kept) > LONGEST_LINE:
                if not cut:
                    reading.note("long-line", f"a line of more than {LONGEST_LINE:,} characters was cut")
                kept, cut = kept[: LONGEST_LINE + 1], True
        kept += decoder.decode(b"", final=True)
        if kept:
            reading.unended = True
            yield kept[:LONGEST_LINE]


def open_source(path: Path, shown: str) -> Source:
    """Look at a file: its size, how it is packed, its first bytes.

    Raises:
        InputError: it cannot be opened, is no regular file, or is packed in a way that needs a missing package.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError(f"`{clean(shown)}` is no regular file; give a log file or a folder")
        source = Source(path, shown, info.st_size)
        with path.open("rb") as stream:
            start = stream.read(_HEAD)
    except OSError as error:
        raise InputError(f"`{clean(shown)}` cannot be read: {_reason(error)}") from None
    source.packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), "")
    source.head = start
    if source.packed:
        scratch = Reading()
        source.head = b""
        for piece in source.chunks(scratch, _HEAD):
            source.head += piece
            if len(source.head) >= _HEAD:
                break
        if not source.head and scratch.stopped:
            raise InputError(f"`{clean(shown)}` is packed ({source.packed}) and cannot be unpacked: {scratch.stopped}")
    return source


def found_below(folder: Path, reading: Reading) -> list[Path]:
    """Regular files below `folder`, sorted; links are not followed, hidden folders and programs' caches passed over."""
    files: list[Path] = []
    todo = [(folder, 0)]
    seen = 0
    while todo:
        here, depth = todo.pop()
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if here == folder:
                raise InputError(f"`{clean(folder)}` cannot be read: {_reason(error)}") from None
            reading.note("unreadable", f"{clean(here.name)} could not be opened ({_reason(error)})")
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_FILES:
                reading.stop(f"more than {MOST_FILES:,} files: the others were not looked at")
                return sorted(files)
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                hidden = entry.name.startswith(".") and entry.name != ".wandb"
                if depth < DEEPEST_FOLDER and not hidden and entry.name not in _SKIPPED:
                    todo.append((Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False):
                files.append(Path(entry.path))
    return sorted(files)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "no such file or folder"
    return clean(error.strerror or error)


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _opened(source: Source) -> IO[bytes]:
    if source.packed == "gz":
        return cast("IO[bytes]", gzip.open(source.path, "rb"))
    if source.packed == "xz":
        return cast("IO[bytes]", lzma.open(source.path, "rb"))
    if source.packed == "bz2":
        return cast("IO[bytes]", bz2.open(source.path, "rb"))
    if source.packed == "zst":
        return _zstandard(source)
    return source.path.open("rb")


def _zstandard(source: Source) -> IO[bytes]:
    for module, opener in (("compression.zstd", _zstd_open), ("zstandard", _zstandard_open), ("pyarrow", _arrow_open)):
        try:
            return opener(importlib.import_module(module), source.path)
        except ImportError:
            continue
    raise InputError(f"`{clean(source.shown)}` is packed with zstd: `pip install zstandard`, or unpack it first")


def _zstd_open(module: Any, path: Path) -> IO[bytes]:
    return cast("IO[bytes]", module.open(path, "rb"))


def _zstandard_open(module: Any, path: Path) -> IO[bytes]:
    return cast("IO[bytes]", module.open(path, "rb"))


def _arrow_open(module: Any, path: Path) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(module.input_stream(str(path), compression="zstd")))
