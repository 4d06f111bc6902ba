"""SQLite: MLflow's store and trackio's. Opened read-only, or as a copy; asked two fixed questions, within bounds.

The file may lie: a view that never ends, a trigger, a huge string. So only SELECT and reading of columns are allowed,
only plain tables are asked, lengths are limited, and a query that runs too long is ended.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from surefoot.logs.channels import Channel, RawLog, Reading
from surefoot.logs.columns import Columns, number_or_none
from surefoot.logs.json_logs import flat
from surefoot.logs.limits import MOST_DOCUMENT, MOST_RUNS, clean
from surefoot.logs.sources import Source
from surefoot.logs.write_ahead import merged

__all__ = ["MAGIC", "read_database"]

MAGIC = b"SQLite format 3\x00"
_LONGEST_CELL = 1 << 24
_SECONDS = 60.0
_CODED_INFINITY = 1.797e308
_DAMAGE = (sqlite3.Error, MemoryError, OverflowError, UnicodeDecodeError)


def read_database(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The runs of a database, one raw log each; none when it is not MLflow's or trackio's."""
    reading = Reading()
    with merged(source, reading) as copy:
        finished = _runs(source, copy, reading, mapping)
    for raw in finished:
        raw.notes = {**raw.notes, **reading.notes}
        raw.stopped = raw.stopped or reading.stopped
    return finished


def _runs(source: Source, copy: Path | None, reading: Reading, mapping: Mapping[str, str]) -> list[RawLog]:
    runs: dict[str, RawLog] = {}
    try:
        connection = _connected(source, reading, copy)
    except _DAMAGE as error:
        reading.stop(f"the database cannot be opened ({clean(error)})")
        return [RawLog(path=source.shown, format="sqlite", stopped=reading.stopped)]
    try:
        tables = _tables(connection)
        if {"run_uuid", "key", "value", "step", "is_nan"} <= tables.get("metrics", set()):
            _mlflow(connection, tables, runs, source, reading)
            finished = list(runs.values())
        elif {"run_name", "step", "metrics"} <= tables.get("metrics", set()):
            finished = _trackio(connection, tables["metrics"], source, reading, mapping)
        else:
            return []
    except _DAMAGE as error:
        finished = [RawLog(path=source.shown, format="sqlite", stopped=f"the database is damaged ({clean(error)})")]
    finally:
        connection.close()
    return finished or ([RawLog(path=source.shown, format="sqlite")] if reading.stopped else [])


def _connected(source: Source, reading: Reading, copy: Path | None = None) -> sqlite3.Connection:
    told = _told_size(source.head)
    if copy is not None:
        connection = sqlite3.connect(f"file:{quote(str(copy))}?mode=rw", uri=True, timeout=1.0)
    elif source.packed or source.size < told:
        connection = sqlite3.connect(":memory:")
        data = _not_wal(source.whole(reading))
        if len(data) < told <= MOST_DOCUMENT:
            reading.stop(f"the database is cut off: {len(data):,} of its {told:,} bytes are there")
            data += bytes(told - len(data))
        connection.deserialize(data)
    else:
        place = quote(str(source.path.resolve()))
        connection = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True, timeout=1.0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.text_factory = lambda data: data.decode("utf-8", errors="replace")
    until = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > until), 100_000)
    connection.set_authorizer(_allowed)
    return connection


