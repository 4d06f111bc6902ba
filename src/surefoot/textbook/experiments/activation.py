"""`activation`: how long sigmoid, tanh and ReLU networks take to 90% at each rate, shallow and deep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import (
    Floats,
    arrived,
    decade_steps,
    rate_panel,
    table,
    trained_at,
    with_model,
)
from surefoot.textbook.measuring import mean_of, median_of

SEEDS = {"quick": 2, "full": 4}
KINDS = ("sigmoid", "tanh", "relu")
LEVEL = 0.9


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every activation at depth 1 and 3 at every rate."""
    full = size == "full"
    lrs = decade_steps(0.01, 3.16, 2) if full else (0.03, 0.1, 0.3)
    steps = 900 if full else 150
    digits = find_entry("digits").make()
    found: list[Measurement] = []
    curves: dict[str, Floats] = {}
    points = list(range(0, steps + 1, 15))
    for depth in (1, 3):
        times: dict[str, Floats] = {}
        for kind in KINDS:
            task = with_model(digits, lambda kind=kind, depth=depth: mlp((64, *[32] * depth, 10), activation=kind))
            runs = trained_at(task, Recipe(batch_size=64, epochs=1), lrs, seeds, horizon=steps, validate_at=points)
            times[kind] = table(runs, lambda group: arrived(group, LEVEL))
            curves[f"{kind}, {depth} layers"] = table(runs)
            small = curves[f"{kind}, {depth} layers"][0]
            found.append(mean_of(f"accuracy at the smallest rate, {kind}, depth {depth}", small))
            here = np.minimum(times[kind], 10.0 * steps).min(axis=0)
            found.append(median_of(f"updates to 90% at the fastest rate, {kind}, depth {depth}", here))
        for kind in ("sigmoid", "tanh"):
            # A run that never arrives took longer than all of them: the ratio is a lower bound there.
            ratio = np.minimum(times[kind], steps + 15)[1] / np.minimum(times["relu"], steps + 15)[1]
            found.append(
                mean_of(
                    f"updates to 90% of {kind} over ReLU at a small rate, depth {depth}",
                    ratio,
                    method=f"rate {lrs[1]:g}; a run that never arrived counts as {steps + 15}",
                )
            )
        lost = curves[f"relu, {depth} layers"][0] - curves[f"sigmoid, {depth} layers"][0]
        found.append(mean_of(f"accuracy sigmoid lacks behind ReLU at the smallest rate, depth {depth}", lost))
        lost = curves[f"relu, {depth} layers"][0] - curves[f"tanh, {depth} layers"][0]
        found.append(mean_of(f"accuracy tanh lacks behind ReLU at the smallest rate, depth {depth}", lost))
    return Outcome(
        "activation",
        measurements=tuple(found),
        panels=(rate_panel("Accuracy by rate, activation and depth", lrs, curves, "accuracy"),),
        notes=(f"digits MLP of width 32, SGD, {steps} updates in batches of 64, default initialisation",),
    )
