"""Replay searches from a bank of trainings: hundreds of searches in minutes, to develop the method with.

    python benchmarks/find_replay.py bank develop --bank FOLDER      # trains the bank: once, an hour
    python benchmarks/find_replay.py replay develop --bank FOLDER    # searches in it at cost 3, 1 and 100 steps

The bank of a case holds the validation losses of many rates over many lengths from several seeds. A replayed search
is the real one, but for its trainings: rates and lengths are those of the bank that are nearest to what was asked for,
and seeds are taken in turn. It is judged as in `find_quality.py`, by other seeds than those it saw. Panels are
`design`, `develop`, `confirm`, `ordinary` and `fresh`; the other ones are not for this.
"""

from __future__ import annotations

import argparse
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from find_quality import LOWEST, RATES, SEEDS, STEP, cases_of, kind_of, recipe_of
from panel import Case, make_task
from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.engine import Validation
from surefoot.engines.train import train_members
from surefoot.find.answer import Answer
from surefoot.find.candidates import default_range
from surefoot.find.race import race
from surefoot.find.search import Search, Trial
from surefoot.records import Fate, Run
from surefoot.records.record import float_series, int_series
from surefoot.tasks.task import Task

DEVELOPED = ("design", "develop", "confirm", "ordinary", "fresh")
"""Panels that the method may be developed on."""
SEARCH_SEEDS = (100, 101, 102)
COSTS = {"cost 3": 3.0, "cost 1": 1.0, "100 steps": None}
BELOW, ABOVE = 6, 12
"""Rates of a bank below the oracle's lowest and above its highest one; between two of an oracle lies one more."""
ORACLE = slice(BELOW, BELOW + 2 * RATES - 1, 2)
SHARES = tuple(2.0**-halvings for halvings in range(8))
"""Lengths, as shares of the full one."""
POINTS = tuple(sorted(2.0**-halvings for halvings in range(7)))
"""Shares of its own length after which a training is validated."""
SHIFTS = (0.0, 0.2)
"""Decades by which the range of a search is moved, so that its rates are others."""


def rates_of(case: Case) -> list[float]:
    low = LOWEST[kind_of(case)] - STEP / 2 * BELOW
    return [float(10 ** (low + STEP / 2 * place)) for place in range(BELOW + 2 * RATES - 1 + ABOVE)]


