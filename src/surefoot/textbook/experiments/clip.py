"""`clip`: a recurrent network on text at rising rates, with and without a bound on the gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from surefoot.records import Measurement, Recipe, Run
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, few, rate_panel, trained
from surefoot.textbook.measuring import exact, mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 4}

NORMS: dict[str, float | None] = {"no clipping": None, "clipping at 1": 1.0, "clipping at 0.1": 0.1}
BROKEN = math.log(63)
"""Loss of a guess among all characters."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Every rate with every bound; a run survives when its loss ends below that of a blind guess."""
    lrs = (1.0, 5.0, 20.0, 80.0) if size == "full" else (1.0, 20.0)
    steps = 40 if size == "full" else 12
    text = few(find_entry("tiny-text-rnn").make(), 640)
    held = tuple(text.val.batch(torch.arange(16)))
    task = Task(text.model, text.train, held, loss=text.loss, metrics=text.metrics, name=text.name)
    ends: dict[str, Floats] = {}
    for name, norm in NORMS.items():
        recipes = {lr: Recipe(lr=lr, batch_size=16, epochs=1, clip=norm) for lr in lrs}
        runs = trained(task, recipes, seeds, horizon=steps)
        ends[name] = np.array([[_end(one) for one in row] for row in runs.values()])
    alive = {name: one < BROKEN for name, one in ends.items()}
    largest = {name: np.array([_largest(lrs, column) for column in one.T]) for name, one in alive.items()}
    plain, clipped = "no clipping", "clipping at 1"
    measured: list[Measurement] = [
        mean_of("clipping: decades that a bound of 1 raises the largest surviving rate",
                np.log10(largest[clipped] / largest[plain]), unit="decades"),
        mean_of("clipping: decades that a bound of 0.1 raises the largest surviving rate",
                np.log10(largest["clipping at 0.1"] / largest[plain]), unit="decades"),
        exact("clipping: lowest mean loss over rates, without", float(ends[plain].mean(axis=1).min())),
        exact("clipping: lowest mean loss over rates, bound 1", float(ends[clipped].mean(axis=1).min())),
        mean_of("clipping: loss at the best rate with a bound of 1 minus at the best without",
                ends[clipped][int(np.argmin(ends[clipped].mean(axis=1)))]
                - ends[plain][int(np.argmin(ends[plain].mean(axis=1)))]),
    ]  # fmt: skip
    for name, one in alive.items():
        measured += [
            share_of(
                f"clipping: share of seeds that survive at rate {lrs[place]:g}, {name}",
                int(one[place].sum()),
                len(seeds),
            )
            for place in (-2, -1)
        ]
    return Outcome(
        "clip",
        measurements=tuple(measured),
        panels=(rate_panel("Text by a recurrent network: loss at the end by rate", lrs, ends, "training loss"),),
        notes=(f"recurrent network on text, SGD, batches of 16, {steps} updates; survives: loss below ln 63",),
    )


def _end(run: Run) -> float:
    if run.fate == "diverged" or not np.isfinite(run.loss[-10:]).all():
        return 2 * BROKEN
    return min(2 * BROKEN, float(np.mean(run.loss[-10:])))


def _largest(lrs: Sequence[float], alive: Floats) -> float:
    """Largest rate up to which every rate survives."""
    dead = np.flatnonzero(~np.asarray(alive, dtype=bool))
    last = int(dead[0]) - 1 if len(dead) else len(lrs) - 1
    return lrs[max(0, last)]
