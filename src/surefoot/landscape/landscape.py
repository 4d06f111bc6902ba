"""The landscape of a task: the loss over a line or plane of weights, and real trainings drawn on it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.engines.batches import BatchOrder, steps_of
from surefoot.engines.memory import allowed_bytes
from surefoot.errors import InputError, TaskError
from surefoot.landscape.aim import Aim, aim_at, plane_of
from surefoot.landscape.checkpoints import begun_at
from surefoot.landscape.drawing import Watch, drawn
from surefoot.landscape.ground import Ground
from surefoot.landscape.recipes import KINDS, rates_of, recipes_of
from surefoot.landscape.top import suggested_rate
from surefoot.landscape.walks import Walk, points_that_fit, walk_all
from surefoot.landscape.weights import Numbers
from surefoot.records import Recipe
from surefoot.records.landscape import Landscape
from surefoot.tasks.checking import check_task
from surefoot.tasks.task import Task

__all__ = ["Watch", "landscape"]

_EXAMPLES = 512


def landscape(
    task: Task,
    *,
    lr: float | Sequence[float] | None = None,
    paths: Mapping[str, Recipe] | Sequence[str] | None = None,
    optimizer: Any = "sgd",
    schedule: str = "constant",
    schedule_options: dict[str, Any] | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | str | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    seed: int = 0,
    directions: str | None = None,
    around: str | os.PathLike[str] | None = None,
    to: str | os.PathLike[str] | None = None,
    dims: int | None = None,
    grid: int = 51,
    span: float | None = None,
    refine: bool = True,
    exact: bool = False,
    examples: int | str | None = None,
    points: int = 201,
    memory: int | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> Landscape:
    """The loss of a task around its weights, with the paths that trainings take over it.

    Trainings begin at one start and are drawn on one surface: with several rates (`lr`), several optimizers, or a
    small, a large and a decayed rate (`paths`). A path does not lie on the plane. Each of its points says its true
    loss, the loss of the plane below it, and its distance from the plane.

    Args:
        task: what is trained.
        lr: peak rate of a path, or several rates for as many paths.
        paths: recipes by name; or names out of small, large, decayed: of one `lr`, a tenth of it, it, and falling
            from it to the tenth. Without `lr` and `paths`, and nothing else to draw around, all three, of a rate
            that is measured: 1.6 over the sharpness at the start.
        optimizer: a name or torch.optim class, or several, one per `lr`; their options are further keywords.
        schedule: of every path; with `paths` by name, of the decayed one.
        schedule_options: keywords of the schedule.
        epochs: length of the trainings in passes over the data; above 0. 10 when neither this nor `steps` is given.
        steps: the same in updates; from 1.
        batch_size: examples per step, or ``"full"``; None takes at most 64.
        clip: largest gradient norm.
        accumulate: batches averaged into one step.
        seed: initialises the model, orders batches, draws directions.
        directions: ``"eigenvector"``: top eigenvector of the Hessian against the displacement of the best path, the
            default where there are paths; ``"pca"``: where the paths spread most; ``"between"``: two solutions;
            ``"filter"`` (the default without paths), ``"layer"``, ``"random"``: random, scaled to the weights.
        around: ``"init"``, ``"trained"`` (the end of the path with the lowest loss; the default where there are
            paths), or a file with weights: then paths begin there, with all that it holds.
        to: for ``"between"``: a file with the other solution; by default the ends of two paths.
        dims: 1 for a line, 2 for a plane; 2, and 1 for ``"between"``.
        grid: lines along an axis; 3 to 1001.
        span: half the width of the picture in units of its axes; None shows the paths, or 1.
        refine: whether lines are added, up to 25 along an axis, where the picture would be wrong below a path.
        exact: whether every loss of the surface is evaluated. Else, where the surface is smooth, some are and a
            polynomial gives the others: `evaluated` and `error` of the record say how many and how well. Losses of
            paths, and on lines that are added below them, are always evaluated.
        examples: training examples over which every loss is the mean, or ``"all"``; None takes at most 512.
        points: most points of a path; from 2.
        memory: bytes that may be used; None takes half of what is free.
        watch: told the progress.
        **options: of the optimizer.

    Returns:
        Surface and paths. Ctrl-C leaves the rows that are complete.

    Raises:
        InputError: an argument that cannot be used.
        TaskError: the model or loss cannot be trained, or the loss has no finite curvature where that is needed.
        KeyboardInterrupt: it came before there was anything to draw.
        MemoryBoundError: not even one point fits.

    Sources: Li et al. 2018, arXiv:1712.09913 (filter normalisation); Antognini and Sohl-Dickstein 2018,
    arXiv:1806.08805 (principal components of random walks).
    """
    if not isinstance(task, Task):
        raise TaskError(f"`task` is {type(task).__name__}; make one with surefoot.Task(model, train, val, loss=...)")
    _check(grid, span, points)
    started = time.perf_counter()
    optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    if not optimizers:
        raise InputError("`optimizer` is empty; give at least one")
    if batch_size is None:
        batch_size = min(64, task.train.size)
    base = Recipe(
        options=dict(options), schedule=schedule, schedule_options=schedule_options or {}, clip=clip,
        batch_size=batch_size, epochs=10.0 if epochs is None else epochs, accumulate=accumulate, seed=seed,
    )  # fmt: skip
    if steps is not None:
        base = _of_length(base, steps, epochs, paths, task.train.size)
    rates = rates_of(lr)
    if isinstance(paths, str):
        paths = [one.strip() for one in paths.split(",") if one.strip()]
    recipes = {}
    if rates or isinstance(paths, Mapping):
        recipes = recipes_of(paths, rates, optimizers, base, task.train.size)
    if isinstance(paths, Mapping) and paths:
        base = next(iter(recipes.values()))
    noted = [*task.notes, *check_task(task, base)]
    chosen = _examples(examples, task.train.size)
    if around is None and paths is None and not rates and to is None and directions in (None, "eigenvector", "pca"):
        paths = KINDS
    with torch.random.fork_rng():
        model = task.make_model(base.seed)
    trained = len(recipes or paths or ())
    aim = aim_at(directions, around, to, dims, model, trained)
    begun = task if aim.begin is None else begun_at(task, aim.begin.state)
    ground, start = _placed(aim, task, model, trained, examples=chosen, memory=memory, seed=base.seed)
    if aim.begin is not None and trained:
        noted.append(f"the paths begin at the weights in {aim.begin.name}")
    if paths and not isinstance(paths, Mapping) and not rates:
        rates = [suggested_rate(ground, start, optimizers, base, noted)]
    recipes = recipes or recipes_of(paths, rates, optimizers, base, task.train.size)
    tell = watch or (lambda *_: None)
    walks: list[Walk] = []
    interrupted = False
    if recipes:
        room = allowed_bytes(memory)
        most = points_that_fit(ground.weights, len(recipes), points, room)
        wanted = min(points, 1 + max(steps_of(recipe, task.train.size)[0] for recipe in recipes.values()))
        if most < wanted:
            noted.append(f"{most} points of each path are kept, not {wanted}: more do not fit into memory")
        walks, interrupted = walk_all(
            begun, recipes, ground.weights, points=most, tick=lambda done, of: tell("training", done, of)
        )
        _note_strides(walks, noted)
    losses = {}
    for place, walk in enumerate(walks):
        tell("losses of the paths", place, len(walks))
        losses[walk.name] = ground.losses(walk.stacked)
    tell("directions", 0, 1)
    plane = plane_of(aim, ground, start, walks, losses, seed)
    return drawn(
        task, ground, plane, walks, losses, grid=grid, span=span, refine=refine, exact=exact, tell=tell,
        notes=noted, skip=interrupted, started=started, seed=base.seed,
    )  # fmt: skip


def _placed(
    aim: Aim, task: Task, model: nn.Module, paths: int, *, examples: int | None, memory: int | None, seed: int
) -> tuple[Ground, Numbers]:
    """The ground with what the aim's file holds for the rest of the model, and where paths or ways begin."""
    ends = [one.state for one in aim.files]
    first: dict[str, Tensor] = {}
    if aim.begin is not None:
        if not paths:
            first = {name: one.clone() for name, one in model.state_dict().items() if isinstance(one, Tensor)}
        model.load_state_dict(dict(aim.begin.state), strict=False)
    if first and aim.through_start(paths):
        ends.append(first)
    ground = Ground(task, model, ends=ends, examples=examples, memory=memory, seed=seed)
    return ground, ground.point(first)


