"""The driver: brings the units of a study to executors and commits what comes back.

It is the only one that writes. A unit whose worker vanished is given out again; one that does not fit into memory is
split; one that fails is split until the members that make it fail stand alone, and these are set aside with their
error, so that they do not stop the study.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from surefoot.records.study import StudyMember, Unit
from surefoot.study.executors import Executor, Outcome
from surefoot.study.planning import halves
from surefoot.study.rounds import Rounds
from surefoot.study.store import MemberResult, Store
from surefoot.study.unit import Job

__all__ = ["Progress", "drive"]

LOSSES = 3
"""Times that a unit may lose its worker before it is taken for too large."""
_WAIT = 0.5
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a study is."""

    units_done: int
    units: int
    running: int
    best: tuple[StudyMember, ...] | None
    """The finished members of the lowest losses, after a unit was committed; None in between."""


Watch = Callable[[Progress], None]


def drive(store: Store, executor: Executor, watch: Watch | None = None, *, only: str | None = None) -> None:
    """Work off the waiting units of `store`.

    Args:
        store: the open study.
        executor: does the work.
        watch: told the progress.
        only: key of the one unit to work off; None means all.

    Raises:
        OutputError: a unit could not be committed; those before it are.
    """
    _Drive(store, executor, watch).run(only)


class _Drive:
    def __init__(self, store: Store, executor: Executor, watch: Watch | None) -> None:
        self._store, self._executor, self._watch = store, executor, watch
        self._plan = store.plan()
        self._lost: dict[str, int] = {}
        self._running: dict[str, Job] = {}
        self._told = -_WAIT

    def run(self, only: str | None) -> None:
        self._tell(committed=True)
        units = [unit for unit in self._store.units("waiting") if only in (None, unit.key)]
        # The longest first: a short one at the end leaves no process idle for long.
        units.sort(key=lambda unit: (unit.round, -len(unit.members) * unit.horizon))
        self._rounds = Rounds(self._store, units)
        self._queue: list[Unit] = []
        self._blocked = units
        self._unblock()
        while self._queue or self._blocked or self._running:
            self._hand_out()
            if not self._running:
                continue
            outcome = self._executor.next(_WAIT)
            if outcome is not None and outcome.key in self._running:
                job = self._running.pop(outcome.key)
                self._hand_out()  # whoever is free works while this is written
                self._settle(job, outcome)
                self._tell(committed=True)
            else:
                self._tell(committed=False)

    def _unblock(self) -> None:
        """Move the units that wait for no others any more into the queue."""
        blocked: list[Unit] = []
        for unit in self._blocked:
            (blocked if self._rounds.waits(unit) else self._queue).append(unit)
        self._blocked = blocked

    def _hand_out(self) -> None:
        """Give waiting units to the executor while it takes some."""
        while self._queue and self._executor.free > 0:
            job = self._job(self._queue.pop(0))
            if len(job.skipped) == len(job.recipes):
                results = [MemberResult("retired", job.skipped[row], None) for row in range(len(job.recipes))]
                self._commit(job.unit, results, seconds=0.0)
                self._tell(committed=True)
                continue
            self._running[job.unit.key] = job
            self._executor.submit(job)

    def _job(self, unit: Unit) -> Job:
        recipes = tuple(self._plan.recipes[place] for place in unit.members)
        left_out, race = self._rounds.left_out(unit), self._plan.prune == "race"
        return Job(unit, recipes, left_out, prune=race, attempt=self._store.attempts(unit.key))

    def _commit(self, unit: Unit, results: Sequence[MemberResult], *, seconds: float, host: str = "") -> None:
        self._store.commit(unit, results, seconds=seconds, host=host)
        if self._rounds.ended(unit):
            self._unblock()

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Commit an outcome, or line up what is to be done instead or again."""
        unit = job.unit
        if outcome.kind == "done":
            self._commit(unit, outcome.results, seconds=outcome.seconds, host=outcome.host)
            return
        self._store.note_failure(unit.key, outcome.error)
        if outcome.kind == "lost":
            self._lost[unit.key] = self._lost.get(unit.key, 0) + 1
            if self._lost[unit.key] < LOSSES:
                self._queue.append(unit)
                return
        if len(unit.members) > 1:
            parts = halves(unit, job.recipes, self._plan)
            self._store.split(unit, parts, f"{outcome.kind}: {outcome.error}")
            for part in parts:
                self._rounds.begun(part)
            self._rounds.ended(unit)
            self._queue += parts
            return
        self._commit(unit, [MemberResult("aside", outcome.error, None)], seconds=outcome.seconds)

    def _tell(self, *, committed: bool) -> None:
        if self._watch is None or time.monotonic() - self._told < _WAIT:
            return
        states = self._store.states()
        done, waiting = states.get("done", 0), states.get("waiting", 0)
        # Only the best: to read all members of a large study takes longer than to train a unit.
        best = tuple(self._store.members(best=_SHOWN)) if committed else None
        self._watch(Progress(done, done + waiting, len(self._running), best))
        self._told = time.monotonic()
