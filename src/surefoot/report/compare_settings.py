"""Settings: the runs of a sweep that differ in nothing but seeds, and what they have in common.

The *target* is a validation loss that settings are timed to: given by the user, or the loss that lies nine tenths of
the way from before training to the best median at the end.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.records import Recipe, Run, Sweep
from surefoot.report.numbers import brief, figures_that_tell

__all__ = ["Setting", "best_of", "settings_of", "target_of"]

_SHARE = 0.9

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Setting:
    """Runs alike in all but seeds."""

    label: str
    """What tells it from the others, in words."""
    runs: tuple[Run, ...]

    @property
    def finals(self) -> list[float]:
        """Validation loss of every run at its end; infinite where it diverged."""
        return [run.final_val_loss for run in self.runs if run.fate != "interrupted"]

    @property
    def median(self) -> float:
        """Median of `finals`; NaN without one."""
        return _median(self.finals)

    @property
    def diverged(self) -> int:
        """How many runs diverged."""
        return sum(run.fate == "diverged" for run in self.runs)

    @property
    def rises(self) -> float:
        """Share of validations, over all runs, with a higher loss than the one before; NaN without two."""
        steps = [np.diff(run.val_loss) for run in self.runs if len(run.val_loss) > 1]
        every = np.concatenate(steps) if steps else np.empty(0)
        return float((every > 0).mean()) if len(every) else math.nan

    def metric(self, name: str) -> float:
        """Median of a metric at the end; NaN where no run reached it."""
        return _median([float(r.val_metrics[name][-1]) for r in self.runs if len(r.val_metrics.get(name, ())) > 0])

    def steps_to(self, target: float) -> list[float]:
        """Updates until the validation loss was at most `target`, for every run; infinite where it never was."""
        found = []
        for run in self.runs:
            reached = np.flatnonzero(run.val_loss <= target)
            found.append(float(run.val_step[reached[0]]) if len(reached) else math.inf)
        return found

    def curve(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Steps, and lowest, median and highest validation loss over the runs that still train there."""
        steps = sorted({int(step) for run in self.runs for step in run.val_step})
        rows = []
        for run in self.runs:
            known = dict(zip(run.val_step.tolist(), run.val_loss.tolist(), strict=True))
            rows.append([known.get(step, math.inf if run.fate == "diverged" else math.nan) for step in steps])
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(steps))
        values[np.isposinf(values)] = np.nan
        some = np.flatnonzero(np.isfinite(values).any(axis=0))
        values, x = values[:, some], np.array(steps, dtype=np.float64)[some]
        if not len(x):
            return x, x, x, x
        return x, np.nanmin(values, axis=0), np.nanmedian(values, axis=0), np.nanmax(values, axis=0)


def settings_of(sweep: Sweep) -> list[Setting]:
    """The settings of a sweep, in the order in which they first appear."""
    grouped: dict[str, list[Run]] = {}
    for run in sweep.runs:
        if run.recipe is not None:
            alike = {**run.recipe.to_json(), "seed": None, "data_seed": None}
            grouped.setdefault(json.dumps(alike, sort_keys=True), []).append(run)
    recipes = [runs[0].recipe for runs in grouped.values() if runs[0].recipe is not None]
    labels = _labels(recipes)
    return [Setting(label, tuple(runs)) for label, runs in zip(labels, grouped.values(), strict=True)]


def best_of(settings: Sequence[Setting]) -> Setting | None:
    """The setting with the lowest finite median at the end."""
    fine = [one for one in settings if math.isfinite(one.median)]
    return min(fine, key=lambda one: one.median) if fine else None


def target_of(settings: Sequence[Setting]) -> float | None:
    """The loss to time settings to; None where nothing was learned."""
    best = best_of(settings)
    firsts = [float(run.val_loss[0]) for one in settings for run in one.runs if len(run.val_loss)]
    if best is None or not firsts or not best.median < _median(firsts):
        return None
    return _median(firsts) - _SHARE * (_median(firsts) - best.median)


def _labels(recipes: Sequence[Recipe]) -> list[str]:
    """Of each recipe what it does not share with all others."""
    figures = figures_that_tell(recipe.lr for recipe in recipes)
    parts = [_parts(recipe, figures) for recipe in recipes]
    names = list(dict.fromkeys(name for one in parts for name in one))
    varied = [name for name in names if len({one.get(name) for one in parts}) > 1]
    labels = []
    for one in parts:
        said = [
            one[name] if name in ("optimizer", "schedule") else f"{name} {one[name]}" for name in varied if name in one
        ]
        labels.append(", ".join(said) or f"lr {one['lr']}")
    return labels


def _parts(recipe: Recipe, figures: int) -> dict[str, str]:
    fields: dict[str, Any] = {
        "optimizer": recipe.optimizer, "lr": brief(recipe.lr, figures), "schedule": recipe.schedule,
        "batch": recipe.batch_size, "epochs": f"{recipe.epochs:g}", "clip": recipe.clip,
        "accumulate": recipe.accumulate, **recipe.options, **recipe.schedule_options, **recipe.changes,
    }  # fmt: skip
    return {name.replace("_", " "): _written(value) for name, value in fields.items() if value is not None}


def _written(value: object) -> str:
    return brief(value) if isinstance(value, float) else str(value)


def _median(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    ordered = sorted(values)
    middle = len(ordered) // 2
    # An infinite loss among two in the middle leaves no number between them.
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
