"""`transfer`: the best rate in many cells of data, model and optimizer, and what one cell's best costs in another.

Architectures are compared on the same digits: fully connected, convolutional, and recurrent over the rows of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.small_cnn import small_cnn
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import (
    Floats,
    accuracies,
    decade_steps,
    final_losses,
    rate_panel,
    table,
    trained_at,
    with_model,
)
from surefoot.textbook.measuring import best_places, exact, mean_of

__all__ = ["RowReader"]

SEEDS = {"quick": 2, "full": 4}
DATA = {"digits": (64, 10, 64), "wine": (13, 3, 16), "breast-cancer": (30, 2, 32), "spirals": (2, 3, 32)}
"""Data -> inputs, classes, batch size."""
MODELS = ("linear", "narrow", "wide", "deep")
STEPS = 200


class RowReader(nn.Module):
    """An Elman network that reads an image of 8 x 8 row by row, (n, 64) to (n, 10)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.read = nn.RNN(8, width, batch_first=True)
        self.tell = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the ten digits."""
        _, last = self.read(x.reshape(len(x), 8, 8))
        return self.tell(last[0])  # type: ignore[no-any-return]


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Find the best rate of every cell, and try each in the others."""
    full = size == "full"
    lrs = decade_steps(1e-3, 10, 2)
    cells: dict[str, Floats] = {}
    for data in DATA if full else ("wine",):
        inputs, classes, batch = DATA[data]
        base = find_entry(data).make()
        for model in MODELS if full else ("linear", "deep"):
            task = with_model(base, partial(mlp, _sizes(model, inputs, classes)))
            for optimizer in ("sgd", "adam"):
                scale = 0.1 if optimizer == "adam" else 1.0
                recipe = Recipe(optimizer=optimizer, batch_size=batch, epochs=1)
                runs = trained_at(task, recipe, [scale * lr for lr in lrs], seeds[:2], horizon=STEPS if full else 60)
                losses = table(runs, final_losses).mean(axis=1)
                start = float(np.mean([one.val_loss[0] for one in next(iter(runs.values()))]))
                cells[f"{data}, {model}, {optimizer}"] = np.minimum(losses, start) / start
    # The axis of Adam begins a decade lower: two steps of the half-decade grid.
    best = {name: int(np.argmin(one)) - (2 if name.endswith("adam") else 0) for name, one in cells.items()}
    places = np.array(list(best.values()))
    penalties = {
        here: [
            float(one[min(max(place + (2 if here.endswith("adam") else 0), 0), len(lrs) - 1)] - one.min())
            for there, place in best.items()
            if there != here
        ]
        for here, one in cells.items()
    }
    found: list[Measurement] = [
        exact("decades between the best rates of all cells", 0.5 * float(places.max() - places.min()), unit="decades"),
        exact("cells of data, model and optimizer", len(cells)),
        exact(
            "median loss of a foreign best rate",
            float(np.median(list(penalties.values()))),
            method="share of the first loss",
        ),
        mean_of(
            "mean loss of a foreign best rate",
            # Pairs that share a cell tell the same: a cell is one repetition.
            [float(np.mean(one)) for one in penalties.values()],
            method="share of the first loss; mean over all foreign rates, by cell",
        ),
    ]
    found += _factors(best)
    measured, curves = _architectures(seeds, full)
    return Outcome(
        "transfer",
        measurements=(*found, *measured),
        panels=(rate_panel("Three architectures on the digits, SGD", ARCHITECTURE_LRS, curves, "validation accuracy"),),
        notes=(f"{STEPS} updates, rates from 0.001 to 10 (Adam: 0.0001 to 1), half a decade apart, 2 seeds per cell",),
    )


def _sizes(model: str, inputs: int, classes: int) -> tuple[int, ...]:
    hidden: dict[str, tuple[int, ...]] = {"linear": (), "narrow": (16,), "wide": (256,), "deep": (32, 32, 32, 32)}
    return (inputs, *hidden[model], classes)


def _factors(best: dict[str, int]) -> list[Measurement]:
    """How far the best rate moves when one factor of a cell changes and the others stay."""
    found = []
    for place, factor in enumerate(("data", "model", "optimizer")):
        groups: dict[tuple[str, ...], list[int]] = {}
        for name, where in best.items():
            parts = name.split(", ")
            groups.setdefault(tuple(parts[:place] + parts[place + 1 :]), []).append(where)
        spans = [0.5 * (max(one) - min(one)) for one in groups.values()]
        found.append(mean_of(f"decades the best rate moves with the {factor}", spans, unit="decades"))
    return found


ARCHITECTURE_LRS = decade_steps(0.001, 10, 2)


def _architectures(seeds: Sequence[int], full: bool) -> tuple[list[Measurement], dict[str, Floats]]:
    digits, images = find_entry("digits").make(), find_entry("digits-cnn").make()
    nets: dict[str, Task] = {
        "fully connected": digits,
        "recurrent": with_model(digits, RowReader, "rows of digits"),
        "convolutional": with_model(images, lambda: small_cnn(channels=(8, 16)), "small CNN"),
    }
    found: list[Measurement] = []
    results: dict[str, Floats] = {}
    for optimizer, scale in (("sgd", 1.0), ("adam", 0.1)):
        recipe = Recipe(optimizer=optimizer, batch_size=64, epochs=6 if full else 1)
        best: dict[str, npt.NDArray[np.int64]] = {}
        for name in nets if full else ("fully connected", "recurrent"):
            seen = seeds if full else seeds[:2]
            runs = trained_at(nets[name], recipe, [scale * lr for lr in ARCHITECTURE_LRS], seen)
            accuracy = table(runs, accuracies)
            # The place of the best rate in the sample and in its bootstraps over seeds.
            best[name] = best_places(-np.minimum(table(runs, final_losses), 10.0))
            if optimizer == "sgd":
                results[name] = accuracy
            lr = scale * ARCHITECTURE_LRS[best[name][0]]
            found.append(exact(f"best rate, {name} net, {optimizer}", lr, method="lowest mean validation loss"))
        places = np.stack(list(best.values()))
        spans = 0.5 * (places.max(axis=0) - places.min(axis=0))
        low, high = np.quantile(spans[1:], (0.025, 0.975), method="nearest")
        found.append(
            Measurement(
                f"decades between the best rates of architectures, {optimizer}",
                float(spans[0]),
                unit="decades",
                low=min(float(spans[0]), float(low)),
                high=max(float(spans[0]), float(high)),
                n=len(seen),
                method="lowest mean validation loss, bootstrap over seeds",
            )
        )
        if optimizer == "sgd":
            other = best["convolutional" if full else "fully connected"][0]
            lost = results["recurrent"][best["recurrent"][0]] - results["recurrent"][other]
            words = "accuracy the recurrent net loses at the convolutional net's best rate"
            found.append(mean_of(words, lost, method="SGD, same seeds"))
    return found, results
