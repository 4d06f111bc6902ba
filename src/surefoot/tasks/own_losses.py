"""The copies of a loss or metric that a task computes with, so that the user's own is as it was.

A *loss that may remember* is an object or module of the user's: a running mean in a buffer, a counter, a list. Each
model that is trained has one of its own, which begins as the user's is.
"""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from surefoot.errors import TaskError
from surefoot.tasks.user_code import in_one_line

__all__ = ["borrowed_function", "copied_loss", "loss_on", "may_remember"]

_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, type)
"""What is called without being an object of the user's; a method's object may be the model."""


def loss_on(loss: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A copy of a loss on a device; a function as it is."""
    loss = borrowed_function(loss)
    return loss.to(device) if isinstance(loss, nn.Module) else loss


def borrowed_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a loss or metric that is an object: what it keeps of its calls is not to change the user's own.

    Raises:
        TaskError: a module that cannot be copied.
    """
    if isinstance(function, _CODE):
        return function
    try:
        return copy.deepcopy(function)
    except Exception as error:
        if not isinstance(function, nn.Module):
            return function
        kind = type(function).__name__
        raise TaskError(f"`{kind}`, which is a loss or metric, cannot be copied: {in_one_line(error)}") from error


def may_remember(loss: Callable[..., Any]) -> bool:
    """Whether what a loss returns may depend on how often it was called, as it never does for plain functions."""
    return not isinstance(loss, _CODE) and not type(loss).__module__.startswith(("torch.nn.", "surefoot."))


def copied_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a loss as it is now, if it may remember; parameters, which may be a network's, are shared."""
    if not may_remember(loss):
        return loss
    inside = [loss, *vars(loss).values()] if hasattr(loss, "__dict__") else [loss]
    shared = [one for module in inside if isinstance(module, nn.Module) for one in module.parameters()]
    try:
        return copy.deepcopy(loss, {id(one): one for one in shared})
    except Exception:  # noqa: BLE001 - what cannot be copied is shared by all
        return loss
