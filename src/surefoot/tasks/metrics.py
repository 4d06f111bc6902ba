"""Metrics: numbers for people beside the loss, each a function of output and target that returns a mean."""

from __future__ import annotations

import torch
from torch import Tensor

from surefoot.errors import TaskError

__all__ = ["accuracy", "mean_absolute_error"]


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of examples whose highest score is that of the right class, between 0 and 1.

    Args:
        output: scores, (log-)probabilities or logits, shape (n, classes) or (n, classes, places).
        target: class numbers, integers of shape (n,) or (n, places).

    Returns:
        A float32 scalar: the mean over the examples (and places).

    Raises:
        TaskError: if the target holds no integers or its shape does not fit the output.
    """
    if target.is_floating_point() or target.is_complex():
        raise TaskError(
            f"`target` of accuracy is {target.dtype}; it needs class numbers as integers, for numbers take "
            "`mean_absolute_error`"
        )
    if output.ndim < 2 or output.shape[:1] + output.shape[2:] != target.shape:
        raise TaskError(
            f"`output` has shape {tuple(output.shape)} and `target` {tuple(target.shape)}; accuracy needs "
            "(n, classes) and (n,), or (n, classes, places) and (n, places)"
        )
    return (output.argmax(dim=1) == target).to(torch.float32).mean()


def mean_absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean distance between output and target, in units of the target, 0 or more.

    Args:
        output: predictions, any shape.
        target: true numbers of the same shape.

    Raises:
        TaskError: if the shapes differ (they would be stretched over each other without a word).
    """
    if output.shape != target.shape:
        raise TaskError(
            f"`output` has shape {tuple(output.shape)} and `target` {tuple(target.shape)}; mean_absolute_error needs "
            "equal shapes"
        )
    return (output - target).abs().mean()
