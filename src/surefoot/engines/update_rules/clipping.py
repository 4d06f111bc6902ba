"""Gradient norms and clipping by total norm, member by member."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from surefoot.engines.update_rules.rule import Value, column

__all__ = ["clip_members", "member_norms"]


def member_norms(grads: Sequence[Tensor]) -> Tensor:
    """Euclidean norm [K] of each member's whole gradient, over all its tensors [K, ...]."""
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads]
    total: Tensor = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return total


def clip_members(grads: Sequence[Tensor], largest: Value, norms: Tensor | None = None) -> Tensor:
    """Scale each member's gradient in place to a total norm of at most `largest`; returns the norms [K] before.

    As `torch.nn.utils.clip_grad_norm_` does for one model: the factor is largest / (norm + 1e-6), at most 1.
    """
    if norms is None:
        norms = member_norms(grads)
    factor = (largest / (norms + 1e-6)).clamp_max(1.0)
    for grad in grads:
        grad.mul_(column(factor, grad))
    return norms
