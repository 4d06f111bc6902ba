"""Autopilot: train a task without a rate and without a sweep; probes on copies set the rate as the training goes."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import torch

from surefoot.engines.batches import steps_of
from surefoot.engines.optimizers import name_of
from surefoot.engines.serial import validate_model
from surefoot.engines.single import Single
from surefoot.errors import OutputError, RecipeError
from surefoot.records import Inspection, Provenance, Recipe, Run, Watched, float_series, int_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task
from surefoot.watch.pilot import Pilot, Policy

__all__ = ["autopilot"]

_CENTERS = {"sgd": 0.03, "asgd": 0.03, "adagrad": 0.03, "adadelta": 1.0, "rprop": 0.01}
"""Where the first probe looks around; it reaches a factor of 100 either way. For Adam and its kin 0.003."""


def autopilot(
    task: Task,
    *,
    optimizer: str | type[torch.optim.Optimizer] = "adam",
    epochs: float = 10.0,
    batch_size: int | str = 64,
    lr: float | None = None,
    budget: float = 0.05,
    clip: float | None = None,
    seed: int = 0,
    validations: int = 10,
    save: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
    **options: Any,
) -> Watched:
    """Train `task`, the rate set by probes on copies.

    Args:
        task: what is trained.
        optimizer: a name or a torch optimizer class.
        epochs: length of the training.
        batch_size: examples per update, or "full".
        lr: where the first probe looks around, a factor of 100 either way; None takes a common rate of the optimizer.
        budget: share of the updates that probes may spend besides, counted in updates of single copies.
        clip: largest gradient norm.
        seed: of every random choice.
        validations: how often the training is validated, evenly spread, besides before the first update; from 1.
        save: file for the weights of the lowest validation loss, in the safetensors format; None writes none.
        policy: how the budget is spent; see `Policy`.
        options: of the optimizer, such as ``momentum=0.9``.

    Returns:
        The run, with every rate that was used, the probes, and what followed from them. Updates of the training itself
        are in ``run``; what the probes cost besides is the sum of their ``cost``.

    Raises:
        InputError: an argument that cannot be used.
        OutputError: `save` cannot be written.
    """
    name = name_of(optimizer)
    center = _CENTERS.get(name, 0.003) if lr is None else lr
    recipe = Recipe(
        optimizer=name, lr=center, options=options, schedule="constant", batch_size=batch_size, epochs=epochs,
        clip=clip, seed=seed,
    )  # fmt: skip
    if isinstance(validations, bool) or not isinstance(validations, int) or validations < 1:
        raise RecipeError(f"`validations` is {validations!r}; it is a whole number from 1")
    started = time.perf_counter()
    steps, per_epoch = steps_of(recipe, task.train.size)
    points = {round(steps * (at + 1) / validations) for at in range(validations)}
    losses: list[float] = []
    lowest, best = math.inf, dict[str, torch.Tensor]()
    rates: list[float] = []
    vals: list[tuple[int, float, dict[str, float]]] = []
    with borrowed_rng(seed):
        single = Single(task, recipe, norms=False)

        def coming(count: int) -> list[Any]:
            return [task.batch(task.train, single.order.index(len(losses) + one)) for one in range(count)]

        vals.append((0, *_validated(task, single)))
        pilot = Pilot(
            single.model, single.optimizer, steps=steps, batches=coming, loss=task.loss, budget=budget, clip=clip,
            seed=seed, policy=policy,
        )  # fmt: skip
        for step in range(steps):
            rate = pilot.lr(step)
            loss, _ = single.update(step, rate)
            losses.append(float(loss))
            rates.append(rate)
            pilot.step(losses[-1])
            if step + 1 in points:
                vals.append((step + 1, *_validated(task, single)))
                if vals[-1][1] < lowest or not vals[1:-1]:
                    lowest, best = vals[-1][1], single.weights() if save is not None else {}
    diverged = not math.isfinite(vals[-1][1])
    spent = f"probes made {pilot.spent} updates of copies besides, {100 * pilot.spent / steps:.3g}% of the training's"
    origin = Provenance.here(seeds={"seed": seed}, device=str(task.device))
    run = Run(
        recipe=recipe.replace(lr=pilot.peak), step=int_series(range(len(losses))), loss=float_series(losses),
        lr=float_series(rates), val_step=int_series([at for at, _, _ in vals]),
        val_loss=float_series([loss for _, loss, _ in vals]),
        val_metrics={key: float_series([found[key] for _, _, found in vals]) for key in vals[0][2]},
        steps_per_epoch=per_epoch, fate="diverged" if diverged else "finished", source="watch", task=task.name,
        seconds=time.perf_counter() - started, provenance=origin, notes=(spent,),
    )  # fmt: skip
    if save is not None:
        _write(best, save)
    return Watched(
        run=run, inspection=Inspection(task=task.name), actions=tuple(pilot.actions), probes=tuple(pilot.probes)
    )


def _write(weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    from safetensors.torch import save_file

    try:
        save_file({name: one.contiguous() for name, one in weights.items()}, str(path))
    except OSError as error:
        raise OutputError(f"`save` is {str(path)!r}, which cannot be written: {error}; name another place") from None


def _validated(task: Task, single: Single) -> tuple[float, dict[str, float]]:
    losses, sizes, metrics = validate_model(task, single.model)
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes), metrics
