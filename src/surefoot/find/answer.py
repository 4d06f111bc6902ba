"""The answer: what a method concludes from the trials of a search, before it becomes a record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from surefoot.find.search import Trial

__all__ = ["Answer", "divergence", "divergence_rate", "learned", "raised", "unknown"]

_CLEARLY = 0.01
"""Share of the initial loss above it from which a loss counts as higher."""
_MUCH, _NOTHING = 0.2, 0.05
"""Share of the initial loss that a lower rate must have gained, and share of that gain below which nothing is kept."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """A rate with its interval, or None and why."""

    lr: float | None
    reason: str
    interval: tuple[float, float] | None = None
    expected_loss: float | None = None
    rules: dict[str, float | None] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def unknown(reason: str, *, notes: tuple[str, ...] = ()) -> Answer:
    """No rate, and what to do about it."""
    return Answer(None, reason, notes=notes)


def learned(trial: Trial) -> bool:
    """Whether a trial ended alive and below its loss at initialisation."""
    return math.isfinite(trial.loss) and (trial.initial_loss is None or trial.loss < trial.initial_loss)


def raised(trial: Trial) -> bool:
    """Whether a trial ended clearly above its loss at initialisation, or ran away."""
    start = trial.initial_loss
    if trial.fate != "finished" or start is None or not math.isfinite(trial.loss):
        # A retired trial did not end: it may have been on its way back down.
        return trial.fate == "diverged"
    return trial.loss > start + _CLEARLY * abs(start)


def divergence_rate(trials: Sequence[Trial]) -> float | None:
    """Rate above which training diverges, from the trials; None if none diverged.

    A trial diverged if its loss was not finite, ran away, or ended above where it began; or if it broke down, keeping
    next to nothing of what a lower rate gained over the same length. The rate lies between the highest one that did
    not and the lowest one above it that did, at their geometric mean.
    """
    found = divergence(trials)
    return None if found is None else found[0]


def divergence(trials: Sequence[Trial]) -> tuple[float, int] | None:
    """`divergence_rate`, and the length of the longest training that diverged right above it, in updates."""
    bad: dict[float, int] = {}
    highest = 0.0
    for one in trials:
        if raised(one) or _broke_down(one, trials):
            bad[one.lr] = max(one.horizon, bad.get(one.lr, 0))
        elif learned(one):
            highest = max(highest, one.lr)
    above = min((lr for lr in bad if lr > highest), default=None)
    if above is None:
        return None
    return (float(np.sqrt(highest * above)) if highest else above), bad[above]


def _broke_down(trial: Trial, trials: Sequence[Trial]) -> bool:
    if trial.fate != "finished" or trial.initial_loss is None:
        return False
    lower = [_gain(one) for one in trials if one.horizon == trial.horizon and one.lr < trial.lr]
    gained = max(lower, default=0.0)
    # Where little was gained at all, as on a plateau, keeping none of it says nothing.
    return gained > _MUCH * abs(trial.initial_loss) and _gain(trial) < _NOTHING * gained


def _gain(trial: Trial) -> float:
    return -math.inf if trial.initial_loss is None else trial.initial_loss - trial.loss
