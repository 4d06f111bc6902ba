"""Planning: from recipes to units, with the engine of each fixed and the cost estimated.

Which engine is fastest is measured once, here, and written into the plan: a study that goes on later, or elsewhere,
trains its members in the same chunks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import Arrangement, arrange
from surefoot.engines.engine import unit_schedule
from surefoot.engines.families import families_of
from surefoot.engines.fused import FORMS
from surefoot.engines.train import batches_of
from surefoot.errors import InputError, SurefootError
from surefoot.records import Recipe
from surefoot.records.study import StudyPlan, Unit
from surefoot.study.axes import Axis
from surefoot.study.pruning import rungs
from surefoot.study.sources import TaskSource
from surefoot.tasks.augmenting import changed
from surefoot.tasks.task import Task

__all__ = ["MOST", "halves", "plan_study", "unit_key"]

MOST = 1_000_000
"""Members of one study; more are likely a slip of the keyboard."""
_SHORT, _LONG, _SHARED = 0.25, 10.0, 8
"""A fused batch is divided, so that processes can share it and an interruption costs little, into parts of at least
and at most so many estimated seconds, and between these into so many parts; but not into parts too small to fuse."""
_ENOUGH = 8
"""Members that a part of a divided batch has at least."""
_SURVIVE = 2
"""In the later rounds of a race a part has so many times as many: few of them will be trained."""


def plan_study(
    source: TaskSource,
    recipes: Sequence[Recipe],
    shapes: Sequence[Mapping[str, int]],
    axes: Mapping[str, Axis],
    *,
    prune: Literal["race", "none"] = "none",
    in_rounds: bool = True,
    form: str | None = None,
) -> StudyPlan:
    """The plan for these members.

    Args:
        source: of the tasks.
        recipes: one per member.
        shapes: width and depth of each one's model.
        axes: what was varied, for the record.
        prune: `race` gives up members that cannot win.
        in_rounds: whether a race trains the seeds in rounds, and further seeds of a setting only where they pay; pieces
            for a batch system cannot wait for each other.
        form: `serial`, or a fused form and the width of a chunk such as `stacked:16`; None measures which is fastest.

    Raises:
        InputError: too many members, or a recipe that cannot be trained so.
    """
    if not recipes:
        raise InputError("the sweep has no members; give at least one value for every axis")
    if len(recipes) > MOST:
        raise InputError(f"the sweep has {len(recipes):,} members and may have {MOST:,}; ask for less")
    by_shape: dict[str, list[int]] = {}
    for place, shape in enumerate(shapes):
        by_shape.setdefault(json.dumps(shape, sort_keys=True), []).append(place)
    # A race trains the first seed of all settings, then the second, then the others: each only where it pays.
    race = in_rounds and prune == "race"
    seeds = dict.fromkeys(recipe.seed for recipe in recipes)
    rounds = {seed: min(number, 2) if race else 0 for number, seed in enumerate(seeds)}
    data = source.task(shapes[0]).checksum()
    units: list[Unit] = []
    seconds, member_steps = 0.0, 0
    for written, places in by_shape.items():
        shape = json.loads(written)
        task = source.task(shape)
        known: dict[str, tuple[str, int, float]] = {}
        for batch in _batches(recipes, places, rounds):
            some = [recipes[place] for place in batch]
            horizon = max(_horizon(task, some[rows[0]]) for rows in families_of(some))
            kind = _kind(some)
            if kind not in known:
                known[kind] = _engine(changed(task, some[0].changes), _first_family(some), horizon, form)
            how, width, pace = known[kind]
            work = len(batch) * horizon
            member_steps, seconds = member_steps + work, seconds + work * pace
            later = rounds[some[0].seed]
            least = max(_ENOUGH, width * (_SURVIVE if later else 1))
            wanted = math.ceil(min(work * pace / _SHORT, max(_SHARED, work * pace / _LONG))) if pace else len(batch)
            count = max(1, min(wanted, len(batch) // least))
            for part in _parts(some, count):
                own = tuple(batch[row] for row in part)
                looks = rungs(horizon) if prune == "race" and not later else ()
                units.append(_unit(data, recipes, own, shape, (how, width), horizon, looks, prune, round=later))
    plan = StudyPlan(
        key="", task=source.task(shapes[0]).name, spec=source.spec, data=data, prune=prune,
        axes={name: axis.shown() for name, axis in axes.items()}, recipes=tuple(recipes),
        shapes=tuple(dict(shape) for shape in shapes), units=tuple(sorted(units, key=lambda one: one.round)),
        member_steps=member_steps, seconds=seconds,
    )  # fmt: skip
    facts = plan.to_json()
    identity = {name: facts[name] for name in ("task", "data", "prune", "recipes", "shapes", "units")}
    return dataclasses.replace(plan, key=_hash(identity))


def unit_key(unit: Unit, recipes: Sequence[Recipe], data: str, prune: str) -> str:
    """The key of a unit: everything that decides its numbers."""
    facts = unit.to_json() | {"key": "", "recipes": [one.to_json() for one in recipes], "data": data, "prune": prune}
    return _hash(facts)[:20]


def halves(unit: Unit, recipes: Sequence[Recipe], plan: StudyPlan) -> list[Unit]:
    """Two units with every other member each, for one that does not fit or does not work as a whole."""
    parts = []
    for some in (unit.members[::2], unit.members[1::2]):
        part = dataclasses.replace(unit, members=some, width=max(1, min(unit.width, len(some))))
        chosen = [recipes[unit.members.index(place)] for place in some]
        parts.append(dataclasses.replace(part, key=unit_key(part, chosen, plan.data, plan.prune)))
    return parts


def _unit(
    data: str, recipes: Sequence[Recipe], members: tuple[int, ...], shape: dict[str, int], engine: tuple[str, int],
    horizon: int, looks: tuple[int, ...], prune: str, *, round: int,  # noqa: A002 - the name of the field
) -> Unit:  # fmt: skip
    some = [recipes[place] for place in members]
    unit = Unit(
        key="", members=members, form=engine[0], width=engine[1], horizon=horizon, validate_at=looks, round=round,
        shape=shape,
    )  # fmt: skip
    return dataclasses.replace(unit, key=unit_key(unit, some, data, prune))


def _batches(recipes: Sequence[Recipe], places: Sequence[int], rounds: Mapping[int, int]) -> list[list[int]]:
    """Places that can be trained as one fused batch in one round."""
    found = []
    for number in sorted(set(rounds.values())):
        some = [place for place in places if rounds[recipes[place].seed] == number]
        batches = batches_of([recipes[place] for place in some], mixed=True)
        found += [[some[row] for row in batch] for batch in batches]
    return found


def _parts(recipes: Sequence[Recipe], count: int) -> list[list[int]]:
    """Rows of a fused batch in about `count` parts.

    Members of one family and order stay together, as far as they are not too many; these are dealt out in turn, so
    that every part sees small rates and large ones.
    """
    if count < 2:
        return [list(range(len(recipes)))]
    size = len(recipes) / count
    blocks = families_of(recipes, by_order=True)
    parts: list[list[int]] = [[]]
    for block in sorted(blocks, key=lambda rows: recipes[rows[0]].order_seed):  # families of one order side by side
        pieces = max(1, round(len(block) / size))
        for piece in (block[number::pieces] for number in range(pieces)):
            if parts[-1] and len(parts[-1]) + len(piece) > 1.1 * size:
                parts.append([])
            parts[-1] += piece
    return parts


def _horizon(task: Task, recipe: Recipe) -> int:
    horizon, per_epoch = steps_of(recipe, task.train.size)
    if unit_schedule(recipe, horizon, per_epoch).follows_metric:
        raise InputError(
            f"`schedule` holds {recipe.schedule!r}, which follows the validation loss and cannot be planned; "
            "`surefoot compare` trains it"
        )
    return horizon


def _engine(task: Task, recipes: Sequence[Recipe], horizon: int, form: str | None) -> tuple[str, int, float]:
    """Form, width of a chunk, and seconds of a member-step on one core."""
    if form is not None:
        name, _, width = form.partition(":")
        if name not in (*FORMS, "serial") or (width and not (width.isdigit() and int(width) > 0)):
            raise InputError(f"`form` is {form!r}; it is serial, or {' or '.join(FORMS)} with a width: stacked:16")
        return name, int(width or 16) if name != "serial" else 1, 0.0
    try:
        found: Arrangement = arrange(task, recipes, horizon, processes=1)
    except SurefootError:
        raise
    except Exception:  # noqa: BLE001 - the user's code failed: the members that it fails for are set aside later
        return "serial", 1, 0.0
    if found.form is None:
        return "serial", 1, found.seconds.get("serial", 0.0)
    how = next(name for name, one in FORMS.items() if isinstance(found.form, one))  # type: ignore[arg-type]
    return how, found.width, found.seconds.get(f"fused {found.width}", 0.0)


def _first_family(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Those of the first recipe's family and order: what the others take is much alike."""
    return [recipes[row] for row in families_of(recipes, by_order=True)[0]]


def _kind(recipes: Sequence[Recipe]) -> str:
    """What the speed of a fused batch depends on."""
    facts = recipes[0].to_json()
    for name in ("seed", "data_seed", "lr", "schedule", "schedule_options"):
        facts.pop(name)
    return json.dumps([facts, len(_first_family(recipes))], sort_keys=True)


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
