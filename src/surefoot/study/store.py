"""The store: one SQLite file that holds a study, and loses nothing that was committed.

A unit is committed whole, with the fates of its members and their series, in one transaction that is on the disk when
the call returns. Whatever ends the process, the file holds the units that were committed and none in part. One process
writes; any number may read meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from surefoot.errors import InputError, OutputError, RecordError
from surefoot.records import Finding, Provenance
from surefoot.records.study import StudyMember, StudyPlan, Unit
from surefoot.study.blobs import Floats, checksum, decoded, encoded
from surefoot.study.connecting import connected, is_begun_only
from surefoot.study.locking import WriterLock, check_file_system
from surefoot.study.result import MemberResult, member_checksum
from surefoot.study.rows import MEMBER_COLUMNS, finite_or_infinite, in_json, member_of, numbers_in, plain
from surefoot.study.schema import migrate

__all__ = ["MemberResult", "Store", "member_checksum"]

_ASKED = 500
"""Members that one statement asks for at most."""


class Store:
    """An open study file; use it as a context.

    Args:
        path: the file.
        write: whether to write; there can be one writer at a time.

    Raises:
        InputError: no such file.
        RecordError: the file is no study, or of a newer version.
        OutputError: another process writes, or the file cannot be locked.
    """

    def __init__(self, path: str | Path, *, write: bool = False) -> None:
        self.path = Path(path)
        self._plan: StudyPlan | None = None
        if not self.path.is_file():
            raise InputError(f"`study` is {str(path)!r}; there is no such file")
        with self.path.open("rb") as stream:
            head = stream.read(16)
        if head and head != b"SQLite format 3\0":
            raise RecordError(f"`{path}` is no study: it is not a file that Surefoot wrote")
        self._lock = WriterLock(self.path) if write else None
        try:
            self._connection = connected(self.path, write=write)
            if write:
                with self._transaction():
                    migrate(self._connection, str(path))
            self._check_kind()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    @classmethod
    def create(cls, path: str | Path, plan: StudyPlan, provenance: Provenance) -> Self:
        """A new study file with every member waiting.

        Raises:
            OutputError: the file exists already, cannot be written, or lies where files cannot be locked.
        """
        place = Path(path)
        check_file_system(place)
        if place.exists() and not is_begun_only(place):
            raise OutputError(f"`study` is {str(path)!r}, which exists; continue it with --resume, or name another")
        try:
            place.touch()
        except OSError as error:
            raise OutputError(f"`study` is {str(path)!r}, which cannot be made: {error.strerror or error}") from None
        self = cls.__new__(cls)
        self.path, self._plan = place, plan
        self._lock = WriterLock(place)
        try:
            self._connection = connected(place, write=True)
            with self._transaction():
                migrate(self._connection, str(path))
                self._fill(plan, provenance)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    # What is planned

    def plan(self) -> StudyPlan:
        """The plan that the study was made with."""
        if self._plan is None:
            facts = json.loads(self._fact("plan"))
            rows = self._rows("SELECT recipe, shape FROM members ORDER BY place")
            facts["recipes"] = [json.loads(recipe) for recipe, _ in rows]
            facts["shapes"] = [json.loads(shape) for _, shape in rows]
            self._plan = StudyPlan.from_json(facts)
        return self._plan

    def units(self, state: str | None = None) -> list[Unit]:
        """Units by round and place, in one state or all that were not split."""
        where = "state != 'split'" if state is None else "state = ?"
        rows = self._rows(
            f"SELECT record FROM units WHERE {where} ORDER BY round, place",
            () if state is None else (state,),
        )
        return [Unit.from_json(json.loads(record)) for (record,) in rows]

    def attempts(self, key: str) -> int:
        """How often the unit `key` was begun and did not end well."""
        rows = self._rows("SELECT attempts FROM units WHERE key = ?", (key,))
        return int(rows[0][0]) if rows else 0

    # What was done

    def begin_session(self, provenance: Provenance) -> None:
        """Note who goes on with the study."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._transaction():
            self._connection.execute(
                "INSERT INTO sessions (provenance, began) VALUES (?, ?)", (in_json(provenance.to_json()), now)
            )

    def note(self, name: str, value: Any) -> None:
        """Keep a fact about the whole study, as JSON; a second one of the same name replaces it."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, in_json(value)))

    def noted(self, name: str) -> Any:
        """What `note` kept under the name; None for nothing."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def grow(self, plan: StudyPlan, asked: Sequence[Mapping[str, Any]]) -> None:
        """Add what `plan` has beyond the study's own, and the trials that were asked for it, as the next round.

        Args:
            plan: begins with the recipes and units of `plan()`, and has its key.
            asked: parameters of each trial, in the order of the asking.
        """
        members, units = self._count("members"), int(self._rows("SELECT coalesce(max(place), -1) + 1 FROM units")[0][0])
        trials, last = self._count("trials"), self._rows("SELECT coalesce(max(round), -1) FROM trials")[0][0]
        with self._transaction() as connection:
            connection.execute("UPDATE facts SET value = ? WHERE name = 'plan'", (in_json(_facts(plan)),))
            self._add_members(plan, members)
            for place, unit in enumerate(plan.units[units:], units):
                self._add_unit(unit, place)
            connection.executemany(
                "INSERT INTO trials VALUES (?, ?, ?)",
                ((trials + number, last + 1, in_json(params)) for number, params in enumerate(asked)),
            )
        self._plan = plan

    def trials(self) -> list[list[dict[str, Any]]]:
        """Parameters of the trials, by rounds in the order of the asking."""
        rounds: list[list[dict[str, Any]]] = []
        for number, params in self._rows("SELECT round, params FROM trials ORDER BY number"):
            if number == len(rounds):
                rounds.append([])
            rounds[-1].append(json.loads(params))
        return rounds

    def commit(self, unit: Unit, results: Sequence[MemberResult], *, seconds: float, host: str = "") -> bool:
        """Keep what a unit yielded; False if it was done already, whose numbers then stay.

        Raises:
            OutputError: it could not be written; the study is as it was before.
        """
        if len(results) != len(unit.members):
            raise ValueError(f"{len(results)} results for {len(unit.members)} members")
        with self._transaction() as connection:
            done = connection.execute(
                "UPDATE units SET state = 'done', seconds = ?, host = ? WHERE key = ? AND state = 'waiting'",
                (seconds, host, unit.key),
            )
            if done.rowcount != 1:
                return False
            for place, result in zip(unit.members, results, strict=True):
                self._keep(place, unit, result)
        return True

    def note_failure(self, key: str, error: str) -> int:
        """Note that an attempt at a unit failed; the number of failed attempts."""
        with self._transaction() as connection:
            connection.execute("UPDATE units SET attempts = attempts + 1, error = ? WHERE key = ?", (error, key))
        return self.attempts(key)

    def split(self, unit: Unit, parts: Sequence[Unit], why: str) -> None:
        """Replace a waiting unit by others with the same members."""
        with self._transaction() as connection:
            place = connection.execute("SELECT place FROM units WHERE key = ?", (unit.key,)).fetchone()[0]
            connection.execute("UPDATE units SET state = 'split', error = ? WHERE key = ?", (why, unit.key))
            for part in parts:
                self._add_unit(part, place)

    def keep_findings(self, member: int | None, findings: Sequence[Finding]) -> None:
        """Keep findings of one member, or of the whole study, in place of those that are there."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM findings WHERE member IS ?", (member,))
            connection.executemany(
                "INSERT INTO findings (member, record) VALUES (?, ?)",
                ((member, in_json(finding.to_json())) for finding in findings),
            )

    # What is there

    def members(self, *, best: int | None = None, places: Sequence[int] | None = None) -> list[StudyMember]:
        """Every member, in the order of the plan; or those at some places, or as many finished ones of lowest loss."""
        columns = MEMBER_COLUMNS
        if places is not None:
            found: dict[int, tuple[Any, ...]] = {}
            for start in range(0, len(places), _ASKED):
                some = list(places[start : start + _ASKED])
                marks = ", ".join("?" * len(some))
                rows = self._rows(f"SELECT {columns} FROM members WHERE place IN ({marks})", some)
                found.update((row[0], row) for row in rows)
            rows = [found[place] for place in places]
        elif best is not None:
            which = "WHERE fate = 'finished' ORDER BY loss, place LIMIT ?"
            rows = self._rows(f"SELECT {columns} FROM members {which}", (best,))
        else:
            rows = self._rows(f"SELECT {columns} FROM members ORDER BY place")
        # A recipe of the plan that is read already: to read it again takes longer than all the rest.
        recipes = self._plan.recipes if self._plan is not None else ()
        return [member_of(row, recipes[row[0]] if row[0] < len(recipes) else None) for row in rows]

    def results(self, unit: Unit) -> list[MemberResult]:
        """What a done unit yielded, its series included."""
        found = []
        for place in unit.members:
            row = self._rows(
                "SELECT fate, reason, loss, spread, first_loss, steps, metrics, seconds FROM members WHERE place = ?",
                (place,),
            )[0]
            fate, reason, loss, spread, first, steps, metrics, seconds = row
            found.append(
                MemberResult(fate, reason, loss, spread, first, steps, numbers_in(metrics), seconds, self.series(place))
            )
        return found

    def series(self, member: int) -> dict[str, Floats]:
        """The series of a member by name.

        Raises:
            RecordError: one is damaged.
        """
        rows = self._rows("SELECT name, count, encoding, data FROM series WHERE member = ? ORDER BY name", (member,))
        return {name: decoded(encoding, data, count) for name, count, encoding, data in rows}

    def findings(self) -> list[tuple[int | None, Finding]]:
        """Every finding with the place of its member; None for those of the whole study."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'findings'"):
            return []  # a file of the first schema, which is read as it is
        rows = self._rows("SELECT member, record FROM findings ORDER BY number")
        return [(member, Finding.from_json(json.loads(record))) for member, record in rows]

    def sessions(self) -> list[Provenance]:
        """Who worked on the study, in order."""
        rows = self._rows("SELECT provenance FROM sessions ORDER BY number")
        return [Provenance.from_json(json.loads(record)) for (record,) in rows]

    def unit_seconds(self) -> float:
        """Seconds that the done units took, summed."""
        return float(self._rows("SELECT coalesce(sum(seconds), 0) FROM units WHERE state = 'done'")[0][0])

    def seconds_of(self, key: str) -> float:
        """Seconds that the done unit `key` took."""
        return float(self._rows("SELECT coalesce(seconds, 0) FROM units WHERE key = ?", (key,))[0][0])

    def states(self) -> dict[str, int]:
        """Units by state."""
        return {state: int(n) for state, n in self._rows("SELECT state, count(*) FROM units GROUP BY state")}

    def contents(self) -> str:
        """SHA-like name of every committed number but times; equal for studies that are equal to the bit."""
        members = [row[0] or b"" for row in self._rows("SELECT checksum FROM members ORDER BY place")]
        series = [row[0] for row in self._rows("SELECT checksum FROM series ORDER BY member, name")]
        return checksum(self._fact("key"), *members, *series).hex()

    def damage(self) -> list[str]:
        """What of the file is not as it was written, one line each; empty when every committed series is intact."""
        from surefoot.study.verifying import damage_of

        return damage_of(self._connection)

    # How it is done

    def _fill(self, plan: StudyPlan, provenance: Provenance) -> None:
        execute = self._connection.execute
        execute("INSERT INTO facts VALUES ('plan', ?), ('key', ?)", (in_json(_facts(plan)), plan.key))
        execute("INSERT INTO facts VALUES ('provenance', ?)", (in_json(provenance.to_json()),))
        self._add_members(plan, 0)
        for place, unit in enumerate(plan.units):
            self._add_unit(unit, place)

    def _add_members(self, plan: StudyPlan, first: int) -> None:
        some = enumerate(zip(plan.recipes[first:], plan.shapes[first:], strict=True), first)
        self._connection.executemany(
            "INSERT INTO members (place, recipe, shape) VALUES (?, ?, ?)",
            ((place, in_json(recipe.to_json()), in_json(shape)) for place, (recipe, shape) in some),
        )

    def _add_unit(self, unit: Unit, place: int) -> None:
        self._connection.execute(
            "INSERT INTO units (key, place, round, record, state) VALUES (?, ?, ?, ?, 'waiting')",
            (unit.key, place, unit.round, in_json(unit.to_json())),
        )

    def _keep(self, place: int, unit: Unit, result: MemberResult) -> None:
        metrics = in_json({name: plain(value) for name, value in sorted(result.metrics.items())})
        row = (
            result.fate, result.reason, finite_or_infinite(result.loss), finite_or_infinite(result.spread),
            finite_or_infinite(result.first_loss), result.steps, unit.horizon, metrics,
        )  # fmt: skip
        self._connection.execute(
            "UPDATE members SET fate = ?, reason = ?, loss = ?, spread = ?, first_loss = ?, steps = ?, horizon = ?, "
            "metrics = ?, seconds = ?, checksum = ? WHERE place = ?",
            (*row, result.seconds, member_checksum(row), place),
        )
        for name, values in sorted(result.series.items()):
            encoding, data = encoded(values)
            self._connection.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)",
                (place, name, len(values), encoding, checksum(encoding, data), data),
            )

    def _check_kind(self) -> None:
        try:
            self._fact("key")
        except (sqlite3.Error, IndexError):
            raise RecordError(
                f"`{self.path}` is no study that Surefoot wrote, or one whose making was cut off"
            ) from None

    def _count(self, table: str) -> int:
        return int(self._rows(f"SELECT count(*) FROM {table}")[0][0])

    def _fact(self, name: str) -> str:
        return str(self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchall()[0][0])

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise RecordError(f"`{self.path}` cannot be read: {error}; see `surefoot study verify`") from None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise OutputError(
                    f"`study` is {str(self.path)!r}, which cannot be written ({error}); what was committed is kept: "
                    "make room or mend the disk, and go on with --resume"
                ) from None
            raise


def _facts(plan: StudyPlan) -> dict[str, Any]:
    """The plan without what has rows of its own."""
    return {name: value for name, value in plan.to_json().items() if name not in ("recipes", "shapes")}
