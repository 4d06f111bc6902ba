"""`regularizers`: what holds a training back, steadies it or starts it anew, on few examples.

Dropout, weight decay, shifted examples and early stopping against a network that learns its examples by heart;
clipping and normalisation against rates that are too high; a fresh start against a bad one.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run, float_series
from surefoot.tasks.augmenting import changed
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import with_seeds
from surefoot.textbook.lab.verdicts import Verdicts
from surefoot.textbook.lab.xor import SOLVED, normal_nets, train

__all__ = ["run"]

EXAMPLES, PATIENCE = 150, 5
HIGH = (0.3, 1.0, 3.0, 10.0, 30.0)
RESTARTS = 5


def run(setting: Setting, *, epochs: int = 60, seeds: int = 5, starts: int = 1000) -> LabResult:
    """Train every variant from the same seeds, and measure what each does to validation loss and stability."""
    digits = find_entry("digits").make()
    chosen = setting.seed_list(seeds)
    plain = _few(digits, dropout=0.0, norm=False)
    variants: dict[str, tuple[Task, dict[str, float]]] = {
        "plain": (plain, {}),
        "dropout 0.5": (_few(digits, dropout=0.5, norm=False), {}),
        "weight decay 0.01": (plain, {"weight_decay": 0.01}),
        "shifted by a pixel": (changed(plain, {"augment": "shift:1"}), {}),
        "batch normalisation": (_few(digits, dropout=0.0, norm=True), {}),
    }
    per_epoch = math.ceil(EXAMPLES / 32)
    points = [epoch * per_epoch for epoch in range(epochs + 1)]
    trained: dict[str, list[Run]] = {}
    for name, (task, options) in variants.items():
        setting.say(f"{epochs} epochs on {EXAMPLES} digits: {name}")
        recipe = Recipe(lr=0.1, options={"momentum": 0.9, **options}, batch_size=32, epochs=epochs)
        trained[name] = train_members(task, with_seeds(recipe, chosen), validate_at=points)
    val = {name: np.array([run.val_loss for run in runs]) for name, runs in trained.items()}
    ends = {name: float(np.mean(one[:, -1])) for name, one in val.items()}
    spread = {name: float(np.std(one[:, -1], ddof=1)) if len(one) > 1 else 0.0 for name, one in val.items()}
    accuracy = {
        name: float(np.mean([run.val_metrics["accuracy"][-1] for run in runs])) for name, runs in trained.items()
    }
    fitted = {name: float(np.mean([run.loss[-per_epoch:].mean() for run in runs])) for name, runs in trained.items()}
    stops = [_stop(one) for one in val["plain"]]
    stopped = float(np.mean([val["plain"][row][at] for row, (at, _) in enumerate(stops)]))

    setting.say("high rates, with and without clipping and normalisation")
    high = _high_rates(plain, variants["batch normalisation"][0], chosen)
    setting.say("fresh starts on XOR")
    solved = train(normal_nets(setting.seed_list(starts)), 0.1, 5000).losses[-1] < SOLVED
    share = float(np.mean(solved))
    groups = solved[: len(solved) // RESTARTS * RESTARTS].reshape(-1, RESTARTS)
    after = float(np.mean(groups.any(axis=1)))
    expected = 1 - (1 - share) ** RESTARTS
    error = math.sqrt(max(expected * (1 - expected), 1e-12) / max(1, len(groups)))

    verdicts = Verdicts()
    for name in ("dropout 0.5", "weight decay 0.01", "shifted by a pixel"):
        key = name.split()[0] if name != "weight decay 0.01" else "weight_decay"
        verdicts.state(
            f"{key}_reduces_overfitting",
            ends[name] < ends["plain"],
            what=f"{name} allows more epochs without overfitting",
            when=f"its validation loss after {epochs} epochs is below that of the plain training",
        )
    verdicts.state(
        "early_stopping_prevents_overfitting",
        stopped < ends["plain"],
        what="early stopping avoids overfitting",
        when="the validation loss it keeps is below the plain training's last one",
    )
    verdicts.state(
        "clipping_steadies",
        _highest(high["clipped at 1"]) > _highest(high["plain"]),
        what="clipping keeps large rates from blowing up",
        when="a higher rate still trains with gradients clipped to norm 1 than without",
    )
    verdicts.state(
        "normalisation_steadies",
        _highest(high["batch normalisation"]) > _highest(high["plain"]),
        what="normalisation steadies training",
        when="a higher rate still trains with batch normalisation than without",
    )
    verdicts.compare(
        "share_solved_after_restarts",
        expected,
        after,
        within=2 * error,
        what=f"share of XOR networks solved within {RESTARTS} fresh starts: 1 - (1 - p)^{RESTARTS} with the "
        "measured p of one start, and counted",
    )
    epochs_axis = float_series(range(epochs + 1))
    return LabResult(
        name="regularizers",
        title="Holding back, steadying, starting anew",
        **verdicts.fields(),
        facts={
            "validation_loss": ends,
            "validation_loss_deviation": spread,
            "accuracy": accuracy,
            "training_loss": fitted,
            "early_stopping_epochs": [at_stop for _, at_stop in stops],
            "early_stopping_loss": stopped,
            "highest_rate_that_trains": {name: _highest(one) for name, one in high.items()},
            "share_solved": share,
            "share_solved_after_restarts": after,
        },
        sentences=(
            f"Validation loss after {epochs} epochs on {EXAMPLES} digits, {len(chosen)} seeds: "
            + ", ".join(f"{name} {loss:.3f} ± {spread[name]:.3f}" for name, loss in ends.items())
            + ".",
            f"Early stopping (patience {PATIENCE}) ends after {np.mean([s for _, s in stops]):.0f} epochs on "
            f"average and keeps "
            f"a validation loss of {stopped:.3f}; the plain training ends at {ends['plain']:.3f}.",
            "Highest rate that still trains: "
            + ", ".join(f"{name} {_highest(one):g}" for name, one in high.items())
            + ".",
            f"One start solves XOR for {share:.1%} of the seeds; {RESTARTS} fresh starts for {after:.1%} "
            f"(expected {expected:.1%}).",
        ),
        tables=(
            LabTable(
                f"After {epochs} epochs on {EXAMPLES} digits",
                ("variant", "training loss", "validation loss", "deviation", "accuracy"),
                tuple(
                    (name, f"{fitted[name]:.4f}", f"{ends[name]:.4f}", f"{spread[name]:.4f}", f"{accuracy[name]:.1%}")
                    for name in variants
                ),
            ),
        ),
        panels=(
            Panel(
                "Validation loss",
                x_label="epoch",
                y_label="cross-entropy",
                curves=tuple(Curve(name, epochs_axis, float_series(one.mean(axis=0))) for name, one in val.items()),
                columns={"early stopping, mean": float(np.mean([s for _, s in stops]))},
            ),
            Panel(
                "Validation loss by rate",
                x_label="rate",
                y_label="cross-entropy",
                x_log=True,
                y_log=True,
                curves=tuple(
                    Curve(
                        name,
                        float_series([lr for lr, loss in one.items() if math.isfinite(loss)]),
                        float_series([loss for loss in one.values() if math.isfinite(loss)]),
                        marker="o",
                    )
                    for name, one in high.items()
                ),
            ),
        ),
        notes=(
            "MLP 64-64-10, SGD at 0.1 with momentum 0.9, batches of 32",
            "a rate trains when its mean validation loss after ten epochs is below half of that of guessing, ln 10",
            f"fresh starts: XOR 2-2-1 at rate 0.1, 5000 updates, {len(solved)} seeds",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=plain.checksum()),
    )


def _net(dropout: float, norm: bool) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(64, 64)]
    layers += [nn.BatchNorm1d(64)] if norm else []
    layers += [nn.ReLU()]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(64, 10))


def _few(digits: Task, *, dropout: float, norm: bool) -> Task:
    train_part = digits.train.batch(torch.arange(EXAMPLES))
    val_part = digits.val.batch(torch.arange(digits.val.size))
    return Task(
        lambda: _net(dropout, norm),
        tuple(train_part),
        tuple(val_part),
        loss=digits.loss,
        metrics=digits.metrics,
        name="few digits",
    )


def _stop(losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[int, int]:
    """Best epoch, and the one at which a patience without improvement ends the training."""
    for epoch in range(len(losses)):
        best = int(np.argmin(losses[: epoch + 1]))
        if epoch - best >= PATIENCE:
            return best, epoch
    return int(np.argmin(losses)), len(losses) - 1


def _high_rates(plain: Task, normalised: Task, seeds: list[int]) -> dict[str, dict[float, float]]:
    """Way -> rate -> mean validation loss after ten epochs; infinite where it diverged."""
    found = {}
    for name, task, clip in (
        ("plain", plain, None),
        ("clipped at 1", plain, 1.0),
        ("batch normalisation", normalised, None),
    ):
        recipes = [one for lr in HIGH for one in with_seeds(Recipe(lr=lr, batch_size=32, epochs=10, clip=clip), seeds)]
        runs = train_members(task, recipes)
        groups = [runs[place * len(seeds) : (place + 1) * len(seeds)] for place in range(len(HIGH))]
        found[name] = {
            lr: float(np.mean([run.final_val_loss for run in group])) for lr, group in zip(HIGH, groups, strict=True)
        }
    return found


def _highest(losses: dict[float, float]) -> float:
    """Highest rate whose loss is below half of ln 10, that of guessing among ten classes; 0 for none."""
    return max((lr for lr, loss in losses.items() if loss < 0.5 * math.log(10)), default=0.0)
