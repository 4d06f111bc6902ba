"""`init`: scale of the first weights × rate, and how much the result depends on the draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import (
    Floats,
    best_rates,
    decade_steps,
    few,
    rate_panel,
    table,
    trained_at,
    window,
    with_model,
)
from surefoot.textbook.measuring import mean_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 20}
"""Accuracies at a rate too large stood 0.073 ± 0.095 (standard deviation over seeds) further apart than at the best
rate in the earlier run; to tell that from 0 in 9 of 10 runs takes (3.24 × 0.095 / 0.073)² = 18 seeds."""

SCALES = (0.1, 1.0, 5.0)


def scaled(scale: float) -> nn.Module:
    """The digits MLP with every first weight multiplied."""
    model = mlp((64, 32, 32, 10))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Every scale at every rate; spread over draws by rate at the usual scale."""
    lrs = decade_steps(0.003, 10, 2) if size == "full" else (0.01, 0.1, 1.0)
    epochs = 6 if size == "full" else 3
    task = few(find_entry("digits").make(), 800)
    results: dict[float, Floats] = {}
    for scale in SCALES:
        runs = trained_at(with_model(task, partial(scaled, scale)), Recipe(batch_size=32, epochs=epochs), lrs, seeds)
        results[scale] = table(runs)
    best = {scale: np.log10(best_rates(lrs, one)) for scale, one in results.items()}
    usual = results[1.0]
    middle, low, high = int(np.argmax(usual.mean(axis=1))), 0, len(lrs) - 1
    measured: list[Measurement] = []
    for scale, one in results.items():
        measured += [
            mean_of(
                f"initialisation: decades of good rates, weights × {scale:g}", window(lrs, one, 0.05), unit="decades"
            ),
            mean_of(f"initialisation: best accuracy, weights × {scale:g}", one.max(axis=0)),
        ]
    measured += [
        mean_of("initialisation: decades between the best rates, weights × 0.1 and × 1", best[0.1] - best[1.0],
                unit="decades"),
        mean_of("initialisation: decades between the best rates, weights × 5 and × 1", best[5.0] - best[1.0],
                unit="decades"),
        mean_of("initialisation: distance of the accuracy from its mean over draws, lowest minus best rate",
                _distance(usual[low]) - _distance(usual[middle])),
        mean_of("initialisation: distance of the accuracy from its mean over draws, third highest minus best rate",
                _distance(usual[high - 2 if len(lrs) > 4 else high]) - _distance(usual[middle])),
    ]  # fmt: skip
    return Outcome(
        "init",
        measurements=tuple(measured),
        panels=(
            rate_panel(
                "Accuracy by rate and scale of the first weights",
                lrs,
                {f"weights × {scale:g}": one for scale, one in results.items()},
                "accuracy",
            ),
        ),
        notes=(f"digits MLP 64-32-32-10, 800 training digits, SGD, batches of 32, {epochs} epochs",),
    )


def _distance(row: Floats) -> Floats:
    return np.asarray(np.abs(row - row.mean()))
