"""What a constant output loses: the least that a network can reach which takes nothing from its inputs.

Most networks learn it first, in few updates and at almost any rate: how often each class comes, the mean of a target.
Trials that got no further tell little about the rate that is best for learning the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from surefoot.find.answer import learned
from surefoot.find.search import Trial
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.data_checks import spaced
from surefoot.tasks.task import Task

__all__ = ["constant_loss", "notes_on_a_constant"]

_TO_SPEAK_OF = 0.03
"""Share of what a constant output loses by which a trial must lose less, to have learned more than that."""

_SEEN, _NUMBERS = 2000, 4_000_000
"""Examples that are looked at, at most, and numbers in their outputs."""
_PROBED = 8
_ROUNDS, _SETTLED = (60, 20), 1e-3
"""Steps of the search for the constant, and how little, as a share, the last of them may gain."""


def notes_on_a_constant(tasks: Sequence[Task], trials: Sequence[Trial]) -> tuple[str, ...]:
    """What is to be said where no trial over the longest horizon learned more than a constant output."""
    ended = [one for one in trials if one.fate == "finished" and math.isfinite(one.loss)]
    if not any(map(learned, ended)):
        return ()
    losses = [loss for loss in map(constant_loss, tasks) if loss is not None]
    if not losses or len(losses) < len(tasks):
        return ()
    longest, constant = max(one.horizon for one in ended), sum(losses) / len(losses)
    best = min(one.loss for one in ended if one.horizon == longest)
    if constant - best > _TO_SPEAK_OF * abs(constant):
        return ()
    return (
        f"no rate has learned more than a constant yet: over {longest} updates the best validation loss was "
        f"{best:.4g}, and the same output for every example loses {constant:.4g}; the rate for learning the rest may "
        "be another, so raise `epochs` or `cost`, or check the inputs and labels",
    )


def constant_loss(task: Task) -> float | None:
    """Validation loss of the one output for all examples that loses least on the training data.

    None where it is not known: the loss calls the model itself, outputs are no tensor with a row or rows for each
    example, or no output loses least.
    """
    if task.loss_takes_model:
        return None
    try:
        with borrowed_rng(0):
            return _constant_loss(task.to(task.device))
    except Exception:  # noqa: BLE001 - a user's loss need not take what no model of the user's put out
        return None


def _constant_loss(task: Task) -> float | None:
    model = task.make_model(0).eval()
    probe = spaced(task.val.size, _PROBED)
    with torch.no_grad():
        args, kwargs, _ = task.split(task.batch(task.val, probe))
        output = model(*args, **kwargs)
    if not isinstance(output, Tensor) or output.ndim < 1 or len(output) % len(probe):
        return None
    rows, best = len(output) // len(probe), output.detach().mean(0, keepdim=True).clone()
    most = min(_SEEN, max(_PROBED, _NUMBERS // max(rows * best.numel(), 1)))
    count, target = _targets(task, "train", most)
    before, after = (_descended(task, best, rows * count, target, steps) for steps in _ROUNDS)
    if not before - after <= _SETTLED * abs(after):
        return None
    count, target = _targets(task, "val", most)
    with torch.no_grad():
        found = float(task.own_loss(best.expand(rows * count, *best.shape[1:]), target))
    return found if math.isfinite(found) else None


def _targets(task: Task, which: str, most: int) -> tuple[int, object]:
    source = task.train if which == "train" else task.val
    index = spaced(source.size, most)
    return len(index), task.split(task.batch(source, index))[2]


def _descended(task: Task, constant: Tensor, rows: int, target: object, steps: int) -> float:
    """The loss of the constant after so many steps, which move it."""
    constant.requires_grad_()
    optimizer: Any = torch.optim.LBFGS([constant], max_iter=steps, line_search_fn="strong_wolfe")
    losses: list[float] = []

    def closure() -> Tensor:
        loss: Tensor = task.own_loss(constant.expand(rows, *constant.shape[1:]), target)
        (constant.grad,) = torch.autograd.grad(loss, [constant])
        losses.append(float(loss.detach()))
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return min(losses)
