"""The engine: members of one batch, trained side by side.

A *member* is one model under one recipe. An *engine* holds members that make as many updates with batches as large,
shows those with one order seed the same batches, and is driven from outside: advance, validate, retire, until its
horizon. `Serial` is the obvious engine; every other one must match it member by member.

The *ledger* keeps what an engine observes and turns it into runs, so that all engines report alike.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from surefoot.engines.divergence import PATIENCE, bound_of, died_at
from surefoot.records import Fate, Recipe, Run, float_series, int_series
from surefoot.schedules import Schedule, make

__all__ = ["Engine", "Ledger", "Validation", "unit_schedule", "val_groups"]

VAL_GROUPS = 16
"""Parts into which the validation data is cut; the spread of their losses tells how sure the mean is."""


@dataclasses.dataclass(frozen=True)
class Validation:
    """Validation of the living members at one step."""

    step: int
    members: tuple[int, ...]
    """Places of the members in the engine; row order of the arrays."""
    loss: npt.NDArray[np.float64]
    """Mean loss over the validation data, [members]."""
    groups: npt.NDArray[np.float64]
    """Mean loss over each part of the validation data, [members, parts]; the same parts for all members."""
    metrics: Mapping[str, npt.NDArray[np.float64]]
    """Metric name to its mean, [members]."""

    def spread(self, rows: Sequence[tuple[int, int]]) -> Validation:
        """A validation of other members: for each its place, and the row here that holds for it."""
        index = [row for _, row in rows]
        metrics = {name: values[index] for name, values in self.metrics.items()}
        return Validation(self.step, tuple(one for one, _ in rows), self.loss[index], self.groups[index], metrics)


class Engine(Protocol):
    """Members of one batch; see the module's text."""

    horizon: int
    """Updates of the whole training, for which the schedule is laid out."""
    done: int
    """Updates made so far."""

    @property
    def recipes(self) -> Sequence[Recipe]:
        """How each member is trained."""
        ...

    @property
    def alive(self) -> list[int]:
        """Places of the members that still train."""
        ...

    def advance(self, steps: int) -> None:
        """Let every living member make `steps` updates, not past the horizon; retire those that diverge."""
        ...

    def validate(self) -> Validation:
        """Mean loss and metrics of the living members over the validation data; also noted in their runs."""
        ...

    def retire(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """End the training of some members; they cost nothing more."""
        ...

    def state_dict(self, member: int) -> dict[str, torch.Tensor]:
        """Copies of the parameters and buffers of a living member, under the module's names."""
        ...

    def runs(self) -> list[Run]:
        """The record of every member, in the order of the recipes; also in the middle of a training."""
        ...

    def close(self) -> None:
        """Give back memory and processes; `runs` still answers."""
        ...


def unit_schedule(recipe: Recipe, horizon: int, per_epoch: float | None = None) -> Schedule:
    """The recipe's schedule at peak 1 over `horizon` updates.

    With `per_epoch`, updates per epoch, it is laid out for the recipe's own epochs and then scaled to `horizon`: a
    warmup of 500 updates is as large a part of a short rung as of the whole training.
    """
    planned = horizon if per_epoch is None else max(1, round(recipe.epochs * per_epoch))
    return make(recipe.schedule, 1.0, planned, **recipe.schedule_options).scaled_to(horizon)


def val_groups(size: int) -> list[torch.Tensor]:
    """Indices of the parts of `size` validation examples: as equal as can be, in order."""
    return list(torch.arange(size).tensor_split(min(VAL_GROUPS, size)))


class Ledger:
    """What an engine observes of its members."""

    def __init__(self, recipes: Sequence[Recipe], horizon: int, steps_per_epoch: float, *, grad_norms: bool) -> None:
        count = len(recipes)
        self.recipes = tuple(recipes)
        self.steps_per_epoch = steps_per_epoch
        self.loss = np.full((count, horizon), np.nan)
        self.grad_norm = np.full((count, horizon), np.nan) if grad_norms else None
        self.made = np.zeros(count, dtype=np.int64)
        self._looked = np.zeros(count, dtype=np.int64)
        self._first_val = np.full(count, np.nan)
        self.fate: list[Fate | None] = [None] * count
        self.reason = [""] * count
        self.seconds = np.zeros(count)
        self._validations: list[Validation] = []
        self._horizon = horizon
        self._factors: dict[str, npt.NDArray[np.float64]] = {}

    @property
    def alive(self) -> list[int]:
        """Places of the members whose fate is open."""
        return [place for place, fate in enumerate(self.fate) if fate is None]

    def note_steps(
        self,
        members: Sequence[int],
        first: int,
        losses: npt.NDArray[np.float64],
        norms: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Note the losses (and gradient norms) [members, n] of the updates from `first` on."""
        rows, count = np.asarray(members), losses.shape[1]
        self.loss[rows, first : first + count] = losses
        if norms is not None and self.grad_norm is not None:
            self.grad_norm[rows, first : first + count] = norms
        self.made[rows] = first + count

    def note_validation(self, validation: Validation) -> Validation:
        """Note a validation and give it back."""
        self._validations.append(validation)
        if validation.step == 0:
            self._first_val[list(validation.members)] = validation.loss
        return validation

    def note_time(self, members: Sequence[int], since: float) -> None:
        """Share the seconds since `since` (of `time.perf_counter`) among the members."""
        if members:
            self.seconds[np.asarray(members)] += (time.perf_counter() - since) / len(members)

    def end(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """Settle the fate of members that have none yet."""
        for member in members:
            if self.fate[member] is None:
                self.fate[member], self.reason[member] = fate, reason

    def deaths(self) -> list[int]:
        """Settle the fate of living members whose losses show that they diverged; their places."""
        dead: list[int] = []
        alive = np.array([member for member in self.alive if self.made[member] > self._looked[member]], dtype=np.int64)
        if not len(alive):
            return dead
        # What was looked at before cannot kill any more, but for the run of bad steps at its end.
        since = max(0, int(self._looked[alive].min()) - PATIENCE + 1)
        recent = self.loss[alive, since : int(self.made[alive].max())]
        bounds = np.array([self._bound(member) for member in alive])
        suspects = alive[~(recent <= bounds[:, None]).all(axis=1)]
        self._looked[alive] = self.made[alive]
        for member in suspects:
            losses = self.loss[member, since : self.made[member]]
            bound = self._bound(member)
            found = died_at(losses, bound)
            if found is not None:
                at = since + found
                losses = self.loss[member]
                last = losses[at]
                shown = f"{last:.3g}" if math.isfinite(last) else "no finite number"
                self.end([int(member)], "diverged", f"the training loss was {shown} at step {at} (bound {bound:.3g})")
                self.made[member] = at + 1
                dead.append(int(member))
        return dead

    def _bound(self, member: int) -> float:
        return bound_of(float(self.loss[member, 0]), float(self._first_val[member]))

    def _factor(self, recipe: Recipe) -> npt.NDArray[np.float64]:
        """The recipe's schedule at peak 1, for every update."""
        name = repr((recipe.schedule, recipe.schedule_options))
        if name not in self._factors:
            schedule = unit_schedule(recipe, self._horizon, self.steps_per_epoch)
            self._factors[name] = np.array([schedule(step) for step in range(self._horizon)])
        return self._factors[name]

    def run(self, member: int) -> Run:
        """The member's record so far."""
        made, recipe = int(self.made[member]), self.recipes[member]
        peak = math.nan if recipe.lr is None else recipe.lr
        points = [one for one in self._validations if member in one.members]
        rows = [one.members.index(member) for one in points]
        pairs = list(zip(points, rows, strict=True))
        names = list(points[0].metrics) if points else []
        return Run(
            recipe=recipe,
            step=int_series(range(made)),
            loss=float_series(self.loss[member, :made]),
            lr=float_series(peak * self._factor(recipe)[:made]),
            grad_norm=float_series(() if self.grad_norm is None else self.grad_norm[member, :made]),
            val_step=int_series([one.step for one in points]),
            val_loss=float_series([one.loss[row] for one, row in pairs]),
            val_metrics={name: float_series([one.metrics[name][row] for one, row in pairs]) for name in names},
            steps_per_epoch=self.steps_per_epoch,
            fate=self.fate[member] or "interrupted",
            reason=self.reason[member] or "still training",
            seconds=float(self.seconds[member]),
        )
