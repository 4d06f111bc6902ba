"""Validation of many members at once, with the same parts of the data as `Serial` takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from surefoot.engines.engine import Validation, val_groups
from surefoot.engines.members import Form, Place
from surefoot.engines.serial import validate_model
from surefoot.engines.val_parts import part_weights, weighed
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task

__all__ = ["validate_places"]

_AT_ONCE = 256
"""Examples that are computed together at most, where parts are smaller."""


@dataclasses.dataclass(frozen=True)
class _Parts:
    """Neighbouring parts of the validation data with as many examples each."""

    columns: slice
    size: int
    """Examples in a part."""
    batches: list[Any]
    """A batch for each part."""
    prepared: list[Any]
    """What the places take: one for all parts, where outputs depend on one example each; else one per part."""
    stacked: Any
    """The batches as one, every tensor [parts, n, ...]; None where they cannot be."""


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
    weights = part_weights(task)
    rows: dict[int, tuple[list[float], dict[str, float]]] = {}
    parts = None if task.loss_takes_model or not chunks else _prepared(task, form)
    for chunk in chunks:
        found = None if parts is None else _together(task, parts, occupied(chunk), len(chunk))
        if found is None:
            parts = None
            for member in chunk:
                losses, _, metrics = validate_model(task, single(member))
                rows[member] = losses, metrics
            continue
        groups = weighed(found[0], weights)[1]
        sums = found[1]
        for row, member in enumerate(chunk):
            rows[member] = groups[row].tolist(), {name: float(values[row]) for name, values in sums.items()}
    members = tuple(sorted(rows))
    groups = np.array([rows[member][0] for member in members], dtype=np.float64)
    counting = weights[weights > 0]
    groups = groups.reshape(len(members), len(counting))
    loss = groups @ counting / counting.sum() if members else np.empty(0)
    names = list(rows[members[0]][1]) if members else []
    means = {name: np.array([rows[member][1][name] for member in members]) for name in names}
    return Validation(step, members, loss, groups, means)


def _prepared(task: Task, form: Form) -> list[_Parts] | None:
    """The validation data for the places of a form; None where it is not for them."""
    found: list[_Parts] = []
    index = val_groups(task.val.size)
    try:
        with torch.no_grad(), borrowed_rng(0):
            for columns in _alike(index):
                batches = [task.batch(task.val, part) for part in index[columns]]
                # Not read anew as one batch: data that is drawn would be other data.
                apart = form.examples_apart
                prepared = [form.prepare(one) for one in ([_joined(batches)] if apart else batches)]
                found.append(_Parts(columns, len(index[columns.start]), batches, prepared, _stacked(batches)))
    except Exception:  # noqa: BLE001 - the user's code; validated one by one it says what is wrong
        return None
    return found


def _stacked(batches: Sequence[Any]) -> Any:
    try:
        return pytree.tree_map(lambda *leaves: torch.stack(leaves), *batches)
    except Exception:  # noqa: BLE001 - a user's batches hold anything
        return None


def _joined(batches: Sequence[Any]) -> Any:
    return pytree.tree_map(lambda *leaves: torch.cat(leaves), *batches)


def _alike(index: Sequence[Tensor]) -> Iterator[slice]:
    """Neighbouring parts of one size, few enough to be computed at once."""
    start = 0
    for stop in range(1, len(index) + 1):
        size = len(index[start])
        if stop == len(index) or len(index[stop]) != size or (stop + 1 - start) * size > _AT_ONCE:
            yield slice(start, stop)
            start = stop


def _together(
    task: Task, parts: Sequence[_Parts], place: Place, count: int
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]] | None:
    """Losses [K, parts] and metrics [K]; None where the user's code does not go along."""
    groups = np.empty((count, sum(len(some.batches) for some in parts)))
    sums = {name: np.zeros(count) for name in task.metrics}
    try:
        with torch.no_grad(), borrowed_rng(0):
            for some in parts:
                outputs = _outputs(place, some)
                groups[:, some.columns] = _each(lambda one, batch: task.loss_of(_given(one), batch), outputs, some)
                for name in task.metrics:
                    values = _each(
                        lambda one, batch: task.metrics_of(_given(one), batch, one)[name],  # noqa: B023
                        outputs,
                        some,
                    )
                    sums[name] += some.size * values.sum(axis=1)
    except Exception:  # noqa: BLE001 - the user's code under vmap; validated one by one it says what is wrong
        return None
    return groups, {name: values / task.val.size for name, values in sums.items()}


def _outputs(place: Place, parts: _Parts) -> Tensor:
    """Outputs of all members for the examples of all parts: [K, parts, n, ...]."""
    if len(parts.prepared) == len(parts.batches):
        return torch.stack([place.outputs(one) for one in parts.prepared], 1)
    outputs = place.outputs(parts.prepared[0])
    return outputs.reshape(len(outputs), len(parts.batches), parts.size, *outputs.shape[2:])


def _given(output: Tensor) -> Callable[..., Tensor]:
    """A model that has answered already."""
    return lambda *_, **__: output


def _each(function: Callable[[Tensor, Any], Any], outputs: Tensor, parts: _Parts) -> npt.NDArray[np.float64]:
    """`function` of every member's outputs for every part [K, parts]: as many at once as `vmap` can."""
    try:
        values = torch.func.vmap(torch.func.vmap(function), (0, None))(outputs, parts.stacked)
    except Exception:  # noqa: BLE001 - the user's code may look at the numbers of a batch, or of everything
        values = torch.stack([_by_part(function, outputs[:, row], one) for row, one in enumerate(parts.batches)], 1)
    result: npt.NDArray[np.float64] = values.detach().double().cpu().numpy()
    return result


def _by_part(function: Callable[[Tensor, Any], Any], outputs: Tensor, batch: Any) -> Tensor:
    """`function` of every member's outputs for one part [K]: at once where vmap can, else one by one."""
    try:
        found: Tensor = torch.func.vmap(lambda one: function(one, batch))(outputs)
        return found
    except Exception:  # noqa: BLE001 - metrics often leave torch; they are the user's
        return torch.stack([torch.as_tensor(function(output, batch)) for output in outputs])