def trained(case: Case, task: Any, seed: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Losses [rates, points], infinite once dead; losses at the end and at the start over each part of the data.

    The last are the mean training losses over the last quarter, infinite where it died before.
    """
    recipes = [recipe_of(case).replace(lr=lr, seed=seed) for lr in rates_of(case)]
    groups = np.full((len(recipes), 16), np.nan)
    first = np.full(16, np.nan)

    def monitor(validation: Validation) -> dict[int, tuple[Fate, str]]:
        for place, parts in zip(validation.members, validation.groups, strict=True):
            (first if validation.step == 0 else groups[place])[: len(parts)] = parts
        return {}

    points = [max(1, round(length * share)) for share in POINTS]
    runs = train_members(
        task,
        recipes,
        horizon=length,
        validate_at=[0, *points],
        monitor=monitor,
        make_engine=lambda task, recipes: choose_engine(task, recipes, horizon=length, processes=1),
    )
    losses = np.full((len(recipes), len(POINTS)), np.inf)
    training = np.full(len(recipes), np.inf)
    for row, run in enumerate(runs):
        seen = {int(s): float(v) for s, v in zip(run.val_step, run.val_loss, strict=True)}
        losses[row] = [seen.get(point, math.inf) for point in points]
        losses[row, -1] = run.final_val_loss
        training[row] = Trial(0.0, length, "", (run,), np.empty(0)).training_loss
    return losses, groups, first, training


def bank_of(case: Case) -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    task = make_task(case.task)
    steps = steps_of(recipe_of(case), task.train.size)[0]
    lengths = sorted({max(2, round(steps * share)) for share in SHARES}, reverse=True)
    parts = [[trained(case, task, seed, length) for length in lengths] for seed in SEARCH_SEEDS]
    oracle = [trained(case, task, seed, steps) for seed in SEEDS]
    return {
        "lrs": np.array(rates_of(case)),
        "lengths": np.array(lengths),
        "losses": np.array([[one[0] for one in row] for row in parts]),
        "groups": np.array([[one[1] for one in row] for row in parts]),
        "first": np.array([row[0][2] for row in parts]),
        "training": np.array([[one[3] for one in row] for row in parts]),
        "oracle": np.array([one[0][:, -1] for one in oracle]),
        "start": np.array([np.nanmean(one[2]) for one in oracle]),
    }


@functools.cache
def _task(name: str) -> Task:
    return make_task(name)


class BankSearch(Search):
    """A search whose trials are looked up."""

    def __init__(self, case: Case, bank: dict[str, np.ndarray], seed: int, cost: float) -> None:
        self.tasks, self.recipe = (_task(case.task),), recipe_of(case).replace(seed=seed)
        self.steps = self.horizon = int(bank["lengths"][0])
        self.budget, self.spent = math.floor(cost * self.steps + 1e-9), 0
        self.trials, self.interrupted, self.bank = [], False, bank

    def train(self, lrs: Any, horizon: int, *, stage: str, seeds: Any = None, **wanted: Any) -> list[Trial]:
        bank, prune = self.bank, wanted.get("prune")
        if len(lrs) * horizon > self.left:
            raise ValueError(f"{len(lrs)} trials of {horizon} steps exceed the {self.left} that are left")
        length = int(np.abs(np.log(bank["lengths"] / horizon)).argmin())
        rows = [int(np.abs(np.log(bank["lrs"] / lr)).argmin()) for lr in lrs]
        which = [seed % len(bank["losses"]) for seed in seeds or [self.recipe.seed] * len(lrs)]
        fates: list[Fate | None] = [None] * len(lrs)
        steps: list[list[int]] = [[0] for _ in lrs]
        began = [bank["first"][seed][np.isfinite(bank["first"][seed])] for seed in which]
        losses = [[float(parts.mean())] for parts in began]
        if prune is not None:
            first = np.array([one[0] for one in losses])
            prune(Validation(0, tuple(range(len(lrs))), first, first[:, None], {}))
        for step in sorted({horizon, *(one for one in wanted.get("validate_at", ()) if 0 < one < horizon)}):
            point = int(np.abs(np.log(np.array(POINTS) * horizon / step)).argmin())
            for place in [place for place, fate in enumerate(fates) if fate is None]:
                steps[place].append(step)
                losses[place].append(float(bank["losses"][which[place], length, rows[place], point]))
                if not math.isfinite(losses[place][-1]):
                    fates[place] = "diverged"
            alive = tuple(place for place, fate in enumerate(fates) if fate is None)
            if prune is not None and alive and step < horizon:
                latest = np.array([losses[place][-1] for place in alive])
                for place in prune(Validation(step, alive, latest, latest[:, None], {})):
                    fates[place] = "retired"
        trials = []
        for place, row in enumerate(rows):
            lr = float(bank["lrs"][row])
            run = Run(
                recipe=self.recipe.replace(lr=lr),
                step=int_series([steps[place][-1] - 1]),
                loss=float_series([bank["training"][which[place], length, row]]),
                lr=float_series([lr]),
                val_step=int_series(steps[place]),
                val_loss=float_series(losses[place]),
                fate=fates[place] or "finished",
            )
            groups = bank["groups"][which[place], length, row] if fates[place] is None else np.empty(0)
            seen = groups[np.isfinite(groups)]
            trials.append(Trial(lr, horizon, stage, (run,), seen, which[place], began[place]))
        self.trials += trials
        self.spent += sum(trial.steps for trial in trials)
        return trials


def judged(bank: dict[str, np.ndarray], answer: Answer) -> tuple[float, bool, float]:
    """Share lost, whether the interval holds the oracle's best, and its width; a search without a rate loses all."""
    if answer.lr is None or answer.interval is None:
        return 1.0, False, math.nan
    losses = np.where(np.isfinite(bank["oracle"]), bank["oracle"], np.inf).mean(0)
    best, start = float(losses[ORACLE].min()), float(bank["start"].mean())
    place = float(bank["lrs"][ORACLE][int(losses[ORACLE].argmin())])
    lost = (float(losses[int(np.abs(np.log(bank["lrs"] / answer.lr)).argmin())]) - best) / (start - best)
    low, high = answer.interval
    return min(lost, 1.0), low * 0.999 <= place <= high * 1.001, math.log10(high / low)


def replayed(case: Case, bank: dict[str, np.ndarray], cost: float | None) -> np.ndarray:
    """Of every search from every seed and shift, what `judged` says, [searches, 3]."""
    found = []
    for shift in SHIFTS:
        for seed in SEARCH_SEEDS:
            search = BankSearch(case, bank, seed, cost or 100 / int(bank["lengths"][0]))
            low, high = default_range(search.recipe)
            found.append(judged(bank, race(search, (low * 10**shift, high * 10**shift))))
    return np.array(found, dtype=float)


def replay(panel: str, folder: Path) -> None:
    banks = [(case, folder / f"{case.name}.npz") for case in cases_of(panel)]
    for name, cost in COSTS.items():
        found = {}
        for case, path in banks:
            if path.exists():
                with np.load(path) as bank:
                    found[case.name] = replayed(case, dict(bank), cost)
                print(f"{name:10s} {case.name:36s}" + "".join(f"{100 * one:8.2f}" for one in found[case.name][:, 0]))
        lost, holds, width = np.concatenate(list(found.values())).T
        print(
            f"{name}: {len(lost)} searches lose {100 * np.median(lost):.2f} % at the median, "
            f"{100 * np.percentile(lost, 90):.2f} % at the 90th percentile; the interval holds the oracle's best in "
            f"{holds.mean():.0%}, median width {np.nanmedian(width):.2f} decades\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bank", "replay"))
    parser.add_argument("panel", choices=DEVELOPED)
    parser.add_argument("--bank", type=Path, required=True, help="folder of the bank")
    given = parser.parse_args()
    if given.what == "replay":
        replay(given.panel, given.bank)
        return
    given.bank.mkdir(parents=True, exist_ok=True)
    for case in cases_of(given.panel):
        path = given.bank / f"{case.name}.npz"
        if not path.exists():
            np.savez_compressed(path, **bank_of(case))
            print(case.name, flush=True)


if __name__ == "__main__":
    main()
