"""`grad-noise`: noise of gradients on the digits: batch size, number of examples, bias, course of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, arrived, few, trained_at
from surefoot.textbook.lab.gradient_noise import single_gradients
from surefoot.textbook.lab.training import follow
from surefoot.textbook.measuring import exact, mean_of, median_of, slope_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 6}

BATCHES = (1, 4, 16, 64, 256)
COUNTS = (100, 300, 1000, 1400)
AFTER = (0, 1, 5, 20)
"""Epochs after which noise is compared with signal."""
WAYS: dict[int | str, tuple[float, ...]] = {1: (0.01, 0.03), 8: (0.1, 0.3), 64: (0.3, 1.0), "full": (0.5, 1.0)}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Gradients of single digits at fresh weights and along a training; then a race between batch sizes."""
    task = find_entry("digits").make()
    draws = 60 if size == "quick" else 200
    curves, by_count, errors, tilt = [], [], [], []
    for seed in seeds:
        singles = single_gradients(task, seed)
        random = np.random.default_rng(seed)
        curves.append([_variance(singles, batch, draws, random) for batch in BATCHES])
        rows = random.permutation(len(singles))
        by_count.append([_spread(singles[rows[:count]]) for count in COUNTS])
        errors.append([_error(singles, samples, random) for samples in (10, 100, 1000, 10_000)])
        tilt.append(_tilt(singles, draws, random))
    few_first = np.array(by_count)
    measured: list[Measurement] = [
        slope_of(
            "gradient noise: exponent of the variance against the batch size, up to 64",
            BATCHES[:4],
            np.array(curves)[:, :4],
        ),
        slope_of("gradient noise: exponent of the variance against the number of examples", COUNTS, by_count),
        mean_of("gradient noise: variance with 1400 examples over that with 100", few_first[:, -1] / few_first[:, 0]),
        slope_of(
            "gradient noise: exponent of the error of a mean of gradients against how many",
            [10, 100, 1000, 10000],
            errors,
        ),
        mean_of("gradient noise: mean of batch gradients along the full one, over its length", tilt),
        mean_of(
            "gradient noise: variance at batch size 1 over that at batch size 64",
            np.array(curves)[:, 0] / np.array(curves)[:, 3],
        ),
    ]
    ratios = np.array([_along(few(task, 400), seed, AFTER if size == "full" else (0, 1, 5, 10)) for seed in seeds])
    measured += [
        mean_of("gradient noise: noise over signal after 5 epochs over that after 1", ratios[:, 2] / ratios[:, 1]),
        mean_of(
            "gradient noise: log10 of noise over signal at the end over that at the start",
            np.log10(ratios[:, 3] / ratios[:, 0]),
        ),
        mean_of("gradient noise: noise over signal at the start", ratios[:, 0]),
        mean_of("gradient noise: noise over signal at the end", ratios[:, 3]),
    ]
    if size == "full":
        measured += _race(few(task, 500), seeds)
    measured += _swing(few(task, 500), seeds, 300 if size == "full" else 100)
    return Outcome(
        "grad-noise",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Variance of the gradient by batch size",
                x_label="batch size",
                y_label="variance",
                x_log=True,
                y_log=True,
                curves=(
                    Curve("measured", float_series(BATCHES), float_series(np.mean(curves, axis=0)), marker="o"),
                    Curve(
                        "one over the batch size",
                        float_series(BATCHES),
                        float_series([float(np.mean(curves, axis=0)[0]) / one for one in BATCHES]),
                        dashed=True,
                    ),
                ),
            ),
            Panel(
                "Gradient noise over signal along a training, batches of 8",
                x_label="epochs",
                y_label="variance of the gradient over its squared mean",
                y_log=True,
                curves=(Curve("digits", float_series(AFTER), float_series(ratios.mean(axis=0)), marker="o"),),
            ),
        ),
        notes=("digits MLP 64-32-10; variance summed over the parameters; batches drawn without repetition",),
    )


