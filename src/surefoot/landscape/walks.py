"""Walks: trainings from one start, with the weights at many points along the way.

A *walk* is what becomes a path once there is a plane to draw it on. Members are trained by the fastest engine, which
shows its weights whenever it validates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.engine import Engine, Validation
from surefoot.engines.memory import in_bytes
from surefoot.engines.train import train_members
from surefoot.errors import InputError, MemoryBoundError
from surefoot.landscape.weights import Numbers, Weights
from surefoot.records import Fate, Recipe, Run
from surefoot.tasks.task import Task

__all__ = ["Walk", "kept_steps", "points_that_fit", "walk_all"]

Floats = npt.NDArray[np.float64]
Tick = Callable[[int, int], None]
FEWEST = 3
"""Points of a walk below which there is nothing to draw."""


@dataclasses.dataclass
class Walk:
    """One training and where its weights were."""

    name: str
    recipe: Recipe
    step: list[int] = dataclasses.field(default_factory=list)
    """Updates done at each point."""
    points: list[Numbers] = dataclasses.field(default_factory=list)
    """Weights at each point, [P]."""
    run: Run | None = None

    @property
    def lrs(self) -> Floats:
        """Rate of the update that leaves each point; at the end, of the last one."""
        rates = np.empty(0) if self.run is None else self.run.lr
        if not len(rates):
            return np.full(len(self.step), math.nan)
        return np.asarray(rates[np.minimum(self.step, len(rates) - 1)])

    @property
    def stacked(self) -> Numbers:
        """The points, [n, P]."""
        return np.stack(self.points)

    @property
    def lengths(self) -> Floats:
        """Euclidean distances between neighbouring points."""
        pairs = zip(self.points[:-1], self.points[1:], strict=True)
        return np.array([np.linalg.norm(b.astype(np.float64) - a) for a, b in pairs])


def kept_steps(total: int, points: int) -> list[int]:
    """After how many updates points are kept: evenly, at most `points` times, at both ends.

    The stride is odd, so that a weight that changes its sign with every update still does on the picture.
    """
    if total < points:
        return list(range(total + 1))
    stride = -(-total // (points - 1))
    stride += 1 - stride % 2
    return sorted({*range(0, total, stride), total})


def points_that_fit(weights: Weights, walks: int, points: int, room: int) -> int:
    """How many points of each walk fit into `room` bytes, at most `points`.

    Raises:
        MemoryBoundError: not even a few do.
    """
    # Once as they were kept and once stacked for the principal components.
    fitting = room // (2 * max(1, walks) * weights.bytes)
    if fitting < FEWEST:
        need = 2 * walks * weights.bytes * FEWEST
        raise MemoryBoundError(
            f"{walks} paths of {weights.size:,} weights need at least {in_bytes(need)} for {FEWEST} points each, "
            f"and {in_bytes(room)} are free for them; allow more `memory`, or draw fewer paths"
        )
    return int(min(points, fitting))


def walk_all(
    task: Task,
    recipes: Mapping[str, Recipe],
    weights: Weights,
    *,
    points: int,
    tick: Tick | None = None,
) -> tuple[list[Walk], bool]:
    """Train all recipes and keep their weights; the walks, and whether they were interrupted.

    Args:
        task: what is trained.
        recipes: name to recipe; with a rate.
        weights: which numbers of the model make a point.
        points: most points of a walk.
        tick: told the updates done of all members, and how many there are.

    Raises:
        InputError: the recipes differ in seed, so the walks would not begin at one point.
        KeyboardInterrupt: it came before any of them had two points.
    """
    seeds = {recipe.seed for recipe in recipes.values()}
    if len(seeds) > 1:
        raise InputError(
            f"the recipes of `paths` have the seeds {sorted(seeds)}; paths begin at one point: give one seed"
        )
    walks = {name: Walk(name, recipe) for name, recipe in recipes.items()}
    lengths = {name: steps_of(recipe, task.train.size)[0] for name, recipe in recipes.items()}
    total, done = sum(lengths.values()), 0
    interrupted = False

    def ticked(steps: int, _alive: int) -> None:
        nonlocal done
        done += steps
        if tick is not None:
            tick(done, total)

    for length in sorted(set(lengths.values())):
        some = [walks[name] for name in walks if lengths[name] == length]
        if interrupted:
            break
        interrupted = _walk(task, some, weights, length, kept_steps(length, points), ticked)
        if not interrupted:
            done = sum(one for one in lengths.values() if one <= length)
    if interrupted and all(len(walk.points) < 2 for walk in walks.values()):
        raise KeyboardInterrupt(
            f"interrupted after {done} of {total} updates, before there was a step of any path to draw; fewer steps or "
            "more `points` give one sooner"
        )
    return [walk for walk in walks.values() if walk.points], interrupted


def _walk(task: Task, walks: Sequence[Walk], weights: Weights, length: int, at: Sequence[int], tick: Tick) -> bool:
    """Train walks of one length side by side; whether it was interrupted."""
    engine: Engine | None = None

    def make_engine(changed_task: Task, chosen: Sequence[Recipe]) -> Engine:
        nonlocal engine
        engine = choose_engine(changed_task, chosen, horizon=length)
        return engine

    def keep(validation: Validation) -> Mapping[int, tuple[Fate, str]]:
        assert engine is not None
        here = {id(recipe): place for place, recipe in enumerate(engine.recipes)}
        for member in validation.members:
            walk = walks[member]
            state = {name: torch.as_tensor(value) for name, value in engine.state_dict(here[id(walk.recipe)]).items()}
            point = weights.point(state)
            if validation.step in walk.step[-1:] or not np.isfinite(point).all():
                continue
            if walk.step and validation.step < walk.step[-1]:  # begun again in smaller batches
                walk.step, walk.points = [], []
            walk.step.append(validation.step)
            walk.points.append(point)
        return {}

    # Recipes that are equal objects would be one member to the engine's places.
    recipes = [walk.recipe for walk in walks]
    for place, walk in enumerate(walks):
        recipes[place] = walk.recipe = walk.recipe.replace()
    runs = train_members(
        task, recipes, horizon=length, validate_at=at, monitor=keep, tick=tick, make_engine=make_engine
    )
    for walk, run in zip(walks, runs, strict=True):
        walk.run = run
    return any(run.fate == "interrupted" for run in runs)
