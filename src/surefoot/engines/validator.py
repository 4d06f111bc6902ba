"""Validation of one model, as quick as a loop written by hand.

The parts of the data are those of `val_groups`. Neighbouring parts go through the model together where the outputs
can be cut apart again; only the losses are taken part by part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from surefoot.engines.engine import Validation, val_groups
from surefoot.engines.members import random_states
from surefoot.engines.val_parts import part_weights, weighed
from surefoot.tasks.borrowing import seed_all
from surefoot.tasks.sources import TensorSource
from surefoot.tasks.task import Task, takes_model

__all__ = ["Validator"]

_NUMBERS = 2**16
"""Numbers of input that go through the model at a time: enough to hide the cost of a call, few enough for a cache."""

_ROUNDING = 1e-4
"""Difference that computing with other examples may make."""


class Validator:
    """Validates models of a task."""

    def __init__(self, task: Task) -> None:
        self._given = self.task = task
        self._parts = val_groups(task.val.size)
        self._whole = task.val.whole if isinstance(task.val, TensorSource) else None
        self._each = _each_loss(task)
        self._together = not task.loss_takes_model and not any(takes_model(one) for one in task.metrics.values())
        self._slices = self._plan()
        self._tried = False

    def __call__(self, model: nn.Module, step: int) -> Validation:
        """Mean loss and metrics of `model`, which is member 0; its mode is put back, random states are not."""
        weights = part_weights(self._given)
        self.task = self._given.aside()
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        seed_all(0)
        losses: list[float] = []
        sums = dict.fromkeys(self.task.metrics, 0.0)
        try:
            with torch.no_grad():
                if not self._tried and not self._apart(model):
                    self._slices = [(part, part + 1) for part in range(len(self._parts))]
                    seed_all(0)
                self._tried = True
                for first, last in self._slices:
                    self._slice(model, first, last, losses, sums)
        finally:
            for module, mode in modes:
                module.training = mode
        loss, groups = weighed(np.array([losses], dtype=np.float64), weights)
        metrics = {name: np.array([total / self.task.val.size]) for name, total in sums.items()}
        return Validation(step, (0,), loss, groups, metrics)

    def _plan(self) -> list[tuple[int, int]]:
        """First and last part (excluded) of each slice."""
        count = len(self._parts)
        # Data that is drawn as it is read is other data when it is read in other portions.
        if not self._together or self._whole is None:
            return [(part, part + 1) for part in range(count)]
        one = self.task.batch(self.task.val, self._parts[0])
        leaves = [leaf for leaf in pytree.tree_leaves(one) if isinstance(leaf, torch.Tensor)]
        step = max(1, _NUMBERS // max(1, sum(leaf.numel() for leaf in leaves)))
        return [(first, min(first + step, count)) for first in range(0, count, step)]

    def _apart(self, model: nn.Module) -> bool:
        """Whether the output for an example depends on no other of its batch, nor on numbers drawn for it."""
        first, last = self._slices[0]
        if last - first == 1:
            return True
        size, outputs, seeded = len(self._parts[0]), [], random_states()
        for stop in (size, 2 * size):
            args, kwargs, _ = self.task.split(self._batch(0, stop))
            outputs.append(model(*args, **kwargs))
        if random_states() != seeded:
            return False
        alone, beside = outputs
        if not all(isinstance(one, torch.Tensor) and one.ndim for one in outputs) or len(beside) != 2 * size:
            return False
        return torch.allclose(alone, beside[:size], rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True)

    def _slice(self, model: nn.Module, first: int, last: int, losses: list[float], sums: dict[str, float]) -> None:
        task = self.task
        start, stop = int(self._parts[first][0]), int(self._parts[last - 1][-1]) + 1
        batch = self._batch(start, stop)
        if last - first == 1:
            loss, output = task.loss_and_output(model, batch)
            losses.append(loss.item())
        else:
            args, kwargs, target = task.split(batch)
            output = model(*args, **kwargs)
            found = self._losses(output, target, first, last)
            if found is None:
                for part in range(first, last):
                    self._slice(model, part, part + 1, losses, sums)
                return
            losses += found
        for name, value in task.metrics_of(model, batch, output).items():
            sums[name] += float(value) * (stop - start)

    def _batch(self, start: int, stop: int) -> Any:
        if type(self._whole) is tuple and all(isinstance(leaf, torch.Tensor) for leaf in self._whole):
            # A copy: the model may write into what it is given.
            return tuple(leaf[start:stop].clone() for leaf in self._whole)
        return self.task.batch(self.task.val, torch.arange(start, stop))

    def _losses(self, output: Any, target: Any, first: int, last: int) -> list[float] | None:
        """Mean loss of each part; None where output and target cannot be cut."""
        sizes = [len(part) for part in self._parts[first:last]]
        total = sum(sizes)
        if not all(isinstance(one, torch.Tensor) and one.ndim and len(one) == total for one in (output, target)):
            return None
        if self._each is not None and not _ignores(self._each, target):
            rows = self._each(output, target).reshape(total, -1).mean(1)
            ends = np.cumsum([0, *sizes[:-1]])
            means: list[float] = (np.add.reduceat(rows.double().cpu().numpy(), ends) / sizes).tolist()
            return means
        pairs = zip(output.split(sizes), target.split(sizes), strict=True)
        return [float(self.task.loss_of(lambda _, found=one: found, (None, other))) for one, other in pairs]


_PLAIN = (
    nn.CrossEntropyLoss, nn.NLLLoss, nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCEWithLogitsLoss,
)  # fmt: skip


def _each_loss(task: Task) -> nn.Module | None:
    """The task's loss without the mean over the examples, where it is one of torch's whose mean is plain."""
    loss: Any = task.loss
    if type(loss) not in _PLAIN or loss.reduction != "mean" or loss._forward_hooks:
        return None
    if getattr(loss, "weight", None) is not None or getattr(loss, "pos_weight", None) is not None:
        return None
    kept = ("ignore_index", "label_smoothing", "beta", "delta")
    found: nn.Module = type(loss)(
        reduction="none", **{name: getattr(loss, name) for name in kept if hasattr(loss, name)}
    )
    return found


def _ignores(loss: nn.Module, target: torch.Tensor) -> bool:
    """Whether some targets are not among those that the mean is taken over."""
    ignored = getattr(loss, "ignore_index", None)
    return ignored is not None and not target.is_floating_point() and bool((target == ignored).any())
