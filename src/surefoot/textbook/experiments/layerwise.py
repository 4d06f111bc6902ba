"""`layerwise`: gradients over weights layer by layer in a deep net, and training with a rate for each layer.

The rates of the layers are one global rate times a factor: the layer's weight norm over its gradient norm at the start
(the trust ratio of LARS), scaled so that the factors multiply to one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, accuracies, arrived, decade_steps, table, trained_at
from surefoot.textbook.measuring import mean_of, median_of

SEEDS = {"quick": 2, "full": 5}
HIDDEN = (64, 48, 32, 32, 32, 32, 10)
LEVEL = 0.85


@dataclasses.dataclass
class Sweep:
    """End results of one way of setting rates: updates to the level and accuracy, [rates, seeds]."""

    times: Floats
    accuracy: Floats


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Compare one rate for all layers with one per layer, each at its best global value."""
    full = size == "full"
    steps = 600 if full else 150
    digits = find_entry("digits").make()
    net = Task(lambda: mlp(HIDDEN), digits.train, digits.val, loss=digits.loss, metrics=digits.metrics, name="deep net")
    shares = np.array([_update_shares(net, seed) for seed in seeds])
    spread = np.log10(shares.max(axis=1) / shares.min(axis=1))
    factors = _factors(shares.mean(axis=0))
    lrs = decade_steps(0.01, 3.16, 3) if full else (0.1, 0.3, 1.0)
    alike = _sweep(net, lrs, seeds, steps)
    grouped = Task(
        net.model,
        net.train,
        net.val,
        loss=net.loss,
        metrics=net.metrics,
        name="deep net, a rate per layer",
        groups=lambda name, parameter: {"lr_factor": factors[int(name.split(".")[0]) // 2]},  # noqa: ARG005
    )
    apart = _sweep(grouped, lrs, seeds, steps)
    cap = steps + 15.0
    times = {name: np.minimum(one.times, cap) for name, one in (("alike", alike), ("apart", apart))}
    best = {name: one[int(np.argmin(one.mean(axis=1)))] for name, one in times.items()}
    found: list[Measurement] = [
        mean_of(
            "decades between the layers' gradient over weight", spread, method="before training, largest, smallest"
        ),
        median_of(f"updates to {LEVEL:.0%} with one rate for all layers", best["alike"]),
        median_of(f"updates to {LEVEL:.0%} with a rate per layer", best["apart"]),
        mean_of(
            "updates with a rate per layer over updates with one rate",
            best["apart"] / best["alike"],
            method="each at its best global rate, same seeds",
        ),
        mean_of("accuracy that a rate per layer gains", apart.accuracy.max(axis=0) - alike.accuracy.max(axis=0)),
    ]
    bars = {f"layer {place + 1}": float(one) for place, one in enumerate(shares.mean(axis=0))}
    return Outcome(
        "layerwise",
        measurements=tuple(found),
        panels=(
            Panel(
                "Gradient over weight before training", style="bars", y_label="ratio of norms", y_log=True, bars=bars
            ),
        ),
        notes=(f"digits MLP {'-'.join(map(str, HIDDEN))}, SGD, batches of 64, {steps} updates",),
    )


def _update_shares(task: Task, seed: int) -> list[float]:
    model = task.make_model(seed)
    weights = [one for one in model.parameters() if one.ndim == 2]
    slopes = torch.autograd.grad(task.loss_of(model, task.train.batch(torch.arange(256))), weights)
    return [(slope.norm() / weight.norm()).item() for slope, weight in zip(slopes, weights, strict=True)]


def _factors(shares: Floats) -> list[float]:
    inverse = 1 / shares
    return [float(one) for one in inverse / np.exp(np.mean(np.log(inverse)))]


def _sweep(task: Task, lrs: Sequence[float], seeds: Sequence[int], steps: int) -> Sweep:
    points = list(range(0, steps + 1, 15))
    runs = trained_at(task, Recipe(batch_size=64, epochs=1), lrs, seeds, horizon=steps, validate_at=points)
    return Sweep(table(runs, lambda group: arrived(group, LEVEL)), table(runs, accuracies))
