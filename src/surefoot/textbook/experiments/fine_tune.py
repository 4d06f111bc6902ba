"""`fine-tune`: a network trained on upright digits goes on with few digits lying on their side.

Every optimizer is tried at many rates. What counts is the accuracy on the new digits, and how much accuracy on the old
ones is lost on the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, best_rates, decade_steps, rate_panel
from surefoot.textbook.lab.training import follow, measure
from surefoot.textbook.measuring import mean_of

SEEDS = {"quick": 2, "full": 24}
"""The best rate for the new digits was 0.17 ± 0.26 decades (standard deviation over seeds) below that from scratch
in the earlier run; to tell that from 0 in 9 of 10 runs takes (3.24 × 0.26 / 0.17)² = 25 seeds."""
FEW, EPOCHS = 200, 15
OPTIMIZERS = {"SGD": ("sgd", {}, 1.0), "momentum": ("sgd", {"momentum": 0.9}, 0.1), "Adam": ("adam", {}, 0.03)}
"""Name -> rule, options, and what its range of rates is multiplied by."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train on upright digits, then on lying ones at every rate; and on the lying ones from scratch."""
    lrs = decade_steps(0.001, 3.16, 2) if size == "full" else (0.01, 0.1, 1.0)
    digits = find_entry("digits").make()
    turned = _turned(digits)
    target = {name: np.zeros((len(lrs), len(seeds))) for name in OPTIMIZERS}
    old = {name: np.zeros((len(lrs), len(seeds))) for name in OPTIMIZERS}
    scratch = np.zeros((len(lrs), len(seeds)))
    before = []
    for column, seed in enumerate(seeds):
        start = _pretrained(digits, seed)
        before.append(measure(digits, start).accuracy)
        start.train()
        tuned = Task(start, turned.train, turned.val, loss=turned.loss, metrics=turned.metrics, name="turned digits")
        for name in OPTIMIZERS:
            new, kept_old = _tune(tuned, digits, name, lrs, seed)
            target[name][:, column], old[name][:, column] = new, kept_old
        scratch[:, column], _ = _tune(turned, digits, "SGD", lrs, seed)
    lost = {name: np.array(before) - one for name, one in old.items()}
    at_best = {name: np.argmax(one.mean(axis=1)) for name, one in target.items()}
    found: list[Measurement] = []
    for name in OPTIMIZERS:
        found.append(
            mean_of(f"fine-tuned accuracy of {name}", target[name][at_best[name]], method="new digits, best rate")
        )
        found.append(
            mean_of(f"accuracy forgotten by {name}", lost[name][at_best[name]], method="old digits, same rate")
        )
    for name in ("momentum", "Adam"):
        gain = target["SGD"][at_best["SGD"]] - target[name][at_best[name]]
        less = lost[name][at_best[name]] - lost["SGD"][at_best["SGD"]]
        found.append(
            mean_of(f"fine-tuned accuracy SGD gains over {name}", gain, method="accuracy on new digits, same seeds")
        )
        found.append(mean_of(f"accuracy SGD forgets less than {name}", less, method="accuracy on old digits"))
    ratio = np.log10(best_rates(lrs, target["SGD"])) - np.log10(best_rates(lrs, scratch))
    found += [
        mean_of(
            "log10 of the best fine-tuning rate over the best rate from scratch",
            ratio,
            unit="decades",
            method="SGD, by accuracy on new digits",
        ),
        mean_of("accuracy forgotten at the smallest fine-tuning rate", lost["SGD"][0], method=f"SGD at {lrs[0]:g}"),
        mean_of("accuracy forgotten at the largest fine-tuning rate", lost["SGD"][-1], method=f"SGD at {lrs[-1]:g}"),
        mean_of(
            "accuracy forgotten more at the largest than at the smallest rate",
            lost["SGD"][-1] - lost["SGD"][0],
            method="largest, smallest",
        ),
        mean_of("fine-tuned accuracy at the smallest rate", target["SGD"][0], method=f"SGD at {lrs[0]:g}"),
        mean_of(
            "accuracy from scratch on the same few examples",
            scratch.max(axis=0),
            method="SGD at its best rate, same examples",
        ),
    ]
    return Outcome(
        "fine-tune",
        measurements=tuple(found),
        panels=(
            rate_panel("Fine-tuning: accuracy on the new digits", lrs, {"SGD": target["SGD"]}, "accuracy"),
            rate_panel("Fine-tuning: accuracy lost on the old digits", lrs, {"SGD": lost["SGD"]}, "accuracy lost"),
        ),
        notes=(
            f"digits MLP 64-32-10; {FEW} digits turned by 90 degrees, {EPOCHS} epochs, batches of 32",
            "rates of momentum are a tenth, of Adam 0.03 of those of SGD",
        ),
    )


def _pretrained(digits: Task, seed: int) -> nn.Module:
    kept: list[nn.Module] = []
    follow(digits, [Recipe(lr=0.3, batch_size=64, epochs=15, seed=seed)], [], lambda _s, _v, m: kept.append(m[0]))
    return kept[-1]


def _tune(task: Task, old: Task, name: str, lrs: Sequence[float], seed: int) -> tuple[Floats, Floats]:
    """Accuracy on the new and on the old digits after tuning at every rate."""
    rule, options, scale = OPTIMIZERS[name]
    recipe = Recipe(optimizer=rule, options=options, batch_size=32, epochs=EPOCHS, seed=seed)
    new, kept = np.zeros(len(lrs)), np.zeros(len(lrs))

    def observe(_step: int, validation: Validation, models: Mapping[int, nn.Module]) -> None:
        for row, member in enumerate(validation.members):
            new[member] = float(validation.metrics["accuracy"][row])
            kept[member] = measure(old, models[member]).accuracy

    runs = follow(task, [recipe.replace(lr=scale * lr) for lr in lrs], [], observe)
    gone = np.array([run.fate == "diverged" or not math.isfinite(run.final_val_loss) for run in runs])
    return np.where(gone, 0.1, new), np.where(gone, 0.1, kept)


def _turned(digits: Task) -> Task:
    parts = []
    for source, count in ((digits.train, FEW), (digits.val, digits.val.size)):
        x, y = source.batch(torch.arange(count))
        parts.append((x.reshape(-1, 8, 8).rot90(1, (1, 2)).reshape(-1, 64).contiguous(), y))
    return Task(digits.model, parts[0], parts[1], loss=digits.loss, metrics=digits.metrics, name="turned digits")
