"""Trials: the same training at many rates from many seeds, and what a table of rates by seeds tells.

A *table* has a row per rate and a column per seed, filled with an end result such as the accuracy. A *window* is the
stretch of rates whose result is nearly as good as the best one's; its width is counted in decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.engines.train import train_members
from surefoot.records import Recipe, Run, float_series
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.task import Task
from surefoot.textbook.lab.training import follow

__all__ = [
    "Floats",
    "accuracies",
    "arrived",
    "best_rates",
    "decade_steps",
    "few",
    "final_losses",
    "follow_each",
    "rate_panel",
    "repeated",
    "table",
    "trained",
    "trained_at",
    "window",
    "with_model",
]

Floats = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


def repeated(recipe: Recipe, seeds: Sequence[int]) -> list[Recipe]:
    """The recipe once per seed: first weights and order of the batches are drawn anew, so repetitions are independent.

    Where every update sees all examples there is no order, and one for all lets members train side by side.
    """
    whole = recipe.batch_size == "full"
    return [recipe.replace(seed=seed, data_seed=seeds[0] if whole else seed) for seed in seeds]


def follow_each(
    task: Task,
    recipe: Recipe,
    seeds: Sequence[int],
    points: Sequence[int],
    observe: Callable[[int, int, Validation, nn.Module], object],
) -> list[Run]:
    """Train once per seed and show the model after each number of updates in `points` and at the end.

    `observe` is told the place of the seed, the updates done, the validation and the model.
    """
    runs = []
    for place, one in enumerate(repeated(recipe, seeds)):

        def see(step: int, seen: Validation, models: Mapping[int, nn.Module], place: int = place) -> None:
            if 0 in models:
                observe(place, step, seen, models[0])

        runs += follow(task, [one], points, see)
    return runs


def trained(task: Task, recipes: Mapping[Key, Recipe], seeds: Sequence[int], **how: Any) -> dict[Key, list[Run]]:
    """Train every recipe from every seed: runs by seed for each key. `how` as for `train_members`."""
    members = [one for recipe in recipes.values() for one in repeated(recipe, seeds)]
    runs = train_members(task, members, **how)
    if any(one.fate == "interrupted" for one in runs):  # Ctrl-C ends trainings early; numbers of half runs mean nothing
        raise KeyboardInterrupt
    count = len(seeds)
    return {key: runs[place * count : (place + 1) * count] for place, key in enumerate(recipes)}


def trained_at(
    task: Task, recipe: Recipe, lrs: Sequence[float], seeds: Sequence[int], **how: Any
) -> dict[float, list[Run]]:
    """`trained` for one recipe at many rates."""
    return trained(task, {lr: recipe.replace(lr=lr) for lr in lrs}, seeds, **how)


def accuracies(runs: Sequence[Run]) -> Floats:
    """Last validation accuracy of each run; 0 for one that diverged."""
    return np.array([0.0 if run.fate == "diverged" else float(run.val_metrics["accuracy"][-1]) for run in runs])


def final_losses(runs: Sequence[Run]) -> Floats:
    """Last validation loss of each run; infinity for one that diverged or is no number."""
    found = np.array([run.final_val_loss for run in runs])
    return np.where(np.isnan(found), np.inf, found)


def table(runs: Mapping[Any, Sequence[Run]], of: Any = accuracies) -> Floats:
    """Results [keys, seeds]."""
    return np.array([of(one) for one in runs.values()])


def best_rates(lrs: Sequence[float], results: Floats) -> Floats:
    """For every seed the rate with the highest result; among equals their geometric mean."""
    found = []
    for column in results.T:
        top = np.flatnonzero(column == column.max())
        found.append(math.exp(float(np.mean(np.log(np.asarray(lrs)[top])))))
    return np.array(found)


def window(lrs: Sequence[float], results: Floats, within: float, *, least: float = -math.inf) -> Floats:
    """Width in decades, per seed, of the rates within `within` of the best result; 0 where the best is below `least`.

    Every rate of the grid stands for its stretch of the logarithmic axis.
    """
    spacing = math.log10(lrs[-1] / lrs[0]) / (len(lrs) - 1)
    good = (results >= results.max(axis=0) - within) & (results.max(axis=0) >= least)
    return np.asarray(spacing * good.sum(axis=0))


def arrived(runs: Sequence[Run], level: float) -> Floats:
    """Updates after which the validation accuracy of each run first was at `level`; infinity for never."""
    found = []
    for run in runs:
        there = np.flatnonzero(np.asarray(run.val_metrics["accuracy"]) >= level)
        found.append(float(run.val_step[there[0]]) if len(there) else math.inf)
    return np.array(found)


def decade_steps(low: float, high: float, per_decade: int = 2) -> tuple[float, ...]:
    """Rates from `low` to `high`, evenly spaced on a logarithmic axis, rounded to three digits."""
    count = round(per_decade * math.log10(high / low)) + 1
    return tuple(float(f"{lr:.3g}") for lr in np.geomspace(low, high, count))


def with_model(task: Task, model: Any, name: str = "") -> Task:
    """The same data, loss and metrics with another model."""
    return Task(model, task.train, task.val, loss=task.loss, metrics=task.metrics, name=name or task.name)


def few(task: Task, count: int, *, first: int = 0, model: Any = None) -> Task:
    """The same task with `count` training examples from `first` on."""
    part = task.train.batch(torch.arange(first, first + count))
    return Task(model or task.model, tuple(part), task.val, loss=task.loss, metrics=task.metrics, name=task.name)


def rate_panel(
    title: str, lrs: Sequence[float], results: Mapping[str, Floats], y_label: str, *, y_log: bool = False
) -> Panel:
    """Mean over seeds by rate, one curve per name, with the range over seeds as a band."""
    return Panel(
        title,
        x_label="rate",
        y_label=y_label,
        x_log=True,
        y_log=y_log,
        curves=tuple(
            Curve(
                name,
                float_series(lrs),
                float_series(one.mean(axis=1)),
                low=float_series(one.min(axis=1)),
                high=float_series(one.max(axis=1)),
                marker="o",
            )
            for name, one in results.items()
        ),
    )
