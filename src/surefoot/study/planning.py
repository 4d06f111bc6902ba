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
_LONG = 40.0
"""Estimated seconds above which a unit is divided, so that an interruption costs little and machines can share."""
_ENOUGH = 8
"""Members that a part of a divided unit has at least."""


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
        in_rounds: whether a race trains the first seed of all settings before the others, and these only where it pays;
            pieces for a batch system cannot wait for each other.
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
    first_seed = recipes[0].seed
    data = source.task(shapes[0]).checksum()
    units: list[Unit] = []
    seconds, member_steps = 0.0, 0
    for written, places in by_shape.items():
        shape = json.loads(written)
        task = source.task(shape)
        known: dict[str, tuple[str, int, float]] = {}
        for batch in _batches(recipes, places, in_rounds and prune == "race", first_seed):
            some = [recipes[place] for place in batch]
            horizon = _horizon(task, some[0])
            kind = _kind(some)
            if kind not in known:
                known[kind] = _engine(changed(task, some[0].changes), some, horizon, form)
            how, width, pace = known[kind]
            work = len(batch) * horizon
            member_steps, seconds = member_steps + work, seconds + work * pace
            parts = max(1, min(math.ceil(work * pace / _LONG), len(batch) // max(width, _ENOUGH)))
            for part in range(parts):
                own = tuple(batch[part::parts])
                later = int(in_rounds and prune == "race" and some[0].seed != first_seed)
                units.append(_unit(data, recipes, own, shape, (how, width), horizon, prune, round=later))
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
    horizon: int, prune: str, *, round: int,  # noqa: A002 - the name of the field
) -> Unit:  # fmt: skip
    some = [recipes[place] for place in members]
    unit = Unit(
        key="", members=members, group=_hash([shape, _shared(some[0])])[:12], form=engine[0], width=engine[1],
        horizon=horizon, validate_at=rungs(horizon) if prune == "race" else (), round=round, shape=shape,
    )  # fmt: skip
    return dataclasses.replace(unit, key=unit_key(unit, some, data, prune))


def _batches(recipes: Sequence[Recipe], places: Sequence[int], apart: bool, first_seed: int) -> list[list[int]]:
    """Places that can be trained as one fused batch; with `apart`, those of the first seed by themselves."""
    found = []
    for some in [[p for p in places if recipes[p].seed == first_seed], [p for p in places if recipes[p].seed != first_seed]] if apart else [list(places)]:  # fmt: skip # noqa: E501
        found += [[some[row] for row in batch] for batch in batches_of([recipes[place] for place in some])]
    return found


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


def _kind(recipes: Sequence[Recipe]) -> str:
    return json.dumps([_shared(recipes[0]), len(recipes), len({one.seed for one in recipes}) > 1], default=str)


def _shared(recipe: Recipe) -> dict[str, Any]:
    """What the members of a group share: all but seeds and numbers that a member may have of its own."""
    facts = recipe.to_json()
    for name in ("seed", "data_seed", "lr"):
        facts.pop(name)
    numbers = {
        name: "number" if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in facts["options"].items()
    }
    return facts | {"options": numbers}


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
