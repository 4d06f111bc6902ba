"""Changes of a task that a recipe asks for: augmentation, label smoothing, dropout.

`changed` gives a new task and leaves the old one alone. Validation is never changed: its examples stay as they are, its
losses are taken without smoothing, and dropout is off there anyway; so runs with and without a change can be compared.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from surefoot.errors import DataError, RecipeError, TaskError
from surefoot.tasks.borrowing import mixed_seed
from surefoot.tasks.sources import Source
from surefoot.tasks.task import Task

__all__ = ["AUGMENTATIONS", "Augmented", "SmoothedCrossEntropy", "changed", "parse_augmentation"]

AUGMENTATIONS = ("shift", "noise")
"""Names of augmentations: `shift[:PIXELS]` for images, `noise[:SIZE]` for any numbers."""

_SIDE = 8
"""Least side of a flat example that is taken for a square image."""
_MEASURED = 4096
"""Examples from which the spread of each input is measured."""


def changed(task: Task, changes: Mapping[str, Any]) -> Task:
    """`task` with the changes of `Recipe.changes`; the task itself where there are none.

    Raises:
        RecipeError: an unknown change, or a value out of its range.
        TaskError: a change that the task's model or loss cannot take.
        DataError: an augmentation that the data cannot take.
    """
    known = {"augment": _augmented, "label_smoothing": _smoothed, "dropout": _dropped}
    for name in changes:
        if name not in known:
            raise RecipeError(f"`changes` names `{name}`; it can name {', '.join(known)}")
    for name, change in known.items():
        if changes.get(name) is not None:
            task = change(task, changes[name])
    return task


def _copy(task: Task, note: str) -> Task:
    made = copy.copy(task)
    made.notes = (*task.notes, note)
    return made


# Dropout.


def _dropped(task: Task, share: Any) -> Task:
    _check_share("dropout", share)
    layers = [one for one in task.make_model(0).modules() if isinstance(one, _DropoutNd)]
    if not layers:
        raise TaskError(
            f"`dropout` is {share}, and the model of `{task.name}` has no dropout layer to set; put an nn.Dropout into "
            "the model, or leave the option out"
        )
    made = _copy(task, f"dropout {share:g} in {len(layers)} layers")
    made.model = functools.partial(_with_dropout, task.model, float(share))
    return made


def _with_dropout(model: Callable[[], nn.Module] | nn.Module, share: float) -> nn.Module:
    made = copy.deepcopy(model) if isinstance(model, nn.Module) else model()
    for one in made.modules():
        if isinstance(one, _DropoutNd):
            one.p = share
    return made


# Label smoothing.


class SmoothedCrossEntropy(nn.Module):
    """Cross-entropy with smoothed labels where gradients are taken, and without smoothing where they are not.

    The target of each example is its class with weight 1 - s and all classes alike with weight s (Szegedy et al.
    2016, section 7).
    """

    def __init__(self, loss: nn.CrossEntropyLoss, smoothing: float) -> None:
        super().__init__()
        self.weight, self.ignore_index, self.smoothing = loss.weight, loss.ignore_index, smoothing
        self.kept = loss.label_smoothing

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss over the batch."""
        smoothing = self.smoothing if torch.is_grad_enabled() else self.kept
        return F.cross_entropy(
            output, target, weight=self.weight, ignore_index=self.ignore_index, label_smoothing=smoothing
        )


def _smoothed(task: Task, smoothing: Any) -> Task:
    _check_share("label_smoothing", smoothing)
    if type(task.loss) is not nn.CrossEntropyLoss or task.loss.reduction != "mean":
        kind = type(task.loss).__name__ if isinstance(task.loss, nn.Module) else "a function"
        raise TaskError(
            f"`label_smoothing` needs nn.CrossEntropyLoss as the loss, and that of `{task.name}` is {kind}; smooth the "
            "labels inside the loss instead"
        )
    if smoothing == 0:
        return task
    made = _copy(task, f"label smoothing {smoothing:g} in training")
    made.loss = SmoothedCrossEntropy(task.loss, float(smoothing))
    return made.to(task.device)


# Augmentation.


