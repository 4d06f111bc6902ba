"""Records made by hand, with every kind of point that a picture must show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.records import CurvePoint, Found, Provenance, Recipe, Run, float_series, int_series

RATES = tuple(10.0**power for power in (-4, -3, -2, -1, 0, 1))


@pytest.fixture
def make_run():
    return _run


@pytest.fixture
def make_found():
    return _found


def _run(lr=0.1, steps=40, fate="finished", recipe=None, lr_series=None, **changes):
    recipe = recipe or Recipe(lr=lr)
    loss = 2.0 * np.exp(-lr * np.arange(steps))
    if fate == "diverged":
        loss[-1] = math.inf
    val_step = int_series([0, steps // 2, steps])
    given = {
        "recipe": recipe,
        "step": int_series(range(steps)),
        "loss": float_series(loss),
        "lr": float_series(np.full(steps, recipe.lr) if lr_series is None else lr_series),
        "grad_norm": float_series(np.linspace(1.0, 0.1, steps)),
        "val_step": val_step,
        "val_loss": float_series([2.0, 1.0, 0.5]),
        "val_metrics": {"accuracy": float_series([0.1, 0.5, 0.75])},
        "train_metrics": {"accuracy": float_series([math.nan, 0.4, 0.8])},
        "steps_per_epoch": 20.0,
        "fate": fate,
        "reason": "said here" if fate != "finished" else "all steps were made",
        "seconds": 1.5,
        "task": "toy",
    }
    return Run(**given | changes)


def _found(**changes):
    recipe = Recipe(optimizer="sgd", options={"momentum": 0.9}, schedule="cosine", epochs=2, batch_size=8, lr=0.1)
    short = [
        CurvePoint(lr=lr, loss=2.0 - 0.2 * place, spread=0.02, steps=10, horizon=10,
                   fate="retired" if place < 3 else "finished", stage="rung 1")
        for place, lr in enumerate(RATES[:5])
    ]  # fmt: skip
    short.append(CurvePoint(lr=10.0, loss=math.inf, spread=None, steps=3, horizon=10, fate="diverged", stage="rung 1"))
    long = [
        CurvePoint(lr=0.01, loss=0.8, spread=0.03, steps=40, horizon=40, fate="finished", stage="finals"),
        CurvePoint(lr=0.1, loss=0.4, spread=0.03, steps=40, horizon=40, fate="finished", stage="finals"),
        CurvePoint(lr=0.1, loss=0.6, spread=0.04, steps=40, horizon=40, fate="finished", seed=1, stage="finals"),
        CurvePoint(lr=1.0, loss=0.9, spread=0.05, steps=40, horizon=40, fate="finished", stage="finals"),
    ]
    given = {
        "task": "toy",
        "status": "found",
        "lr": 0.1,
        "interval": (0.05, 0.2),
        "divergence_lr": 3.0,
        "expected_loss": 0.5,
        "reason": "the lowest final loss",
        "cost": 2.75,
        "recipe": recipe,
        "initial_loss": 2.3,
        "steps": 40,
        "curve": (*short, *long),
        "runs": tuple(_run(lr, 40 if lr < 10 else 5, "diverged" if lr == 10 else "finished") for lr in RATES),
        "seconds": 12.0,
        "provenance": Provenance(seeds={"seed": 0}, versions={"python": "3.11"}, command="surefoot find toy"),
    }
    if changes.get("status") == "unknown":
        given |= {"lr": None, "interval": None, "expected_loss": None, "recipe": recipe.replace(lr=None)}
        given["reason"] = "no rate learns; check the data"
    return Found(**given | changes)
