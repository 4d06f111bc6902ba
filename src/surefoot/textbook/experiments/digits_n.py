"""`digits-n`: from 50 digits to all of them, at the same batch size and the same number of updates.

The largest usable rate of a size is the highest whose accuracy is within 2 points of the best of that size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import Floats, decade_steps, few, rate_panel, table, trained_at, window
from surefoot.textbook.measuring import mean_of
from surefoot.textbook.seeds import shared

SEEDS = {"quick": 3, "full": 24}
"""The window with 50 digits was wider by 0.17 ± 0.30 decades (standard deviation over seeds) in the earlier run: 8
of 10 runs with 24 seeds tell that from 0. What rate 1 costs with 50 digits, 0.023 ± 0.021 against a line at 0.02,
would take 380."""
SIZES = (50, 200, 1400)
WITHIN = 0.02


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train at every rate on every number of examples."""
    full = size == "full"
    lrs = decade_steps(0.01, 10, 3) if full else (0.1, 1.0, 10.0)
    digits = find_entry("digits").make()
    recipe = Recipe(batch_size=32, epochs=1)
    results: dict[int, Floats] = {}
    choices: dict[int, Floats] = {}
    for count in SIZES:
        task = few(digits, count)
        results[count] = table(trained_at(task, recipe, lrs, seeds, horizon=300 if full else 100))
        choices[count] = _choices(results[count], lrs, max(1, count // 5))
    largest = {n: np.array([_largest(lrs, column) for column in one.T]) for n, one in results.items()}
    low, high = SIZES[0], SIZES[-1]
    found: list[Measurement] = []
    for n in SIZES:
        found.append(mean_of(f"log10 of the largest usable rate, {n} digits", largest[n], unit="decades"))
        found.append(mean_of(f"decades of good rates, {n} digits", window(lrs, results[n], WITHIN), unit="decades"))
        found.append(mean_of(f"best accuracy, {n} digits", results[n].max(axis=0)))
        words = f"standard deviation in decades of a rate chosen on a fifth, {n} digits"
        found.append(mean_of(words, choices[n], method="validation sets of that size drawn again and again, by seed"))
    gain = largest[high] - largest[low]
    found.append(mean_of(f"decades the largest usable rate gains from {low} to {high} digits", gain, unit="decades"))
    width = window(lrs, results[low], WITHIN) - window(lrs, results[high], WITHIN)
    found.append(mean_of(f"decades of good rates, {low} minus {high} digits", width, unit="decades"))
    noisier = choices[low] - choices[high]
    found.append(mean_of(f"spread of the chosen rate, {low} minus {high} digits", noisier, unit="decades"))
    at = lrs.index(1.0)
    best = int(np.argmax(results[low][: at + 1].mean(axis=1)))  # one row for all seeds: a best row per seed flatters
    cautious = results[low][best] - results[low][at]
    found.append(mean_of(f"accuracy that rate 1 costs with {low} digits", cautious, method="against the best below it"))
    return Outcome(
        "digits-n",
        measurements=tuple(found),
        panels=(
            rate_panel(
                "Accuracy by rate and number of digits",
                lrs,
                {f"{n} digits": one for n, one in results.items()},
                "accuracy",
            ),
        ),
        notes=("digits MLP 64-32-10, SGD, batches of 32, 300 updates; usable: within 2 points of the best",),
    )


def _largest(lrs: Sequence[float], column: Floats) -> float:
    good = np.flatnonzero(column >= column.max() - WITHIN)
    return math.log10(lrs[int(good[-1])])


def _choices(results: Floats, lrs: Sequence[float], held: int) -> Floats:
    """Spread of the rate with the best accuracy on `held` examples, when those are drawn 200 times, by seed.

    How many of `held` examples a network gets right is drawn from its accuracy on all validation examples.
    """
    random = np.random.default_rng(shared())
    spreads = []
    for column in results.T:
        drawn = random.binomial(held, np.clip(column, 0, 1), (200, len(column))) + 1e-3 * random.random((200, len(lrs)))
        spreads.append(float(np.std(np.log10(np.asarray(lrs))[drawn.argmax(axis=1)])))
    return np.array(spreads)
