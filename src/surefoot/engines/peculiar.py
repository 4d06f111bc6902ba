"""What a module does in training that no fused form does as well, seen on one batch of a single model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from surefoot.tasks.task import Task

__all__ = ["peculiarity", "versions"]


def peculiarity(task: Task, model: nn.Module, batch: Any) -> str:
    """Why members of this module must be trained one by one; empty where nothing speaks against a fused form.

    Args:
        task: whose loss.
        model: one of the task's, which is used up.
        batch: which may be written into.
    """
    modules, parameters = list(model.modules()), dict(model.named_parameters())
    if any(isinstance(one, torch.jit.ScriptModule) for one in modules):
        return "it is a script, whose layers cannot be seen"
    if any("forward" in vars(one) for one in modules):
        return "the forward of one of its modules was replaced"
    if any(getattr(one, kind, None) for one in modules for kind in ("_backward_hooks", "_backward_pre_hooks")):
        return "its modules carry backward hooks"
    kinds = ("_backward_hooks", "_post_accumulate_grad_hooks")
    if any(getattr(one, kind, None) for one in parameters.values() for kind in kinds):
        return "its parameters carry hooks"
    buffers, before = dict(model.named_buffers()), versions(batch)
    try:
        with torch.enable_grad():
            task.loss_of(model, batch).backward()  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - what fails here is said where it is trained
        return ""
    if versions(batch) != before:
        return "it writes into its batch"
    if any(one is not buffers.get(name) for name, one in model.named_buffers()):
        return "its forward pass puts other tensors in the place of buffers"
    for name, one in parameters.items():
        if one.requires_grad and one.grad is None:
            return f"no gradient reaches parameter `{name}`"
    return ""


def versions(batch: Any) -> tuple[int, ...]:
    """How often each tensor of a batch was written into."""
    return tuple(leaf._version for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor))
