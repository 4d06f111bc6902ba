"""`lr-finder`: what the range test suggests beside a full grid of trainings, on four tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.find import find
from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import decade_steps, final_losses, rate_panel, table, trained_at
from surefoot.textbook.measuring import mean_of, share_of

SEEDS = {"quick": 3, "full": 12}
TASKS = {
    "digits, SGD": ("digits", "sgd", 64, 6.0),
    "digits, Adam": ("digits", "adam", 64, 6.0),
    "CNN, SGD": ("digits-cnn", "sgd", 64, 3.0),
    "breast cancer, SGD": ("breast-cancer", "sgd", 32, 15.0),
}
LRS = decade_steps(1e-4, 10, 2)
RULES = {"steep": "steepest descent", "minimum": "the rule of the minimum", "valley": "the rule of the valley"}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Run the range test from every seed, and train in full at every rate of a grid."""
    names = list(TASKS) if size == "full" else ["digits, SGD", "breast cancer, SGD"]
    found: list[Measurement] = []
    within, curves = [], {}
    for name in names:
        entry, optimizer, batch, epochs = TASKS[name]
        task = find_entry(entry).make()
        recipe = Recipe(optimizer=optimizer, batch_size=batch, epochs=epochs)
        runs = trained_at(task, recipe, LRS, seeds[:3])
        start = float(np.mean([run.val_loss[0] for run in runs[LRS[0]]]))
        losses = np.minimum(table(runs, final_losses), start).mean(axis=1)
        best, lowest = LRS[int(np.argmin(losses))], float(losses.min())
        missed = (losses - lowest) / (start - lowest)
        curves[name] = (1 - missed)[:, None]
        told = [_suggestions(task, optimizer, batch, epochs, seed) for seed in seeds]
        for rule, words in RULES.items():
            suggested = np.array([one[rule] for one in told if one[rule] is not None], dtype=float)
            distance = np.abs(np.log10(suggested / best))
            found.append(mean_of(f"decades between {words} and the best rate, {name}", distance))
            lost = np.interp(np.log(suggested), np.log(LRS), missed)
            found.append(
                mean_of(f"share of the fall missed by {words}, {name}", lost, method="interpolated on the full grid")
            )
            within += (distance <= 1.0).tolist()
    found.append(share_of("share of range tests within a decade of the best rate", sum(within), len(within)))
    return Outcome(
        "lr-finder",
        measurements=tuple(found),
        panels=(rate_panel("Share of the achievable fall of the loss", LRS, curves, "share"),),
        notes=("range test over at most 100 steps from 1e-7 to 10, read where published rules read it",),
    )


def _suggestions(task: object, optimizer: str, batch: int, epochs: float, seed: int) -> dict[str, float | None]:
    found = find(
        task,  # type: ignore[arg-type]
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch,
        method="range-test",
        cost=3.0,
        seed=seed,
    )
    return dict(found.rules)
