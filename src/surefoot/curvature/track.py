"""Track: sharpness against the limit along a short run of the very training that is asked about.

One value near initialisation is no advice: sharpness moves while a network trains, at small rates mostly up, at rates
beyond 2 / sharpness down (the catapult), and then it hovers at the limit (the edge of stability; Cohen et al. 2021).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from surefoot.curvature.hvp import Hvp, flat_weights, trainable
from surefoot.curvature.limits import Reading, limit_of, read_optimizer
from surefoot.curvature.sharpness import Sharpness, largest
from surefoot.engines.batches import steps_of
from surefoot.engines.divergence import PATIENCE, bound_of
from surefoot.engines.engine import unit_schedule
from surefoot.engines.single import Single
from surefoot.records import Recipe
from surefoot.schedules import Schedule
from surefoot.tasks.task import Task

__all__ = ["Point", "ShortRun", "points_of"]

Watch = Callable[["Point"], None]
_ROUGH = 1e-3
"""Error of the sharpness along the way, as a share."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One measurement along the run."""

    step: int
    lr: float
    sharpness: float
    """The eigenvalue that the limit follows from."""
    limit: float
    loss: float


def points_of(steps: int, count: int) -> list[int]:
    """At most about `count` numbers of updates from 0 to `steps`, evenly spread, the ends among them.

    Where there is room they are even: at the edge of stability weights swing to and fro with every update, and after
    an even number of them the Hessian is much nearer to the one that a warm start knows.
    """
    step = 2 if steps >= 2 * count else 1
    spread = np.linspace(0, steps, max(2, min(count, steps + 1))).tolist()
    return sorted({0, steps, *(min(steps, step * round(one / step)) for one in spread)})


class ShortRun:
    """A training that is stopped at points to be measured. Use inside `borrowed_rng` and with gradients on.

    Args:
        task: what is trained.
        recipe: how; with a rate.
        weights: where it begins, under the module's names; None at the initialisation.

    Attributes:
        done: updates made.
        losses: training loss of each batch.
        points: what was measured.
        diverged: whether the loss ran away; then the run is over.
        update: [P] the last update.
        lr: rate of the next update, or of the last one when the run is over.
        products: that the last look took.
    """

    def __init__(self, task: Task, recipe: Recipe, *, weights: Mapping[str, Tensor] | None = None) -> None:
        self.task, self.recipe = task, recipe
        self.single = Single(task, recipe, norms=False)
        if weights is not None:
            self.single.model.load_state_dict(dict(weights))
        self._schedule: Schedule = unit_schedule(recipe, steps_of(recipe, task.train.size)[0])
        self.done = 0
        self.losses: list[float] = []
        self.points: list[Point] = []
        self.diverged = False
        self.update: Tensor | None = None
        self.found: Sharpness | None = None
        self.products = 0.0

    @property
    def lr(self) -> float:
        """Rate of the next update."""
        return (self.recipe.lr or 0.0) * self._schedule(self.done)

    def reading(self, squares: Tensor | None) -> Reading:
        """How the optimizer steps now; `squares` serves where it has made no step."""
        parameters = [one for _, one in trainable(self.single.model)]
        return read_optimizer(self.single.optimizer, parameters, squares=squares)

    def advance(self, steps: int, *, falling: int = 0) -> None:
        """Make updates until `steps` are done or the loss has run away.

        With `falling`, the rate falls linearly to 0 over the last so many of them.
        """
        above = 0
        while self.done < steps and not self.diverged:
            last = self.done == steps - 1
            before = flat_weights(self.single.model) if last else None
            share = min(1.0, (steps - self.done) / (falling + 1)) if falling else 1.0
            loss, _ = self.single.update(self.done, self.lr * share, self._schedule.momentum(self.done))
            self.losses.append(float(loss))
            self.done += 1
            above = above + 1 if self.losses[-1] > bound_of(self.losses[0]) else 0
            self.diverged = not math.isfinite(self.losses[-1]) or above >= PATIENCE
            if before is not None:
                self.update = flat_weights(self.single.model) - before
        if not bool(torch.isfinite(flat_weights(self.single.model)).all()):
            self.diverged = True

    def look(self, hvp: Hvp, *, squares: Tensor | None, most: int, seed: int) -> Point | None:
        """Measure here, roughly; None where the weights or their curvature are no numbers any more."""
        hvp.load(self.single.model)
        loss = hvp.loss()
        if not math.isfinite(loss):
            return None
        reading = self.reading(squares)
        made = hvp.products
        self.found = largest(
            hvp, reading, warm=self.found, tolerance=_ROUGH, most=most, seed=seed, plain=self.found is None
        )
        self.products = hvp.products - made
        top = self.found.meets.value
        limit = limit_of(reading, top)
        self.points.append(Point(self.done, self.lr, top, math.nan if limit is None else limit, loss))
        return self.points[-1]
