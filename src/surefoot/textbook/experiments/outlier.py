"""`outlier`: a regression in which one example in twenty is grossly wrong, at rates from small to large."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.models.linear import linear
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, table, trained_at
from surefoot.textbook.measuring import mean_of, slope_of

SEEDS = {"quick": 2, "full": 6}
LRS = (0.005, 0.03, 0.15)
INPUTS, EXAMPLES = 5, 200


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """One outlier's jump, then full trainings with the mean squared error and with Huber's loss."""
    jumps = np.array([[_jump(lr, seed) for lr in LRS] for seed in seeds])
    found: list[Measurement] = [
        slope_of("exponent of the jump by one outlier against the rate", LRS, jumps),
        mean_of("jump by one outlier at rate 0.15", jumps[:, -1], method="distance in weight space, one example"),
    ]
    passes = 1000 if size == "full" else 150  # on inputs of variance 1 the start fades as exp(-2 rate passes)
    errors: dict[str, Floats] = {}
    for name, loss in {"squared error": nn.MSELoss(), "Huber's loss": nn.HuberLoss()}.items():
        results = [
            table(trained_at(_task(seed, loss), Recipe(batch_size="full", epochs=passes), LRS, [seed]), _clean)
            for seed in seeds
        ]
        errors[name] = np.concatenate(results, axis=1)
        found.append(mean_of(f"error on clean data at the smallest rate, {name}", errors[name][0]))
        found.append(mean_of(f"error on clean data at the largest rate, {name}", errors[name][-1]))
    found.append(
        mean_of(
            "error on clean data after full training, smallest over largest rate",
            errors["squared error"][0] / errors["squared error"][-1],
            method="squared error, full batches to the end",
        )
    )
    found.append(
        mean_of(
            "error on clean data, Huber's loss over squared error",
            errors["Huber's loss"][1] / errors["squared error"][1],
        )
    )
    single = [
        table(trained_at(_task(seed, nn.MSELoss()), Recipe(batch_size=1, epochs=10), (0.003, 0.03), [seed]), _clean)
        for seed in seeds
    ]
    small, large = np.concatenate(single, axis=1)
    found.append(
        mean_of("log10 of the error on clean data, large over small rate, single examples", np.log10(large / small))
    )
    return Outcome(
        "outlier",
        measurements=tuple(found),
        panels=(
            Panel(
                "Error on clean data after full training",
                x_label="rate",
                y_label="mean squared error",
                x_log=True,
                y_log=True,
                curves=tuple(
                    Curve(n, float_series(LRS), float_series(e.mean(axis=1)), marker="o") for n, e in errors.items()
                ),
            ),
        ),
        notes=(f"linear regression, {INPUTS} inputs, {EXAMPLES} examples, 5% of the targets off by 20, noise 0.1",),
    )


def _data(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    with borrowed_rng(seed):
        x, truth = torch.randn(2 * EXAMPLES, INPUTS), torch.randn(INPUTS, 1)
        y = x @ truth + 0.1 * torch.randn(2 * EXAMPLES, 1)
    y[: EXAMPLES // 20] += 20.0
    return x[:EXAMPLES], y[:EXAMPLES], x[EXAMPLES:], y[EXAMPLES:]


def _task(seed: int, loss: nn.Module) -> Task:
    """Trained with `loss`; the metric is the mean squared error on examples without outliers."""
    x, y, xv, yv = _data(seed)
    metrics = {"squared_error": nn.functional.mse_loss}
    net = partial(linear, inputs=INPUTS, outputs=1)
    return Task(net, (x, y), (xv, yv), loss=loss, metrics=metrics, name="regression with outliers")


def _clean(runs: Sequence[Run]) -> Floats:
    return np.array([float(run.val_metrics["squared_error"][-1]) for run in runs])


def _jump(lr: float, seed: int) -> float:
    """How far one update on one outlier moves a model that fits the clean examples."""
    x, y, xv, yv = _data(seed)
    weights = torch.linalg.lstsq(xv, yv).solution.requires_grad_()
    loss = nn.functional.mse_loss(x[:1] @ weights, y[:1])
    return float(lr * torch.autograd.grad(loss, weights)[0].norm())
