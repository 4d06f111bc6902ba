"""Checks of a task's data before it is trained on: values that are numbers, targets that the loss can take.

Tensors are read whole. Of a Dataset evenly spaced examples are read, because reading all could take hours; a note says
so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from surefoot.errors import DataError, InputError, RecipeError
from surefoot.records import Recipe
from surefoot.tasks.sources import Source, SubsetSource, TensorSource
from surefoot.tasks.task import Task
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["check_data", "check_target", "loss_kind", "read", "shapes_of", "spaced"]

SAMPLED = 256
"""Examples of a Dataset that are looked at."""
_CHUNK = 2**22
_ROUNDED_UP = 0.5
"""Updates below which a training is lengthened to one."""
_LISTED = 6
"""Shapes that an error lists."""

_CLASSES = (nn.CrossEntropyLoss, nn.NLLLoss)
_BINARY = (nn.BCELoss, nn.BCEWithLogitsLoss)
_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)
_FUNCTIONS: dict[Any, str] = {
    F.cross_entropy: "classes",
    F.nll_loss: "classes",
    F.binary_cross_entropy: "binary",
    F.binary_cross_entropy_with_logits: "binary",
    F.mse_loss: "numbers",
    F.l1_loss: "numbers",
    F.smooth_l1_loss: "numbers",
    F.huber_loss: "numbers",
}


def loss_kind(loss: Any) -> str:
    """What targets torch's losses take: `classes`, `binary` or `numbers`; empty for any other loss."""
    for kind, losses in (("classes", _CLASSES), ("binary", _BINARY), ("numbers", _NUMBERS)):
        if isinstance(loss, losses):
            return kind
    try:
        return _FUNCTIONS.get(loss, "")
    except TypeError:
        return ""


def check_data(task: Task, recipe: Recipe) -> list[str]:
    """Notes on the data; see `check_task`.

    Raises:
        DataError: a value that is no number, or an example that cannot be read.
        RecipeError: a batch larger than the data.
    """
    size, batch_size = task.train.size, recipe.batch_size
    if isinstance(batch_size, int) and batch_size > size:
        raise RecipeError(
            f"`batch_size` is {batch_size} and the training data has {size} {_examples(size)}; "
            f'take at most {size}, or "full" for all of them'
        )
    notes = []
    per_epoch = math.ceil(size / (batch_size if isinstance(batch_size, int) else size)) / recipe.accumulate
    if recipe.epochs * per_epoch < _ROUNDED_UP:
        notes.append(
            f"{recipe.epochs:g} epochs are less than one update: one is made, which is {1 / per_epoch:.3g} epochs"
        )
    for name, source in (("train", task.train), ("val", task.val)):
        if source.size == 1:
            notes.append(f"`{name}` has 1 example; what is found holds for that example only")
        origin = name if task.val_given else "train"
        for rows, batch in _portions(task, source, name):
            for part, leaf in _parts(batch, origin):
                _check_finite(leaf, part, source, rows)
        if _whole(source) is None and source.size > SAMPLED:
            notes.append(f"{SAMPLED} of the {source.size} examples of `{name}` were looked at for NaN, not all of them")
    return notes


def read(task: Task, source: Source, index: torch.Tensor, name: str) -> Any:
    """The examples at `index` as a batch.

    Raises:
        DataError: the user's Dataset or collate function fails.
    """
    try:
        return task.batch(source, index)
    except InputError:
        raise
    except Exception as error:
        where = f" ({place_of(error)})" if place_of(error) else ""
        raise DataError(f"reading a batch of `{name}` failed: {in_one_line(error)}{where}") from error


def spaced(size: int, count: int) -> torch.Tensor:
    """`count` different places among `size`, evenly spaced; of sorted data they see every class."""
    return torch.linspace(0, size - 1, min(count, size), dtype=torch.float64).round().long()


def shapes_of(values: Any) -> str:
    """Shapes and types of the tensors in `values`, to be read in an error."""
    leaves = [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor)]
    shown = [f"{tuple(leaf.shape)} {str(leaf.dtype).removeprefix('torch.')}" for leaf in leaves[:_LISTED]]
    more = f" and {len(leaves) - _LISTED} more" if len(leaves) > _LISTED else ""
    return ", ".join(shown) + more or "no tensor"


def check_target(task: Task, output: torch.Tensor, target: Any, name: str) -> None:
    """Refuse targets that do not fit the output under one of torch's own losses.

    Raises:
        DataError: another type or shape, or a label that the model has no output for.
    """
    kind = loss_kind(task.loss)
    if not kind or not isinstance(target, torch.Tensor):
        return
    loss = getattr(task.loss, "__name__", type(task.loss).__name__)
    if kind == "classes":
        _check_classes(task, output, target, name, loss)
    elif output.shape != target.shape:
        raise DataError(
            f"`model` gives {tuple(output.shape)} and the target of `{name}` has shape {tuple(target.shape)}; "
            f"{loss} would stretch one over the other; {_reshape(output, target)}"
        )
    elif not target.is_floating_point() and not target.is_complex():
        raise DataError(f"the target of `{name}` is {_dtype(target)}; {loss} needs real numbers: convert it, y.float()")
    elif kind == "binary":
        _check_shares(task, name, loss)


