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
"""Share of the improvement that a setting may have lost under the first seed to be trained under the second."""
_SEED_KEPT = 5
"""Settings that are trained under the second seed whatever they lost."""
_SIGMAS = 3.0
"""Standard errors that a setting may be behind the best one, over the first seeds, to be trained under the others."""
_LAST_KEPT = 3
"""Settings that are trained under all seeds whatever they lost."""


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
    """Places of the settings that need not be trained under further seeds, with the reason.

    After one seed it takes a loss that chance is not thought to explain; after several, the members of one seed are
    compared with the best setting's member of that seed, and what these differences vary by, over all settings,
    tells how much of their mean is chance.

    Args:
        earlier: for each setting of one group, its members under the seeds that are done, in one order of the seeds.
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
    seeds = len(earlier[int(order[0])])
    kept, bound, when = _SEED_KEPT, _SEED_LOSS, "under the first seed"
    if seeds > 1:
        error = _error([earlier[int(row)] for row in order if finite[row]]) / gain
        kept, bound, when = _LAST_KEPT, _SIGMAS * error, f"under the first {seeds} seeds"
    return {
        int(row): f"{when} it "
        + ("did not finish" if math.isinf(lost[row]) else f"lost {_percent(lost[row])} of the best improvement")
        for rank, row in enumerate(order)
        if math.isinf(lost[row]) or (rank >= kept and lost[row] > bound)
    }


def _percent(share: float) -> str:
    return f"{min(share, 9.99):.0%}" if share >= 0.1 else f"{share:.2%}"


def _error(settings: Sequence[Sequence[StudyMember]]) -> float:
    """Standard error of the mean difference to the first of the settings, pooled over the others."""
    losses = np.array([[one.final_loss for one in members] for members in settings], dtype=np.float64)
    if len(losses) < 2:
        return 0.0
    variances = (losses[1:] - losses[0]).var(axis=1, ddof=1)
    return float(np.sqrt(variances.mean() / losses.shape[1]))


def _mean_loss(members: Sequence[StudyMember]) -> float:
    finished = [one.final_loss for one in members if one.fate == "finished" and one.final_loss is not None]
    return float(np.mean(finished)) if len(finished) == len(members) and finished else math.inf
