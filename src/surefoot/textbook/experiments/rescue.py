"""`rescue`: rates that are far too high, and far too low, and what saves a training from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import Floats, accuracies, few, trained
from surefoot.textbook.measuring import mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 5}

BATCH, EXAMPLES = 32, 800
STABLE = 1.0
"""About the largest rate at which plain SGD still trains this network."""
SOLVED = 0.8


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Remedies at 1, 2 and 8 times a rate that is just stable, and at a hundredth of it."""
    epochs = 12 if size == "full" else 3
    task = few(find_entry("digits").make(), EXAMPLES)
    remedies: dict[str, dict[str, object]] = {
        "constant SGD": {},
        "cosine decay": {"schedule": "cosine"},
        "inverse-time decay": {"schedule": "inverse-time:k=0.05"},
        "warmup": {"schedule": "warmup:linear:0.3+constant"},
        "warmup and decay": {"schedule": "warmup:linear:0.3+cosine"},
        "Adam": {"optimizer": "adam"},
        "clipping": {"clip": 0.5},
    }
    factors = (1.0, 2.0, 8.0) if size == "full" else (1.0, 2.0)
    recipes = {
        (name, factor): Recipe(lr=STABLE * factor, batch_size=BATCH, epochs=epochs).replace(**change)
        for name, change in remedies.items()
        for factor in factors
    }
    runs = trained(task, recipes, seeds)
    right = {key: accuracies(one) for key, one in runs.items()}
    measured: list[Measurement] = []
    for (name, factor), one in right.items():
        measured.append(
            share_of(
                f"rescue: share of seeds above {SOLVED:.0%} accuracy, {name}, {factor:g} × the stable rate",
                int((one > SOLVED).sum()),
                len(seeds),
            )
        )
    measured += [
        mean_of(
            f"rescue: accuracy gained by {name}, {factor:g} × the stable rate",
            right[name, factor] - right["constant SGD", factor],
        )
        for name in list(remedies)[1:]
        for factor in factors[1:]
    ]
    if size == "full":
        measured += _stuck(seeds, epochs)
    return Outcome(
        "rescue",
        measurements=tuple(measured),
        panels=(
            Panel(
                f"Mean accuracy at {factors[1]:g} times the stable rate, by remedy",
                style="bars",
                y_label="accuracy",
                bars={name: float(right[name, factors[1]].mean()) for name in remedies},
            ),
        ),
        notes=(f"digits MLP 64-32-10, {EXAMPLES} training digits, batches of {BATCH}, {epochs} epochs",),
    )


def _stuck(seeds: Sequence[int], epochs: int) -> list[Measurement]:
    """A run that crawls at a hundredth of the rate, or died at eight times it: go on, or change something?"""
    task = few(find_entry("digits").make(), EXAMPLES)
    low, high = STABLE / 100, STABLE * 8
    recipes = {
        "crawling on": Recipe(lr=low, batch_size=BATCH, epochs=epochs),
        "crawling, then raised": Recipe(
            lr=STABLE * 0.5, schedule="0.02*constant@0.5+constant", batch_size=BATCH, epochs=epochs
        ),
        "dead on": Recipe(lr=high, batch_size=BATCH, epochs=epochs),
        "dead, then lowered": Recipe(lr=high, schedule="constant@0.2+0.02*constant", batch_size=BATCH, epochs=epochs),
        "restarted lower": Recipe(lr=STABLE * 0.3, batch_size=BATCH, epochs=epochs * 0.8),
    }
    right: dict[str, Floats] = {name: accuracies(one) for name, one in trained(task, recipes, seeds).items()}
    again = [one + 1000 for one in seeds]
    fresh = accuracies(trained(task, {"fresh": recipes["dead on"]}, again)["fresh"])
    return [
        mean_of(
            "rescue: accuracy gained by raising a rate that was far too low",
            right["crawling, then raised"] - right["crawling on"],
        ),
        mean_of(
            "rescue: accuracy gained by lowering a rate that was far too high, weights kept",
            right["dead, then lowered"] - right["dead on"],
        ),
        mean_of(
            "rescue: accuracy gained by fresh weights and a lower rate",
            np.array(right["restarted lower"]) - right["dead on"],
        ),
        mean_of("rescue: accuracy gained by fresh weights at the same rate, far too high", fresh - right["dead on"]),
    ]
