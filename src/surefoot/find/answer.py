"""The answer: what a method concludes from the trials of a search, before it becomes a record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from surefoot.find.search import Trial

__all__ = ["Answer", "divergence_rate", "learned", "unknown"]


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

    A trial diverged if its loss was not finite, ran away, or ended above where it began. The rate lies between the
    highest one that did not and the lowest one above it that did, at their geometric mean.
    """
    bad = [t.lr for t in trials if t.fate == "diverged" or _worse(t, initial_loss)]
    good = [t.lr for t in trials if learned(t, initial_loss)]
    if not good:
        return min(bad) if bad else None
    above = [lr for lr in bad if lr > max(good)]
    return float(np.sqrt(max(good) * min(above))) if above else None


def _worse(trial: Trial, initial_loss: float | None) -> bool:
    # A retired trial did not end: it may have been on its way back down.
    if trial.fate != "finished" or initial_loss is None or not math.isfinite(trial.loss):
        return False
    return trial.loss > initial_loss + 0.01 * abs(initial_loss)
