"""The corpus of diagnoses: trainings with known faults, labelled by outcome and by counterfactual reruns.

    python benchmarks/diagnosis_corpus.py            # makes benchmarks/records/diagnosis_corpus.npz
    python benchmarks/diagnosis_corpus.py --later    # makes benchmarks/records/diagnosis_later.npz
    python benchmarks/diagnosis_corpus.py --help     # names all parts; each has a record of its own

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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from diagnosis_tasks import PARTS, Training, batch_of, make_task, rates_of, steps_of, trainings_of_task
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.sources import make_source
from surefoot.tasks.task import Task

FILE_OF = {name: Path(__file__).parent / "records" / f"diagnosis_{name}.npz" for name in PARTS}
FRESH_FILE = FILE_OF["further"]
FILES = tuple(file for file in FILE_OF.values() if file != FRESH_FILE)
"""Those of the tasks that are fitted on."""
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
    """Trainings of several optimizers and schedules, side by side where that is faster."""
    points = sorted({round(part * steps / VALIDATIONS) for part in range(VALIDATIONS + 1)})
    engine = lambda task, some: choose_engine(task, some, horizon=steps, processes=1)  # noqa: E731
    return train_members(task, recipes, horizon=steps, validate_at=points, make_engine=engine, mixed=True)


def trainings_of(name: str) -> list[dict[str, Any]]:
    """All trainings of one task: their descriptions, with the losses under `loss`, `val_step`, `val_loss`."""
    torch.set_num_threads(1)
    task = make_task(name)
    steps = steps_of(name)
    ways = trainings_of_task(name)
    pairs = [(way, _recipe(way, task, name, lr)) for way in ways for lr in rates_of(name, way)]
    runs = _train(task, [recipe for _, recipe in pairs], steps)
    found = [
        _described(name, _sweep(name, way), way, "none", recipe, run, steps)
        for (way, recipe), run in zip(pairs, runs, strict=True)
    ]
    jobs: dict[str, list[tuple[Training, str, Recipe]]] = {}
    changed: dict[str, Task] = {}
    for number, way in enumerate(ways):
        some = [(recipe, run) for (one, recipe), run in zip(pairs, runs, strict=True) if one == way]
        best, run = min(some, key=lambda pair: _end(pair[1]))
        if _end(run) < float("inf"):
            for data, fault, recipe in _faulty(task, best, steps, number, changed):
                jobs.setdefault(data, []).append((way, fault, recipe))
    for data, asked in jobs.items():
        try:
            runs = _train(changed[data], [recipe for _, _, recipe in asked], steps)
        except Exception as error:  # noqa: BLE001 - some trainings less; the count is in the record
            print(f"  {name} {data}: {error}")
            continue
        for (way, fault, recipe), run in zip(asked, runs, strict=True):
            options = dict(recipe.schedule_options) if recipe.schedule == "piecewise" else None
            found.append(_described(name, _sweep(name, way), way, fault, recipe, run, steps, options))
            if fault == "frozen":
                found[-1]["shown_lr"] = min(
                    (one for one in found if one["sweep"] == found[-1]["sweep"] and one["fault"] == "none"), key=_last
                )["lr"]
    return found


def _sweep(name: str, training: Training) -> str:
    return f"{name} {training.key} {training.schedule}"


def _last(one: dict[str, Any]) -> float:
    ended = one["fate"] == "diverged" or not len(one["loss"])
    return float("inf") if ended else float(np.mean(one["loss"][-max(1, len(one["loss"]) // 10) :]))


def _end(run: Run) -> float:
    return _last({"fate": run.fate, "loss": run.loss})


def _faulty(
    task: Task, best: Recipe, steps: int, number: int, changed: dict[str, Task]
) -> list[tuple[str, str, Recipe]]:
    """Data, fault and recipe of each faulty training; what the data are is put into `changed`."""
    lr = float(best.lr or 1.0)
    early = (0.06, 0.12, 0.2, 0.3)[number % 4]
    burst = (0.35, 0.5, 0.65, 0.45)[number % 4]
    width = max(2, steps // 80)
    shapes = {
        "early": {"at": (early,), "factors": (1.0, 0.001)},
        "burst": {"at": (burst, burst + width / steps), "factors": (1.0, (30.0, 100.0)[number % 2], 1.0)},
        "jump-up": {"at": (0.5,), "factors": (1.0, (20.0, 50.0)[number % 2])},
        "jump-down": {"at": (0.15,), "factors": (1.0, (0.03, 0.01)[number % 2])},
    }
    other = (_shuffled, _without_information)[number % 2].__name__[1:]
    made = {
        "as it is": lambda: task, "shuffled": lambda: _shuffled(task),
        "without_information": lambda: _without_information(task), "few": lambda: _few(task, 48),
        "damaged": lambda: _damaged(task), "dead": lambda: _dead(task),
    }  # fmt: skip
    size = best.batch_size if best.batch_size == "full" else min(int(best.batch_size), 24)
    few = best.replace(batch_size=size, epochs=steps / (1 if size == "full" else 48 // int(size)))
    piecewise = best.replace(schedule="piecewise")
    found = [("as it is", fault, piecewise.replace(schedule_options=options)) for fault, options in shapes.items()]
    found += [("as it is", "frozen", best.replace(schedule="constant", lr=1e-12)), ("as it is", "nan", best)]
    found += [(other, other, best), ("few", "few", few), ("few", "few", few.replace(lr=lr / 10))]
    found += [("damaged", "damaged", best.replace(lr=lr / 3)), ("dead", "dead", best)]
    for data in {data for data, _, _ in found} - set(changed):
        one = made[data]()
        if one is not None:
            changed[data] = one
    return [one for one in found if one[0] in changed]


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
    for name, tasks in PARTS.items():
        if name != "corpus":
            what = f"the {len(tasks)} tasks of that part"
            parser.add_argument(f"--{name}", dest="part", action="store_const", const=name, help=what)
    parser.set_defaults(part="corpus")
    parser.add_argument("--tasks", help="comma-separated; default all")
    parser.add_argument("--add", action="store_true", help="keep what the file holds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    names = given.tasks.split(",") if given.tasks else [*PARTS[given.part]]
    file = given.file or FILE_OF[given.part]
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