def _told_size(head: bytes) -> int:
    """The size that the database's own head tells: bytes of a page times pages."""
    if len(head) < 32:
        return 0
    page = int.from_bytes(head[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")


def _not_wal(data: bytes) -> bytes:
    """A database in memory cannot use a write-ahead log: bytes 18 and 19 of its head say rollback journal instead."""
    return data[:18] + b"\x01\x01" + data[20:] if data[18:20] == b"\x02\x02" else data


def _allowed(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ) else sqlite3.SQLITE_DENY


def _tables(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Plain tables and their columns, as far as they matter here."""
    found: dict[str, set[str]] = {}
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' LIMIT 1000"
    for name, sql in connection.execute(query).fetchall():
        plain = isinstance(sql, str) and not sql.lstrip()[:20].upper().startswith("CREATE VIRTUAL")
        if plain and name in ("metrics", "runs", "params"):
            listed = connection.execute(f"SELECT * FROM {name} LIMIT 0").description
            found[name] = {column[0] for column in listed}
    return found


def _rows(connection: sqlite3.Connection, query: str, reading: Reading) -> Iterator[tuple[Any, ...]]:
    """Rows until the end or the damage."""
    try:
        cursor = connection.execute(query)
        while batch := cursor.fetchmany(4096):
            yield from batch
    except _DAMAGE as error:
        reading.stop(f"the database is damaged or took too long ({clean(error)})")


def _mlflow(
    connection: sqlite3.Connection,
    tables: Mapping[str, set[str]],
    runs: dict[str, RawLog],
    source: Source,
    reading: Reading,
) -> None:
    names: dict[str, str] = {}
    if {"run_uuid", "name"} <= tables.get("runs", set()):
        for uuid, name in _rows(connection, "SELECT run_uuid, name FROM runs LIMIT 100000", reading):
            names[str(uuid)] = clean(name or "", 60)
    channels: dict[tuple[Any, Any], Channel] = {}
    for place, (uuid, key, value, step, is_nan) in enumerate(
        _rows(connection, "SELECT run_uuid, key, value, step, is_nan FROM metrics NOT INDEXED", reading)
    ):
        known = channels.get((uuid, key))
        # the common row: a plain number, a whole step, no mark
        if known is not None and not is_nan and type(value) is float and type(step) is int and -1e307 < value < 1e307:
            known.add(place, step, value)
            if place % 4096 == 0 and not reading.room(4096):
                break
            continue
        raw = runs.get(uuid)
        if raw is None:
            if len(runs) >= MOST_RUNS:
                reading.stop(f"more than {MOST_RUNS} runs: the others were not read")
                break
            name = names.get(str(uuid)) or clean(uuid, 32)
            raw = runs[uuid] = RawLog(path=source.shown, format="mlflow", name=name)
        number = mlflow_number(value, is_nan, raw)
        at = number_or_none(step)
        if number is None or at is None or str(key).startswith("system/"):
            continue
        channel = raw.channel(clean(key))
        if channel is not None:
            channels[uuid, key] = channel
            channel.add(place, at, number)
    if {"run_uuid", "key", "value"} <= tables.get("params", set()):
        for uuid, key, value in _rows(connection, "SELECT run_uuid, key, value FROM params LIMIT 100000", reading):
            if uuid in runs and key in ("lr", "learning_rate", "optimizer_lr"):
                runs[uuid].constant_lr = _rate(value)


def mlflow_number(value: Any, is_nan: Any, raw: RawLog) -> float | None:
    """A stored value decoded: NaN is kept as 0 with a mark, infinity as the largest number there is."""
    number = number_or_none(value)
    if is_nan in (1, True, "1"):
        raw.note("nan-coded", "NaN is stored as 0 with a mark here: it was turned back")
        return float("nan")
    if number is not None and abs(number) >= _CODED_INFINITY:
        raw.note("inf-coded", "infinity is stored as the largest number there is: it was turned back")
        return float("inf") if number > 0 else float("-inf")
    return number


def _rate(value: Any) -> float | None:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        return None
    return rate if 0 < rate < float("inf") else None


def _trackio(
    connection: sqlite3.Connection, columns: set[str], source: Source, reading: Reading, mapping: Mapping[str, str]
) -> list[RawLog]:
    key = "run_id" if "run_id" in columns else "run_name"
    order = "id" if "id" in columns else "rowid"
    made: dict[str, tuple[RawLog, Columns]] = {}
    broken = 0
    query = f"SELECT {key}, run_name, step, metrics FROM metrics NOT INDEXED ORDER BY {order}"
    for run, name, step, text in _rows(connection, query, reading):
        pair = made.get(run)
        if pair is None:
            if len(made) >= MOST_RUNS:
                reading.stop(f"more than {MOST_RUNS} runs: the others were not read")
                break
            pair = made[run] = (RawLog(path=source.shown, format="trackio", name=clean(name, 60)), Columns())
        try:
            value = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            broken += 1
            continue
        place = number_or_none(step)
        if isinstance(value, dict) and place is not None:
            items = [("step", place), *(item for item in flat(value) if item[0] != "step")]
            if not reading.room(pair[1].add_row(items)):
                break
    if broken:
        reading.note("corrupt-records", f"{broken} rows are no JSON: they were left out")
    return [table.into(raw, mapping) for raw, table in made.values()]
