"""Whether a fused form computes what the module itself does: loss, gradients, buffers and outputs of one batch.

Tracing and `vmap` look through the user's code, and what they do not see is left out without a word: gradients that are
switched off for a part, buffers that are counted up by hand, types that change on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.engines.members import Form, Place
from surefoot.engines.vmapped import VmappedForm
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed, seed_all
from surefoot.tasks.outside import ModelGradients
from surefoot.tasks.task import Task

__all__ = ["disagreement"]

_SHARE, _ROUNDINGS = 1e-3, 8
"""Difference that rounding may make: this share of the largest number of a tensor, or so many roundings of its type."""
_SMALL = 1e-2
"""Gradients below this share of the largest one may be rounding alone, as they are in front of a normalisation."""
_SHIFT, _LEAST = 0.05, 0.1
"""The second member's weights differ from the first one's by this share of their size, or of the least size."""


def disagreement(task: Task, form: Form, seed: int, batch: Callable[[], Any]) -> str:
    """Where two members of a form, one as it was made and one with other weights, differ from single models.

    Args:
        task: whose module and loss.
        form: of the task.
        seed: of the members.
        batch: reads the same batch anew, as it may be written into.

    Returns:
        What differs, or the empty text.
    """
    model = task.make_model(seed)
    place = form.place([seed, seed])
    _fill(place, model, seed)
    found = _difference(task, form, place, model, seed, batch)
    if found and form.one_seed and isinstance(form, VmappedForm):
        # Dropout is drawn in the order in which numbers lie in memory, which `vmap` may change: it is left out then.
        form.template.eval()
        model.eval()
        try:
            found = _difference(task, form, place, model, seed, batch)
        finally:
            form.template.train()
    return found or _other_outputs(task, form, place, model, batch)


def _fill(place: Place, model: nn.Module, seed: int) -> None:
    """Give the first member the model's weights, and the second one others."""
    generator = torch.Generator().manual_seed(seed)
    for name, view in place.weights.named.items():
        own = model.get_parameter(name).detach()
        size = float(torch.linalg.vector_norm(own)) / math.sqrt(max(own.numel(), 1))
        view[0].copy_(own)
        view[1].copy_(own + _SHIFT * max(size, _LEAST) * torch.randn(own.shape, generator=generator).to(own))


def _difference(task: Task, form: Form, place: Place, model: nn.Module, seed: int, batch: Callable[[], Any]) -> str:
    """What differs in one pass of the place and passes of the model, which is left with the second member's numbers."""
    weights = place.weights.named
    buffers = {name: one.detach().clone() for name, one in model.named_buffers()}
    for name, values in place.buffers.items():
        values.copy_(buffers[name].expand_as(values))
    with borrowed_rng():
        place.start(0)
        losses = place.losses(form.prepare(batch()))
        for member in (0, 1):
            with torch.no_grad():
                for name, one in model.named_parameters():
                    one.copy_(weights[name][member])
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])
            seed_all(mixed_seed(seed, 0, 1))
            loss = task.loss_of(model, batch())
            if not _near(losses[member], loss.detach()):
                return "its loss differs from that of a single model"
        model.zero_grad(set_to_none=True)
        ModelGradients(model)(loss)
    slopes = {name: one.grad for name, one in model.named_parameters()}
    largest = max((_size(one) for one in slopes.values() if one is not None), default=0.0)
    for name, values in place.grads.named.items():
        slope = slopes[name]
        if not _near(values[1], torch.zeros_like(values[1]) if slope is None else slope, _SMALL * largest):
            return f"its gradient of `{name}` differs from that of a single model"
    for name, buffer in model.named_buffers():
        if not _near(place.buffers[name][1], buffer):
            return f"its buffer `{name}` differs from that of a single model"
    return ""


def _other_outputs(task: Task, form: Form, place: Place, model: nn.Module, batch: Callable[[], Any]) -> str:
    """Whether the second member's outputs in evaluation mode are those of the model, which has its numbers."""
    if task.loss_takes_model:
        return ""
    before = {name: one.clone() for name, one in model.named_buffers()}
    model.eval()
    try:
        with torch.no_grad(), borrowed_rng():
            seed_all(0)
            outputs = place.outputs(form.prepare(batch()))[1]
            seed_all(0)
            args, kwargs, _ = task.split(batch())
            same = _near(outputs, model(*args, **kwargs))
    except Exception:  # noqa: BLE001 - such models are validated one by one
        same = True
    for name, one in model.named_buffers():
        if not _near(one, before[name]):
            return f"its buffer `{name}` changes in evaluation mode too"
    return "" if same else "its outputs in evaluation mode differ from those of a single model"


def _near(one: Tensor, other: Tensor, least: float = 0.0) -> bool:
    """Whether two tensors differ by no more than rounding."""
    if one.shape != other.shape:
        return False
    other = other.to(one.dtype)
    if not (one.is_floating_point() or one.is_complex()):
        return torch.equal(one, other)
    size, apart = _size(other), _size(one - other)
    if not (math.isfinite(size) and math.isfinite(apart)):
        return torch.equal(one.isfinite(), other.isfinite())
    return apart <= max(_SHARE, _ROUNDINGS * torch.finfo(one.dtype).eps) * max(size, least)


def _size(one: Tensor) -> float:
    """The largest absolute number."""
    return float(torch.linalg.vector_norm(one.detach(), math.inf)) if one.numel() else 0.0