def _check_classes(task: Task, output: torch.Tensor, target: torch.Tensor, name: str, loss: str) -> None:
    if target.is_floating_point():
        if target.shape == output.shape:
            return  # probabilities of the classes
        raise DataError(
            f"the target of `{name}` is {_dtype(target)} of shape {tuple(target.shape)}; {loss} needs class numbers: "
            "convert it, y.long()"
        )
    wanted = output.shape[:1] + output.shape[2:]
    if target.shape != wanted:
        raise DataError(
            f"`model` gives {tuple(output.shape)} and the target of `{name}` has shape {tuple(target.shape)}; {loss} "
            f"needs a target of shape {tuple(wanted)}; {_reshape_classes(output, target)}"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise DataError(f"the target of `{name}` is {_dtype(target)}; {loss} needs int64: convert it, y.long()")
    classes, ignored = output.shape[1], getattr(task.loss, "ignore_index", -100)
    for place, source in (("train", task.train), ("val", task.val)):
        for rows, batch in _portions(task, source, place):
            labels = task.split(batch)[2].long()
            bad = (((labels < 0) | (labels >= classes)) & (labels != ignored)).reshape(len(labels), -1)
            if not bool(bad.any()):
                continue
            row = int(bad.any(dim=1).nonzero()[0])
            label = int(labels.reshape(len(labels), -1)[row][bad[row]][0])
            origin = place if task.val_given else "train"
            raise DataError(
                f"`{origin}` has the label {label} in example {_origin(source, int(rows[row]))}; the model has "
                f"{classes} {'output' if classes == 1 else 'outputs'}, so labels go from 0 to {classes - 1}: "
                f"{_relabel(label, classes)}"
            )


def _check_shares(task: Task, name: str, loss: str) -> None:
    for place, source in (("train", task.train), ("val", task.val)):
        for rows, batch in _portions(task, source, place):
            target = task.split(batch)[2]
            bad = ((target < 0) | (target > 1)).reshape(len(target), -1)
            if bool(bad.any()):
                row = int(bad.any(dim=1).nonzero()[0])
                value = float(target.reshape(len(target), -1)[row][bad[row]][0])
                raise DataError(
                    f"`{name}` has the target {value:g} in example {_origin(source, int(rows[row]))}; {loss} needs "
                    "targets from 0 to 1"
                )


def _relabel(label: int, classes: int) -> str:
    if label == classes:
        return f"count labels from 0 (y - 1), or give the model {classes + 1} outputs"
    if label < 0:
        return "give real labels, or set `ignore_index` of the loss if such examples are to be left out"
    return f"correct the labels, or give the model {label + 1} outputs"


def _reshape(output: torch.Tensor, target: torch.Tensor) -> str:
    if output.shape == (*target.shape, 1):
        return "add the dimension to the target, y.unsqueeze(-1)"
    if target.shape == (*output.shape, 1):
        return "drop the last dimension of the target, y.squeeze(-1)"
    return "give them the same shape"


def _reshape_classes(output: torch.Tensor, target: torch.Tensor) -> str:
    if output.ndim > 2 and target.shape == output.shape[:-1]:
        return "move the classes to the second dimension, output.movedim(-1, 1)"
    if target.ndim == 2 and output.ndim == 2 and target.shape[1] == 1:
        return "drop its last dimension, y.squeeze(1)"
    if target.shape == output.shape:
        return "take the class numbers, y.argmax(1), or probabilities as float32"
    return "reshape the output or the target"


def _portions(task: Task, source: Source, name: str) -> Iterator[tuple[torch.Tensor, Any]]:
    """Places and examples to look at: all that are in memory, else a sample of them, in portions."""
    whole = _whole(source)
    if whole is not None:
        yield torch.arange(source.size), whole
        return
    for index in spaced(source.size, SAMPLED).split(32):  # type: ignore[no-untyped-call]
        yield index, read(task, source, index, name)


def _whole(source: Source) -> Any:
    if isinstance(source, SubsetSource):
        inner: Source = source
        while isinstance(inner, SubsetSource):
            inner = inner.source
        return source.batch(torch.arange(source.size)) if isinstance(inner, TensorSource) else None
    return source.whole if isinstance(source, TensorSource) else None


def _parts(batch: Any, name: str) -> list[tuple[str, torch.Tensor]]:
    """Every tensor of a batch and what the user would call it, such as ``train[0]``."""
    leaves = pytree.tree_flatten_with_path(batch)[0]
    return [(f"{name}{pytree.keystr(path)}", leaf) for path, leaf in leaves if isinstance(leaf, torch.Tensor)]


def _check_finite(leaf: torch.Tensor, part: str, source: Source, rows: torch.Tensor) -> None:
    if not (leaf.is_floating_point() or leaf.is_complex()) or leaf.layout != torch.strided or leaf.is_meta:
        return
    per_row = max(1, leaf.numel() // max(1, len(leaf))) if leaf.ndim else 1
    first, count = -1, 0
    for portion, start in _chunks(leaf, max(1, _CHUNK // per_row)):
        bad = ~torch.isfinite(portion).reshape(len(portion), -1).all(dim=1)
        if bool(bad.any()):
            first = start + int(bad.nonzero()[0]) if first < 0 else first
            count += int(bad.sum())
    if first < 0:
        return
    kind = "NaN" if bool(torch.isnan(leaf[first]).any()) else "an infinite value"
    more = f" and {count - 1} more" if count > 1 else ""
    raise DataError(
        f"`{part}` holds {kind} in example {_origin(source, int(rows[first]))}{more}; fill in or leave out such "
        "examples"
    )


def _chunks(leaf: torch.Tensor, length: int) -> Iterator[tuple[torch.Tensor, int]]:
    flat = leaf.reshape(1) if leaf.ndim == 0 else leaf
    for start in range(0, len(flat), length):
        yield flat[start : start + length], start


def _origin(source: Any, place: int) -> int:
    """The example's place in what the user gave."""
    while source is not None:
        rows = getattr(source, "rows", None)
        place = place if rows is None else int(rows[place])
        source = getattr(source, "source", None)
    return place


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _examples(count: int) -> str:
    return "example" if count == 1 else "examples"
