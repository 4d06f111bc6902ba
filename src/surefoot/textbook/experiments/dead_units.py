"""`dead-units`: the digits MLP at huge rates: does it end flat, at a poor loss, with units that no longer answer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, few, repeated
from surefoot.textbook.lab.training import follow
from surefoot.textbook.measuring import mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 10}

LRS = (0.3, 1.0, 3.0, 10.0, 30.0)
CHANCE, FLAT, BEST = 2.303, 1e-2, 0.6


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train at every rate on all data at once, then look at the units and the gradient."""
    epochs = 150 if size == "full" else 40
    task = few(find_entry("digits").make(), 500)
    recipes = [one for lr in LRS for one in repeated(Recipe(lr=lr, batch_size="full", epochs=epochs), seeds)]
    dead: Floats = np.zeros(len(recipes))
    slope: Floats = np.full(len(recipes), np.nan)
    loss: Floats = np.full(len(recipes), np.inf)
    x, y = task.train.batch(torch.arange(task.train.size))

    def observe(_step: int, _seen: Validation, models: Mapping[int, nn.Module]) -> None:
        for member, model in models.items():
            dead[member], slope[member], loss[member] = _look(task, model, x, y)

    follow(task, recipes, [epochs], observe)
    shape = (len(LRS), len(seeds))
    dead, slope, loss = dead.reshape(shape), slope.reshape(shape), loss.reshape(shape)
    best = float(loss.mean(axis=1).min())
    flat = np.isfinite(loss) & (slope < FLAT) & (loss > max(2 * best, 0.5))
    measured: list[Measurement] = []
    for place, lr in enumerate(LRS):
        measured += [
            share_of(
                f"dead units: share of runs that end flat at a poor loss, rate {lr:g}",
                int(flat[place].sum()),
                len(seeds),
                method=f"finite, size of the gradient below {FLAT:g}, loss at least twice the best",
            ),
            mean_of(f"dead units: share of hidden units that answer no example, rate {lr:g}", dead[place]),
        ]
    measured.append(
        mean_of("dead units: share of dead hidden units, rate 10 minus rate 0.3", dead[LRS.index(10.0)] - dead[0])
    )
    return Outcome(
        "dead-units",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Dead units and stranded runs of the digits MLP, by rate",
                x_label="rate",
                y_label="share",
                x_log=True,
                curves=(
                    Curve("dead hidden units", float_series(LRS), float_series(dead.mean(axis=1)), marker="o"),
                    Curve("runs flat at a poor loss", float_series(LRS), float_series(flat.mean(axis=1)), marker="s"),
                ),
            ),
        ),
        notes=(f"digits MLP 64-32-10 of ReLU, 500 training digits, full batch, {epochs} updates",),
    )


def _look(task: Task, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float, float]:
    """Share of dead hidden units, size of the gradient, training loss."""
    layers = list(model.children())
    hidden = layers[1](layers[0](x))
    loss = nn.functional.cross_entropy(model(x), y)
    if not torch.isfinite(loss):
        return 0.0, float("nan"), float("inf")
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    del task
    return (
        float((hidden <= 0).all(dim=0).float().mean()),
        float(torch.cat([one.flatten() for one in slopes]).norm()),
        float(loss.detach()),
    )
