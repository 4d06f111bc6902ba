"""Losses of K members at once: mean loss [K] and its gradient by the outputs, batch last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["StackedLoss", "stacked_loss"]

StackedLoss = Callable[[Tensor, Any], tuple[Tensor, Tensor]]
"""(outputs [K, features..., N], target as in the batch) -> losses [K], gradients like the outputs."""


def stacked_loss(loss: Callable[..., Any]) -> StackedLoss:
    """The stacked form of a loss(output, target): by hand for the common ones, else by autograd over `vmap`."""
    plain = isinstance(loss, nn.Module) and getattr(loss, "reduction", "") == "mean"
    if loss is F.mse_loss or (plain and type(loss) is nn.MSELoss):
        return _with_fallback(_mse, loss, _same_shape)
    if loss is F.cross_entropy or (plain and type(loss) is nn.CrossEntropyLoss and _bare(loss)):
        return _with_fallback(_cross_entropy, loss, _classes)
    if loss is F.nll_loss or (plain and type(loss) is nn.NLLLoss and _bare(loss)):
        return _with_fallback(_nll, loss, _classes)
    return lambda outputs, target: _any(loss, outputs, target)


def _bare(loss: Any) -> bool:
    return loss.weight is None and loss.ignore_index == -100 and not getattr(loss, "label_smoothing", 0.0)


def _with_fallback(fast: StackedLoss, loss: Callable[..., Any], fits: Callable[[Tensor, Any], bool]) -> StackedLoss:
    def chosen(outputs: Tensor, target: Any) -> tuple[Tensor, Tensor]:
        if not fits(outputs, target):
            return _any(loss, outputs, target)
        try:
            return fast(outputs, target)
        except (RuntimeError, IndexError):  # a label out of range is for torch to refuse, and -100 to ignore
            return _any(loss, outputs, target)

    return chosen


def _same_shape(outputs: Tensor, target: Any) -> bool:
    return (
        isinstance(target, Tensor)
        and target.dtype == outputs.dtype
        and target.shape == (outputs.shape[-1], *outputs.shape[1:-1])
    )


def _classes(outputs: Tensor, target: Any) -> bool:
    return (
        isinstance(target, Tensor)
        and outputs.ndim == 3
        and target.dtype == torch.int64
        and target.shape == outputs.shape[-1:]
    )


def _mse(outputs: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    error = outputs - target.movedim(0, -1)
    flat = error.flatten(1)
    losses = torch.linalg.vecdot(flat, flat) / flat.shape[1]
    return losses, error.mul_(2 / flat.shape[1])


def _cross_entropy(outputs: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    logs = torch.log_softmax(outputs, 1)
    index = target.expand(len(outputs), 1, -1)
    losses = logs.gather(1, index).mean((1, 2)).neg_()
    grads = logs.exp_()
    grads.scatter_add_(1, index, grads.new_full((), -1.0).expand(index.shape))
    return losses, grads.div_(outputs.shape[2])


def _nll(outputs: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    index = target.expand(len(outputs), 1, -1)
    losses = outputs.gather(1, index).mean((1, 2)).neg_()
    return losses, torch.zeros_like(outputs).scatter_(1, index, -1 / outputs.shape[2])


def _any(loss: Callable[..., Any], outputs: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        leaves = outputs.movedim(-1, 1).contiguous().detach().requires_grad_(True)
        # The loss may write into what it is given, which no leaf allows.
        losses = torch.func.vmap(lambda output: loss(output.clone(), target))(leaves)
        (grads,) = torch.autograd.grad(losses.sum(), [leaves])
    return losses.detach(), grads.movedim(1, -1).contiguous()
