"""`schedule-race`: constant against falling rates on digits with right and wrong labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.schedules import make
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.linear import linear
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.digits_noise import noisy_digits
from surefoot.textbook.experiments.trials import Floats, few, trained, with_model
from surefoot.textbook.measuring import exact, mean_of
from surefoot.textbook.seeds import repetitions

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 2, "full": 5}

SCHEDULES = {
    "constant": "constant",
    "cosine": "cosine",
    "step": "step:step_size=0.33:gamma=0.2",
    "exponential": "exponential:gamma=0.02:every=0.999",
    "inverse-time": "inverse-time:k=0.01",
    "cycles": "triangular:up=0.1:down=0.1:base_factor=0.02",
}
STARTS = (0.1, 0.5, 1.0)
EXAMPLES, BATCH = 304, 16
KINDS: Mapping[str, tuple[str, Mapping[str, float], float]] = {
    "SGD": ("sgd", {}, 2.0),
    "momentum": ("sgd", {"momentum": 0.9}, 0.3),
    "Adam": ("adam", {}, 0.1),
}
"""Optimizers whose rate jumps, and the higher of the two rates."""

Raced = Mapping[tuple[str, float], Sequence[Run]]


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Every schedule at three start rates, with right labels and 20% wrong ones; then kinds of models and jumps."""
    full = size == "full"
    epochs = 20 if full else 4
    measured = _formula()
    panels: list[Panel] = []
    raced: dict[str, Raced] = {}
    for words, wrong in (("right labels", 0.0), ("20% wrong labels", 0.2)):
        names = list(SCHEDULES) if full else ["constant", "cosine", "inverse-time"]
        runs = _race(noisy_digits(wrong, EXAMPLES), names, seeds, epochs)
        raced[words] = runs
        measured += _ends(runs, words, names)
        panels.append(_panel(runs, words, epochs))
    measured += _speeds(noisy_digits(0.0, EXAMPLES), seeds, epochs)
    measured += _order(seeds, epochs)
    measured += _jumps(seeds, epochs, list(KINDS) if full else ["SGD"])
    if full:
        measured += _settings(repetitions(8))
    return Outcome(
        "schedule-race",
        measurements=tuple(measured),
        panels=tuple(panels),
        notes=(
            f"digits MLP 64-32-10, {EXAMPLES} training digits, SGD, batches of {BATCH}, {epochs} epochs; start rates "
            f"{', '.join(map(str, STARTS))}; each schedule at the start that is best for it in the mean over seeds",
        ),
    )


def _race(task: Task, names: Sequence[str], seeds: Sequence[int], epochs: int) -> Raced:
    recipes = {
        (name, lr): Recipe(lr=lr, schedule=SCHEDULES[name], batch_size=BATCH, epochs=epochs)
        for name in names
        for lr in STARTS
    }
    return trained(task, recipes, seeds)


