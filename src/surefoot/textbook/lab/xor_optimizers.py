"""`xor-optimizers`: XOR 2-4-1 in torch under SGD and Adam at two rates, and other optimizers beside them."""

from __future__ import annotations

import math

import numpy as np

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts
from surefoot.textbook.lab.xor import SOLVED

__all__ = ["rises", "run"]

EPOCHS = 1000
PRINTED = (("sgd", 0.1), ("sgd", 0.01), ("adam", 0.1), ("adam", 0.01))
BESIDE = (("sgd", 10.0), ("adagrad", 0.1), ("rmsprop", 0.1), ("rmsprop", 0.01), ("adadelta", 0.1), ("adadelta", 10.0))


def run(setting: Setting, *, epochs: int = EPOCHS, seeds: int = 10) -> LabResult:
    """Train every optimizer from every seed; the printed program sets none."""
    chosen = setting.seed_list(seeds)
    task = find_entry("xor").make()
    settings = (*PRINTED, *BESIDE)
    setting.say(f"{len(settings)} optimizers and rates from {len(chosen)} seeds")
    recipes = [
        Recipe(optimizer=name, lr=lr, batch_size="full", epochs=epochs, seed=seed, data_seed=0)
        for name, lr in settings
        for seed in chosen
    ]
    runs = train_members(task, recipes)
    grouped = {one: runs[place * len(chosen) : (place + 1) * len(chosen)] for place, one in enumerate(settings)}
    ends = {one: np.array([run.final_val_loss for run in group]) for one, group in grouped.items()}
    medians = {one: float(np.median(losses)) for one, losses in ends.items()}
    solved = {one: float(np.mean(losses < SOLVED)) for one, losses in ends.items()}
    raised = {one: float(np.median([rises(run) for run in group])) for one, group in grouped.items()}
    start = float(np.median([run.loss[0] for run in runs]))
    best = min(PRINTED, key=lambda one: medians[one])

    verdicts = Verdicts()
    verdicts.state(
        "sgd_0.1_falls_steadily",
        medians["sgd", 0.1] < 0.5 * start,
        what="SGD at 0.1 'decreases steadily'",
        when=f"its median loss after {epochs} epochs is below half of the first one",
    )
    verdicts.state(
        "sgd_0.1_slower_than_adam",
        medians["sgd", 0.1] > medians["adam", 0.1],
        what="SGD at 0.1 is slower than Adam",
        when="its median loss ends above that of Adam at 0.1",
    )
    verdicts.state(
        "sgd_0.01_is_slow",
        medians["sgd", 0.01] > 0.5 * start,
        what="SGD at 0.01 is stable and slow",
        when="its median loss ends above half of the first one",
    )
    verdicts.state(
        "adam_0.1_is_fast",
        medians["adam", 0.1] < SOLVED,
        what="Adam at 0.1 converges fast",
        when=f"its median loss ends below {SOLVED}",
    )
    verdicts.state(
        "adam_0.1_oscillates_more",
        raised["adam", 0.1] > 2 * max(raised["adam", 0.01], 1.0),
        what="Adam at 0.1 'can oscillate', Adam at 0.01 is 'smooth'",
        when="the loss rises more than twice as often at 0.1 as at 0.01 (medians)",
    )
    verdicts.compare(
        "best_adam_rate",
        0.01,
        min((0.1, 0.01), key=lambda lr: medians["adam", lr]),
        what="'the most balanced choice' of the two Adam rates, by the lowest median loss",
    )
    facts = {
        "median_loss": {_name(*one): value for one, value in medians.items()},
        "share_solved": {_name(*one): value for one, value in solved.items()},
        "rises": {_name(*one): value for one, value in raised.items()},
        "first_loss": start,
        "seeds": len(chosen),
    }
    return LabResult(
        name="xor-optimizers",
        title="XOR under different optimizers",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"Median loss after {epochs} epochs over {len(chosen)} seeds: "
            + ", ".join(f"{_name(*one)} {medians[one]:.4f}" for one in PRINTED)
            + ".",
            f"SGD at 0.1 solves {solved['sgd', 0.1]:.0%} of the seeds, Adam at 0.1 {solved['adam', 0.1]:.0%} "
            f"and Adam at "
            f"0.01 {solved['adam', 0.01]:.0%}; SGD at rate 10 solves {solved['sgd', 10.0]:.0%}.",
            f"The lowest median of the printed four is {_name(*best)}'s. The loss rose {raised['adam', 0.1]:g} "
            f"times in a "
            f"median run of Adam at 0.1 and {raised['adam', 0.01]:g} times at 0.01.",
        ),
        tables=(
            LabTable(
                f"After {epochs} epochs, {len(chosen)} seeds",
                ("optimizer", "median loss", "lowest", "highest", "solved", "rises"),
                tuple(
                    (
                        _name(*one),
                        f"{medians[one]:.4f}",
                        f"{ends[one].min():.4f}",
                        f"{ends[one].max():.4f}",
                        f"{solved[one]:.0%}",
                        f"{raised[one]:g}",
                    )
                    for one in settings
                ),
            ),
        ),
        panels=(
            _panel("The printed four: median and range over seeds", {one: grouped[one] for one in PRINTED}),
            _panel("Others beside them", {one: grouped[one] for one in BESIDE}),
        ),
        notes=(
            "the printed program sets no seed, so no single run of it can be repeated; every seed here is one such run",
            f"solved: mean squared error below {SOLVED}; rises: updates that raised the loss",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def _panel(title: str, grouped: dict[tuple[str, float], list[Run]]) -> Panel:
    curves = []
    for (name, lr), group in grouped.items():
        length = min(len(run.loss) for run in group)
        losses = np.array([run.loss[:length] for run in group])
        keep = np.unique(np.linspace(0, length - 1, 201).round().astype(int))
        curves.append(
            Curve(
                _name(name, lr),
                float_series(keep),
                float_series(np.median(losses, axis=0)[keep]),
                low=float_series(losses.min(axis=0)[keep]),
                high=float_series(losses.max(axis=0)[keep]),
            )
        )
    return Panel(title, x_label="epoch", y_label="mean squared error", y_log=True, curves=tuple(curves))


def _name(optimizer: str, lr: float) -> str:
    shown = {"sgd": "SGD", "adam": "Adam", "adagrad": "AdaGrad", "rmsprop": "RMSprop", "adadelta": "AdaDelta"}
    return f"{shown[optimizer]} {lr:g}"


def rises(run: Run, least: float = 0.0) -> float:
    """Updates of a run that raised its loss by more than `least`."""
    return float(np.sum(np.diff(run.loss) > least)) if len(run.loss) > 1 else math.nan
