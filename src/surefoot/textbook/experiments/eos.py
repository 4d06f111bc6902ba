"""`eos`: sharpness along full-batch training of a small network, against two over the rate."""

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
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import repeated
from surefoot.textbook.lab.inspection import sharpness
from surefoot.textbook.lab.training import follow
from surefoot.textbook.measuring import mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 1, "full": 6}

LRS = (0.1, 0.7, 1.0)
EXAMPLES = 300


def small() -> nn.Module:
    """One hidden layer of tanh."""
    return mlp((64, 20, 10), activation="tanh")


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train three rates from the same weights, and measure the sharpness on the way."""
    steps = 2000 if size == "full" else 200
    x, y = find_entry("digits").make().train.batch(torch.arange(EXAMPLES))
    wanted = nn.functional.one_hot(y, 10).float()
    task = Task(small, (x, wanted), (x, wanted), loss=nn.MSELoss(), name="digits, squared error")
    recipes = [one for lr in LRS for one in repeated(Recipe(lr=lr, batch_size="full", epochs=steps), seeds)]
    points = sorted({0, *np.unique(np.linspace(0, steps, 11 if size == "full" else 4).round().astype(int)).tolist()})
    seen = np.full((len(points), len(recipes)), np.nan)

    def observe(step: int, _seen: Validation, models: Mapping[int, nn.Module]) -> None:
        for member, model in models.items():
            seen[points.index(step), member] = sharpness(
                model, lambda net: nn.functional.mse_loss(net(x), wanted), rounds=30
            )

    runs = follow(task, recipes, points, observe)
    count = len(seeds)
    by_rate = {lr: seen[:, place * count : (place + 1) * count] for place, lr in enumerate(LRS)}
    large = runs[-count:]
    rises = [float(np.mean(np.diff(one.loss) > 0)) for one in large]
    falls = [float(one.loss[-1] / one.loss[0]) for one in large]
    above = int(np.sum(by_rate[1.0][len(points) // 2 :].max(axis=0) * 1.0 / 2 > 1.0))
    late = len(points) // 2
    measured: list[Measurement] = [
        mean_of(
            "edge of stability: sharpness × rate / 2 in the second half, rate 1", by_rate[1.0][late:].mean(axis=0) / 2
        ),
        mean_of(
            "edge of stability: sharpness × rate / 2 in the second half, rate 0.7",
            0.7 * by_rate[0.7][late:].mean(axis=0) / 2,
        ),
        mean_of("edge of stability: sharpness at the end, rate 0.1", by_rate[0.1][-1]),
        mean_of("edge of stability: sharpness at the end, rate 1", by_rate[1.0][-1]),
        mean_of("edge of stability: sharpness at the end, rate 0.1 over rate 1", by_rate[0.1][-1] / by_rate[1.0][-1]),
        mean_of("edge of stability: share of updates that raise the loss, rate 1", rises),
        mean_of("edge of stability: loss at the end over loss at the start, rate 1", falls),
        share_of(
            "edge of stability: share of runs that diverged, rate 1",
            sum(one.fate == "diverged" for one in large),
            count,
        ),
        share_of("edge of stability: share of runs whose sharpness passed 2 / rate, rate 1", above, count),
    ]
    return Outcome(
        "eos",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Sharpness along full-batch training, by rate",
                x_label="update",
                y_label="largest eigenvalue of the Hessian",
                curves=tuple(
                    Curve(f"rate {lr:g}", float_series(points), float_series(one.mean(axis=1)), marker="o")
                    for lr, one in by_rate.items()
                ),
                marks={f"2 / {lr:g}": 2 / lr for lr in (0.7, 1.0)},
            ),
        ),
        notes=(f"MLP 64-20-10 of tanh, {EXAMPLES} digits against 0 and 1, squared error, full batch, {steps} updates",),
    )