@dataclasses.dataclass(frozen=True)
class _Shift:
    """Images moved by up to `pixels` along each side; what comes in at an edge repeats the edge."""

    pixels: int
    side: int | None
    """Side of the images where examples are flat."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        images = x.view(len(x), 1, self.side, self.side) if self.side else x.view(len(x), -1, *x.shape[-2:])
        height, width = images.shape[-2:]
        moves = torch.randint(-self.pixels, self.pixels + 1, (2, len(x), 1), generator=generator).to(x.device)
        rows = (torch.arange(height, device=x.device) + moves[0]).clamp(0, height - 1)
        columns = (torch.arange(width, device=x.device) + moves[1]).clamp(0, width - 1)
        example = torch.arange(len(x), device=x.device)[:, None, None]
        moved = images.movedim(1, -1)[example, rows[:, :, None], columns[:, None, :]]
        return moved.movedim(-1, 1).reshape(x.shape)


@dataclasses.dataclass(frozen=True)
class _Noise:
    """Gaussian noise on every number, `size` times the spread of that input over the training data."""

    size: float
    spread: Tensor

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(x.shape, generator=generator).to(x.device, x.dtype)
        return x + self.size * self.spread * noise


class Augmented:
    """A source whose inputs are changed anew each time, by draws from the seed of the batch.

    Args:
        source: gives the examples.
        changes: each maps inputs (n, ...) and a generator to inputs of the same shape.
        key: where in a batch the inputs are.
    """

    def __init__(self, source: Source, changes: list[Callable[[Tensor, torch.Generator], Tensor]], key: Any) -> None:
        self._source, self._changes, self._key = source, changes, key
        self.size, self.notes = source.size, source.notes

    def batch(self, index: Tensor, seed: int = 0) -> Any:
        """The examples at `index`, changed."""
        batch = self._source.batch(index, seed)
        x = batch[self._key]
        for place, change in enumerate(self._changes):
            x = change(x, torch.Generator().manual_seed(mixed_seed(seed, place, 2)))
        if isinstance(batch, Mapping):
            return {**batch, self._key: x}
        return type(batch)([x, *batch[1:]])


def _augmented(task: Task, asked: Any) -> Task:
    wanted = [asked] if isinstance(asked, str) else list(asked)
    if not wanted:
        return task
    key, x = _inputs(task)
    changes = [_augmentation(*parse_augmentation(one), task, key, x) for one in wanted]
    made = _copy(task, "augmentation of the training inputs: " + ", ".join(wanted))
    made.train = Augmented(task.train, changes, key)
    return made


def parse_augmentation(asked: str) -> tuple[str, float | None]:
    """Name and size of ``NAME`` or ``NAME:SIZE``.

    Raises:
        RecipeError: no such augmentation, or a size that is no number above 0 (for `shift` a whole number).
    """
    name, colon, written = asked.partition(":")
    if name not in AUGMENTATIONS:
        raise RecipeError(f"`augment` is {asked!r}; give shift[:PIXELS] for images or noise[:SIZE] for numbers")
    if not colon:
        return name, None
    try:
        size = float(written)
    except ValueError:
        size = math.nan
    if not (math.isfinite(size) and size > 0 and (name != "shift" or size.is_integer())):
        kind = "a whole number of pixels from 1" if name == "shift" else "a finite number above 0"
        raise RecipeError(f"`augment` is {asked!r}; the size of `{name}` is {kind}")
    return name, size


def _augmentation(
    name: str, size: float | None, task: Task, key: Any, x: Tensor
) -> Callable[[Tensor, torch.Generator], Tensor]:
    if name == "noise":
        index = torch.linspace(0, task.train.size - 1, min(task.train.size, _MEASURED)).long()
        values = task.train.batch(index)[key]
        spread = values.std(0) if len(values) > 1 else torch.zeros_like(values[0])
        return _Noise(0.1 if size is None else size, spread)
    side = None
    if x.ndim == 2:
        side = math.isqrt(x.shape[1])
        if side * side != x.shape[1] or side < _SIDE:
            raise DataError(f"`augment` shift needs images; the inputs of `{task.name}` are {x.shape[1]} numbers each")
    elif x.ndim not in (3, 4):
        raise DataError(f"`augment` shift needs images (n, channels, height, width), not {tuple(x.shape)}")
    least = side or min(x.shape[-2:])
    pixels = max(1, least // 14) if size is None else int(size)
    if pixels >= least:
        raise RecipeError(f"`augment` shift is {pixels} pixels and the images have {least} along a side")
    return _Shift(pixels, side)


def _inputs(task: Task) -> tuple[Any, Tensor]:
    """Where in a batch the inputs are, and those of the first example."""
    batch = task.train.batch(torch.zeros(1, dtype=torch.int64))
    key: Any = None
    if isinstance(batch, tuple | list) and type(batch) in (tuple, list) and len(batch) >= 2:
        key = 0
    elif isinstance(batch, Mapping) and not task.loss_takes_model:
        rest = [name for name, one in task.split(batch)[1].items() if isinstance(one, Tensor)]
        key = rest[0] if len(rest) == 1 else None
    x = None if key is None else batch[key]
    if not (isinstance(x, Tensor) and x.is_floating_point() and x.ndim >= 2):
        raise DataError(
            f"`augment` needs batches (x, y) in which x are floating-point inputs; those of `{task.name}` are not: "
            "augment inside the Dataset instead"
        )
    return key, x


def _check_share(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise RecipeError(f"`{name}` is {value!r}; it is a number from 0 to below 1")
