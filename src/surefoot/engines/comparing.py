"""Compare recipes: train each of them once, side by side where that is possible, with curves that can be compared."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence

from surefoot.engines.batches import steps_of
from surefoot.engines.engine import unit_schedule
from surefoot.engines.train import train_members
from surefoot.engines.training import train
from surefoot.records import Provenance, Recipe, Run, Sweep
from surefoot.tasks.task import Task

__all__ = ["compare", "steps_in_all"]

Tick = Callable[[int, int], None]

_POINTS = 60
"""About as many validations of each training; of longer ones some epochs are left out."""


def compare(task: Task, recipes: Sequence[Recipe], *, tick: Tick | None = None) -> Sweep:
    """Train every recipe and validate it by epochs.

    Args:
        task: what is trained.
        recipes: in any mixture of optimizers, schedules, batch sizes and seeds.
        tick: told how many updates were made, and the members still alive in the present batch.

    Returns:
        The runs in the order of the recipes. After Ctrl-C, those that were not finished are `interrupted`.

    Raises:
        RecipeError: a recipe that does not fit the task.
    """
    for recipe in recipes:
        steps_of(recipe, task.train.size)
    alike: dict[str, list[int]] = {}
    for place, recipe in enumerate(recipes):
        # What decides after how many updates an epoch is over, and whether rates are known beforehand.
        key = [recipe.batch_size, recipe.accumulate, recipe.epochs, _follows(task, recipe)]
        alike.setdefault(json.dumps(key), []).append(place)
    runs: dict[int, Run] = {}
    for places in alike.values():
        chosen = [recipes[place] for place in places]
        if any(run.fate == "interrupted" for run in runs.values()):
            waiting = "interrupted before it began"
            found = [Run(recipe=one, fate="interrupted", reason=waiting) for one in chosen]
        elif _follows(task, chosen[0]):
            found = list(_one_by_one(task, chosen, tick))
        else:
            found = train_members(task, chosen, validate_at=_points(task, chosen[0]), tick=tick)
        runs.update(zip(places, found, strict=True))
    ordered = tuple(runs[place] for place in range(len(recipes)))
    seeds = {f"seed {number}": number for number in sorted({recipe.seed for recipe in recipes})}
    return Sweep(task.name, ordered, Provenance.here(seeds=seeds, device=str(task.device), data=task.checksum()))


def steps_in_all(task: Task, recipes: Sequence[Recipe]) -> int:
    """Updates of all trainings together, if none ends early."""
    return sum(steps_of(recipe, task.train.size)[0] for recipe in recipes)


def _follows(task: Task, recipe: Recipe) -> bool:
    """Whether the schedule follows the validation loss, so that its rates are only known as the training goes."""
    return unit_schedule(recipe, steps_of(recipe, task.train.size)[0]).follows_metric


def _points(task: Task, recipe: Recipe) -> list[int]:
    total, per_epoch = steps_of(recipe, task.train.size)
    every = max(1, round(recipe.epochs / _POINTS))
    epochs = range(0, int(recipe.epochs) + 1, every)
    return [step for step in (round(epoch * per_epoch) for epoch in epochs) if step <= total]


def _one_by_one(task: Task, recipes: Sequence[Recipe], tick: Tick | None) -> list[Run]:
    found: list[Run] = []
    for recipe in recipes:
        found.append(train(task, recipe, tick=tick))
        if found[-1].fate == "interrupted":
            break
    rest = itertools.islice(recipes, len(found), None)
    return found + [Run(recipe=one, fate="interrupted", reason="interrupted before it began") for one in rest]
