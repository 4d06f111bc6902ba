"""Write-ahead logs: a SQLite database that is being written keeps its newest pages in a file beside it (`NAME-wal`).

Reading them where they lie would create or change a third file there. So both are copied into a folder of this
process's own, as they stood at one moment, and SQLite brings the copies together. A rollback journal is never copied:
it may name another file, which SQLite would then open.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from surefoot.logs.channels import Reading
from surefoot.logs.limits import MOST_UNPACKED, clean
from surefoot.logs.sources import Source

__all__ = ["merged"]

_TRIES = 3
_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_Stamp = tuple[int, int, int]


@contextlib.contextmanager
def merged(source: Source, reading: Reading) -> Iterator[Path | None]:
    """A copy of the database with its write-ahead log beside it; None where it has none, or it cannot be had.

    The copy lives as long as the context. What could not be read is said in `reading`.
    """
    wal = Path(f"{source.path}-wal")
    waiting = _stamp(wal)
    if _stamp(Path(f"{source.path}-journal")) is not None:
        reading.note("unfinished-write", "a journal lies beside the database: its newest points may be half written")
    if source.packed or waiting is None:
        yield None
        return
    if source.size + waiting[0] > MOST_UNPACKED:
        _left_out(reading, f"both together have over {MOST_UNPACKED:,} bytes")
        yield None
        return
    with contextlib.ExitStack() as stack:
        copy = None
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="surefoot-")))
            copy = _copied(source.path, wal, folder)
            why = "it is being written too fast to be copied"
        except OSError as error:
            why = f"it cannot be copied ({clean(error.strerror or error)})"
        if copy is None:
            _left_out(reading, why)
        elif _is_log(copy.with_name(f"{copy.name}-wal")):
            reading.note(
                "write-ahead", "a write-ahead log beside the database holds its newest points: they are read too"
            )
        yield copy


def _is_log(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def _left_out(reading: Reading, why: str) -> None:
    text = f"a write-ahead log lies beside the database, and {why}: its newest points are not read"
    reading.note("unmerged-wal", text)


def _stamp(path: Path) -> _Stamp | None:
    """Size, time and number of a file that is not empty; None for anything else. A link is not followed."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return (info.st_size, info.st_mtime_ns, info.st_ino) if stat.S_ISREG(info.st_mode) and info.st_size else None


def _copied(database: Path, wal: Path, folder: Path) -> Path | None:
    """Copies of both as they stood at one moment; None when they change faster than they are copied."""
    target = folder / "copy.db"
    for _ in range(_TRIES):
        before = database.stat().st_size, database.stat().st_mtime_ns, _stamp(wal)
        shutil.copyfile(database, target)
        _copy_itself(wal, folder / "copy.db-wal")
        if before == (database.stat().st_size, database.stat().st_mtime_ns, _stamp(wal)):
            return target
    return None


def _copy_itself(path: Path, target: Path) -> None:
    """Copy a file, and never what a link put in its place meanwhile points to."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)
