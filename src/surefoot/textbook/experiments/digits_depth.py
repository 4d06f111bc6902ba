"""`digits-depth`: how many rates work when a network gets deeper, plainly and with what makes depth bearable.

A rate works when its accuracy is within 2 points of the best of that depth, and the best is at least 80%.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import Floats, decade_steps, rate_panel, table, trained_at, window, with_model
from surefoot.textbook.measuring import mean_of, share_of

__all__ = ["normalised_net", "skipping_net"]

SEEDS = {"quick": 2, "full": 4}
DEPTHS = (1, 2, 4, 8)
WITHIN, LEAST = 0.02, 0.8
WIDTH = 32


class Skip(nn.Module):
    """A layer whose input is added to its output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """X plus half of the layer's activation, so that values stay of one size."""
        return x + 0.5 * torch.relu(self.layer(x))


def skipping_net(depth: int) -> nn.Module:
    """Hidden layers with a way around each."""
    return nn.Sequential(
        nn.Linear(64, WIDTH), nn.ReLU(), *(Skip(WIDTH) for _ in range(depth - 1)), nn.Linear(WIDTH, 10)
    )


def normalised_net(depth: int) -> nn.Module:
    """Hidden layers with batch normalisation before each activation."""
    layers: list[nn.Module] = []
    for place in range(depth):
        layers += [nn.Linear(64 if place == 0 else WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every depth at every rate."""
    full = size == "full"
    lrs = decade_steps(0.001, 10, 3) if full else decade_steps(0.01, 10, 1)
    digits = find_entry("digits").make()
    recipe = Recipe(batch_size=64, epochs=8 if full else 4)
    nets: dict[str, Callable[[], nn.Module]] = {
        f"depth {depth}": partial(mlp, (64, *[WIDTH] * depth, 10)) for depth in DEPTHS
    }
    if full:
        nets["depth 8, He initialisation"] = lambda: mlp((64, *[WIDTH] * 8, 10), init="kaiming")
        nets["depth 8, skips"] = lambda: skipping_net(8)
        nets["depth 8, normalised"] = lambda: normalised_net(8)
        nets["width 8"] = lambda: mlp((64, 8, 10))
        nets["width 512"] = lambda: mlp((64, 512, 10))
    found: list[Measurement] = []
    results: dict[str, Floats] = {}
    for name, net in nets.items():
        results[name] = table(trained_at(with_model(digits, net, name), recipe, lrs, seeds))
        width = window(lrs, results[name], WITHIN, least=LEAST)
        found.append(mean_of(f"decades of good rates, {name}", width, unit="decades"))
        found.append(mean_of(f"best accuracy, {name}", results[name].max(axis=0)))
        at_best = results[name][int(np.argmax(results[name].mean(axis=1)))]
        found.append(share_of(f"share of failed runs at the best rate, {name}", int((at_best < 0.5).sum()), len(seeds)))
        largest = [_largest(lrs, column) for column in results[name].T]
        found.append(mean_of(f"log10 of the largest good rate, {name}", largest, unit="decades"))
    shallow, deep = (window(lrs, results[f"depth {depth}"], WITHIN, least=LEAST) for depth in (1, 8))
    found.append(mean_of("decades of good rates, depth 1 minus depth 8", shallow - deep, unit="decades"))
    grid = np.log10(lrs[-1] / lrs[0])
    for depth in DEPTHS:
        chance = window(lrs, results[f"depth {depth}"], WITHIN, least=LEAST) / 7
        found.append(
            mean_of(f"chance that a blind rate is good, depth {depth}", chance, method="from 1e-6 to 10, logarithmic")
        )
    loss_at_large = results["depth 1"][lrs.index(1.0)] - results["depth 4"][lrs.index(1.0)]
    found.append(mean_of("accuracy depth 4 loses against depth 1 at rate 1", loss_at_large, method="same seeds"))
    return Outcome(
        "digits-depth",
        measurements=tuple(found),
        panels=(
            rate_panel(
                "Accuracy by rate and depth", lrs, {f"depth {d}": results[f"depth {d}"] for d in DEPTHS}, "accuracy"
            ),
        ),
        notes=(f"digits MLP of width {WIDTH}, SGD, {recipe.epochs:g} epochs, rates over {grid:.1f} decades",),
    )


def _largest(lrs: Sequence[float], column: Floats) -> float:
    good = np.flatnonzero(column >= column.max() - WITHIN)
    return math.log10(lrs[int(good[-1])]) if column.max() >= LEAST else math.log10(lrs[0])
