"""`repeat`: the same training again: with the same seeds, with another order of the batches, with other weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.engines.train import train_members
from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import accuracies, few
from surefoot.textbook.measuring import exact, spread_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 12}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Spread of the final accuracy and loss over orders and over weights, and the difference between twins."""
    task = few(find_entry("digits").make(), 800)
    plain = Recipe(lr=0.2, batch_size=16, epochs=5 if size == "full" else 2)
    orders = train_members(task, [plain.replace(seed=seeds[0], data_seed=one) for one in seeds])
    weights = train_members(task, [plain.replace(seed=one, data_seed=seeds[0]) for one in list(seeds)[:6]])
    twins = [train_members(task, [plain.replace(seed=seeds[0], data_seed=seeds[0])])[0] for _ in range(2)]
    whole = [
        train_members(task, [plain.replace(seed=seeds[0], data_seed=one, batch_size="full", epochs=20)])[0]
        for one in list(seeds)[:3]
    ]
    ends = np.array([float(one.val_loss[-1]) for one in orders])
    still = np.array([float(one.val_loss[-1]) for one in whole])
    measured: list[Measurement] = [
        exact(
            "repeats: largest difference of the loss at any update between two runs with the same seeds",
            float(np.abs(twins[0].loss - twins[1].loss).max()),
        ),
        exact(
            "repeats: spread of the accuracy over orders of the batches",
            float(accuracies(orders).std(ddof=1)),
            method=f"standard deviation, n = {len(orders)}",
        ),
        spread_of("repeats: spread of the test loss over orders of the batches, relative", ends),
        exact(
            "repeats: spread of the test loss over first weights, relative",
            float(
                np.std([one.val_loss[-1] for one in weights], ddof=1) / np.mean([one.val_loss[-1] for one in weights])
            ),
        ),
        exact(
            "repeats: spread of the test loss over orders with full batches, relative",
            float(np.ptp(still) / still.mean()),
        ),
    ]
    return Outcome(
        "repeat",
        measurements=tuple(measured),
        panels=(
            Panel(
                "The same training with other orders of the batches",
                x_label="update",
                y_label="training loss",
                y_log=True,
                curves=tuple(
                    Curve(
                        f"order {place}",
                        float_series(one.step[5::6]),
                        float_series(
                            one.loss[: len(one.loss) // 6 * 6].reshape(-1, 6).mean(axis=1)[: len(one.step[5::6])]
                        ),
                    )
                    for place, one in enumerate(orders[:4])
                ),
            ),
        ),
        notes=("digits MLP 64-32-10, 800 training digits, SGD at 0.2, batches of 16, on the CPU",),
    )
