"""The corpus of diagnoses: trainings with known faults, labelled by outcome and by counterfactual reruns.

    python benchmarks/diagnosis_corpus.py            # makes benchmarks/records/diagnosis_corpus.npz
    python benchmarks/diagnosis_corpus.py --later    # makes benchmarks/records/diagnosis_later.npz
    python benchmarks/diagnosis_corpus.py --third    # makes benchmarks/records/diagnosis_third.npz
    python benchmarks/diagnosis_corpus.py --fresh    # makes benchmarks/records/diagnosis_fresh.npz

For every task and way of training it (see diagnosis_tasks.py) a *sweep* of rates over 6 decades is trained from one
initialisation: its runs are one another's counterfactuals. From the best rate of a sweep *faulty* trainings are made: a
schedule that decays too early, a rate that jumps at a resume, one burst of huge updates, frozen weights, shuffled
labels, inputs without information, few examples with noisy labels, damaged examples, dead units, NaN.

The file holds raw losses of every step; what a log shows of them is decided by diagnosis_logs.py.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from diagnosis_tasks import (
    FIRST,
    FRESH,
    HELD_OUT,
    LATER,
    THIRD,
    Training,
    batch_of,
    make_task,
    rates_of,
    steps_of,
    trainings_of_task,
)
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.sources import make_source
from surefoot.tasks.task import Task

FILE = Path(__file__).parent / "records" / "diagnosis_corpus.npz"
LATER_FILE = FILE.with_name("diagnosis_later.npz")
THIRD_FILE = FILE.with_name("diagnosis_third.npz")
FRESH_FILE = FILE.with_name("diagnosis_fresh.npz")
SEED = 7
VALIDATIONS = 20


def _recipe(training: Training, task: Task, name: str, lr: float) -> Recipe:
    steps, batch = steps_of(name), batch_of(name)
    per_epoch = 1 if batch == "full" else max(1, task.train.size // int(batch))
    return Recipe(
        optimizer=training.optimizer,
        lr=lr,
        options=training.options,
        schedule=training.schedule,
        batch_size=batch,
        epochs=steps / per_epoch,
        seed=SEED,
    )


def _train(task: Task, recipes: list[Recipe], steps: int) -> list[Run]:
    points = sorted({round(part * steps / VALIDATIONS) for part in range(VALIDATIONS + 1)})
    engine = lambda task, some: choose_engine(task, some, horizon=steps, processes=1)  # noqa: E731
    return train_members(task, recipes, horizon=steps, validate_at=points, make_engine=engine)


def trainings_of(name: str) -> list[dict[str, Any]]:
    """All trainings of one task: their descriptions, with the losses under `loss`, `val_step`, `val_loss`."""
    torch.set_num_threads(1)
    task = make_task(name)
    steps = steps_of(name)
    found: list[dict[str, Any]] = []
    for number, training in enumerate(trainings_of_task(name)):
        recipes = [_recipe(training, task, name, lr) for lr in rates_of(name, training)]
        runs = _train(task, recipes, steps)
        sweep = f"{name} {training.key} {training.schedule}"
        for recipe, run in zip(recipes, runs, strict=True):
            found.append(_described(name, sweep, training, "none", recipe, run, steps))
        best = min(runs, key=_end)
        if best.recipe is not None and _end(best) < float("inf"):
            found += _faulty(name, sweep, training, task, best.recipe, steps, number)
    return found


def _end(run: Run) -> float:
    if run.fate == "diverged" or not len(run.loss):
        return float("inf")
    tail = run.loss[-max(1, len(run.loss) // 10) :]
    return float(np.mean(tail))


def _faulty(
    name: str, sweep: str, training: Training, task: Task, best: Recipe, steps: int, number: int
) -> list[dict[str, Any]]:
    lr = float(best.lr or 1.0)
    early = (0.06, 0.12, 0.2, 0.3)[number % 4]
    burst = (0.35, 0.5, 0.65, 0.45)[number % 4]
    width = max(2, steps // 80)
    piecewise = {"schedule": "piecewise"}
    shapes = {
        "early": {"at": (early,), "factors": (1.0, 0.001)},
        "burst": {"at": (burst, burst + width / steps), "factors": (1.0, (30.0, 100.0)[number % 2], 1.0)},
        "jump-up": {"at": (0.5,), "factors": (1.0, (20.0, 50.0)[number % 2])},
        "jump-down": {"at": (0.15,), "factors": (1.0, (0.03, 0.01)[number % 2])},
    }
    jobs: list[tuple[str, Task, list[Recipe]]] = [
        (fault, task, [best.replace(**piecewise, schedule_options=options)]) for fault, options in shapes.items()
    ]
    constant = best.replace(schedule="constant")
    jobs.append(("frozen", task, [constant.replace(lr=1e-12)]))
    other = (_shuffled, _without_information)[number % 2]
    jobs.append((other.__name__[1:], other(task), [best]))
    size = best.batch_size if best.batch_size == "full" else min(int(best.batch_size), 24)
    few = best.replace(batch_size=size, epochs=steps / (1 if size == "full" else 48 // int(size)))
    jobs.append(("few", _few(task, 48), [few, few.replace(lr=lr / 10)]))
    jobs.append(("damaged", _damaged(task), [best.replace(lr=lr / 3)]))
    dead = _dead(task)
    if dead is not None:
        jobs.append(("dead", dead, [best]))
    jobs.append(("nan", task, [best]))
    found = []
    for fault, changed, recipes in jobs:
        try:
            runs = _train(changed, recipes, steps)
        except Exception as error:  # noqa: BLE001 - one training less; the count is in the record
            print(f"  {sweep} {fault}: {error}")
            continue
        for recipe, run in zip(recipes, runs, strict=True):
            found.append(_described(name, sweep, training, fault, recipe, run, steps, shapes.get(fault)))
            if fault == "frozen":
                found[-1]["shown_lr"] = lr
    return found


def _changed(task: Task, x: torch.Tensor, y: torch.Tensor) -> Task:
    made = copy.copy(task)
    made.train = make_source((x, y), "train")
    return made


def _data(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = task.train.batch(torch.arange(task.train.size))
    return x.clone(), y.clone()


def _shuffled(task: Task) -> Task:
    x, y = _data(task)
    return _changed(task, x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))])


def _without_information(task: Task) -> Task:
    x, y = _data(task)
    same = x[:1].expand_as(x).clone()
    return _changed(task, same, y)


def _few(task: Task, count: int) -> Task:
    """Few examples, a third of their targets exchanged."""
    x, y = _data(task)
    x, y = x[:count], y[:count]
    rng = torch.Generator().manual_seed(5)
    wrong = torch.rand(len(y), generator=rng) < 0.33
    shuffled = y[torch.randperm(len(y), generator=rng)]
    y[wrong] = shuffled[wrong]
    return _changed(task, x, y)


def _damaged(task: Task) -> Task:
    """A few examples whose inputs are a hundred times too large, or whose symbols are all one."""
    x, y = _data(task)
    count = max(1, len(x) // 150)
    which = torch.randperm(len(x), generator=torch.Generator().manual_seed(9))[:count]
    if x.dtype.is_floating_point:
        x[which] *= 60.0
    else:
        x[which] = 0
    return _changed(task, x, y)


def _dead(task: Task) -> Task | None:
    """All units of the first hidden layer start dead; None where the model has no ReLU layer."""
    model = task.make_model(0)
    if not any(isinstance(one, nn.ReLU) for one in model.modules()):
        return None
    make = task.model

    def dead() -> nn.Module:
        module: nn.Module = make()  # type: ignore[operator]
        layers = [one for one in module.modules() if isinstance(one, nn.Linear | nn.Conv2d | nn.BatchNorm1d)]
        for layer in layers[:-1]:
            with torch.no_grad():
                layer.bias.fill_(-40.0)
        return module

    made = copy.copy(task)
    made.model = dead
    return made


def _described(
    name: str,
    sweep: str,
    training: Training,
    fault: str,
    recipe: Recipe,
    run: Run,
    steps: int,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "task": name, "sweep": sweep, "fault": fault, "lr": recipe.lr, "steps": steps, "fate": run.fate,
        "schedule": recipe.schedule, "schedule_options": options or {}, "optimizer": training.key,
        "batch": batch_of(name), "steps_per_epoch": run.steps_per_epoch or 0,
        "loss": run.loss, "val_step": run.val_step, "val_loss": run.val_loss,
    }  # fmt: skip


def _rounded(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float32 with 12 bits of mantissa, about four figures, as logs print; it compresses."""
    with np.errstate(over="ignore"):
        raw = np.asarray(values, np.float32)
    bits = (raw.view(np.uint32) + np.uint32(1 << 10)) & np.uint32(0xFFFFF800)
    return np.where(np.isfinite(raw), bits.view(np.float32), raw).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--later", action="store_true", help="the tasks that were added later")
    parser.add_argument("--third", action="store_true", help="those that were added after these")
    parser.add_argument("--fresh", action="store_true", help="the tasks that nothing was fitted or chosen on")
    parser.add_argument("--tasks", help="comma-separated; default all")
    parser.add_argument("--add", action="store_true", help="keep what the file holds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    some: tuple[Sequence[str], Path] = ((*FIRST, *HELD_OUT), FILE)
    for asked, part in (
        (given.later, (LATER, LATER_FILE)),
        (given.third, (THIRD, THIRD_FILE)),
        (given.fresh, (FRESH, FRESH_FILE)),
    ):
        some = part if asked else some
    names = given.tasks.split(",") if given.tasks else [*some[0]]
    file = given.file or some[1]
    started = time.time()
    found: list[dict[str, Any]] = []
    if given.add:
        from diagnosis_logs import load

        found, head = load(file)
        started -= head["seconds"]
        names = [name for name in names if name not in {one["task"] for one in found}]
    # The longest first, so that the processes end together.
    names.sort(key=lambda name: name not in ("text-gru", "text-transformer", "text-elman", "markov-transformer"))
    with borrowed_rng(SEED), multiprocessing.get_context("fork").Pool(given.processes) as pool:
        for name, made in zip(names, pool.imap(trainings_of, names, chunksize=1), strict=True):
            found += made
            print(f"{name}: {len(made)} trainings, {time.time() - started:.0f} s", flush=True)
            save(found, file, time.time() - started)


def save(found: list[dict[str, Any]], file: Path, seconds: float) -> None:
    series = {key: [_rounded(one[key]) for one in found] for key in ("loss", "val_loss")}
    steps = [one["val_step"] for one in found]
    told = [{key: value for key, value in one.items() if not isinstance(value, np.ndarray)} for one in found]
    provenance = Provenance.here(
        seeds={"training": SEED}, command=" ".join(["python", "benchmarks/diagnosis_corpus.py", *sys.argv[1:]])
    )
    head = {"trainings": told, "seconds": round(seconds), "provenance": provenance.to_json()}
    with file.open("wb") as stream:
        np.savez_compressed(
            stream,
            loss=np.concatenate(series["loss"]),
            loss_length=[len(one) for one in series["loss"]],
            val_loss=np.concatenate(series["val_loss"]),
            val_length=[len(one) for one in series["val_loss"]],
            val_step=np.concatenate(steps).astype(np.int32),
            head=np.frombuffer(json.dumps(head).encode(), np.uint8),
        )
    print(f"{len(found)} trainings, {file.stat().st_size / 1e6:.2f} MB, {seconds:.0f} s")


if __name__ == "__main__":
    main()
