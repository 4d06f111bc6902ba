"""Verifying: whether a study file is as it was written."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from surefoot.errors import RecordError
from surefoot.study.blobs import checksum, decoded
from surefoot.study.result import member_checksum

__all__ = ["damage_of"]


def damage_of(connection: sqlite3.Connection) -> list[str]:
    """One line for everything that is not as it was written: the file's own pages, members, series, units."""
    found: list[str] = []
    try:
        pages = [row[0] for row in connection.execute("PRAGMA integrity_check(20)").fetchall()]
        found += [f"the file is damaged: {line}" for line in pages if line != "ok"]
        known = "fate, reason, loss, spread, first_loss, steps, horizon, metrics"
        fates: dict[int, str] = {}
        for place, kept, *row in connection.execute(f"SELECT place, checksum, {known} FROM members"):
            fates[place] = row[0]
            if row[0] != "waiting" and kept != member_checksum(row):
                found.append(f"member {place} is not as it was committed")
        series: dict[int, list[str]] = {}
        for member, name, count, encoding, kept, data in connection.execute(
            "SELECT member, name, count, encoding, checksum, data FROM series"
        ):
            series.setdefault(member, []).append(name)
            if kept != checksum(encoding, data):
                found.append(f"series `{name}` of member {member} is not as it was committed")
                continue
            try:
                decoded(encoding, data, count)
            except RecordError as error:
                found.append(f"series `{name}` of member {member}: {error}")
        found += _incomplete(connection, fates, series)
    except sqlite3.DatabaseError as error:
        found.append(f"the file cannot be read to its end: {error}")
    return found


def _incomplete(connection: sqlite3.Connection, fates: dict[int, str], series: dict[int, list[str]]) -> list[str]:
    """Units that count as done without their members, or the other way round."""
    found: list[str] = []
    covered: list[int] = []
    for record, state in connection.execute("SELECT record, state FROM units WHERE state != 'split'"):
        unit: dict[str, Any] = json.loads(record)
        covered += unit["members"]
        for member in unit["members"]:
            waiting = fates.get(member, "waiting") == "waiting"
            if (state == "done") == waiting:
                found.append(f"unit {unit['key']} is {state} and its member {member} is {fates.get(member, 'missing')}")
            if fates.get(member) == "finished" and "loss" not in series.get(member, []):
                found.append(f"member {member} finished and its series `loss` is missing")
    if sorted(covered) != sorted(fates):
        found.append("the units do not hold every member exactly once")
    return found
