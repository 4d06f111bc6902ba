"""Schema: the tables of a study file, and how files of older versions become current ones.

`PRAGMA user_version` counts the migrations that a file has seen. A migration is never changed once released: what it
misses is done by a later one.
"""

from __future__ import annotations

import sqlite3

from surefoot.errors import RecordError

__all__ = ["APPLICATION", "CURRENT", "MIGRATIONS", "migrate"]

APPLICATION = 0x53754674
"""SQLite's application id of a study file: the letters SuFt."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE units (
            key TEXT PRIMARY KEY, place INTEGER NOT NULL, round INTEGER NOT NULL, record TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'split')),
            attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', seconds REAL, host TEXT
        ) WITHOUT ROWID""",
        """CREATE TABLE members (
            place INTEGER PRIMARY KEY, recipe TEXT NOT NULL, shape TEXT NOT NULL, fate TEXT NOT NULL DEFAULT 'waiting',
            reason TEXT NOT NULL DEFAULT '', loss REAL, spread REAL, first_loss REAL, steps INTEGER NOT NULL DEFAULT 0,
            horizon INTEGER NOT NULL DEFAULT 0, metrics TEXT NOT NULL DEFAULT '{}', seconds REAL, checksum BLOB
        )""",
        """CREATE TABLE series (
            member INTEGER NOT NULL REFERENCES members(place), name TEXT NOT NULL, count INTEGER NOT NULL,
            encoding TEXT NOT NULL, checksum BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (member, name)
        )""",
        "CREATE TABLE sessions (number INTEGER PRIMARY KEY, provenance TEXT NOT NULL, began TEXT NOT NULL)",
    ),
    (
        """CREATE TABLE findings (
            number INTEGER PRIMARY KEY, member INTEGER REFERENCES members(place), record TEXT NOT NULL
        )""",
        "CREATE INDEX units_by_state ON units (state, round, place)",
    ),
    # Settings that a sampler proposed, in the order of its asking; a study that was planned as a whole has none.
    (
        "CREATE TABLE trials (number INTEGER PRIMARY KEY, round INTEGER NOT NULL, params TEXT NOT NULL)",
        "CREATE INDEX members_by_loss ON members (fate, loss, place)",
    ),
)
CURRENT = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the open file up to the current schema, in the transaction that the caller has begun.

    Raises:
        RecordError: the file is of a newer version.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > CURRENT:
        raise RecordError(
            f"`{name}` has schema {version}, and this version of Surefoot reads up to {CURRENT}: upgrade Surefoot"
        )
    for number in range(version, CURRENT):
        for statement in MIGRATIONS[number]:
            connection.execute(statement)
    if version < CURRENT:
        connection.execute(f"PRAGMA user_version = {CURRENT}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
