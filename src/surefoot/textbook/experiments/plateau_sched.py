"""`plateau-sched`: rates that start badly, left alone, or changed by a schedule that watches the validation loss.

*Watched* is the greedy schedule: after every epoch the rate doubles while the loss keeps falling and halves when it
does not. *Reduced* is reduce-on-plateau, which can only lower the rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.engines.train import train
from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import accuracies
from surefoot.textbook.measuring import mean_of

SEEDS = {"quick": 1, "full": 5}
GOOD = 0.5
STARTS = {"100 times too small": GOOD / 100, "10 times too large": GOOD * 10}
SCHEDULES: dict[str, tuple[str, dict[str, float]]] = {
    "fixed": ("constant", {}),
    "watched": ("greedy", {"reduction": 0.5, "patience": 0, "max_factor": 100.0, "min_factor": 0.001}),
    "reduced": ("plateau", {"reduction": 0.3, "patience": 1}),
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train from each bad start under each schedule, and from a good start."""
    epochs = 15 if size == "full" else 6
    task = find_entry("digits").make()
    runs: dict[tuple[str, str], list[Run]] = {}
    for start, lr in STARTS.items():
        for name, (schedule, options) in SCHEDULES.items():
            recipe = Recipe(lr=lr, schedule=schedule, schedule_options=options, batch_size=64, epochs=epochs)
            runs[start, name] = [train(task, recipe.replace(seed=seed)) for seed in seeds]
    good = accuracies([train(task, Recipe(lr=GOOD, epochs=epochs, seed=seed)) for seed in seeds])
    found: list[Measurement] = [mean_of("accuracy from a good start, fixed rate", good)]
    reached = {key: accuracies(group) for key, group in runs.items()}
    for (start, name), one in reached.items():
        found.append(mean_of(f"accuracy from a start {start}, {name} rate", one))
    for start in STARTS:
        for name in ("watched", "reduced"):
            gain = reached[start, name] - reached[start, "fixed"]
            found.append(mean_of(f"accuracy the {name} rate gains over a fixed one, start {start}", gain))
        left = good - reached[start, "watched"]
        found.append(
            mean_of(f"accuracy the watched rate still lacks, start {start}", left, method="against a good start")
        )
    curves = []
    for (start, name), group in runs.items():
        length = min(len(one.val_loss) for one in group)
        losses = np.mean([np.nan_to_num(one.val_loss[:length], nan=10.0, posinf=10.0) for one in group], axis=0)
        curves.append(
            Curve(f"{start}, {name}", float_series(range(length)), float_series(losses), dashed=name == "fixed")
        )
    return Outcome(
        "plateau-sched",
        measurements=tuple(found),
        panels=(
            Panel(
                "Bad starts, watched and not",
                x_label="epoch",
                y_label="validation loss",
                y_log=True,
                curves=tuple(curves),
            ),
        ),
        notes=(f"digits MLP 64-32-10, SGD, {epochs} epochs; good rate {GOOD:g}",),
    )
