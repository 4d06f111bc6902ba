"""Find the peak rate for a task, an optimizer, a schedule and a length of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from surefoot.engines.batches import steps_of
from surefoot.engines.memory import allowed_bytes
from surefoot.engines.optimizers import name_of
from surefoot.errors import InputError, TaskError
from surefoot.find.answer import Answer, divergence_rate
from surefoot.find.constant import notes_on_a_constant
from surefoot.find.folds import fold_tasks
from surefoot.find.grid import grid, random
from surefoot.find.progress import Watch
from surefoot.find.race import race
from surefoot.find.range_test import range_test
from surefoot.find.search import Search
from surefoot.find.verdict import verdict
from surefoot.records import Found, Provenance, Recipe
from surefoot.records.plain_numbers import plain
from surefoot.tasks.checking import check_task
from surefoot.tasks.task import Task

__all__ = ["find"]

_DEAREST = 10_000
"""Full trainings that a search may cost."""
_HIGHEST = 1e30
"""Rate that a range may reach; the search may go some decades beyond."""
_DRAWN = 200
"""Points that are kept of each run for drawing."""

Method = Callable[[Search, tuple[float, float] | None], Answer]
METHODS: dict[str, Method] = {"race": race, "range-test": range_test, "grid": grid, "random": random}


def find(
    task: Task,
    *,
    optimizer: str | type[torch.optim.Optimizer] = "sgd",
    schedule: str = "constant",
    epochs: float = 10.0,
    batch_size: int | str = 64,
    method: str = "race",
    cost: float = 3.0,
    seed: int = 0,
    folds: int | None = None,
    lr_range: tuple[float, float] | None = None,
    memory: int | None = None,
    workers: int | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    precision: str = "float32",
    schedule_options: dict[str, Any] | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> Found:
    """Find the peak rate with the lowest final validation loss for this very training, and say how sure that is.

    Args:
        task: what is trained.
        optimizer: name such as `sgd`, or a torch.optim class; its options are further keywords (``momentum=0.9``).
        schedule: name of the schedule, which the rate is the peak of.
        epochs: length of the training in passes over the training data; above 0.
        batch_size: examples per step, or ``"full"``.
        method: `race`, or for comparison `range-test`, `grid` or `random`.
        cost: what the search may spend, in full trainings, counted in member-steps; above 0. Never exceeded.
        seed: initialises models, orders batches and draws whatever else is random.
        folds: cross-validate over this many folds of the training data instead of using the validation data; from 2.
        lr_range: lowest and highest rate that the search begins with; it looks further when the best is at an edge.
        memory: bytes that members trained side by side may take; None chooses.
        workers: processes for members that cannot be trained side by side; None chooses.
        clip: largest gradient norm; None leaves gradients alone.
        accumulate: batches averaged into one step.
        precision: `float32`; or `bf16`, under which the model computes on a GPU with torch's autocast.
        schedule_options: keywords of the schedule.
        watch: called with a `Progress` as the search goes on.
        **options: of the optimizer.

    Returns:
        What was found. With `status` "unknown" it holds no rate, and `reason` says why and what to do. Ctrl-C ends
        the search, which then answers from what is done.

    Raises:
        InputError: an argument that cannot be used.
    """
    if not isinstance(task, Task):
        raise TaskError(f"`task` is {type(task).__name__}; make one with surefoot.Task(model, train, val, loss=...)")
    cost, folds, lr_range, memory, workers = (plain(one) for one in (cost, folds, lr_range, memory, workers))
    _check(method, cost, lr_range, workers, watch)
    if memory is not None:
        allowed_bytes(memory)
    recipe = Recipe(
        optimizer=name_of(optimizer),
        options=dict(options),
        schedule=schedule,
        schedule_options=schedule_options or {},
        batch_size=batch_size,
        epochs=epochs,
        clip=clip,
        accumulate=accumulate,
        precision=precision,
        seed=seed,
    )
    started = time.perf_counter()
    steps = steps_of(recipe, task.train.size)[0]
    noted = check_task(task, recipe)
    tasks = [task] if folds is None else fold_tasks(task, folds, seed)
    search = Search(tasks, recipe, cost=cost, steps=steps, watch=watch, memory=memory, workers=workers)
    try:
        answer = METHODS[method](search, lr_range)
    except KeyboardInterrupt:
        search.interrupted = True
        answer = verdict(search)
    search.finish()
    learned_little = () if method == "range-test" else notes_on_a_constant(tasks, search.trials)
    return Found(
        task=task.name,
        status="unknown" if answer.lr is None else "found",
        lr=answer.lr,
        interval=answer.interval,
        divergence_lr=None if method == "range-test" else divergence_rate(search.trials),
        expected_loss=answer.expected_loss,
        reason=answer.reason,
        cost=search.cost,
        recipe=recipe.replace(lr=answer.lr),
        method=method,
        initial_loss=search.initial_loss,
        steps=steps,
        curve=tuple(trial.point for trial in sorted(search.trials, key=lambda one: (one.horizon, one.lr, one.seed))),
        rules=answer.rules,
        runs=tuple(run.thinned(_DRAWN) for trial in search.trials for run in trial.runs),
        notes=(*task.notes, *noted, *answer.notes, *learned_little),
        seconds=time.perf_counter() - started,
        provenance=Provenance.here(seeds={"seed": seed}, device=str(task.device), data=task.checksum()),
    )


def _check(method: Any, cost: Any, lr_range: tuple[float, float] | None, workers: Any, watch: Any) -> None:
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"`method` is {method!r}; there are {', '.join(METHODS)}")
    if isinstance(cost, bool) or not hasattr(cost, "__float__") or not 0 < cost <= _DEAREST:
        raise InputError(f"`cost` is {cost!r}; it is a number of full trainings above 0, at most {_DEAREST}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise InputError(f"`workers` is {workers!r}; it is a whole number of processes from 1, or None")
    if watch is not None and not callable(watch):
        raise InputError(f"`watch` is {watch!r}; it is a function that takes a `Progress`, or None")
    if lr_range is not None:
        try:
            low, high = (float(one) for one in lr_range)
        except (TypeError, ValueError):
            raise InputError(f"`lr_range` is {lr_range!r}; give the lowest and the highest rate") from None
        if not (0 < low < high <= _HIGHEST):
            raise InputError(
                f"`lr_range` is {lr_range!r}; give two rates above 0, at most {_HIGHEST:g}, the lower one first"
            )
