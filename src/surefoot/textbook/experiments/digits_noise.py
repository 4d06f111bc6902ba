"""`digits-noise`: digits with wrong labels: small against large rates, compared fairly in four ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from surefoot.records import Measurement, Recipe, Run
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, rate_panel, table, trained_at
from surefoot.textbook.measuring import exact, mean_of
from surefoot.textbook.seeds import shared

__all__ = ["SEEDS", "noisy_digits", "run"]

SEEDS = {"quick": 2, "full": 42}
"""With right labels and equal training loss the two rates differed by 0.001 ± 0.008 (standard deviation over seeds)
in the earlier run; to tell that from half a point in 9 of 10 runs takes (3.24 × 0.008 / 0.004)² = 42 seeds."""
SWEPT = 8
"""Seeds of the whole sweep of rates, whose differences are large."""

LRS = (0.02, 0.05, 0.2, 0.5, 1.0)
SMALL, LARGE = 0.05, 0.5
SHARES = (0.0, 0.2, 0.4)
EXAMPLES, BATCH = 400, 16


def noisy_digits(wrong: float, examples: int = EXAMPLES) -> Task:
    """The digits with the first `examples` for training, of which a share `wrong` has another label than its own."""
    task = find_entry("digits").make()
    x, y = task.train.batch(torch.arange(examples))
    random = torch.Generator().manual_seed(shared())
    shift = torch.randint(1, 10, y.shape, generator=random)
    changed = torch.rand(y.shape, generator=random) < wrong
    labels = torch.where(changed, (y + shift) % 10, y)
    return Task(
        task.model, (x, labels), task.val, loss=task.loss, metrics=task.metrics, name=f"digits, {wrong:.0%} wrong"
    )


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train at every rate under 0, 20 and 40% wrong labels, and compare at equal epochs and otherwise."""
    epochs = 40 if size == "full" else 12
    per_epoch = EXAMPLES // BATCH
    measured: list[Measurement] = []
    tables: dict[str, Floats] = {}
    best: dict[float, float] = {}
    stopped_best: dict[float, float] = {}
    recipe, points = Recipe(batch_size=BATCH, epochs=epochs), range(0, per_epoch * epochs + 1, per_epoch)
    for wrong in SHARES if size == "full" else SHARES[:2]:
        task = noisy_digits(wrong)
        runs = trained_at(task, recipe, LRS, seeds[:SWEPT], validate_at=points)
        compared = runs if wrong else trained_at(task, recipe, (SMALL, LARGE), seeds, validate_at=points)
        words = f"{wrong:.0%} wrong labels"
        results = table(runs)
        tables[words] = results
        measured += _compare(compared, words, epochs)
        best[wrong] = LRS[int(np.argmax(results.mean(axis=1)))]
        early = table(runs, _stopped)
        stopped_best[wrong] = LRS[int(np.argmax(early.mean(axis=1)))]
        measured += [
            exact(f"digits, {words}: best rate at equal epochs", best[wrong]),
            exact(f"digits, {words}: best rate, each stopped at its best epoch", stopped_best[wrong]),
            mean_of(
                f"digits, {words}: accuracy at rate {LARGE:g} at the end minus at its best epoch",
                results[LRS.index(LARGE)] - early[LRS.index(LARGE)],
            ),
        ]
    return Outcome(
        "digits-noise",
        measurements=tuple(measured),
        panels=(rate_panel(f"Digits with wrong labels: accuracy after {epochs} epochs", LRS, tables, "accuracy"),),
        notes=(f"digits MLP 64-32-10, {EXAMPLES} training digits, SGD, batches of {BATCH}, {epochs} epochs",),
    )


def _compare(runs: Mapping[float, Sequence[Run]], words: str, epochs: int) -> list[Measurement]:
    small, large = runs[SMALL], runs[LARGE]
    end = {lr: np.array([_accuracy(one, -1) for one in row]) for lr, row in ((SMALL, small), (LARGE, large))}
    tenth = max(1, round(epochs * SMALL / LARGE))
    matched = np.array([_accuracy(one, tenth) for one in large])
    # Pair by pair: the large rate is looked at where it first has the loss that the small one ends with.
    equal = np.array([_accuracy(one, _epoch_at(one, _smooth(two)[-1])) for one, two in zip(large, small, strict=True)])
    stopped = {lr: _stopped(row) for lr, row in ((SMALL, small), (LARGE, large))}
    both = f"accuracy at rate {SMALL:g} minus at {LARGE:g}"
    losses = {lr: np.array([_smooth(one)[-1] for one in row]) for lr, row in ((SMALL, small), (LARGE, large))}
    return [
        mean_of(f"digits, {words}: {both}, equal epochs", end[SMALL] - end[LARGE]),
        mean_of(f"digits, {words}: {both}, equal rate × epochs", end[SMALL] - matched),
        mean_of(f"digits, {words}: {both}, equal training loss", end[SMALL] - equal),
        mean_of(f"digits, {words}: {both}, each stopped at its best epoch", stopped[SMALL] - stopped[LARGE]),
        mean_of(f"digits, {words}: training loss at the end at rate {LARGE:g}", losses[LARGE]),
        mean_of(f"digits, {words}: training loss at the end at rate {SMALL:g}", losses[SMALL]),
    ]


def _accuracy(run: Run, at: int) -> float:
    if run.fate == "diverged":
        return 0.1
    series = run.val_metrics["accuracy"]
    return float(series[min(at, len(series) - 1)])


def _stopped(runs: Sequence[Run]) -> Floats:
    return np.array([float(np.nanmax(one.val_metrics["accuracy"])) for one in runs])


def _smooth(run: Run) -> Floats:
    """Mean training loss of every epoch."""
    per_epoch = EXAMPLES // BATCH
    count = len(run.loss) // per_epoch
    return np.asarray(run.loss[: count * per_epoch].reshape(count, per_epoch).mean(axis=1))


def _epoch_at(run: Run, level: float) -> int:
    below = np.flatnonzero(_smooth(run) <= level)
    return int(below[0]) + 1 if len(below) else len(run.val_step) - 1