def _of_length(base: Recipe, steps: int, epochs: float | None, paths: Any, size: int) -> Recipe:
    """The recipe for so many updates.

    Raises:
        InputError: it is no number of updates, or something else says the length too.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"`steps` is {steps!r}; it is a whole number from 1")
    if epochs is not None:
        raise InputError("`steps` and `epochs` are both given; the trainings have one length: leave one out")
    if isinstance(paths, Mapping):
        raise InputError("`steps` and recipes in `paths` are both given; the recipes have their lengths")
    per_epoch = BatchOrder(size, base.batch_size, 0).per_epoch
    return base.replace(epochs=steps * base.accumulate / per_epoch)


def _check(grid: int, span: float | None, points: int) -> None:
    for name, value, low, high in (("grid", grid, 3, 1001), ("points", points, 2, 100_000)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"`{name}` is {value!r}; it is a whole number from {low} to {high}")
    if span is not None and not (isinstance(span, int | float) and 0 < span < float("inf")):
        raise InputError(f"`span` is {span!r}; it is a finite number above 0")


def _examples(examples: int | str | None, size: int) -> int | None:
    if examples is None:
        return min(_EXAMPLES, size)
    if examples == "all":
        return None
    if isinstance(examples, bool) or not isinstance(examples, int):
        raise InputError(f'`examples` is {examples!r}; it is a whole number from 1, or "all"')
    return examples


def _note_strides(walks: Sequence[Walk], notes: list[str]) -> None:
    strides = {walk.step[1] - walk.step[0] for walk in walks if len(walk.step) > 2}
    if max(strides, default=1) > 1:
        notes.append(
            f"one step in {max(strides)} of a path is drawn; the stride is odd, so jumps to and fro with every step "
            "are seen, but fewer of them"
        )
