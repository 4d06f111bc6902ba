"""`digits-batch`: rates against batch sizes at the same number of updates.

The largest usable rate of a batch size is the highest whose accuracy is within 5 points of the best of that size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import Floats, best_rates, decade_steps, rate_panel, table, trained_at
from surefoot.textbook.measuring import exact, mean_of

SEEDS = {"quick": 3, "full": 6}
BATCHES = (1, 4, 16, 64, 256)
WITHIN = 0.05


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train at every rate with every batch size."""
    full = size == "full"
    batches = BATCHES if full else (1, 8, 64)
    lrs = decade_steps(0.001, 10, 3) if full else decade_steps(0.001, 10, 1)
    digits = find_entry("digits").make()
    results: dict[int, Floats] = {}
    for batch in batches:
        runs = trained_at(digits, Recipe(batch_size=batch, epochs=1), lrs, seeds, horizon=300 if full else 100)
        results[batch] = table(runs)
    largest = np.array([[_largest(lrs, column) for column in one.T] for one in results.values()])
    best = np.log10(np.array([best_rates(lrs, one) for one in results.values()]))
    x = np.log10(np.array(batches, dtype=float))
    slopes = {name: np.polyfit(x, one, 1)[0] for name, one in (("largest usable", largest), ("best", best))}
    found = [mean_of(f"exponent of the {name} rate against the batch size", one) for name, one in slopes.items()]
    found += [
        exact(f"{name} rate, batches of {batch}", float(10 ** one[place].mean()), method="geometric mean over seeds")
        for name, one in (("largest usable", largest), ("best", best))
        for place, batch in enumerate(batches)
    ]
    found.append(
        mean_of(
            "decades the largest usable rate gains from the smallest to the largest batch", largest[-1] - largest[0]
        )
    )
    found.append(
        mean_of(
            "exponent of the largest usable rate over the two largest batches",
            (largest[-1] - largest[-2]) / (x[-1] - x[-2]),
        )
    )
    return Outcome(
        "digits-batch",
        measurements=tuple(found),
        panels=(
            rate_panel(
                "Accuracy by rate and batch size", lrs, {f"batches of {b}": r for b, r in results.items()}, "accuracy"
            ),
        ),
        notes=("digits MLP 64-32-10, SGD, 300 updates for every batch size",),
    )


def _largest(lrs: Sequence[float], column: Floats) -> float:
    good = np.flatnonzero(column >= column.max() - WITHIN)
    return math.log10(lrs[int(good[-1])])
