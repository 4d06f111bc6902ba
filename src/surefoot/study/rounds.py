"""Rounds: the seeds of a race one after the other, and what earlier ones have shown to be hopeless.

Members *compete* that share everything but seeds and numbers of the optimizer. A unit of a later round waits until the
earlier rounds of what its members compete in are done, and for nothing else; then the settings that cannot win any
more are left out of it. Both follow from the study's numbers alone, not from the order in which units come back.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping
from typing import Any

from surefoot.engines.families import family_name
from surefoot.records import Recipe
from surefoot.records.study import StudyMember, Unit
from surefoot.study.pruning import skipped
from surefoot.study.store import Store

__all__ = ["Rounds"]


class Rounds:
    """What units of a study wait for, and what they leave out.

    Args:
        store: of the study.
        waiting: its units that are still to be done.
    """

    def __init__(self, store: Store, waiting: Iterable[Unit]) -> None:
        self._store, self._plan = store, store.plan()
        self._race = self._plan.prune == "race"
        self._names: dict[int, tuple[str, str]] = {}
        self._hopeless: dict[tuple[str, int], dict[str, str]] = {}
        self._open: collections.Counter[tuple[str, int]] = collections.Counter()
        self._entered: dict[str, list[tuple[int, int]]] = {}
        for unit in waiting:
            self.begun(unit)

    def begun(self, unit: Unit) -> None:
        """A unit is to be done."""
        self._open.update((name, unit.round) for name in self._competitions(unit))

    def ended(self, unit: Unit) -> bool:
        """A unit is done, or stands no more to be done; whether others may wait no longer."""
        own = [(name, unit.round) for name in self._competitions(unit)]
        self._open.subtract(own)
        return any(not self._open[one] for one in own)

    def waits(self, unit: Unit) -> bool:
        """Whether an earlier round of what the unit's members compete in is not done."""
        return any(self._open[name, before] for name in self._competitions(unit) for before in range(unit.round))

    def left_out(self, unit: Unit) -> dict[int, str]:
        """Rows of members whose setting earlier rounds have shown to be hopeless, with the reason."""
        if not self._race or not unit.round:
            return {}
        found = {}
        for row, place in enumerate(unit.members):
            name, setting = self._named(place, unit.shape)
            why = self._hopeless_in(name, unit.round).get(setting)
            if why is not None:
                found[row] = why
        return found

    def _competitions(self, unit: Unit) -> set[str]:
        if not self._race:
            return set()
        return {self._named(place, unit.shape)[0] for place in unit.members}

    def _named(self, place: int, shape: Mapping[str, int]) -> tuple[str, str]:
        """Names of what a member competes in, and of its setting."""
        if place not in self._names:
            recipe = self._plan.recipes[place]
            self._names[place] = _competition(recipe, shape), recipe.replace(seed=0, data_seed=0).dumps()
        return self._names[place]

    def _hopeless_in(self, competition: str, now: int) -> dict[str, str]:
        """Settings of a competition that are not worth the seeds of a round, with the reason."""
        if (competition, now) not in self._hopeless:
            own: dict[str, dict[int, list[StudyMember]]] = {}
            entered = [(place, number) for place, number in self._entries(competition) if number < now]
            members = self._store.members(places=[place for place, _ in entered])
            for (place, number), member in zip(entered, members, strict=True):
                own.setdefault(self._names[place][1], {}).setdefault(number, []).append(member)
            out: dict[str, str] = {}
            for done in range(1, now + 1):  # what an earlier round left out has no members to be judged by
                left = [one for one in own if one not in out]
                earlier = [[m for number in range(done) for m in own[one].get(number, ())] for one in left]
                out |= {left[row]: why for row, why in skipped(earlier).items()}
            self._hopeless[competition, now] = out
        return self._hopeless[competition, now]

    def _entries(self, competition: str) -> list[tuple[int, int]]:
        """Members of a competition and their rounds."""
        if not self._entered:
            for unit in self._plan.units:
                for place in unit.members:
                    name, _ = self._named(place, unit.shape)
                    self._entered.setdefault(name, []).append((place, unit.round))
        return self._entered[competition]


def _competition(recipe: Recipe, shape: Mapping[str, Any]) -> str:
    facts = [family_name(recipe), recipe.batch_size, recipe.epochs, recipe.accumulate, recipe.precision]
    return json.dumps([*facts, recipe.changes, dict(shape)], sort_keys=True, default=str)
