"""Connecting: how a study file is opened, to write or to read."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from surefoot.errors import RecordError

__all__ = ["connected", "is_begun_only"]

_BUSY = 30.0
"""Seconds to wait for another connection, such as a reader that makes a checkpoint."""


def connected(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection without transactions of its own making.

    Raises:
        RecordError: the file cannot be read.
    """
    if write:
        connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection
    quoted = str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # A reader that may write tidies the log away when it is the last to leave; in a folder that cannot be written to
    # there is no room for its part of the log, and nobody writes there either.
    for mode in ("mode=rw", "mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"file:{quoted}?{mode}", uri=True, timeout=_BUSY, isolation_level=None)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
        else:
            return connection
    raise RecordError(f"`{path}` cannot be opened; see that it may be read")


def is_begun_only(path: Path) -> bool:
    """Whether the file is one whose making was cut off before it held anything."""
    if not path.is_file():
        return False
    if path.stat().st_size == 0:
        return True
    try:
        connection = connected(path, write=False)
        with contextlib.closing(connection):
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)
    except (sqlite3.Error, RecordError):
        return False
