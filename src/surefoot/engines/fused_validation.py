"""Validation of many members at once, with the same parts of the data as `Serial` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from surefoot.engines.engine import Validation, val_groups
from surefoot.engines.members import Form, Place
from surefoot.engines.serial import validate_model
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task

__all__ = ["validate_places"]


def validate_places(
    task: Task,
    form: Form,
    step: int,
    chunks: Sequence[Sequence[int]],
    occupied: Callable[[Sequence[int]], Place],
    single: Callable[[int], nn.Module],
) -> Validation:
    """Losses and metrics of all members of the chunks, rows in the order of the members.

    Args:
        task: gives validation data, loss and metrics.
        form: prepares batches for the places.
        step: updates made so far.
        chunks: members to compute together.
        occupied: a place with a chunk's members in it.
        single: a module with a member's numbers, where losses or metrics want a model.
    """
    sizes = [len(part) for part in val_groups(task.val.size)]
    rows: dict[int, tuple[list[float], dict[str, float]]] = {}
    alone = task.loss_takes_model
    for chunk in chunks:
        found = None if alone else _together(task, form, occupied(chunk), len(chunk))
        if found is None:
            alone = True
            for member in chunk:
                losses, _, metrics = validate_model(task, single(member))
                rows[member] = losses, metrics
            continue
        groups, sums = found
        for row, member in enumerate(chunk):
            rows[member] = groups[row].tolist(), {name: float(values[row]) for name, values in sums.items()}
    members = tuple(sorted(rows))
    groups = np.array([rows[member][0] for member in members], dtype=np.float64).reshape(len(members), len(sizes))
    loss = groups @ np.array(sizes, dtype=np.float64) / sum(sizes) if members else np.empty(0)
    names = list(rows[members[0]][1]) if members else []
    means = {name: np.array([rows[member][1][name] for member in members]) for name in names}
    return Validation(step, members, loss, groups, means)


def _together(
    task: Task, form: Form, place: Place, count: int
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]] | None:
    """Losses [K, parts] and metrics [K] from vmapped losses; None where they cannot be vmapped."""
    parts = val_groups(task.val.size)
    groups = np.empty((count, len(parts)))
    sums = {name: np.zeros(count) for name in task.metrics}
    try:
        with torch.no_grad(), borrowed_rng(0):
            for column, part in enumerate(parts):
                batch = task.batch(task.val, part)
                outputs = place.outputs(form.prepare(batch))
                groups[:, column] = _each(lambda one: task.loss_of(_given(one), batch), outputs)  # noqa: B023
                for name in task.metrics:
                    sums[name] += len(part) * _each(
                        lambda one: task.metrics_of(_given(one), batch, one)[name],  # noqa: B023
                        outputs,
                    )
    except Exception:  # noqa: BLE001 - the user's code under vmap; validated one by one it says what is wrong
        return None
    return groups, {name: values / task.val.size for name, values in sums.items()}


def _given(output: Tensor) -> Callable[..., Tensor]:
    """A model that has answered already."""
    return lambda *_, **__: output


def _each(function: Callable[[Tensor], Any], outputs: Tensor) -> npt.NDArray[np.float64]:
    """`function` of every member's outputs: at once where vmap can, else one by one."""
    try:
        values = torch.func.vmap(function)(outputs)
    except Exception:  # noqa: BLE001 - metrics often leave torch; they are the user's
        values = torch.stack([torch.as_tensor(function(output)) for output in outputs])
    result: npt.NDArray[np.float64] = values.detach().double().cpu().numpy()
    return result
