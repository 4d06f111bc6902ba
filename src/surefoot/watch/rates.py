"""The rates of a running optimizer, scaled for good: in its groups, and in the scheduler that goes on setting them.

A scheduler computes rates from its *base rates* (or by factors from the rates before), so these are scaled with the
groups: what was planned goes on, a factor lower or higher. Absolute floors such as ``eta_min`` stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["first_rate", "scale_rates", "set_rate"]

_GROUP_KEYS = ("lr", "initial_lr", "max_lr", "min_lr")
"""What torch's schedulers keep in a parameter group."""
_SCHEDULER_LISTS = ("base_lrs", "_last_lr", "max_lrs", "_peaks")
"""What torch's schedulers, and Surefoot's, keep per group."""


def first_rate(optimizer: torch.optim.Optimizer) -> float:
    """The rate of the first parameter group."""
    return float(optimizer.param_groups[0]["lr"])


def scale_rates(optimizer: torch.optim.Optimizer, factor: float, scheduler: Any = None) -> None:
    """Multiply every rate by `factor`, now and in what the scheduler will set.

    Args:
        optimizer: whose groups are scaled; rates that are tensors are changed in place.
        factor: above 0.
        scheduler: a torch scheduler, or one made of several, that sets the optimizer's rates; None for none.
    """
    for group in optimizer.param_groups:
        for key in _GROUP_KEYS:
            if key == "lr" or key in group:
                group[key] = _scaled(group[key], factor)
    for one in _members(scheduler):
        for name in _SCHEDULER_LISTS:
            values = getattr(one, name, None)
            if isinstance(values, list):
                setattr(one, name, [_scaled(value, factor) for value in values])


def set_rate(optimizer: torch.optim.Optimizer, lr: float, scheduler: Any = None) -> float:
    """Give the first group the rate `lr` and keep the ratios of the others; the factor by which rates changed."""
    now = first_rate(optimizer)
    if now <= 0:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"].fill_(lr) if isinstance(group["lr"], Tensor) else lr
        return 1.0
    scale_rates(optimizer, lr / now, scheduler)
    return lr / now


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, Tensor):
        with torch.no_grad():
            return value.mul_(factor)
    return value * factor if isinstance(value, int | float) else value


def _members(scheduler: Any) -> list[Any]:
    """The scheduler and those that it is made of."""
    if scheduler is None:
        return []
    found = [scheduler]
    for inner in getattr(scheduler, "_schedulers", None) or []:
        found += _members(inner)
    inner = getattr(scheduler, "scheduler", None)
    if inner is not None and inner is not scheduler:
        found += _members(inner)
    return found
