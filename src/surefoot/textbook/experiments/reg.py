"""`reg`: what holds a network back on 150 digits: dropout, weight decay, shifted examples; and how that meets the rate.

Overfitting is how far the validation loss ends above its own lowest value; the gap is validation minus training loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.augmenting import changed
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, few, final_losses, follow_each, table, trained
from surefoot.textbook.lab.training import Epoch, measure
from surefoot.textbook.measuring import exact, mean_of, size_of

SEEDS = {"quick": 2, "full": 24}
EXAMPLES = 150
DECAYS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
LRS = {"sgd": (0.03, 0.1, 0.3, 1.0), "adamw": (0.001, 0.003, 0.01, 0.03)}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train with and without, then every rate with every weight decay."""
    full = size == "full"
    epochs = 60 if full else 12
    found, panel = _holding_back(epochs, seeds)
    found += _dropout(40 if full else 4, seeds[: 6 if full else 2])
    found += _with_rate(20 if full else 3, seeds[: 6 if full else 2])
    return Outcome(
        "reg",
        measurements=tuple(found),
        panels=(panel,),
        notes=(f"{EXAMPLES} digits; MLP 64-64-10, SGD at 0.1 with momentum 0.9; CNN of 8 and 16 maps, Adam at 0.003",),
    )


