"""`combo`: decay, weight decay and Adam, each with and without the others, on digits with wrong labels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.textbook.experiments.digits_noise import noisy_digits
from surefoot.textbook.experiments.trials import Floats, accuracies, trained
from surefoot.textbook.measuring import mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 6}

BATCH, EXAMPLES = 16, 304
RATES = {"SGD": 0.3, "Adam": 0.01}

Cell = tuple[bool, bool, str]


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """All eight combinations from every seed; the effect of each part is a mean over the other two."""
    epochs = 30 if size == "full" else 5
    recipes: dict[Cell, Recipe] = {}
    for decay, shrink, optimizer in itertools.product((False, True), (False, True), RATES):
        name = "sgd" if optimizer == "SGD" else "adamw"
        # AdamW multiplies its decay by the rate alone, SGD's acts through the gradient: the same shrinking per update.
        strength = 0.01 if optimizer == "SGD" else 0.01 * RATES["SGD"] / RATES["Adam"]
        recipes[decay, shrink, optimizer] = Recipe(
            optimizer=name,
            lr=RATES[optimizer],
            options={"weight_decay": strength if shrink else 0.0},
            schedule="cosine" if decay else "constant",
            batch_size=BATCH,
            epochs=epochs,
        )
    runs = trained(noisy_digits(0.2, EXAMPLES), recipes, seeds)
    right: dict[Cell, Floats] = {cell: accuracies(one) for cell, one in runs.items()}
    losses = {cell: np.array([float(np.mean(one.loss[-19:])) for one in row]) for cell, row in runs.items()}
    gone = sum(one.fate == "diverged" for row in runs.values() for one in row)
    plain, all_three = right[False, False, "SGD"], right[True, True, "Adam"]
    measured: list[Measurement] = [
        mean_of("combination: accuracy gained by decay, mean over the rest", _effect(right, 0)),
        mean_of("combination: accuracy gained by weight decay, mean over the rest", _effect(right, 1)),
        mean_of("combination: accuracy gained by Adam over SGD, mean over the rest", _effect(right, 2)),
        mean_of(
            "combination: accuracy of decay with weight decay minus the better of the two alone, SGD",
            right[True, True, "SGD"] - np.maximum(right[True, False, "SGD"], right[False, True, "SGD"]),
        ),
        mean_of(
            "combination: accuracy of decay with weight decay minus plain SGD", right[True, True, "SGD"] - plain
        ),
        mean_of("combination: accuracy of decay with Adam minus Adam alone",
                right[True, False, "Adam"] - right[False, False, "Adam"]),
        mean_of("combination: accuracy of all three minus plain SGD", all_three - plain),
        mean_of(
            "combination: spread of the accuracy, plain SGD minus decay with weight decay",
            np.abs(plain - plain.mean()) - np.abs(right[True, True, "SGD"] - right[True, True, "SGD"].mean()),
        ),
        mean_of(
            "combination: training loss with weight decay minus without, SGD, constant rate",
            losses[False, True, "SGD"] - losses[False, False, "SGD"],
        ),
        share_of("combination: share of runs that diverged", gone, len(right) * len(seeds)),
    ]  # fmt: skip
    bars = {
        " + ".join([optimizer, *(["decay"] if decay else []), *(["weight decay"] if shrink else [])]): float(one.mean())
        for (decay, shrink, optimizer), one in right.items()
    }
    return Outcome(
        "combo",
        measurements=tuple(measured),
        panels=(Panel("Accuracy with 20% wrong labels, by combination", style="bars", y_label="accuracy", bars=bars),),
        notes=(
            f"digits MLP 64-32-10, {EXAMPLES} training digits of which 20% have a wrong label, batches of {BATCH}, "
            f"{epochs} epochs; SGD at {RATES['SGD']:g}, Adam at {RATES['Adam']:g}; decay is a cosine",
        ),
    )


def _effect(right: dict[Cell, Floats], part: int) -> Floats:
    on = [one for cell, one in right.items() if cell[part] in (True, "Adam")]
    off = [one for cell, one in right.items() if cell[part] in (False, "SGD")]
    return np.asarray(np.mean(on, axis=0) - np.mean(off, axis=0))
