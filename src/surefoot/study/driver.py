"""The driver: brings the units of a study to executors and commits what comes back.

It is the only one that writes. A unit whose worker vanished is given out again; one that does not fit into memory is
split; one that fails is split until the members that make it fail stand alone, and these are set aside with their
error, so that they do not stop the study.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence

from surefoot.engines.families import family_name
from surefoot.records import Recipe
from surefoot.records.study import StudyMember, Unit
from surefoot.study.executors import Executor, Outcome
from surefoot.study.planning import halves
from surefoot.study.pruning import skipped
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
        self._known: dict[int, dict[str, dict[str, str]]] = {}
        self._told = -_WAIT

    def run(self, only: str | None) -> None:
        self._tell(committed=True)
        if only is not None:
            self._round([unit for unit in self._store.units("waiting") if unit.key == only])
            return
        while True:
            waiting = self._store.units("waiting")
            if not waiting:
                return
            now = min(unit.round for unit in waiting)
            self._round([unit for unit in waiting if unit.round == now])

    def _round(self, units: Sequence[Unit]) -> None:
        # The longest first: a short one at the end leaves no process idle for long.
        queue = sorted(units, key=lambda unit: -len(unit.members) * unit.horizon)
        # Results of earlier rounds do not change any more: read once.
        members = self._store.members() if any(unit.round for unit in units) else []
        while queue or self._running:
            self._hand_out(queue, members)
            if not self._running:
                continue
            outcome = self._executor.next(_WAIT)
            if outcome is not None and outcome.key in self._running:
                job = self._running.pop(outcome.key)
                self._hand_out(queue, members)  # whoever is free works while this is written
                queue += self._settle(job, outcome)
                self._tell(committed=True)
            else:
                self._tell(committed=False)

    def _hand_out(self, queue: list[Unit], members: Sequence[StudyMember]) -> None:
        """Give waiting units to the executor while it takes some."""
        while queue and self._executor.free > 0:
            job = self._job(queue.pop(0), members)
            if len(job.skipped) == len(job.recipes):
                results = [MemberResult("retired", job.skipped[row], None) for row in range(len(job.recipes))]
                self._store.commit(job.unit, results, seconds=0.0)
                self._tell(committed=True)
                continue
            self._running[job.unit.key] = job
            self._executor.submit(job)

    def _job(self, unit: Unit, members: Sequence[StudyMember]) -> Job:
        recipes = tuple(self._plan.recipes[place] for place in unit.members)
        race = self._plan.prune == "race"
        left_out = self._left_out(unit, recipes, members) if race and unit.round else {}
        return Job(unit, recipes, left_out, prune=race, attempt=self._store.attempts(unit.key))

    def _left_out(self, unit: Unit, recipes: Sequence[Recipe], members: Sequence[StudyMember]) -> dict[int, str]:
        """Rows of members whose setting earlier seeds have shown to be hopeless, with the reason."""
        if unit.round not in self._known:
            self._known[unit.round] = self._hopeless(members, unit.round)
        known, found = self._known[unit.round], {}
        for row, recipe in enumerate(recipes):
            why = known.get(_competition(recipe, unit.shape), {}).get(_setting(recipe))
            if why is not None:
                found[row] = why
        return found

    def _hopeless(self, members: Sequence[StudyMember], now: int) -> dict[str, dict[str, str]]:
        """Settings that are not worth the seeds of a round, with the reason, by what they compete in."""
        settings: dict[str, dict[str, dict[int, list[StudyMember]]]] = {}
        for unit in self._plan.units:
            for place in unit.members if unit.round < now else ():
                recipe = self._plan.recipes[place]
                own = settings.setdefault(_competition(recipe, unit.shape), {})
                own.setdefault(_setting(recipe), {}).setdefault(unit.round, []).append(members[place])
        found = {}
        for name, own in settings.items():
            out: dict[str, str] = {}
            for done in range(1, now + 1):  # what an earlier round left out has no members to be judged by
                left = [one for one in own if one not in out]
                earlier = [[m for number in range(done) for m in own[one].get(number, ())] for one in left]
                out |= {left[row]: why for row, why in skipped(earlier).items()}
            found[name] = out
        return found

    def _settle(self, job: Job, outcome: Outcome) -> list[Unit]:
        """Commit an outcome; the units that are to be done instead or again."""
        unit = job.unit
        if outcome.kind == "done":
            self._store.commit(unit, outcome.results, seconds=outcome.seconds, host=outcome.host)
            return []
        self._store.note_failure(unit.key, outcome.error)
        if outcome.kind == "lost":
            self._lost[unit.key] = self._lost.get(unit.key, 0) + 1
            if self._lost[unit.key] < LOSSES:
                return [unit]
        if len(unit.members) > 1:
            parts = halves(unit, job.recipes, self._plan)
            self._store.split(unit, parts, f"{outcome.kind}: {outcome.error}")
            return parts
        self._store.commit(unit, [MemberResult("aside", outcome.error, None)], seconds=outcome.seconds)
        return []

    def _tell(self, *, committed: bool) -> None:
        if self._watch is None or time.monotonic() - self._told < _WAIT:
            return
        states = self._store.states()
        done, waiting = states.get("done", 0), states.get("waiting", 0)
        # Only the best: to read all members of a large study takes longer than to train a unit.
        best = tuple(self._store.members(best=_SHOWN)) if committed else None
        self._watch(Progress(done, done + waiting, len(self._running), best))
        self._told = time.monotonic()


def _setting(recipe: Recipe) -> str:
    return recipe.replace(seed=0, data_seed=0).dumps()


def _competition(recipe: Recipe, shape: Mapping[str, int]) -> str:
    """What settings share that are compared: all but seeds and numbers of the optimizer."""
    facts = [family_name(recipe), recipe.batch_size, recipe.epochs, recipe.accumulate, recipe.precision]
    return json.dumps([*facts, recipe.changes, dict(shape)], sort_keys=True, default=str)