def _mlp(dropout: float = 0.0) -> nn.Module:
    between: list[nn.Module] = [nn.ReLU()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(nn.Linear(64, 64), *between, nn.Linear(64, 10))


def _points(task: Task, epochs: int) -> list[int]:
    per_epoch = math.ceil(task.train.size / 32)
    return [per_epoch * epoch for epoch in range(epochs + 1)]


def _holding_back(epochs: int, seeds: Sequence[int]) -> tuple[list[Measurement], Panel]:
    digits = find_entry("digits").make()
    plain = few(digits, EXAMPLES, model=_mlp)
    recipe = Recipe(lr=0.1, options={"momentum": 0.9}, batch_size=32, epochs=epochs)
    decay = recipe.replace(options={"momentum": 0.9, "weight_decay": 0.01})
    variants: dict[str, tuple[Task, Recipe]] = {
        "plain": (plain, recipe),
        "dropout": (few(digits, EXAMPLES, model=lambda: _mlp(0.5)), recipe),
        "weight decay": (plain, decay),
        "shifted examples": (changed(plain, {"augment": "shift:1"}), recipe),
    }
    curves, ends, lowest_at, rises = {}, {}, {}, {}
    for name, (task, how) in variants.items():
        runs = trained(task, {0: how}, seeds, validate_at=_points(task, epochs))[0]
        losses = np.array([run.val_loss for run in runs])
        curves[name], ends[name] = losses.mean(axis=0), losses[:, -1]
        lowest_at[name] = losses.argmin(axis=1).astype(float)
        rises[name] = losses[:, -1] - losses.min(axis=1)
    found: list[Measurement] = []
    for name in variants:
        found.append(mean_of(f"epoch of the lowest validation loss, {name}", lowest_at[name]))
        found.append(mean_of(f"rise of the validation loss after its lowest, {name}", rises[name]))
        if name != "plain":
            later, less = lowest_at[name] - lowest_at["plain"], rises["plain"] - rises[name]
            found.append(mean_of(f"epochs by which {name} delays the lowest validation loss", later))
            found.append(mean_of(f"rise of the validation loss that {name} takes away", less))
            found.append(mean_of(f"final validation loss that {name} takes away", ends["plain"] - ends[name]))
    axis = float_series(range(epochs + 1))
    drawn = tuple(Curve(name, axis, float_series(one)) for name, one in curves.items())
    return found, Panel("Validation loss on 150 digits", x_label="epoch", y_label="cross-entropy", curves=drawn)


def _cnn(kind: str, share: float) -> nn.Module:
    drop: dict[str, list[nn.Module]] = {"none": [], "units": [nn.Dropout(share)], "maps": [nn.Dropout2d(share)]}
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *drop[kind],
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def _dropout(epochs: int, seeds: Sequence[int]) -> list[Measurement]:
    """Units or whole maps dropped before the last layer of a CNN."""
    images = find_entry("digits-cnn").make()
    recipe = Recipe(optimizer="adam", lr=0.003, batch_size=32, epochs=epochs)
    gaps, accuracy, losses = {}, {}, {}
    for kind in ("none", "units", "maps"):
        task = few(images, EXAMPLES, model=lambda kind=kind: _cnn(kind, 0.5))
        on_train = Task(task.model, task.train, task.train, loss=task.loss, metrics=task.metrics)
        ends: dict[int, tuple[Epoch, Epoch]] = {}

        def observe(
            place: int,
            _s: int,
            _v: Validation,
            model: nn.Module,
            task: Task = task,
            on_train: Task = on_train,
            ends: dict = ends,  # type: ignore[type-arg]
        ) -> None:
            ends[place] = measure(on_train, model), measure(task, model)

        follow_each(task, recipe, seeds, [], observe)
        losses[kind] = np.array([ends[m][1].loss for m in range(len(seeds))])
        gaps[kind] = losses[kind] - np.array([ends[m][0].loss for m in range(len(seeds))])
        accuracy[kind] = np.array([ends[m][1].accuracy for m in range(len(seeds))])
    found = [mean_of(f"validation minus training loss of the CNN, dropping {kind}", one) for kind, one in gaps.items()]
    for kind in ("units", "maps"):
        found.append(mean_of(f"gap that dropping {kind} takes away", gaps["none"] - gaps[kind], method="same seeds"))
        found.append(mean_of(f"validation loss that dropping {kind} takes away", losses["none"] - losses[kind]))
        found.append(mean_of(f"accuracy that dropping {kind} gains", accuracy[kind] - accuracy["none"]))
    return found


def _with_rate(epochs: int, seeds: Sequence[int]) -> list[Measurement]:
    """Validation loss over rates and weight decays, under SGD (decay in the gradient) and AdamW (apart from it)."""
    digits = find_entry("digits").make()
    task = few(digits, EXAMPLES, model=_mlp)
    found: list[Measurement] = []
    for rule, lrs in LRS.items():
        recipes = {
            (lr, decay): Recipe(
                optimizer=rule,
                lr=lr,
                options={"weight_decay": decay * (10 if rule == "adamw" else 1)},
                batch_size=32,
                epochs=epochs,
            )
            for lr in lrs
            for decay in DECAYS
        }
        losses = np.minimum(table(trained(task, recipes, seeds), final_losses), 2.5)
        grid = losses.reshape(len(lrs), len(DECAYS), -1)
        words = {"sgd": "SGD", "adamw": "AdamW"}[rule]
        shares = _interaction(grid)
        found.append(
            mean_of(
                f"share of variance by rate and weight decay together, {words}",
                shares,
                method="covariance of one seed with the others', which noise of a seed does not enter",
            )
        )
        best = grid.mean(axis=-1).argmin(axis=0)
        found.append(exact(f"best rate without weight decay, {words}", lrs[int(best[0])]))
        found.append(exact(f"best rate at the largest weight decay, {words}", lrs[int(best[-1])]))
        sensitivity = grid.max(axis=0) - grid.min(axis=0)
        change = sensitivity[-1] - sensitivity[0]
        found.append(
            size_of(
                f"change of the sensitivity to the rate by weight decay, {words}",
                change,
                method="highest minus lowest loss over the rates, at the largest weight decay against none",
            )
        )
    return found


def _interaction(grid: Floats) -> list[float]:
    """Share of the variance that neither axis explains by itself, once per seed.

    Within one seed noise counts as interaction; in the product of one seed with the mean of the others it does not.
    """
    whole = grid - grid.mean(axis=(0, 1), keepdims=True)
    both = whole - whole.mean(axis=0, keepdims=True) - whole.mean(axis=1, keepdims=True)
    shares = []
    for seed in range(grid.shape[-1]):
        others = [np.delete(one, seed, axis=-1).mean(axis=-1) for one in (both, whole)]
        shares.append(float((both[..., seed] * others[0]).mean() / (whole[..., seed] * others[1]).mean()))
    return shares
