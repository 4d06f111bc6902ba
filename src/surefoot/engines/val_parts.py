"""What each part of the validation data counts for in the mean loss over all of it."""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt

from surefoot.engines.engine import val_groups
from surefoot.tasks.averaging import has_weights, mean_weight
from surefoot.tasks.task import Task

__all__ = ["part_weights", "weighed"]

Floats = npt.NDArray[np.float64]

_KNOWN: weakref.WeakKeyDictionary[Task, Floats] = weakref.WeakKeyDictionary()


def part_weights(task: Task) -> Floats:
    """Weight of each part of `val_groups`, [parts]: 0 where the loss has nothing to take a mean of."""
    known = _KNOWN.get(task)
    if known is None:
        parts = val_groups(task.val.size)
        known = np.array([len(part) for part in parts], dtype=np.float64)
        if has_weights(task):
            weights = np.array([mean_weight(task, task.batch(task.val, part), len(part)) for part in parts])
            # Where nothing counts at all, the loss itself is to say so.
            known = weights if weights.any() else known
        _KNOWN[task] = known
    return known


def weighed(losses: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean loss [K], and the losses of the parts that count [K, counting], of losses [K, parts]."""
    counting = weights > 0
    groups = losses[:, counting]
    return groups @ weights[counting] / weights[counting].sum(), groups
