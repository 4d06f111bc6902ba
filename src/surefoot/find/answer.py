"""The answer: what a method concludes from the trials of a search, before it becomes a record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from surefoot.find.search import Trial

__all__ = ["Answer", "divergence_rate", "learned", "unknown"]

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


def learned(trial: Trial, initial_loss: float | None) -> bool:
    """Whether a trial ended alive and below the loss at initialisation."""
    return math.isfinite(trial.loss) and (initial_loss is None or trial.loss < initial_loss)


def divergence_rate(trials: Sequence[Trial], initial_loss: float | None) -> float | None:
    """Rate above which training diverges, from the trials; None if none diverged.

    A trial diverged if its loss was not finite, ran away, or ended above where it began; or if it broke down, keeping
    next to nothing of what a lower rate gained over the same length. The rate lies between the highest one that did
    not and the lowest one above it that did, at their geometric mean.
    """
    bad, good = [], []
    for one in trials:
        if _diverged(one, trials, initial_loss):
            bad.append(one.lr)
        elif learned(one, initial_loss):
            good.append(one.lr)
    if not good:
        return min(bad) if bad else None
    above = [lr for lr in bad if lr > max(good)]
    return float(np.sqrt(max(good) * min(above))) if above else None


def _diverged(trial: Trial, trials: Sequence[Trial], initial_loss: float | None) -> bool:
    # A retired trial did not end: it may have been on its way back down.
    if trial.fate != "finished" or initial_loss is None or not math.isfinite(trial.loss):
        return trial.fate == "diverged"
    if trial.loss > initial_loss + 0.01 * abs(initial_loss):
        return True
    lower = [one.loss for one in trials if one.horizon == trial.horizon and one.lr < trial.lr]
    gained = initial_loss - min(lower, default=math.inf)
    # Where little was gained at all, as on a plateau, keeping none of it says nothing.
    return gained > _MUCH * abs(initial_loss) and initial_loss - trial.loss < _NOTHING * gained
