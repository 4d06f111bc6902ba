"""Descent of many points at once on a surface whose gradient is known, by the library's own update rules.

A *point* is a row of a float64 tensor [points, dimensions]; every point has its own rate. The gradient is a function
of all points, which may add noise to it; the step is made by the rule that trains networks, so what breaks one breaks
the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from surefoot.engines.update_rules import make_rule

__all__ = ["Rates", "bowl_height", "descend", "generator"]

Rates = float | Tensor | Callable[[int], float | Tensor]
"""One rate for all points, one per point [points], or a function of the number of updates done."""

_GONE = 1e100
"""A coordinate that far out does not come back; it is kept there so that nothing overflows."""


def descend(
    gradient: Callable[[Tensor], Tensor],
    start: Tensor,
    lr: Rates,
    steps: int,
    *,
    optimizer: str = "sgd",
    options: Mapping[str, Any] | None = None,
    see: Callable[[int, Tensor], object] | None = None,
) -> Tensor:
    """Where the points are after `steps` updates from `start`, which is not changed.

    Args:
        gradient: points [K, d] to gradients [K, d]; what it returns may be overwritten.
        start: [K, d], float64.
        lr: the rates.
        steps: updates.
        optimizer: an update rule of the library.
        options: its options; numbers may be lists, one per point.
        see: told the updates done and the points, before every update and after the last.
    """
    points = start.clone()
    rule = make_rule(optimizer, dict(options or {}))
    state = rule.init([points])
    for step in range(steps):
        if see is not None:
            see(step, points)
        now = lr(step) if callable(lr) else lr
        rule.step([points], [gradient(points)], state, now, step)
        if step % 64 == 0:
            points.clamp_(-_GONE, _GONE)
    if see is not None:
        see(steps, points)
    return points


def bowl_height(points: Tensor, eigenvalues: Tensor) -> Tensor:
    """Height [K] of the bowl 1/2 sum of eigenvalue times coordinate squared."""
    return 0.5 * (points.square() * eigenvalues).sum(dim=-1)


def generator(seed: int) -> torch.Generator:
    """A source of random numbers of its own."""
    return torch.Generator().manual_seed(seed)
