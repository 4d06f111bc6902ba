"""`digits-sweep`: the digits MLP at rates from far too small to far too large, in batches and on all data at once."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.engines.train import train_members
from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import (
    Floats,
    arrived,
    best_rates,
    decade_steps,
    rate_panel,
    table,
    trained_at,
)
from surefoot.textbook.measuring import TIMED, exact, mean_of, median_of, slope_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 6}
"""Below 6 the range of the seeds holds the true median with less than 95%."""

LRS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
WHOLE = (0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0)
LEVEL, LOSS = 0.9, 0.5
"""Validation accuracy and training loss whose reaching is timed."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Mini-batches of 64, then full batches, then inputs on another scale and momentum."""
    task = find_entry("digits").make()
    lrs = LRS if size == "full" else (1e-4, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
    epochs = 15 if size == "full" else 4
    runs = trained_at(task, Recipe(batch_size=64, epochs=epochs), lrs, seeds, validate_at=range(0, 23 * epochs + 1, 6))
    measured = _batches(runs, lrs)
    whole = trained_at(
        task, Recipe(batch_size="full", epochs=150 if size == "full" else 30), WHOLE, seeds, validate_at=[0]
    )
    measured += _whole(whole)
    if size == "full":
        measured += _scaled(task, seeds[:3]) + _momentum(task, seeds)
        measured.append(_seconds(task))
    results = table(runs)
    panels = (
        rate_panel(f"Digits: accuracy after {epochs} epochs by rate", lrs, {"accuracy": results}, "accuracy"),
        Panel(
            "Digits: training loss by update on all data at once",
            x_label="update",
            y_label="training loss",
            y_log=True,
            curves=tuple(
                Curve(f"rate {lr:g}", float_series(one[0].step[::2]), float_series(one[0].loss[::2]))
                for lr, one in whole.items()
                if one[0].fate != "diverged"
            ),
        ),
    )
    return Outcome(
        "digits-sweep",
        measurements=tuple(measured),
        panels=panels,
        notes=(f"digits MLP 64-32-10, SGD without momentum, batches of 64, {epochs} epochs; 1438 training digits",),
    )


def _batches(runs: Mapping[float, Sequence[Run]], lrs: Sequence[float]) -> list[Measurement]:
    results = table(runs)
    best = int(np.argmax(results.mean(axis=1)))
    losses = np.array([[_end_loss(one) for one in row] for row in runs.values()])
    lowest = int(np.argmin(losses.mean(axis=1)))
    times = {lr: arrived(one, LEVEL) for lr, one in runs.items()}
    quickest = min(times, key=lambda lr: float(np.median(times[lr])))
    at, small, large = lrs.index, 0.01, lrs[-1]
    reach = [[_reached(one, LOSS) for one in runs[lr]] for lr in (0.03, 0.1, 0.3)]
    drop = {lr: np.array([_drop(one) for one in runs[lr]]) for lr in (small, 1.0)}
    swing = {lr: np.array([_swing(one) for one in runs[lr]]) for lr in (small, 1.0)}
    rough = {lr: np.array([_rough(one) for one in runs[lr]]) for lr in (1e-4, 0.01, 1.0)}
    words = f"updates to an accuracy of {LEVEL:g}"
    return [
        exact("digits: best rate by accuracy", lrs[best], method="mean over seeds"),
        exact("digits: best rate by training loss", lrs[lowest], method="mean over seeds"),
        mean_of("digits: accuracy at the best rate", results[best]),
        mean_of("digits: accuracy at the best rate minus at 0.0001", results[best] - results[0]),
        mean_of("digits: accuracy at the best rate minus at 0.01", results[best] - results[at(small)]),
        mean_of(f"digits: accuracy at the best rate minus at {large:g}", results[best] - results[-1]),
        mean_of("digits: training loss at rate 0.0001", losses[0]),
        mean_of("digits: training loss at the best rate", losses[lowest]),
        mean_of("digits: training loss at 0.01 minus at the best rate", losses[at(small)] - losses[lowest]),
        mean_of("digits: training loss at 0.0001 minus at the best rate", losses[0] - losses[lowest]),
        mean_of(f"digits: training loss at {large:g} minus at the best rate", losses[-1] - losses[lowest]),
        slope_of(
            f"digits: exponent of the updates to a training loss of {LOSS:g} against the rate",
            [0.03, 0.1, 0.3],
            np.array(reach).T,
        ),
        exact(f"digits: rate with the fewest {words}", quickest),
        median_of(f"digits: {words} at the best rate", times[quickest]),
        median_of(f"digits: {words} at a tenth of that rate or less, over the fewest", _ratio(times, quickest, lrs)),
        median_of(f"digits: {words} at rate {large:g} over the fewest", times[large] / times[quickest]),
        mean_of("digits: share of the fall in the first tenth, rate 1 minus rate 0.01", drop[1.0] - drop[small]),
        mean_of("digits: swing of the training loss at the end, rate 1 minus rate 0.01", swing[1.0] - swing[small]),
        mean_of("digits: roughness of the training loss at rate 0.0001 minus at rate 0.01", rough[1e-4] - rough[0.01]),
        mean_of("digits: roughness of the training loss at rate 1 minus at rate 0.01", rough[1.0] - rough[0.01]),
    ]


def _ratio(times: Mapping[float, Floats], quickest: float, lrs: Sequence[float]) -> Floats:
    tenth = max(lr for lr in lrs if lr <= quickest / 10 * 1.001)
    return np.asarray(times[tenth] / times[quickest])


def _end_loss(run: Run) -> float:
    """Mean training loss of the last epoch; chance level for a run that broke or stands above it."""
    if run.fate == "diverged":
        return math.log(10)
    return min(math.log(10), float(np.mean(run.loss[-23:])))


def _reached(run: Run, level: float) -> float:
    smooth = np.convolve(run.loss, np.ones(12) / 12, mode="valid")
    below = np.flatnonzero(smooth < level)
    return float(below[0] + 6) if len(below) else math.inf


def _drop(run: Run) -> float:
    """Share of the loss that is gone after the first tenth of the updates."""
    at = max(2, len(run.loss) // 10)
    start = float(run.loss[0])
    return (start - float(np.mean(run.loss[at - 2 : at + 3]))) / start


def _swing(run: Run) -> float:
    """Standard deviation of the loss over its mean in the last fifth."""
    tail = run.loss[-max(5, len(run.loss) // 5) :]
    return float(np.std(tail) / np.mean(tail))


def _rough(run: Run) -> float:
    """Mean size of the change of the loss from batch to batch, in the first two epochs, over the loss."""
    head = run.loss[:46]
    return float(np.mean(np.abs(np.diff(head))) / np.mean(head)) if len(head) > 2 else math.inf


def _whole(runs: Mapping[float, Sequence[Run]]) -> list[Measurement]:
    """On all data at once nothing is random after the start: every rise of the loss is the rate's."""
    measured = []
    rises = {lr: np.array([_rises(one) for one in row]) for lr, row in runs.items()}
    for lr, shares in rises.items():
        measured.append(mean_of(f"digits, full batch: share of updates that raise the loss at rate {lr:g}", shares))
    reach = {lr: np.array([_first(one, 1.0) for one in row]) for lr, row in runs.items()}
    quickest = min(reach, key=lambda lr: float(np.median(reach[lr])))
    measured += [
        mean_of("digits, full batch: rises of the loss, rate 0.001 minus rate 0.1", rises[0.001] - rises[0.1]),
        exact("digits, full batch: rate with the fewest updates to a training loss of 1", quickest),
        mean_of("digits, full batch: rises of the loss, rate 1 minus rate 0.1", rises[1.0] - rises[0.1]),
        slope_of(
            "digits, full batch: exponent of the updates to a training loss of 1.8 against the rate",
            [0.1, 0.3, 1.0],
            np.array([[_first(one, 1.8) for one in runs[lr]] for lr in (0.1, 0.3, 1.0)]).T,
        ),
    ]
    return measured


def _rises(run: Run) -> float:
    finite = run.loss[np.isfinite(run.loss)]
    return float(np.mean(np.diff(finite) > 1e-6)) if len(finite) > 1 else 1.0


def _first(run: Run, level: float) -> float:
    below = np.flatnonzero(run.loss < level)
    return float(below[0]) if len(below) else math.inf


def _scaled(task: Task, seeds: Sequence[int]) -> list[Measurement]:
    """The largest usable rate with inputs as they are, and with inputs that make the surface steep in places."""
    import torch

    x, y = task.train.batch(torch.arange(task.train.size))
    xv, yv = task.val.batch(torch.arange(task.val.size))
    mean, deviation = x.mean(dim=0), x.std(dim=0).clamp_min(0.1)
    steep = Task(
        task.model, (4 * x + 4, y), (4 * xv + 4, yv), loss=task.loss, metrics=task.metrics, name="digits, shifted"
    )
    even = Task(
        task.model,
        ((x - mean) / deviation, y),
        ((xv - mean) / deviation, yv),
        loss=task.loss,
        metrics=task.metrics,
        name="digits, standardised",
    )
    lrs = decade_steps(1e-3, 10, 3)
    largest, shortest = {}, {}
    for name, one in (("steep", steep), ("even", even)):
        runs = trained_at(one, Recipe(batch_size=64, epochs=5), lrs, seeds, validate_at=range(0, 116, 6))
        results = table(runs)
        usable = results >= results.max(axis=0) - 0.02
        largest[name] = np.array([lrs[int(np.flatnonzero(column)[-1])] for column in usable.T])
        shortest[name] = np.min([arrived(row, 0.85) for row in runs.values()], axis=0)
    return [
        mean_of(
            "digits: decades between the largest usable rates with standardised and with shifted, stretched inputs",
            np.log10(largest["even"] / largest["steep"]),
            unit="decades",
        ),
        median_of(
            "digits: fewest updates to an accuracy of 0.85, shifted and stretched inputs over standardised",
            shortest["steep"] / shortest["even"],
        ),
    ]


def _momentum(task: Task, seeds: Sequence[int]) -> list[Measurement]:
    lrs = decade_steps(0.003, 3, 2)
    best = {}
    for momentum in (0.0, 0.9):
        recipe = Recipe(batch_size=64, epochs=5, options={"momentum": momentum} if momentum else {})
        best[momentum] = best_rates(lrs, table(trained_at(task, recipe, lrs, seeds), lambda row: -_losses(row)))
    return [
        mean_of(
            "digits: decades that the best rate falls when momentum is 0.9",
            np.log10(best[0.0] / best[0.9]),
            unit="decades",
        )
    ]


def _losses(runs: Sequence[Run]) -> Floats:
    return np.array([_end_loss(one) for one in runs])


def _seconds(task: Task) -> Measurement:
    """Time of one update at a large rate over that at a small one, taken in turns."""
    spent: dict[float, list[float]] = {0.001: [], 1.0: []}
    for _ in range(6):
        for lr, times in spent.items():
            started = time.perf_counter()
            train_members(task, [Recipe(lr=lr, batch_size=64, epochs=2)])
            times.append(time.perf_counter() - started)
    ratios = np.array(spent[1.0][1:]) / np.array(spent[0.001][1:])
    return median_of("digits: time of an update at rate 1 over that at rate 0.001", ratios, method=TIMED)
