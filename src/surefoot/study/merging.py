"""Merging: studies of one plan, each with some units done, become one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surefoot.errors import InputError
from surefoot.records import Provenance
from surefoot.study.connecting import is_begun_only
from surefoot.study.store import Store

__all__ = ["merge"]


def merge(whole: str | Path, parts: Sequence[str | Path]) -> tuple[int, int]:
    """Take every unit that is done in one of `parts` into `whole`.

    Args:
        whole: a study; made from the plan of the first part if there is none.
        parts: studies of the same plan. Where two have done the same unit, the first counts.

    Returns:
        How many units were taken, and how many still wait.

    Raises:
        InputError: a part of another plan, or a search.
        RecordError: a part is damaged or no study.
    """
    with Store(parts[0]) as first:
        plan, sessions = first.plan(), first.sessions()
        if first.noted("question") is not None:
            raise InputError(
                f"`{parts[0]}` holds a search, whose settings were proposed as it went; it has no parts to be joined"
            )
    store = (
        Store(whole, write=True)
        if Path(whole).exists() and not is_begun_only(Path(whole))
        else Store.create(whole, plan, sessions[0] if sessions else Provenance())
    )
    taken = 0
    with store:
        key = store.plan().key
        for path in parts:
            with Store(path) as part:
                if part.plan().key != key:
                    raise InputError(
                        f"`{path}` is of another plan than `{whole}`; only parts of one plan can be joined"
                    )
                damage = part.damage()
                if damage:
                    raise InputError(f"`{path}` is damaged and is left out: {damage[0]}; train that batch again")
                for one in part.sessions():
                    store.begin_session(one)
                taken += _take(store, part)
        left = len(store.units("waiting"))
    return taken, left


def _take(store: Store, part: Store) -> int:
    """Take what `part` has done; where it split a unit, so does `store`."""
    done = {unit.key: unit for unit in part.units("done")}
    waiting = {unit.key: unit for unit in store.units("waiting")}
    for unit in list(waiting.values()):
        members = set(unit.members)
        pieces = [one for one in done.values() if one.key not in waiting and set(one.members) < members]
        if unit.key not in done and pieces:
            theirs = [one for one in part.units() if set(one.members) < members]
            store.split(unit, theirs, "split in a part")
    taken = 0
    for unit in store.units("waiting"):
        if unit.key in done:
            taken += store.commit(unit, part.results(done[unit.key]), seconds=part.seconds_of(unit.key), host="merged")
    return taken
