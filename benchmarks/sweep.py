"""The same sweep by Surefoot, Optuna, Ray Tune and a plain loop: wall time, updates used, and what the winner loses.

500 members on the digits MLP (25 rates x SGD and AdamW x 2 batch sizes x 5 seeds), and 60 on SimpleCNN with part of
MNIST. All begin with the task in memory, train the same models on the same batches' sizes for the same epochs, and name
one winning setting. The winner is then trained again from seeds that nobody used; what it loses is counted as a share
of the improvement (loss before training, less that of the best setting known from all of them).

- plain: every member in a stock PyTorch loop, in one process with torch's default threads, and in one process per core;
- optuna: as many trials as members (TPE, median pruning by epochs, in memory), each one member under a seed in turn;
- tune: Ray Tune with ASHA over the same grid, workers reused; only the first trials are run where all would take too
  long, and the time is extrapolated in proportion (the record says so). Needs `pip install "ray[tune]"`;
- surefoot: the sweep as it is (all members to the end) and as a race.

    python benchmarks/sweep.py                       # about four minutes, and benchmarks/records/sweep.json
    python benchmarks/sweep.py --only digits --small --no-record
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from surefoot.engines.batches import BatchOrder, steps_of
from surefoot.records import Recipe
from surefoot.study.sources import TaskSource
from surefoot.study.sweep import make_plan, run_plan
from surefoot.tasks.loading import load_task
from surefoot.tasks.task import Task

RECORD = Path(__file__).parent / "records" / "sweep.json"
CORES = len(os.sched_getaffinity(0))
FRESH = range(1000, 1005)


class Case(NamedTuple):
    task: str
    examples: int | None
    axes: dict[str, Any]
    epochs: float
    seeds: int
    goal: float


CASES = {
    "digits": Case("digits", None, {"lr": "1e-4..3:25", "optimizer": "sgd,adamw", "batch_size": "64,128"}, 10, 5, 10.0),
    "simple-cnn": Case(
        "mnist-small", 2560, {"lr": "1e-4..1:10", "optimizer": "sgd,adamw", "batch_size": "64"}, 1, 3, 2.0
    ),
}


class Answer(NamedTuple):
    seconds: float
    updates: int
    winner: Recipe | None
    note: str = ""


def task_of(case: Case) -> Task:
    task = load_task(case.task)
    if case.examples is not None:
        x, y = task.train.batch(torch.arange(case.examples))
        xv, yv = task.val.batch(torch.arange(1000))
        task = Task(task.model, train=(x, y), val=(xv, yv), loss=task.loss, metrics={}, name=task.name, device="cpu")
    return task


def stock(task: Task, recipe: Recipe, report: Callable[[int, float], bool] | None = None) -> tuple[float, int]:
    """Final validation loss and updates of one training in a stock loop; `report` may end it after an epoch."""
    model = task.make_model(recipe.seed)
    classes = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
    optimizer = classes[recipe.optimizer](model.parameters(), lr=recipe.lr, **recipe.options)
    order = BatchOrder(task.train.size, recipe.batch_size, recipe.order_seed)
    total, per_epoch = steps_of(recipe, task.train.size)
    everything = torch.arange(task.val.size)
    x, y = task.train.batch(torch.arange(task.train.size))
    for step in range(total):
        index = order.index(step)
        optimizer.zero_grad()
        loss = task.loss(model(x[index]), y[index])
        if not torch.isfinite(loss):
            return float("inf"), step + 1
        loss.backward()
        optimizer.step()
        epoch_ends = (step + 1) % round(per_epoch) == 0
        if (
            report is not None
            and epoch_ends
            and report((step + 1) // round(per_epoch), val_loss(task, model, everything))
        ):
            return val_loss(task, model, everything), step + 1
    return val_loss(task, model, everything), total


def val_loss(task: Task, model: torch.nn.Module, index: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        xv, yv = task.val.batch(index)
        found = float(task.loss(model(xv), yv))
    model.train()
    return found if np.isfinite(found) else float("inf")


def best_of(recipes: Sequence[Recipe], losses: Sequence[float]) -> Recipe:
    """The setting with the lowest mean loss over its seeds."""
    by_setting: dict[str, list[float]] = {}
    kept: dict[str, Recipe] = {}
    for recipe, loss in zip(recipes, losses, strict=True):
        name = recipe.replace(seed=0).dumps()
        by_setting.setdefault(name, []).append(loss)
        kept.setdefault(name, recipe)
    return kept[min(by_setting, key=lambda name: float(np.mean(by_setting[name])))]


def plain(task: Task, recipes: Sequence[Recipe], processes: int, most: float) -> Answer:
    began = time.perf_counter()
    if processes == 1:
        found = []
        for recipe in recipes:
            found.append(stock(task, recipe))
            if time.perf_counter() - began > most:
                break
    else:
        with multiprocessing.get_context("fork").Pool(processes, one_thread) as pool:
            share = len(recipes)
            found = pool.starmap(stock, [(task, one) for one in recipes[:share]], chunksize=4)
    took = time.perf_counter() - began
    scale = len(recipes) / len(found)
    note = "" if scale == 1 else f"the first {len(found)} of {len(recipes)} members were run, time in proportion"
    winner = best_of(recipes, [loss for loss, _ in found]) if scale == 1 else None
    return Answer(took * scale, round(sum(steps for _, steps in found) * scale), winner, note)


def one_thread() -> None:
    torch.set_num_threads(1)


def optuna_answer(task: Task, case: Case, recipes: Sequence[Recipe]) -> Answer:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sizes = sorted({one.batch_size for one in recipes}, key=str)
    rates = [one.lr for one in recipes if one.lr is not None]
    updates = 0
    last = itertools.count()

    def objective(trial: Any) -> float:
        nonlocal updates
        recipe = Recipe(
            optimizer=trial.suggest_categorical("optimizer", ["sgd", "adamw"]),
            lr=trial.suggest_float("lr", min(rates), max(rates), log=True),
            batch_size=trial.suggest_categorical("batch_size", sizes), epochs=case.epochs, seed=next(last) % case.seeds,
        )  # fmt: skip

        def report(epoch: int, loss: float) -> bool:
            trial.report(min(loss, 1e9), epoch)
            return bool(trial.should_prune())

        loss, steps = stock(task, recipe, report)
        updates += steps
        if trial.should_prune():
            raise optuna.TrialPruned
        return min(loss, 1e9)

    began = time.perf_counter()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=len(recipes))
    best = study.best_params
    winner = Recipe(optimizer=best["optimizer"], lr=best["lr"], batch_size=best["batch_size"], epochs=case.epochs)
    return Answer(time.perf_counter() - began, updates, winner)


def tune_answer(task: Task, recipes: Sequence[Recipe], trials: int) -> Answer:
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AUTH_MODE": "token"}
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    held = ray.put(task)
    order = np.random.default_rng(0).permutation(len(recipes))[:trials]
    listed = [recipes[place].to_json() for place in order]

    def train(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        recipe = Recipe.from_json(config["recipe"])
        told = []

        def report(epoch: int, loss: float) -> bool:
            told.append(epoch)
            tune.report({"loss": min(loss, 1e9), "updates": epoch * steps_of(recipe.replace(epochs=1), size)[0]})
            return False

        size = ray.get(held).train.size
        stock(ray.get(held), recipe, report)
        if not told:  # it diverged within the first epoch
            tune.report({"loss": 1e9, "updates": 0})

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        epochs = max(1, int(recipes[0].epochs))
        tuner = tune.Tuner(
            train, param_space={"recipe": tune.grid_search(listed)},
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", scheduler=ASHAScheduler(max_t=epochs, grace_period=1), reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )  # fmt: skip
        results = tuner.fit()
        took = time.perf_counter() - began
    ray.shutdown()
    scale = len(recipes) / trials
    updates = sum(int(one.metrics.get("updates", 0)) for one in results if one.metrics)
    note = "" if scale == 1 else f"{trials} of {len(recipes)} members were run, drawn at random; time in proportion"
    winner = Recipe.from_json(results.get_best_result().config["recipe"]) if scale == 1 else None
    return Answer(took * scale, round(updates * scale), winner, note)


def surefoot_answer(task: Task, case: Case, prune: Any) -> Answer:
    began = time.perf_counter()
    source = TaskSource(task)
    plan = make_plan(source, seeds=case.seeds, prune=prune, schedule="constant", epochs=case.epochs, **case.axes)
    planned = time.perf_counter() - began
    study = run_plan(source, plan)
    assert study.best is not None
    note = f"of the time, {planned:.1f} s went into planning; {study.counts}"
    return Answer(time.perf_counter() - began, int(study.cost["member_steps"]), study.best.recipe, note)


def measure(case: Case, *, trials: int, most: float, skip: Sequence[str]) -> dict[str, Any]:
    task = task_of(case)
    source = TaskSource(task)
    plan = make_plan(source, seeds=case.seeds, schedule="constant", epochs=case.epochs, form="serial", **case.axes)
    recipes = list(plan.recipes)
    ways: dict[str, Callable[[], Answer]] = {
        # A task of its own: what is measured for planning is kept by task, and counts each time.
        "surefoot": lambda: surefoot_answer(task_of(case), case, "none"),
        "surefoot race": lambda: surefoot_answer(task_of(case), case, "race"),
        f"plain loop, {CORES} processes": lambda: plain(task, recipes, CORES, most),
        "plain loop": lambda: plain(task, recipes, 1, most),
        "optuna": lambda: optuna_answer(task, case, recipes),
        "ray tune, asha": lambda: tune_answer(task, recipes, min(trials, len(recipes))),
    }
    stock(task, recipes[0])  # whatever torch does once
    answers: dict[str, Answer] = {}
    for way, run in ways.items():
        if any(word in way for word in skip):
            continue
        try:
            answers[way] = run()
        except ImportError as error:
            print(f"  {way}: left out, {str(error).splitlines()[0]}")
            continue
        one = answers[way]
        print(f"  {way}: {one.seconds:.1f} s, {one.updates:,} updates {one.note}", flush=True)
    first = val_loss(task, task.make_model(0), torch.arange(task.val.size))
    fresh = {
        way: float(np.mean([stock(task, one.winner.replace(seed=seed))[0] for seed in FRESH]))
        for way, one in answers.items()
        if one.winner is not None
    }
    best = min(fresh.values())
    fastest = min(one.seconds for way, one in answers.items() if not way.startswith("surefoot"))
    rows = {
        way: {
            "seconds": one.seconds, "updates": one.updates, "note": one.note,
            "winner": None if one.winner is None else one.winner.to_json(),
            "winner_loss": fresh.get(way),
            "share_lost": None if way not in fresh else (fresh[way] - best) / (first - best),
            "times_as_fast_as_the_fastest_other": fastest / one.seconds,
        }
        for way, one in answers.items()
    }  # fmt: skip
    return {"members": len(recipes), "goal": case.goal, "first_loss": first, "ways": rows}


def small(case: Case) -> Case:
    return case._replace(axes=case.axes | {"lr": "1e-3..1:4"}, seeds=2, epochs=min(case.epochs, 2))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description="Surefoot's sweep beside Optuna, Ray Tune and a plain loop.")
    parser.add_argument("--only", choices=tuple(CASES))
    parser.add_argument("--small", action="store_true", help="a few members, to see that it works")
    parser.add_argument("--skip", action="append", default=[], help="a way to leave out, such as tune; repeatable")
    parser.add_argument("--trials", type=int, default=40, help="trials of Ray Tune that are run")
    parser.add_argument("--most", type=float, default=60.0, help="seconds for the plain loop before it is extrapolated")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    cases = {}
    with quiet():
        for name, case in CASES.items():
            if options.only in (None, name):
                print(f"{name}:", flush=True)
                chosen = small(case) if options.small else case
                cases[name] = measure(chosen, trials=options.trials, most=options.most, skip=options.skip)
    for name, found in cases.items():
        print(f"\n{name}, {found['members']} members (goal: {found['goal']:g} times as fast as the fastest other)")
        for way, row in found["ways"].items():
            lost = (
                "" if row["share_lost"] is None else f"  loses {row['share_lost']:.2%} (loss {row['winner_loss']:.4f})"
            )
            print(
                f"  {way:28} {row['seconds']:8.1f} s {row['updates']:10,} updates "
                f"{row['times_as_fast_as_the_fastest_other']:6.1f}x{lost}"
            )
    if options.no_record or options.small:
        return
    record = {
        "what": "the same sweep by several tools: wall time, updates, share of the improvement that the winner loses",
        "command": " ".join(["python", "benchmarks/sweep.py", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"architecture": platform.machine(), "cores": CORES, "load": os.getloadavg()[0]},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seconds": time.perf_counter() - began,
        "cases": cases,
    }
    if RECORD.exists() and options.only is not None:
        record["cases"] = json.loads(RECORD.read_text())["cases"] | cases
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {RECORD}")


if __name__ == "__main__":
    main()