def _variance(singles: Floats, batch: int, draws: int, random: np.random.Generator) -> float:
    mean = singles.mean(axis=0)
    found = [
        np.square(singles[random.choice(len(singles), batch, replace=False)].mean(axis=0) - mean).sum()
        for _ in range(draws)
    ]
    return float(np.mean(found))


def _spread(singles: Floats) -> float:
    return float(np.square(singles - singles.mean(axis=0)).sum() / (len(singles) - 1))


def _error(singles: Floats, samples: int, random: np.random.Generator) -> float:
    """Distance of the mean of `samples` gradients, drawn with repetition, from the full one; mean of a few draws."""
    found = []
    for _ in range(8):
        counts = np.bincount(random.integers(0, len(singles), samples), minlength=len(singles))
        found.append(float(np.linalg.norm(counts @ singles / samples - singles.mean(axis=0))))
    return float(np.mean(found))


def _tilt(singles: Floats, draws: int, random: np.random.Generator) -> float:
    mean = singles.mean(axis=0)
    along = singles @ (mean / np.linalg.norm(mean))
    picks = [along[random.choice(len(singles), 8, replace=False)].mean() for _ in range(20 * draws)]
    return float(np.mean(picks) / np.linalg.norm(mean))


def _along(task: Task, seed: int, epochs: Sequence[int]) -> list[float]:
    """Variance of gradients of batches of 8 over the squared length of the full gradient, after these epochs."""
    batch = 8
    recipe = Recipe(lr=0.1, batch_size=batch, epochs=max(epochs), seed=seed)
    found: list[float] = []

    def observe(_step: int, _seen: Validation, models: Mapping[int, nn.Module]) -> None:
        singles = single_gradients(task, seed, models[0])
        signal = float(np.square(singles.mean(axis=0)).sum())
        found.append(_spread(singles) / batch / signal)

    follow(task, [recipe], [one * (task.train.size // batch) for one in epochs], observe)
    return found


def _race(task: Task, seeds: Sequence[int]) -> list[Measurement]:
    """Examples seen, and updates made, until 85% of the test digits are right, at the better of two rates."""
    seen: dict[int | str, Floats] = {}
    updates: dict[int | str, Floats] = {}
    for batch, lrs in WAYS.items():
        per_step = task.train.size if batch == "full" else int(batch)
        epochs = 150.0 if batch == "full" else 3.0 if batch == 1 else 8.0 if batch == 8 else 20.0
        steps = math.ceil(task.train.size / per_step * epochs)
        every = max(1, min(steps, round(40 / per_step)))
        runs = trained_at(
            task, Recipe(batch_size=batch, epochs=epochs), lrs, seeds, validate_at=range(0, steps + 1, every)
        )
        times = np.array([arrived(one, 0.85) for one in runs.values()])
        best = times[int(np.argmin(np.median(times, axis=1)))]
        updates[batch], seen[batch] = best, best * per_step
    return [
        median_of(
            "gradient noise: examples seen to 85% accuracy, full batch over batches of 8", seen["full"] / seen[8]
        ),
        median_of(
            "gradient noise: updates to 85% accuracy, batches of 8 over full batch", updates[8] / updates["full"]
        ),
        median_of(
            "gradient noise: updates to 85% accuracy, single examples over batches of 64", updates[1] / updates[64]
        ),
    ]


def _swing(task: Task, seeds: Sequence[int], steps: int) -> list[Measurement]:
    """Size of the changes of the test loss from one validation to the next, late, at the same rate and updates."""
    swings = {}
    for batch in (1, 32):
        recipe = Recipe(batch_size=batch, epochs=1, lr=0.05)
        runs = trained_at(task, recipe, [0.05], seeds, horizon=steps, validate_at=range(0, steps + 1, 5))[0.05]
        swings[batch] = np.array([float(np.std(np.diff(one.val_loss[len(one.val_loss) // 2 :]))) for one in runs])
    return [
        mean_of(
            "gradient noise: swing of the test loss with single examples over batches of 32", swings[1] / swings[32]
        ),
        exact("gradient noise: rate of that comparison", 0.05),
    ]
