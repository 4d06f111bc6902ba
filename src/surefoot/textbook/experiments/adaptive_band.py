"""`adaptive-band`: six optimizers over five decades of rates on three tasks, and Adam on many.

The good window of an optimizer are the rates within 5 points of its best accuracy. Its headroom is how far above its
own best rate it still is in that window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.records import Recipe, Run
from surefoot.records.claim import Outcome, Size
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import (
    Floats,
    accuracies,
    arrived,
    best_rates,
    decade_steps,
    final_losses,
    rate_panel,
    table,
    trained_at,
    window,
    with_model,
)
from surefoot.textbook.measuring import exact, geometric_mean_of, mean_of, share_of

SEEDS = {"quick": 2, "full": 6}
OPTIMIZERS = {
    "SGD": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "AdaGrad": ("adagrad", {}),
    "Adadelta": ("adadelta", {}),
    "RMSprop": ("rmsprop", {}),
    "Adam": ("adam", {}),
}
ADAPTIVE = ("AdaGrad", "Adadelta", "RMSprop", "Adam")
TASKS = {"digits": (64, 6.0), "wine": (16, 20.0), "breast cancer": (32, 8.0)}
"""Task -> batch size, epochs."""
GOOD, TARGET = 0.05, 0.9
LOOKS = 2
"""Looks per epoch for whether a run has arrived."""
ADVICE = (0.001, 0.00316, 0.01)


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every optimizer at every rate on every task."""
    full = size == "full"
    lrs = decade_steps(1e-4, 31.6, 2 if full else 1)
    tasks = TASKS if full else {"digits": (64, 3.0), "wine": (16, 6.0)}
    found: list[Measurement] = []
    digits: dict[str, Floats] = {}
    wider, rise_less, fail_above = [], [], []
    for name, (batch, epochs) in tasks.items():
        task = find_entry(name.replace(" ", "-")).make()
        tables, arrivals, rises = {}, {}, {}
        for optimizer, (rule, options) in OPTIMIZERS.items():
            recipe = Recipe(optimizer=rule, options=options, batch_size=batch, epochs=epochs)
            per_epoch = -(-task.train.size // batch)
            whole = [epoch * per_epoch for epoch in range(int(epochs) + 1)]
            points = range(0, whole[-1] + 1, max(1, per_epoch // LOOKS))
            runs = trained_at(task, recipe, lrs, seeds, validate_at=sorted({*points, *whole}))
            tables[optimizer] = table(runs)
            best = min(lrs, key=lambda lr: float(final_losses(runs[lr]).mean()))
            rises[optimizer] = np.array([_rises(one, whole) for one in runs[best]])
            # A run that never arrives took longer than all that do: infinite means would hide which rate is fastest.
            times = np.minimum([arrived(one, TARGET) for one in runs.values()], 2.0 * whole[-1])
            arrivals[optimizer] = times[int(np.argmin(times.mean(axis=1)))]
            found += _of_optimizer(name, optimizer, lrs, tables[optimizer], rises[optimizer])
        faster = [(arrivals[one] < arrivals["SGD"]) + 0.5 * (arrivals[one] == arrivals["SGD"]) for one in ADAPTIVE]
        found.append(
            mean_of(
                f"share of adaptive runs faster than SGD, {name}",
                np.mean(faster, axis=0),
                method=f"fewer updates to {TARGET:.0%} validation accuracy, each at its own fastest rate, same seed; "
                "share of four optimizers by seed, a tie counts half",
            )
        )
        for optimizer in ADAPTIVE:
            wide = {key: window(lrs, tables[key], GOOD) for key in ("SGD", optimizer)}
            wider.append(wide[optimizer] - wide["SGD"])
            rise_less.append(rises[optimizer] <= rises["SGD"])
            fail_above.append(_fails_above(lrs, tables[optimizer]))
        if name == "digits":
            digits = tables
            found += _digits_only(lrs, tables)
    plain, heavy = (np.log10(best_rates(lrs, digits[one])) for one in ("SGD", "momentum"))
    best_digits = np.log10(np.array([best_rates(lrs, one) for one in digits.values()]))
    found += [
        mean_of(
            "decades the best rate without momentum lies above that with 0.9, digits",
            plain - heavy,
            unit="decades",
            method="SGD, same seeds",
        ),
        mean_of(
            "decades between the best rates of six optimizers",
            best_digits.max(axis=0) - best_digits.min(axis=0),
            unit="decades",
            method="digits: highest minus lowest best rate over six optimizers, by seed",
        ),
        mean_of(
            "decades by which adaptive optimizers widen the window of good rates",
            np.mean(wider, axis=0),
            unit="decades",
            method="window of an adaptive optimizer minus that of SGD; mean of four of them on every task, by seed",
        ),
        mean_of(
            "share of adaptive runs with no more rising epochs than SGD",
            np.mean(rise_less, axis=0),
            method="epochs that raise the loss; four optimizers on every task, by seed",
        ),
        mean_of(
            "share of adaptive runs that fail up to 10 times above their best rate",
            np.mean(fail_above, axis=0),
            method="some rate up to 10 times the best one loses more than 5 points; four optimizers on every task, "
            "by seed",
        ),
        *_advice(full, seeds),
        *_scaled_losses(full, seeds),
    ]
    return Outcome(
        "adaptive-band",
        measurements=tuple(found),
        panels=(rate_panel("Six optimizers on the digits", lrs, digits, "validation accuracy"),),
        notes=(
            "digits MLP 64-32-10, 6 epochs; wine MLP 13-16-3, 20 epochs; breast cancer MLP 30-16-2, 8 epochs",
            f"window: rates within {GOOD:.0%} of the optimizer's own best accuracy",
        ),
    )


def _of_optimizer(task: str, optimizer: str, lrs: Sequence[float], results: Floats, rises: Floats) -> list[Measurement]:
    last = [
        max(lr for lr, value in zip(lrs, column, strict=True) if value >= column.max() - GOOD) for column in results.T
    ]
    headroom = np.log10(np.array(last)) - np.log10(best_rates(lrs, results))
    return [
        mean_of(f"decades of good rates of {optimizer}, {task}", window(lrs, results, GOOD), unit="decades"),
        mean_of(f"best accuracy of {optimizer}, {task}", results.max(axis=0)),
        mean_of(
            f"decades from the best to the highest good rate of {optimizer}, {task}",
            headroom,
            unit="decades",
            method="highest good rate over the best one",
        ),
        mean_of(
            f"share of rising epochs of {optimizer}, {task}",
            rises,
            method="share of epochs that raise the validation loss",
        ),
    ]


def _digits_only(lrs: Sequence[float], tables: dict[str, Floats]) -> list[Measurement]:
    small = lrs.index(1e-4)
    found = []
    for optimizer, results in tables.items():
        found.append(
            geometric_mean_of(
                f"best rate of {optimizer}, digits",
                best_rates(lrs, results),
                method="geometric mean over seeds of the best rate",
            )
        )
        found.append(mean_of(f"accuracy of {optimizer} at rate 0.0001, digits", results[small]))
    for optimizer in ("momentum", *ADAPTIVE):
        name = f"accuracy {optimizer} gains over SGD at rate 0.0001, digits"
        found.append(mean_of(name, tables[optimizer][small] - tables["SGD"][small], method="accuracy, same seeds"))
    for optimizer in ADAPTIVE:
        gain = tables[optimizer].max(axis=0) - tables["SGD"].max(axis=0)
        found.append(
            mean_of(f"best accuracy {optimizer} gains over SGD, digits", gain, method="best accuracies, same seeds")
        )
    return found


def _fails_above(lrs: Sequence[float], results: Floats) -> Floats:
    fails = []
    for column in results.T:
        best = int(np.argmax(column))
        above = [v for lr, v in zip(lrs, column, strict=True) if lrs[best] < lr <= 10.5 * lrs[best]]
        fails.append(float(bool(above) and min(above) < column.max() - GOOD))
    return np.array(fails)


def _rises(run: Run, at: Sequence[int]) -> float:
    losses = np.asarray(run.val_loss)[np.isin(run.val_step, at)]
    return float(np.mean(np.diff(losses) > 0)) if len(losses) > 1 else 0.0


def _advice(full: bool, seeds: Sequence[int]) -> list[Measurement]:
    """Whether the advised rates for Adam are near the best one, on tasks of many kinds."""
    lrs = (1e-4, 3.16e-4, *ADVICE, 0.0316, 0.1, 0.316)
    digits = find_entry("digits").make()
    xor = find_entry("xor").make()
    tasks: dict[str, tuple[Task, Recipe]] = {
        "xor": (xor, Recipe(optimizer="adam", batch_size="full", epochs=1000 if full else 100)),
        "digits": (digits, Recipe(optimizer="adam", batch_size=64, epochs=6)),
    }
    small = {"wine": (16, 10.0)}
    if full:
        small["penguins"] = (16, 10.0)
        deep = with_model(digits, lambda: mlp((64, 32, 32, 32, 32, 10)), "deep")
        tasks["deep_mlp"] = (deep, Recipe(optimizer="adam", batch_size=64, epochs=6))
        small |= {"diabetes": (32, 20.0), "digits-cnn": (64, 3.0), "tiny-text-rnn": (32, 1.0), "spirals": (32, 40.0)}
        small |= {"iris": (16, 20.0), "breast-cancer": (32, 8.0), "digits-linear": (64, 10.0)}
    for name, (batch, epochs) in small.items():
        recipe = Recipe(optimizer="adam", batch_size=batch, epochs=epochs)
        tasks[name] = (find_entry(name).make(), recipe)
    good: dict[str, list[bool]] = {}
    for name, (task, recipe) in tasks.items():
        runs = trained_at(task, recipe, lrs, seeds[:2])
        start = float(np.mean([run.val_loss[0] for run in runs[lrs[0]]]))
        losses = table(runs, final_losses).mean(axis=1)
        lowest = float(losses.min())
        near = losses <= lowest + 0.05 * (start - lowest)
        if all("accuracy" in run.val_metrics for one in runs.values() for run in one):
            accuracy = table(runs, accuracies).mean(axis=1)
            near = near | (accuracy >= accuracy.max() - 0.01)
        good[name] = [bool(near[lrs.index(lr)]) for lr in ADVICE]
    found = [
        share_of(
            "share of tasks good for Adam at some rate from 0.001 to 0.01",
            sum(map(any, good.values())),
            len(good),
            method="some rate from 0.001 to 0.01",
        ),
        share_of(
            "share of tasks good for Adam at 0.001", sum(one[0] for one in good.values()), len(good), method="tasks"
        ),
        share_of(
            "share of tasks good for Adam at 0.01", sum(one[-1] for one in good.values()), len(good), method="tasks"
        ),
    ]
    for name, row in good.items():
        found.append(
            exact(
                f"share of 0.001, 0.00316, 0.01 that are good for Adam, {name}",
                float(np.mean(row)),
                method="good: within 5% of the achievable fall of the loss, or 1 point of accuracy",
            )
        )
    return found


def _scaled_losses(full: bool, seeds: Sequence[int]) -> list[Measurement]:
    """Best rate of SGD on the digits when the loss is multiplied by a number."""
    digits = find_entry("digits").make()
    lrs = decade_steps(1e-4, 1000, 2 if full else 1)
    found = []
    for scale in (0.01, 1.0, 100.0) if full else (0.01, 100.0):
        task = Task(
            digits.model,
            digits.train,
            digits.val,
            loss=lambda output, target, by=scale: by * digits.loss(output, target),
            metrics=digits.metrics,
            name="digits, scaled loss",
        )
        runs = trained_at(task, Recipe(batch_size=64, epochs=4 if full else 2), lrs, seeds[:2])
        best = best_rates(lrs, -table(runs, final_losses))
        found.append(
            mean_of(f"log10 of the best rate, digits with the loss times {scale:g}", np.log10(best), unit="decades")
        )
    return found
