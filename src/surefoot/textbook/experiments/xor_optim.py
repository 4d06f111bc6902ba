"""`xor-optim`: XOR 2-4-1 under SGD, Adam and others, from many seeds; the course's program sets none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import final_losses, trained
from surefoot.textbook.lab.xor import SOLVED
from surefoot.textbook.lab.xor_optimizers import rises
from surefoot.textbook.measuring import mean_of, median_of, share_of

SEEDS = {"quick": 6, "full": 20}
SETTINGS = {
    "SGD at 0.1": ("sgd", 0.1),
    "SGD at 0.01": ("sgd", 0.01),
    "SGD at 10": ("sgd", 10.0),
    "Adam at 0.1": ("adam", 0.1),
    "Adam at 0.01": ("adam", 0.01),
    "Adam at 0.001": ("adam", 0.001),
}
EARLY = 100
ROUNDING = 1e-6
"""What the loss in float32 may go up by rounding alone."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every setting from every seed."""
    epochs = 1000 if size == "full" else 300
    task = find_entry("xor").make()
    recipes = {
        name: Recipe(optimizer=rule, lr=lr, batch_size="full", epochs=epochs) for name, (rule, lr) in SETTINGS.items()
    }
    runs = {name: trained(task, {0: one}, seeds)[0] for name, one in recipes.items()}
    found: list[Measurement] = []
    ends, raised, early = {}, {}, {}
    for name, group in runs.items():
        ends[name] = final_losses(group)
        raised[name] = np.array([rises(run, ROUNDING) for run in group])
        early[name] = np.array([run.loss[EARLY] for run in group])
        found.append(median_of(f"median final XOR loss, {name}", ends[name]))
        found.append(median_of(f"median XOR loss after {EARLY} epochs, {name}", early[name]))
        found.append(share_of(f"share of solved XOR nets, {name}", int((ends[name] < SOLVED).sum()), len(seeds)))
        found.append(
            mean_of(f"rises of the XOR loss, {name}", raised[name], method="updates that raised it by more than 1e-6")
        )
    start = np.array([run.loss[0] for run in runs["SGD at 0.1"]])
    found += [
        *(
            median_of(f"share of the first XOR loss that is left, {name}", ends[name] / start)
            for name in ("SGD at 0.1", "SGD at 0.01")
        ),
        median_of("final XOR loss of SGD over that of Adam, both at 0.1", ends["SGD at 0.1"] / ends["Adam at 0.1"]),
        median_of("final XOR loss of Adam at 0.1 over that at 0.01", ends["Adam at 0.1"] / ends["Adam at 0.01"]),
        mean_of(
            "rises of the XOR loss of Adam, at 0.1 minus at 0.01",
            raised["Adam at 0.1"] - raised["Adam at 0.01"],
            method="same seeds",
        ),
    ]
    keep = np.unique(np.linspace(0, epochs - 1, 101).round().astype(int))
    return Outcome(
        "xor-optim",
        measurements=tuple(found),
        panels=(
            Panel(
                "XOR under SGD and Adam: median over seeds",
                x_label="epoch",
                y_label="mean squared error",
                y_log=True,
                curves=tuple(
                    Curve(
                        name,
                        float_series(keep),
                        float_series(np.median([run.loss[keep] for run in group], axis=0)),
                    )
                    for name, group in runs.items()
                ),
            ),
        ),
        notes=(f"MLP 2-4-1 of sigmoids, full batch, {epochs} epochs; solved: mean squared error below {SOLVED}",),
    )
