"""Averaging: what a batch counts for in the mean loss over several of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from surefoot.tasks.task import Task

__all__ = ["has_weights", "mean_weight"]


def has_weights(task: Task) -> bool:
    """Whether the loss may count examples differently, or not at all."""
    loss: Any = task.loss
    return type(loss) in (nn.CrossEntropyLoss, nn.NLLLoss) and loss.reduction == "mean" and not task.loss_takes_model


def mean_weight(task: Task, batch: Any, count: int) -> float:
    """Weight of the loss on a batch of `count` examples: the mean over all is the mean of the batches' by these.

    It is the number of examples, but for torch's losses of classes that divide by something else: by the weights of
    the classes that occur, with those that are ignored left out. What a loss of the user's divides by is not known.
    """
    loss: Any = task.loss
    if not has_weights(task):
        return float(count)
    target = task.split(batch)[2]
    if not isinstance(target, torch.Tensor) or target.is_floating_point() or not target.numel():
        return float(count)
    counted = target[target != loss.ignore_index]
    total = float(len(counted) if loss.weight is None else loss.weight.double()[counted.to(loss.weight.device)].sum())
    return count * total / target.numel()
