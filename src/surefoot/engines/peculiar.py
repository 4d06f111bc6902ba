"""What a module does in training that no fused form does as well, seen on one batch of a single model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from surefoot.engines.remembering import changed_attributes, remembered
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.outside import ModelGradients
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
    written, attributes, told = versions(parameters), remembered(model), _state_of(task.own_loss)
    kept = {name: buffer.clone() for name, buffer in buffers.items()}
    try:
        loss, switches = _backward(task, model, batch)
    except Exception:  # noqa: BLE001 - what fails here is said where it is trained
        return ""
    if versions(batch) != before:
        return "it writes into its batch"
    if switches:
        return "its forward pass switches autocast on or off"
    if any(one is not buffers.get(name) for name, one in model.named_buffers()):
        return "its forward pass puts other tensors in the place of buffers"
    if versions(parameters) != written:
        return "its forward pass writes into its parameters"
    if changed_attributes(told, _state_of(task.own_loss)):
        return "its loss remembers something from batch to batch"
    for name, one in parameters.items():
        if one.requires_grad and one.grad is None:
            return f"no gradient reaches parameter `{name}`"
    for place, name in changed_attributes(attributes, remembered(model)):
        with torch.no_grad():
            for key, buffer in buffers.items():
                buffer.copy_(kept[key])
        if not _replaced_unread(task, model, batch, place, name, loss):
            return f"its forward pass remembers something in `{place}.{name}`".replace("`.", "`")
    return ""


def versions(batch: Any) -> tuple[int, ...]:
    """How often each tensor of a batch was written into."""
    return tuple(leaf._version for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor))


def _backward(task: Task, model: nn.Module, batch: Any) -> tuple[Tensor, bool]:
    """The loss of one pass, whose gradients are left in the model, and whether autocast was switched in it."""
    with borrowed_rng(0), torch.enable_grad():
        with _Autocast(task.device.type) as seen:
            loss = task.loss_of(model, batch)
        ModelGradients(model)(loss)
    return loss.detach(), seen.switched


def _replaced_unread(task: Task, model: nn.Module, batch: Any, place: str, name: str, expected: Tensor) -> bool:
    """Whether the forward pass sets an attribute anew before it reads it, as it does with what it shows to others."""
    attributes, nothing = vars(model.get_submodule(place)), object()
    gradients = [one.grad for one in model.parameters()]
    model.zero_grad(set_to_none=True)
    attributes[name] = nothing
    try:
        loss, _ = _backward(task, model, batch)
    except Exception:  # noqa: BLE001 - it was read
        return False
    pairs = zip(gradients, (one.grad for one in model.parameters()), strict=True)
    return attributes.get(name) is not nothing and _all_equal([(expected, loss), *pairs])


def _all_equal(pairs: Iterable[Sequence[Tensor | None]]) -> bool:
    return all(
        (one is None) == (other is None)
        and (one is None or other is None or torch.allclose(one, other, rtol=1e-6, atol=0.0, equal_nan=True))
        for one, other in pairs
    )


def _state_of(loss: Any) -> dict[tuple[str, str], object]:
    """What a loss remembers, its buffers too."""
    state = remembered(loss)
    if isinstance(loss, nn.Module):
        state |= {("", name): (id(one), one._version) for name, one in loss.named_buffers()}
    return state


class _Autocast(TorchFunctionMode):
    """Notes whether autocast is at some operation another than outside."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device, self._outside = device, torch.is_autocast_enabled(device)
        self.switched = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.switched = self.switched or torch.is_autocast_enabled(self._device) != self._outside
        return func(*args, **(kwargs or {}))
