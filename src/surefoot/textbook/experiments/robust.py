"""`robust`: networks that fit their digits equally well, trained at small and large rates, on disturbed digits.

Every run is stopped where its training loss first is below one level, so that a rate cannot win by training more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.engines.engine import Validation
from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, follow_each, rate_panel
from surefoot.textbook.lab.training import measure
from surefoot.textbook.measuring import mean_of
from surefoot.textbook.seeds import shared

SEEDS = {"quick": 2, "full": 12}
"""The slope under half contrast was -0.005 ± 0.006 per decade (standard deviation over seeds) in the earlier run;
to tell that from -0.01 in 8 of 10 runs takes (2.8 × 0.006 / 0.005)² = 11 seeds."""
LRS = (0.02, 0.06, 0.2, 0.6)
LEVEL = 0.1


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train to the same loss at every rate, then disturb the validation digits."""
    full = size == "full"
    digits = find_entry("digits").make()
    x, y = digits.val.batch(torch.arange(digits.val.size))
    kinds = {"none": x, **_disturbed(x)}
    lrs = LRS if full else LRS[2:]
    level = LEVEL if full else 0.6
    results = {kind: np.zeros((len(lrs), len(seeds))) for kind in kinds}
    stopped = np.zeros((len(lrs), len(seeds)))
    for row, lr in enumerate(lrs):
        models, losses = _at_level(digits, lr, seeds, level, 60 if full else 12)
        stopped[row] = losses
        for column, model in enumerate(models):
            for kind, disturbed in kinds.items():
                task = Task(digits.model, (x[:8], y[:8]), (disturbed, y), loss=digits.loss, metrics=digits.metrics)
                results[kind][row, column] = measure(task, model).accuracy
    decades = np.log10(np.array(lrs))
    found: list[Measurement] = [mean_of("training loss at which runs were compared", stopped.ravel())]
    for kind, accuracy in results.items():
        slopes = np.polyfit(decades, accuracy, 1)[0]
        words = "undisturbed digits" if kind == "none" else f"digits under {kind}"
        found.append(mean_of(f"accuracy per decade of the rate, {words}", slopes, method="at equal training loss"))
        found.append(mean_of(f"accuracy on {words}", accuracy.mean(axis=0)))
    return Outcome(
        "robust",
        measurements=tuple(found),
        panels=(rate_panel("Accuracy on disturbed digits at equal training loss", lrs, results, "accuracy"),),
        notes=(f"digits MLP 64-32-10, SGD, batches of 64, stopped where the training loss is below {level:g}",),
    )


def _disturbed(x: Tensor) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(shared())
    images = x.reshape(-1, 8, 8)
    return {
        "noise": x + 0.5 * x.std() * torch.randn(x.shape, generator=random),
        "a shift": torch.roll(images, 1, dims=2).reshape(x.shape),
        "half contrast": 0.5 * x,
    }


def _at_level(task: Task, lr: float, seeds: Sequence[int], level: float, looks: int) -> tuple[list[nn.Module], Floats]:
    """Copies of the models where their training loss first was below the level, and that loss."""
    on_train = Task(task.model, task.train, task.train, loss=task.loss, metrics=task.metrics)
    every = max(1, round(2 / lr))
    horizon = looks * every
    recipe = Recipe(lr=lr, batch_size=64, epochs=horizon / (task.train.size / 64))
    kept: dict[int, tuple[nn.Module, float]] = {}

    def observe(member: int, _step: int, _seen: Validation, model: nn.Module) -> None:
        if member not in kept or kept[member][1] > level:
            copied = task.make_model(0)
            copied.load_state_dict(model.state_dict())
            kept[member] = (copied.eval(), measure(on_train, model).loss)

    follow_each(task, recipe, seeds, range(every, horizon + 1, every), observe)
    return [kept[member][0] for member in range(len(seeds))], np.array([kept[m][1] for m in range(len(seeds))])
