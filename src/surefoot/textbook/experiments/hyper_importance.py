"""`hyper-importance`: which number of a recipe decides the accuracy: all combinations, and the variance each explains.

A *main effect* is the variance of the accuracy averaged over all other numbers, as a share of its whole variance over
the combinations (the first-order term of a functional analysis of variance). Seeds give the interval.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import Floats, table, trained, with_model
from surefoot.textbook.measuring import mean_of

__all__ = ["main_effects"]

SEEDS = {"quick": 2, "full": 4}
RANGES = {"wide": (0.001, 0.01, 0.1, 1.0), "narrow": (0.01, 0.0215, 0.0464, 0.1)}
BATCHES, WIDTHS, MOMENTA = (16, 64, 256), (8, 32, 128), (0.0, 0.5, 0.9)
FACTORS = ("the rate", "the batch", "the width", "momentum")


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every combination in the wide and in the narrow range of rates."""
    digits = find_entry("digits").make()
    batches, widths = (BATCHES, WIDTHS) if size == "full" else ((16, 256), (8, 128))
    found, bars = [], {}
    for name, lrs in RANGES.items():
        results = np.zeros((len(lrs), len(batches), len(widths), len(MOMENTA), len(seeds)))
        for (b, batch), (w, width) in itertools.product(enumerate(batches), enumerate(widths)):
            task = with_model(digits, lambda hidden=width: mlp((64, hidden, 10)))
            recipes = {
                (lr, beta): Recipe(
                    lr=lr, options={"momentum": beta}, batch_size=batch, epochs=3 if size == "full" else 1
                )
                for lr in lrs
                for beta in MOMENTA
            }
            results[:, b, w] = table(trained(task, recipes, seeds)).reshape(len(lrs), len(MOMENTA), -1)
        effects = np.array([main_effects(results[..., seed]) for seed in range(len(seeds))])
        for place, factor in enumerate(FACTORS):
            found.append(
                mean_of(
                    f"share of variance by {factor}, {name} range of rates",
                    effects[:, place],
                    method="main effect, by seed",
                )
            )
            bars[f"{factor}, {name} range"] = float(effects[:, place].mean())
        lead = effects[:, 0] - effects[:, 1:].max(axis=1)
        found.append(
            mean_of(
                f"lead of the rate over the next factor, {name} range",
                lead,
                method="share of the rate minus the next largest, by seed",
            )
        )
    return Outcome(
        "hyper-importance",
        measurements=tuple(found),
        panels=(
            Panel("What explains the accuracy on the digits", style="bars", y_label="share of variance", bars=bars),
        ),
        notes=(
            f"rates {RANGES['wide']} (wide) and {RANGES['narrow']} (narrow) with batches of {batches}, "
            f"widths {widths}, momentum {MOMENTA}",
        ),
    )


def main_effects(results: Floats) -> list[float]:
    """Share of the variance over all combinations that each axis explains by itself."""
    whole = float(results.var())
    axes = range(results.ndim)
    return [float(results.mean(axis=tuple(a for a in axes if a != one)).var()) / whole for one in axes]