def _train_loss(run: Run) -> float:
    """Mean training loss of the last epoch; chance level for a run that broke."""
    if run.fate == "diverged":
        return math.log(10)
    return min(math.log(10), float(np.mean(run.loss[-EXAMPLES // BATCH :])))


def _accuracy(run: Run) -> float:
    return 0.1 if run.fate == "diverged" else float(run.val_metrics["accuracy"][-1])


def _table(runs: Raced, name: str, of: object) -> Floats:
    assert callable(of)
    return np.array([[of(one) for one in runs[name, lr]] for lr in STARTS])


def _ends(runs: Raced, words: str, names: Sequence[str]) -> list[Measurement]:
    measured = []
    best_loss: dict[str, Floats] = {}
    best_accuracy: dict[str, Floats] = {}
    for name in names:
        losses, right = _table(runs, name, _train_loss), _table(runs, name, _accuracy)
        best_loss[name] = losses[int(np.argmin(losses.mean(axis=1)))]
        best_accuracy[name] = right[int(np.argmax(right.mean(axis=1)))]
    constant, top = best_loss["constant"], best_accuracy["constant"]
    for name in names[1:]:
        measured += [
            mean_of(
                f"schedules, {words}: log10 of the training loss, {name} over constant, best starts",
                np.log10(best_loss[name] / constant),
            ),
            mean_of(f"schedules, {words}: accuracy, {name} minus constant, best starts", best_accuracy[name] - top),
        ]
    for lr in (0.5, 1.0):
        same = {name: np.array([_train_loss(one) for one in runs[name, lr]]) for name in ("constant", "cosine")}
        shares = {name: np.array([_accuracy(one) for one in runs[name, lr]]) for name in names}
        measured += [
            mean_of(
                f"schedules, {words}: log10 of the training loss, cosine over constant, both from {lr:g}",
                np.log10(same["cosine"] / same["constant"]),
            ),
            mean_of(
                f"schedules, {words}: accuracy, cosine minus constant, both from {lr:g}",
                shares["cosine"] - shares["constant"],
            ),
            mean_of(
                f"schedules, {words}: accuracy, inverse-time minus constant, both from {lr:g}",
                shares["inverse-time"] - shares["constant"],
            ),
        ]
    gaps = {name: np.array([_accuracy_gap(one) for one in runs[name, 0.5]]) for name in ("constant", "cosine")}
    measured.append(
        mean_of(
            f"schedules, {words}: test loss over training loss, log10, cosine minus constant, both from 0.5",
            gaps["cosine"] - gaps["constant"],
        )
    )
    return measured


def _accuracy_gap(run: Run) -> float:
    return math.log10(max(1e-6, float(run.val_loss[-1])) / max(1e-6, _train_loss(run)))


def _panel(runs: Raced, words: str, epochs: int) -> Panel:
    per_epoch = EXAMPLES // BATCH
    curves = []
    for name in ("constant", "cosine", "inverse-time"):
        losses = np.mean([one.loss[: epochs * per_epoch] for one in runs[name, 0.5]], axis=0)
        by_epoch = losses.reshape(epochs, per_epoch).mean(axis=1)
        curves.append(Curve(f"{name} from 0.5", float_series(range(1, epochs + 1)), float_series(by_epoch)))
    return Panel(
        f"Digits, {words}: training loss by epoch and schedule",
        x_label="epoch",
        y_label="training loss",
        y_log=True,
        curves=tuple(curves),
    )


def _formula() -> list[Measurement]:
    """The inverse-time schedule itself."""
    k, peak, steps = 0.01, 0.4, 100_000
    schedule = make(f"inverse-time:k={k}", peak, steps)
    total = sum(schedule(step) for step in range(steps)) / (peak * math.log(1 + k * steps) / k)
    return [
        exact("inverse-time decay: rate after 1/k updates over the first", schedule(100) / peak),
        exact("inverse-time decay: rate after 9/k updates over the first", schedule(900) / peak),
        exact("inverse-time decay: sum of 100000 rates over lr0 ln(1 + k t) / k", total),
    ]


def _speeds(task: Task, seeds: Sequence[int], epochs: int) -> list[Measurement]:
    """The same start, decayed from hardly to very fast."""
    ks = (0.0001, 0.01, 1.0)
    runs = trained(
        task,
        {k: Recipe(lr=0.5, schedule=f"inverse-time:k={k:g}", batch_size=BATCH, epochs=epochs) for k in ks},
        seeds,
    )
    losses = np.array([[_train_loss(one) for one in runs[k]] for k in ks])
    logs = np.log10(losses)
    return [
        mean_of("schedules: log10 of the training loss with k = 1 over that with k = 0.01", logs[2] - logs[1]),
        mean_of("schedules: log10 of the training loss with k = 0.01 over that with k = 0.0001", logs[1] - logs[0]),
        mean_of("schedules: decades of training loss between the best and the worst k", np.ptp(logs, axis=0)),
    ]


def _order(seeds: Sequence[int], epochs: int) -> list[Measurement]:
    """The same rates in falling and in rising order."""
    steps = EXAMPLES // BATCH * epochs
    words = {"falling": "linear", "rising": f"warmup:linear:{steps - 1}+constant"}
    found = {}
    for wrong in (0.0, 0.2):
        recipes = {name: Recipe(lr=0.5, schedule=one, batch_size=BATCH, epochs=epochs) for name, one in words.items()}
        runs = trained(noisy_digits(wrong, EXAMPLES), recipes, seeds)
        found[wrong] = {name: np.log10([_train_loss(one) for one in row]) for name, row in runs.items()}
    return [
        mean_of(
            f"schedules, {name}: log10 of the training loss, falling over rising rates",
            found[wrong]["falling"] - found[wrong]["rising"],
        )
        for wrong, name in ((0.0, "right labels"), (0.2, "20% wrong labels"))
    ]


def _jumps(seeds: Sequence[int], epochs: int, names: Sequence[str]) -> list[Measurement]:
    """A tenfold drop and a tenfold rise half way: does the loss jump right after it?"""
    epochs = max(4, epochs // 3)
    steps = EXAMPLES // BATCH * epochs
    measured = []
    task = few(find_entry("digits").make(), EXAMPLES)
    for name in names:
        optimizer, options, high = KINDS[name]
        recipes = {
            kind: Recipe(
                optimizer=optimizer, options=dict(options), lr=high, schedule=words, batch_size=BATCH, epochs=epochs
            )
            for kind, words in (("drop", "constant@0.5+0.1*constant"), ("rise", "0.1*constant@0.5+constant"))
        }
        runs = trained(task, recipes, seeds)
        for kind, row in runs.items():
            after = [_spike(one, steps // 2) for one in row]
            measured.append(mean_of(f"schedules: log10 of the loss after a tenfold {kind} over before, {name}", after))
        if name == "SGD":
            smooth = trained(
                task,
                {
                    "smooth": Recipe(
                        lr=high, schedule="exponential:gamma=0.1:every=0.999", batch_size=BATCH, epochs=epochs
                    )
                },
                seeds,
            )["smooth"]
            ends = np.log10([_train_loss(one) for one in runs["drop"]]) - np.log10([_train_loss(one) for one in smooth])
            measured.append(mean_of("schedules: log10 of the training loss, one tenfold drop over a smooth fall", ends))
    return measured


def _spike(run: Run, at: int) -> float:
    """Highest mean of 5 losses within 20 updates after `at`, over the mean of the 20 losses before."""
    if len(run.loss) <= at + 5:
        return math.log10(math.log(10) / max(1e-6, float(np.mean(run.loss[-20:]))))
    before = float(np.mean(run.loss[at - 20 : at]))
    after = np.convolve(run.loss[at : at + 20], np.ones(5) / 5, mode="valid")
    return math.log10(max(1e-6, float(np.nanmax(after))) / max(1e-6, before))


def _settings(seeds: Sequence[int]) -> list[Measurement]:
    """Gain of cosine over a constant rate, each at its better start, for kinds of models and data."""
    models = {
        "linear": lambda: linear(64, 10),
        "one hidden layer": lambda: mlp((64, 32, 10)),
        "three hidden layers": lambda: mlp((64, 32, 32, 32, 10)),
    }
    datas = {
        "right labels": noisy_digits(0.0, EXAMPLES),
        "20% wrong labels": noisy_digits(0.2, EXAMPLES),
        "80 digits": noisy_digits(0.0, 80),
    }
    measured = []
    for data, task in datas.items():
        gains = []
        for make_model in models.values():
            recipes = {
                (schedule, lr): Recipe(lr=lr, schedule=schedule, batch_size=BATCH, epochs=15)
                for schedule in ("constant", "cosine")
                for lr in (0.1, 0.5)
            }
            runs = trained(with_model(task, make_model), recipes, seeds)
            right = {key: np.array([_accuracy(one) for one in row]) for key, row in runs.items()}
            best = {
                schedule: max((right[schedule, lr] for lr in (0.1, 0.5)), key=lambda one: float(one.mean()))
                for schedule in ("constant", "cosine")
            }
            gains.append(best["cosine"] - best["constant"])
        measured.append(
            mean_of(
                f"schedules: accuracy gained by cosine over three models, {data}",
                np.mean(gains, axis=0),
                method=f"mean over models, by seed: {', '.join(models)}",
            )
        )
    return measured
