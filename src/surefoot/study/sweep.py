"""The sweep: plan, run, keep, analyse. What `surefoot sweep` calls."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from surefoot.engines.optimizers import class_of, name_of
from surefoot.engines.pool import can_fork
from surefoot.errors import InputError, SurefootError
from surefoot.records import Provenance, Recipe
from surefoot.records.study import Study, StudyPlan
from surefoot.study.axes import Axis, grid, listed, random, read_axis
from surefoot.study.connecting import is_begun_only
from surefoot.study.driver import Watch, drive
from surefoot.study.executors import Executor, Processes, ThisProcess
from surefoot.study.planning import plan_study
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.summary import study_of
from surefoot.tasks.checking import check_task
from surefoot.tasks.task import Task

__all__ = ["executor_for", "make_plan", "opened", "run_plan", "sweep"]

Tick = Callable[[int, int], None]
_POOL_FROM = 3.0
"""Estimated seconds from which processes pay."""
_AXES = ("optimizer", "schedule", "batch_size", "epochs", "weight_decay", "momentum", "width", "depth", "lr")


def sweep(
    task: Task | Callable[..., Task] | str,
    lr: Any,
    *,
    optimizer: Any = "sgd",
    schedule: Any = "constant",
    batch_size: Any = 64,
    epochs: Any = 10.0,
    width: Any = None,
    depth: Any = None,
    seeds: int = 1,
    seed: int = 0,
    same_order: bool = False,
    draws: int | None = None,
    sampler: Literal["optuna"] | None = None,
    prune: Literal["race", "none"] = "none",
    study: str | os.PathLike[str] | None = None,
    resume: bool = False,
    workers: int | None = None,
    on: str | None = None,
    clip: float | None = None,
    form: str | None = None,
    **options: Any,
) -> Study:
    """Train a task under many recipes and say what matters.

    Args:
        task: a `Task`; a function of `width` and `depth` that returns one; or a name as on the command line.
        lr: peak rates: values, or text such as ``"1e-5..1:25"`` (25 values evenly spaced in the logarithm).
        optimizer: a name or several.
        schedule: a name or several.
        batch_size: examples per step, one value or several.
        epochs: length of the training, one value or several.
        width: widths of the model, for tasks that can be varied in it.
        depth: numbers of hidden layers, likewise.
        seeds: how many seeds each setting is trained from.
        seed: the first of them.
        same_order: whether all seeds see the examples in the same order; then they train side by side, which is faster,
            and the spread over seeds is that of the initialisation alone.
        draws: random settings instead of all combinations; axes may then be ranges without a count.
        sampler: `optuna` lets it propose these settings, in rounds; a kept search may be resumed with more `draws`.
        prune: `race` gives up members that cannot win; `none` trains all to the end.
        study: file that keeps the sweep; None keeps nothing.
        resume: whether to go on with the file where it was left.
        workers: processes; None takes the processor's cores where the work is worth it.
        on: a Ray cluster instead: ``"ray"``, ``"ray://HOST:PORT"`` or ``"HOST:PORT"``.
        clip: largest gradient norm.
        form: how members are computed together, such as ``"stacked:16"`` or ``"serial"``; None measures.
        options: of the optimizers that have them; `weight_decay` and `momentum` may have several values.

    Returns:
        The study: members, best setting, best rates along the axes, importance, cost. After Ctrl-C, what is done.

    Raises:
        InputError: an argument that cannot be used.
        OutputError: the file exists and `resume` is not set, is being written by another process, or cannot be kept.
    """
    source = TaskSource(task)
    if sampler is not None:
        from surefoot.study.sampling import sample

        if sampler != "optuna" or draws is None or prune != "none":
            raise InputError(
                f"`sampler` is {sampler!r}; it is optuna, needs `draws`, and trains whole members, unpruned"
            )
        axes = {"lr": lr, "optimizer": optimizer, "schedule": schedule, "batch_size": batch_size, "epochs": epochs}
        axes |= {name: value for name, value in {"width": width, "depth": depth}.items() if value is not None}
        return sample(
            source, axes, draws=draws, seeds=seeds, seed=seed, same_order=same_order, clip=clip, form=form,
            options=options, study=study, resume=resume, workers=workers, on=on,
        )  # fmt: skip
    plan = make_plan(
        source, lr=lr, optimizer=optimizer, schedule=schedule, batch_size=batch_size, epochs=epochs, width=width,
        depth=depth, seeds=seeds, seed=seed, same_order=same_order, draws=draws, prune=prune, clip=clip, form=form,
        options=options, resumed=study if resume else None,
    )  # fmt: skip
    return run_plan(source, plan, study=study, resume=resume, workers=workers, on=on)


def make_plan(
    source: TaskSource,
    *,
    seeds: int,
    seed: int = 0,
    same_order: bool = False,
    draws: int | None = None,
    prune: Literal["race", "none"] = "none",
    clip: float | None = None,
    form: str | None = None,
    in_rounds: bool = True,
    options: Mapping[str, Any] | None = None,
    resumed: str | os.PathLike[str] | None = None,
    chosen: Sequence[Mapping[str, Any]] | None = None,
    **axes: Any,
) -> StudyPlan:
    """The plan of a sweep; see `sweep` for the arguments. With `resumed`, that of the file, if it is the same sweep.

    `chosen` lists the settings, each by its values of the axes; None takes all combinations, or draws.

    Raises:
        InputError: an argument that cannot be used, or a file that holds another sweep.
    """
    if seeds < 1 or seed < 0:
        raise InputError(f"`seeds` is {seeds} and `seed` {seed}; there is at least one seed, and none is below 0")
    if prune not in ("race", "none"):
        raise InputError(f"`prune` is {prune!r}; it is race or none")
    if draws is not None and draws < 1:
        raise InputError(f"`draws` is {draws}; it is a whole number from 1")
    rest = dict(options or {})
    given = {name: axes[name] for name in _AXES if axes.get(name) is not None}
    given |= {name: rest.pop(name) for name in ("weight_decay", "momentum") if rest.get(name) is not None}
    read = {name: read_axis(name, given[name]) for name in _AXES if name in given}
    names = tuple(name_of(one) for one in read["optimizer"].values)
    read["optimizer"] = Axis("optimizer", names)
    known = {name: frozenset(inspect.signature(class_of(name)).parameters) for name in names}
    for option in (*rest, *(name for name in ("weight_decay", "momentum") if name in read)):
        if not any(option in one for one in known.values()):
            raise InputError(f"none of {', '.join(names)} has the option `{option}`")
    fixed = Recipe(optimizer=names[0], options=rest, clip=clip)
    all_seeds = [seed + number for number in range(seeds)]
    order = seed if same_order else None
    if chosen is not None:
        recipes, shapes = listed(chosen, fixed, known, all_seeds, order)
    elif draws is None:
        recipes, shapes = grid(read, fixed, known, all_seeds, order)
    else:
        recipes, shapes = random(read, draws, fixed, known, all_seeds, order)
    if resumed is not None and Path(resumed).exists() and not is_begun_only(Path(resumed)):
        return _continued(resumed, recipes, shapes, prune)
    varied = {name: axis for name, axis in read.items() if len(axis.values) != 1}
    _check(source, recipes, shapes)
    return plan_study(source, recipes, shapes, varied, prune=prune, in_rounds=in_rounds, form=form)


def _check(source: TaskSource, recipes: Sequence[Recipe], shapes: Sequence[Mapping[str, int]]) -> None:
    """Refuse a task that none of the recipes can train; recipes that fail beside others are set aside later."""
    kinds: dict[str, dict[Any, Recipe]] = {}
    for recipe, shape in zip(recipes, shapes, strict=True):
        kinds.setdefault(json.dumps(shape), {}).setdefault(recipe.batch_size, recipe)
    works, errors = False, list[SurefootError]()
    for written, by_batch in kinds.items():
        task = source.task(json.loads(written))
        for recipe in by_batch.values():
            try:
                check_task(task, recipe)
            except SurefootError as error:
                errors.append(error)
            else:
                works = True
                break
    if not works and errors:
        raise errors[0]


def _continued(
    path: str | os.PathLike[str], recipes: Sequence[Recipe], shapes: Sequence[Mapping[str, int]], prune: str
) -> StudyPlan:
    with Store(Path(path)) as store:
        plan = store.plan()
    if len(plan.recipes) != len(recipes):
        differs = f"it has {len(plan.recipes)} members and this sweep {len(recipes)}"
    elif plan.prune != prune:
        differs = f"its `prune` is {plan.prune}"
    elif list(plan.recipes) != list(recipes) or [*plan.shapes] != [dict(one) for one in shapes]:
        differs = "its recipes are others"
    else:
        return plan
    raise InputError(f"`study` is {str(path)!r}, which holds another sweep: {differs}; name another file")


def run_plan(
    source: TaskSource,
    plan: StudyPlan,
    *,
    study: str | os.PathLike[str] | None = None,
    resume: bool = False,
    workers: int | None = None,
    on: str | None = None,
    command: str = "",
    watch: Watch | None = None,
    tick: Tick | None = None,
    only: int | None = None,
) -> Study:
    """Work off a plan and return the study.

    Args:
        source: of the tasks that the plan was made for.
        plan: what is done.
        study: file that keeps it; None keeps nothing.
        resume: whether to go on with that file.
        workers: processes; None chooses.
        on: a Ray cluster; None means this machine.
        command: the command line, for the record.
        watch: told the progress after every unit.
        tick: told of updates as they are made.
        only: number of the one unit to work off; None means all.

    Raises:
        InputError: other data than the plan was made for, or no such unit.
        OutputError: the file cannot be kept.
    """
    if workers is not None and workers < 1:
        raise InputError(f"`workers` is {workers}; it is a whole number from 1")
    data = source.task(plan.shapes[0]).checksum()
    if data != plan.data:
        raise InputError(
            f"`task` has other data than the study was made with (SHA-256 {data[:12]}… and {plan.data[:12]}…); "
            "give the same data, or begin another study"
        )
    key = None if only is None else _unit_numbered(plan, only)
    began = time.perf_counter()
    device = source.task(plan.shapes[0]).device
    seeds = {f"seed {number}": number for number in sorted({one.seed for one in plan.recipes})}
    provenance = Provenance.here(seeds=seeds, device=str(device), data=plan.data, command=command)
    with opened(study, plan, provenance, resume=resume) as store:
        store.begin_session(provenance)
        executor = executor_for(source, store, workers, on, str(device), tick)
        try:
            drive(store, executor, watch, only=key)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        finally:
            executor.close()
        kept = "; what was done is kept" if study is not None else ""
        notes = (f"interrupted{kept}",) if interrupted else ()
        return study_of(store, provenance, notes=notes, wall=time.perf_counter() - began, kept=study is not None)


def _unit_numbered(plan: StudyPlan, number: int) -> str:
    if not 0 <= number < len(plan.units):
        raise InputError(f"`run-batch` is {number}; the plan has the batches 0 to {len(plan.units) - 1}")
    return plan.units[number].key


@contextlib.contextmanager
def opened(
    study: str | os.PathLike[str] | None, plan: StudyPlan, provenance: Provenance, *, resume: bool
) -> Iterator[Store]:
    """The store of a sweep, to write: the file of that name, made or gone on with, or one that nobody keeps."""
    if study is None:
        with tempfile.TemporaryDirectory(prefix="surefoot-") as folder:
            store = Store.create(Path(folder) / "sweep.study", plan, provenance)
            with store:
                yield store
        return
    if resume and Path(study).exists() and not is_begun_only(Path(study)):
        store = Store(Path(study), write=True)
        if store.plan().key != plan.key:
            store.close()
            raise InputError(f"`study` is {str(study)!r}, which holds another sweep; name another file")
    else:
        store = Store.create(Path(study), plan, provenance)
    with store:
        yield store


def executor_for(
    source: TaskSource, store: Store, workers: int | None, on: str | None, device: str, tick: Tick | None
) -> Executor:
    """What works off the waiting units of a store."""
    if on is not None:
        from surefoot.study.on_ray import Cluster

        return Cluster(source, on, study=store.plan().key, most=workers)
    waiting = len(store.units("waiting"))
    if device != "cpu" or not can_fork():
        count = 1
    elif workers is not None:
        count = workers
    else:
        left = (store.plan().seconds or 0.0) * waiting / max(1, len(store.plan().units))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        count = min(cores, waiting) if left > _POOL_FROM else 1
    return Processes(source, count, tick) if count > 1 else ThisProcess(source, tick)
