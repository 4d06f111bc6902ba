"""The rate that is usually best, before anything of the task was tried.

What usual trainings have in common is how far they go in all: the mean rate, times the steps, within a factor. So the
mean over the schedule is what is looked at, and the peak follows from its shape. It falls with the number of steps,
less than in proportion. Optimizers that divide by the size of the gradients move every weight by about the rate, and
what a layer puts out by its width times that: of them, larger networks want lower rates (Yang et al. 2021, Tensor
Programs V). Numbers are fitted by `benchmarks/usual_rates.py` on tasks that no search is judged on.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from torch import nn

from surefoot.engines.engine import unit_schedule
from surefoot.records import Recipe
from surefoot.tasks.task import Task

__all__ = ["FITTED", "Fitted", "Usual", "mean_factor", "parameters_of", "usual_rate"]


@dataclasses.dataclass(frozen=True)
class Usual:
    """Where the best rate usually lies."""

    place: float
    """log10 of the peak rate."""
    scale: float
    """Decades around it in which it lies: the scale of a Student's t with 3 degrees of freedom."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """The numbers that were fitted, in decades."""

    sgd: float = -0.95
    """log10 of the mean rate of SGD over `STEPS` updates; of Adam, RMSprop and their kin with `PARAMETERS`."""
    adam: float = -2.46
    rmsprop: float = -2.73
    momentum: float = -0.38
    """For each time that 1 - momentum is ten times smaller."""
    doubling: float = -0.20
    """For each doubling of the updates."""
    tenfold: float = -0.43
    """For ten times as many parameters, where the gradients are divided by their size."""

    def mean_rate(self, optimizer: str, momentum: float, steps: float, parameters: float) -> float | None:
        """log10 of the usual mean rate; None for an optimizer that it was not fitted for.

        Beyond the lengths and, by more than a decade, the sizes that were seen it stays as it is.
        """
        kind = _KINDS.get(optimizer)
        if kind is None:
            return None
        base: float = getattr(self, kind)
        length = math.log2(min(max(steps, _LENGTHS[0]), _LENGTHS[1]) / STEPS)
        size = 0.0 if kind == "sgd" else math.log10(min(max(parameters, 1), _LARGEST) / PARAMETERS)
        return base - self.momentum * math.log10(1.0 - momentum) + self.doubling * length + self.tenfold * size


FITTED = Fitted()
STEPS, PARAMETERS = 500, 10_000
"""Updates and trainable numbers at which the fitted rates hold."""
_KINDS = {
    "sgd": "sgd", "asgd": "sgd", "rmsprop": "rmsprop",
    "adam": "adam", "adamw": "adam", "nadam": "adam", "radam": "adam", "adamax": "adam",
}  # fmt: skip
_LENGTHS = (100, 2_000)
_LARGEST = 300_000
_SCALE, _SGD_SCALE = 0.5, 0.75
"""A little wider than the 0.39 that is fitted: tasks at work are less alike than those of a corpus. With SGD much
wider: multiply the loss by a number and the best rate is divided by it, and losses of the corpus are of one size."""
_OTHERS = {"adagrad": -1.3, "adadelta": 0.7, "rprop": -2.3, "adafactor": -1.3}
"""log10 of the usual peak rate of optimizers that nothing was fitted for, a guess; so it is a vague one."""
_VAGUE = 1.0
_LOOKS = 1_000
"""Steps of a schedule that are looked at."""


def usual_rate(recipe: Recipe, steps: int, parameters: int) -> Usual | None:
    """Where the best peak rate of `recipe` usually lies.

    Args:
        recipe: its optimizer, momentum and schedule count.
        steps: updates of the training; from 1.
        parameters: trainable numbers of the model.

    Returns:
        None for an optimizer of which nothing is known.
    """
    momentum = recipe.options.get("momentum", 0.0)
    heavy = float(momentum) if isinstance(momentum, int | float) and 0 < momentum < 1 else 0.0
    mean = FITTED.mean_rate(recipe.optimizer, heavy, steps, parameters)
    if mean is not None:
        scale = _SGD_SCALE if _KINDS[recipe.optimizer] == "sgd" else _SCALE
        return Usual(mean - math.log10(mean_factor(recipe, steps)), scale)
    guess = _OTHERS.get(recipe.optimizer)
    return None if guess is None else Usual(guess, _VAGUE)


def parameters_of(task: Task) -> int:
    """Trainable numbers of the task's model; those of layers that do not know their shape yet are not counted."""
    trained = (one for one in task.new_model(0).parameters() if one.requires_grad)
    return sum(one.numel() for one in trained if not nn.parameter.is_lazy(one))


def mean_factor(recipe: Recipe, steps: int) -> float:
    """Mean rate over peak rate of the recipe's schedule; 1 where it waits for a metric, or never leaves 0."""
    schedule = unit_schedule(recipe, steps)
    if schedule.follows_metric:
        return 1.0
    places = np.unique(np.linspace(0, steps - 1, min(steps, _LOOKS)).round().astype(int))
    return float(np.mean([schedule(int(place)) for place in places])) or 1.0
