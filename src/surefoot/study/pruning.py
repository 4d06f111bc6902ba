"""Pruning: members that cannot win any more are given up, within their fused batch and from seed to seed.

Both rules compare only members that share everything but seed and numbers of the optimizer, so the curve of every
optimizer, schedule and batch size keeps its best part. Nothing here depends on time or on the order of the work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.engines.engine import Validation
from surefoot.records import Fate
from surefoot.records.study import StudyMember

__all__ = ["Dominated", "rungs", "skipped"]

_KEPT = 4
"""Members that are never given up while others of the batch live."""
_DECAYING = ((1 / 8, 0.85), (1 / 4, 0.75), (1 / 2, 0.6), (3 / 4, 0.35))
"""(Share of the training, share of the best improvement lost from which a member is given up). Before a schedule has
brought the rate down, high rates look worse than they will be."""
_CONSTANT = ((1 / 8, 0.7), (1 / 4, 0.5), (1 / 2, 0.35), (3 / 4, 0.25))
_EARLIEST = 8
_SEED_LOSS = 0.1
"""Share of the improvement that a setting may have lost under the first seed to be trained under the others."""
_SEED_KEPT = 5


def rungs(horizon: int) -> tuple[int, ...]:
    """Updates at which members of a race are compared."""
    return tuple(sorted({round(share * horizon) for share, _ in _CONSTANT if share * horizon >= _EARLIEST}))


class Dominated:
    """Names the members of a batch that have lost too much of what the best one has gained.

    Args:
        horizon: updates of each member.
        schedule: name of the members' schedule.
    """

    def __init__(self, horizon: int, schedule: str) -> None:
        self._horizon = horizon
        self._bounds = _CONSTANT if schedule == "constant" else _DECAYING
        self._first = math.inf

    def __call__(self, validation: Validation) -> dict[int, tuple[Fate, str]]:
        """The members to give up after a validation, with fate and reason."""
        losses = np.where(np.isfinite(validation.loss), validation.loss, np.inf)
        if validation.step == 0:
            finite = losses[np.isfinite(losses)]
            self._first = float(np.median(finite)) if len(finite) else math.inf
            return {}
        if validation.step >= self._horizon or validation.step not in rungs(self._horizon):
            return {}
        bound = [bound for share, bound in self._bounds if validation.step >= round(share * self._horizon)][-1]
        best = float(losses.min())
        if not best < self._first or math.isinf(self._first):
            return {}
        lost = (losses - best) / (self._first - best)
        order = np.argsort(lost, kind="stable")
        return {
            validation.members[row]: (
                "retired",
                f"after {validation.step} of {self._horizon} updates it had lost {min(lost[row], 9.99):.0%} of the "
                "improvement of the best of its batch",
            )
            for row in order[_KEPT:]
            if lost[row] > bound
        }


def skipped(earlier: Sequence[Sequence[StudyMember]]) -> dict[int, str]:
    """Places of the settings that need not be trained under another seed, with the reason.

    Args:
        earlier: for each setting of one group, its members under the seeds that are done.
    """
    losses = np.array([_mean_loss(members) for members in earlier])
    firsts = [one.first_loss for members in earlier for one in members if one.first_loss is not None]
    finite = np.isfinite(losses)
    if not finite.any() or not firsts:
        return {}
    best, first = float(losses[finite].min()), float(np.median(firsts))
    gain = first - best
    if not gain > 0:
        return {}
    lost = (losses - best) / gain
    order = np.argsort(lost, kind="stable")
    return {
        int(row): "under the first seed it "
        + ("did not finish" if math.isinf(lost[row]) else f"lost {min(lost[row], 9.99):.0%} of the best improvement")
        for rank, row in enumerate(order)
        if math.isinf(lost[row]) or (rank >= _SEED_KEPT and lost[row] > _SEED_LOSS)
    }


def _mean_loss(members: Sequence[StudyMember]) -> float:
    finished = [one.final_loss for one in members if one.fate == "finished" and one.final_loss is not None]
    return float(np.mean(finished)) if len(finished) == len(members) and finished else math.inf
