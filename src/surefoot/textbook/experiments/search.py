"""`search`: ways to choose a rate from a few trainings, played over and over on a table of measured trainings.

The *regret* of a choice is how much validation accuracy it loses, on average over fresh seeds, against the best rate of
the whole table. A way that chooses sees one seed; its regret is that of the other seeds. Schedules are played blindly:
their start rate is any of the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, accuracies, decade_steps, rate_panel, table, trained_at
from surefoot.textbook.measuring import mean_of
from surefoot.textbook.seeds import shared

SEEDS = {"quick": 2, "full": 5}
TRIALS, FOLDS = 6, 3
BLIND = {
    "cosine": ("sgd", "cosine"),
    "cyclical": ("sgd", "cyclical"),
    "inverse-time": ("sgd", "inverse-time:k=0.02"),
    "Adam": ("adam", "constant"),
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Measure the table, then choose from it in every way."""
    full = size == "full"
    task = find_entry("digits").make()
    lrs = decade_steps(1e-4, 10, 4 if full else 1)
    recipe = Recipe(batch_size=64, epochs=6 if full else 2)
    runs = trained_at(task, recipe, lrs, seeds)
    constant = table(runs)
    repeats = 40 if full else 10
    random = np.random.default_rng(shared())
    spaced = [int(place) for place in np.unique(np.linspace(0, len(lrs) - 1, TRIALS).round())]
    linear = [int(np.argmin(np.abs(np.array(lrs) - lr))) for lr in np.linspace(lrs[0], lrs[-1], TRIALS)]
    ways = {
        "a logarithmic grid": [_choose(constant, spaced, seed) for seed in range(len(seeds))],
        "a linear grid": [_choose(constant, linear, seed) for seed in range(len(seeds))],
        "random search": [
            float(
                np.mean(
                    [
                        _choose(constant, random.choice(len(lrs), min(TRIALS, len(lrs)), False).tolist(), seed)
                        for _ in range(repeats)
                    ]
                )
            )
            for seed in range(len(seeds))
        ],
        "cross-validation": _cross_validated(task, recipe, lrs, spaced[1:-1], constant, seeds),
    }
    method = f"{TRIALS} trainings at one seed, judged on the others"
    found: list[Measurement] = [mean_of(f"accuracy lost by {way}", one, method=method) for way, one in ways.items()]
    best = float(constant.mean(axis=1).max())
    blind = {"constant": constant}
    for name, (rule, schedule) in BLIND.items():
        other = trained_at(task, recipe.replace(optimizer=rule, schedule=schedule), lrs, seeds[: 3 if full else 1])
        blind[name] = table(other, accuracies)
    for name, one in blind.items():
        regret = best - one.mean(axis=1)
        found.append(
            mean_of(
                f"accuracy lost by a blind start, {name}",
                regret,
                method="start rate anywhere from 1e-4 to 10 on a logarithmic axis",
            )
        )
    found.append(mean_of("best accuracy of the dense sweep, digits", constant[int(np.argmax(constant.mean(axis=1)))]))
    return Outcome(
        "search",
        measurements=tuple(found),
        panels=(rate_panel("Digits at every start rate", lrs, blind, "validation accuracy"),),
        notes=(f"digits MLP 64-32-10, SGD, {recipe.epochs:g} epochs, {len(lrs)} rates from 1e-4 to 10",),
    )


def _choose(results: Floats, places: Sequence[int], seed: int) -> float:
    """Regret of taking, of these places, the one that is best at one seed."""
    chosen = max(places, key=lambda place: results[place, seed])
    return _regret(results, chosen, seed)


def _regret(results: Floats, chosen: int, seed: int) -> float:
    others = np.delete(results, seed, axis=1).mean(axis=1)
    return float(others.max() - others[chosen])


def _cross_validated(
    task: Task, recipe: Recipe, lrs: Sequence[float], places: Sequence[int], results: Floats, seeds: Sequence[int]
) -> list[float]:
    """Regret of the rate with the best mean accuracy over folds of the training data, once per seed."""
    import torch

    x, y = task.train.batch(torch.arange(task.train.size))
    fold = torch.arange(len(y)) % FOLDS
    scores = np.zeros((len(places), len(seeds)))
    for held in range(FOLDS):
        inside = fold != held
        part = Task(
            task.model,
            (x[inside], y[inside]),
            (x[~inside], y[~inside]),
            loss=task.loss,
            metrics=task.metrics,
            name="fold of the digits",
        )
        scores += table(trained_at(part, recipe, [lrs[place] for place in places], seeds)) / FOLDS
    return [_regret(results, int(places[int(np.argmax(scores[:, seed]))]), seed) for seed in range(len(seeds))]
