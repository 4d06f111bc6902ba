"""`hypergradient`: a rate that plain descent leaves alone, and one that learns itself from the gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from surefoot.engines.update_rules import make_rule
from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import accuracies, few, trained_at
from surefoot.textbook.measuring import exact, mean_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 5}

EXAMPLES, BATCH = 800, 32
START, GAIN = 0.003, 0.02
"""A rate a hundred times too small, and how fast it learns."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Plain SGD from a rate far too small, the same with a rate that learns, and a tuned constant rate."""
    epochs = 10 if size == "full" else 4
    task = few(find_entry("digits").make(), EXAMPLES)
    fixed = trained_at(task, Recipe(batch_size=BATCH, epochs=epochs), (START, 100 * START), seeds)
    used = [float(np.ptp(run.lr)) for run in fixed[START]]
    learned = [_learned(task, seed, epochs) for seed in seeds]
    rates, right = np.array([one[0][-1] for one in learned]), np.array([one[1] for one in learned])
    measured: list[Measurement] = [
        exact("rate of plain SGD: largest change from the first update to the last", max(used)),
        mean_of("rate that learns itself: rate at the end over that at the start", rates / START),
        mean_of("rate that learns itself: accuracy", right),
        mean_of("rate that learns itself: accuracy gained over the fixed start rate", right - accuracies(fixed[START])),
        mean_of(
            "rate that learns itself: accuracy lost against a tuned fixed rate", accuracies(fixed[100 * START]) - right
        ),
    ]
    path = learned[0][0]
    return Outcome(
        "hypergradient",
        measurements=tuple(measured),
        panels=(
            Panel(
                "A rate that learns itself from a start a hundred times too small",
                x_label="update",
                y_label="rate",
                y_log=True,
                curves=(Curve("hypergradient", float_series(range(len(path))), float_series(path)),),
                marks={"start": START},
            ),
        ),
        notes=(
            f"digits MLP 64-32-10, {EXAMPLES} training digits, batches of {BATCH}, {epochs} epochs; the rate moves by "
            f"{GAIN:g} times the product of two gradients in a row (Baydin et al. 2018)",
        ),
    )


def _learned(task: object, seed: int, epochs: int) -> tuple[list[float], float]:
    """The rates of a training whose rate descends too, and its accuracy; steps are made by the library's rule."""
    from surefoot.tasks.task import Task

    assert isinstance(task, Task)
    model = task.make_model(seed)
    x, y = task.train.batch(torch.arange(task.train.size))
    order = torch.Generator().manual_seed(seed)
    parameters = list(model.parameters())
    stacked = [one.detach()[None] for one in parameters]
    rule = make_rule("sgd")
    state = rule.init(stacked)
    lr, rates = START, []
    last: torch.Tensor | None = None
    step = 0
    for _ in range(epochs):
        for picks in torch.split(torch.randperm(len(x), generator=order), BATCH):
            loss = nn.functional.cross_entropy(model(x[picks]), y[picks])
            slopes = torch.autograd.grad(loss, parameters)
            flat = torch.cat([one.flatten() for one in slopes])
            if last is not None:
                lr = max(0.0, lr + GAIN * float(flat @ last))
            last = flat
            rates.append(lr)
            rule.step(stacked, [one[None].clone() for one in slopes], state, lr, step)
            step += 1
    xv, yv = task.val.batch(torch.arange(task.val.size))
    with torch.no_grad():
        return rates, float((model(xv).argmax(dim=1) == yv).float().mean())
