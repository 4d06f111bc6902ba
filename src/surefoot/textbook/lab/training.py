"""How the lab trains: through the library's own engines, many members side by side."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import nn

from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.engine import Validation
from surefoot.engines.serial import validate_model
from surefoot.records import Recipe, Run
from surefoot.tasks.task import Task

__all__ = ["Epoch", "epoch_steps", "follow", "measure", "with_seeds"]

_CHUNK = 50
"""Updates between two words on how far the training is."""

Observe = Callable[[int, Validation, Mapping[int, nn.Module]], object]
"""Told the updates done, the validation, and a model per living member that holds its present numbers."""


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Mean loss and accuracy of a model over a set of examples."""

    loss: float
    accuracy: float


def follow(
    task: Task,
    recipes: Sequence[Recipe],
    points: Sequence[int],
    observe: Observe,
    *,
    grad_norms: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Run]:
    """Train members that share an engine and show their models after each number of updates in `points`.

    `say` is told how far the training is and about how long the rest takes.
    """
    engine = choose_engine(task, recipes, grad_norms=grad_norms)
    models = [task.make_model(recipe.seed) for recipe in recipes]
    started = time.perf_counter()
    try:
        for point in sorted({*points, engine.horizon}):
            while engine.done < point and engine.alive:
                engine.advance(min(_CHUNK, point - engine.done))
                if say is not None:
                    left = (time.perf_counter() - started) / engine.done * (engine.horizon - engine.done)
                    say(f"{engine.done} of {engine.horizon} updates, about {left:.0f} s left")
            if engine.done < point:
                break
            validation = engine.validate()
            for member in validation.members:
                models[member].load_state_dict(engine.state_dict(member))
            observe(point, validation, {member: models[member] for member in validation.members})
    finally:
        engine.close()
    return engine.runs()


def measure(task: Task, model: nn.Module) -> Epoch:
    """Mean loss and accuracy over the validation examples of `task`."""
    losses, sizes, metrics = validate_model(task, model)
    return Epoch(float(np.average(losses, weights=sizes)), metrics.get("accuracy", float("nan")))


def epoch_steps(task: Task, recipe: Recipe, epochs: Sequence[int]) -> list[int]:
    """Updates done after each of these epochs."""
    total, per_epoch = steps_of(recipe, task.train.size)
    return [min(total, round(epoch * per_epoch)) for epoch in epochs]


def with_seeds(recipe: Recipe, seeds: Sequence[int]) -> list[Recipe]:
    """The recipe once per seed: initialisations differ, and the order of the batches is the first seed's for all."""
    return [recipe.replace(seed=seed, data_seed=seeds[0]) for seed in seeds]
