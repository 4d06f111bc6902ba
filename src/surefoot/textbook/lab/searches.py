"""`searches`: ways to choose a rate on one task: grid, random, cross-validation, range test, race, prior knowledge.

Every way gives a rate; the task is then trained in full at that rate, and at many others, so that what a way loses is
known: its *loss share* is how much of the achievable fall of the validation loss it misses.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from surefoot.engines.train import train_members
from surefoot.find import find
from surefoot.records import Found, Provenance, Recipe, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run"]

PRINTED_ADVICE = (0.001, 0.01)
"""The starting advice: Adam between these rates."""


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to choose a rate, and what came of it."""

    name: str
    lr: float | None
    cost: float
    """In full trainings."""
    reason: str


def run(setting: Setting, *, epochs: int = 8, cost: float = 4.0, oracle: int = 17, seeds: int = 3) -> LabResult:
    """Choose a rate for Adam on the digits in every way, and train in full at each."""
    task = find_entry("digits").make()
    chosen = setting.seed_list(seeds)
    ways = [*_searched(setting, task, epochs, cost, chosen[0]), *_by_hand()]
    grid = [float(lr) for lr in np.geomspace(1e-5, 1.0, oracle)]
    known = sorted({*grid, *(way.lr for way in ways if way.lr is not None)})
    setting.say(f"full trainings at {len(known)} rates")
    recipe = Recipe(optimizer="adam", lr=1.0, batch_size=64, epochs=epochs)
    recipes = [recipe.replace(lr=lr, seed=seed, data_seed=chosen[0]) for lr in known for seed in chosen]
    runs = train_members(task, recipes)
    losses = {
        lr: float(np.mean([run.final_val_loss for run in runs[i * len(chosen) : (i + 1) * len(chosen)]]))
        for i, lr in enumerate(known)
    }
    start = float(np.mean([run.val_loss[0] for run in runs]))
    best = min(losses, key=lambda lr: losses[lr])
    shares = {way.name: _share(losses, way.lr, best, start) for way in ways}

    verdicts = Verdicts()
    inside = PRINTED_ADVICE[0] <= best <= PRINTED_ADVICE[1]
    verdicts.state(
        "advice_holds",
        inside,
        what="start with Adam between 0.001 and 0.01",
        when="the rate with the lowest loss of a full sweep lies there",
    )
    for name in ("grid", "random", "cross-validation", "range test"):
        verdicts.state(
            f"{name.replace(' ', '_')}_finds_a_good_rate",
            shares[name] < 0.02,
            what=f"{name} finds a good rate",
            when="training at its rate misses less than 2% of the achievable fall of the loss",
        )
    rows = tuple(
        (
            way.name,
            "unknown" if way.lr is None else f"{way.lr:.3g}",
            f"{way.cost:.2f}",
            "–" if way.lr is None else f"{losses[way.lr]:.4f}",
            f"{shares[way.name]:.1%}",
        )
        for way in ways
    )
    cheapest = min((way for way in ways if shares[way.name] < 0.02), key=lambda way: way.cost, default=None)
    return LabResult(
        name="searches",
        title="Ways to choose the rate",
        **verdicts.fields(),
        facts={
            "rates": {way.name: way.lr for way in ways},
            "cost": {way.name: way.cost for way in ways},
            "loss_share_missed": shares,
            "best_rate": best,
            "best_loss": losses[best],
            "first_loss": start,
        },
        sentences=(
            f"A full sweep of {len(known)} rates and {len(chosen)} seeds is best at {best:.3g} (validation loss "
            f"{losses[best]:.4f}; {start:.3f} before training).",
            "Rates chosen: "
            + ", ".join(f"{way.name} {'unknown' if way.lr is None else format(way.lr, '.3g')}" for way in ways)
            + ".",
            "Share of the achievable fall that is missed: "
            + ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
            + ".",
            "No way misses less than 2%."
            if cheapest is None
            else f"The cheapest that misses less than 2% is '{cheapest.name}', at {cheapest.cost:.2f} full trainings.",
        ),
        tables=(
            LabTable(
                "Ways to choose the rate of Adam on the digits",
                ("way", "rate", "cost in full trainings", "validation loss there", "missed"),
                rows,
            ),
        ),
        panels=(
            Panel(
                "Full trainings, and the rates chosen",
                x_label="rate",
                y_label="validation loss",
                x_log=True,
                y_log=True,
                curves=(
                    Curve("full sweep", float_series(known), float_series([losses[lr] for lr in known]), marker="o"),
                ),
                columns={way.name: way.lr for way in ways if way.lr is not None},
            ),
            Panel("Share of the achievable fall that is missed", style="bars", y_label="share", bars=shares),
        ),
        notes=(
            "schedules, momentum and early stopping are not among the ways: each of them needs a rate to begin with",
            f"digits, MLP 64-32-10, Adam, constant rate, {epochs} epochs, batches of 64",
            "prior knowledge is the printed advice for Adam, 0.001 to 0.01, at its geometric middle",
            "factors to consider (data, size, model, optimizer): the same command on another task gives other rates",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def _searched(setting: Setting, task: Task, epochs: int, cost: float, seed: int) -> list[Way]:
    ways = []
    asked: dict[str, dict[str, Any]] = {
        "grid": {"method": "grid"},
        "random": {"method": "random"},
        "range test": {"method": "range-test"},
        "cross-validation": {"method": "grid", "folds": 3, "cost": 3 * cost},
        "race": {"method": "race"},
    }
    for name, options in asked.items():
        setting.say(f"{name} on the digits")
        given = {"cost": cost, "lr_range": (1e-5, 1.0), **options}
        found: Found = find(task, optimizer="adam", epochs=float(epochs), batch_size=64, seed=seed, **given)
        ways.append(Way(name, found.lr, found.cost, found.reason))
    return ways


def _by_hand() -> list[Way]:
    middle = math.sqrt(PRINTED_ADVICE[0] * PRINTED_ADVICE[1])
    return [Way("prior knowledge", middle, 0.0, "the printed advice")]


def _share(losses: dict[float, float], lr: float | None, best: float, start: float) -> float:
    if lr is None or not math.isfinite(losses[lr]):
        return 1.0
    return min(1.0, max(0.0, (losses[lr] - losses[best]) / (start - losses[best])))
