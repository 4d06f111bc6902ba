"""Folds: the training data cut into equal parts, each of which validates a training on the others."""

from __future__ import annotations

import torch

from surefoot.errors import InputError
from surefoot.tasks.sources import SubsetSource
from surefoot.tasks.task import Task

__all__ = ["fold_tasks"]


def fold_tasks(task: Task, folds: int, seed: int) -> list[Task]:
    """One task per fold, which trains on the other folds; the validation data of `task` is left out.

    Args:
        task: whose training data is cut.
        folds: from 2 up to the number of training examples.
        seed: orders the examples before they are cut.

    Raises:
        InputError: too few or too many folds.
    """
    size = task.train.size
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= size:
        raise InputError(f"`folds` is {folds!r}; it is a whole number from 2 to the {size} training examples")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    parts = [part.sort().values for part in order.tensor_split(folds)]
    tasks = []
    for held, part in enumerate(parts):
        rest = torch.cat([other for place, other in enumerate(parts) if place != held]).sort().values
        tasks.append(
            Task(
                task.model,
                train=SubsetSource(task.train, rest),
                val=SubsetSource(task.train, part),
                loss=task.loss,
                metrics=task.metrics,
                name=f"{task.name}, fold {held + 1} of {folds}",
                device=task.device,
                groups=task.groups,
            )
        )
    return tasks
