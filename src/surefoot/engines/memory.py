"""How much memory members need, and how much they may use."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from surefoot.engines.batches import BatchOrder
from surefoot.engines.serial import parameter_groups
from surefoot.engines.update_rules import RULES, lacking, make_rule
from surefoot.errors import InputError, MemoryBoundError
from surefoot.records import Recipe
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task

__all__ = ["allowed_bytes", "bytes_per_member", "in_bytes", "is_out_of_memory", "kept_for_backward"]


def allowed_bytes(memory: int | None) -> int:
    """The bound in bytes: what was given, else half of what is free now.

    Raises:
        InputError: a bound below 1 byte.
    """
    if memory is not None:
        if isinstance(memory, bool) or not hasattr(memory, "__index__") or memory < 1:
            raise InputError(f"`memory` is {memory!r}; it is a whole number of bytes from 1, such as {4 * 10**9}")
        return int(memory)
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 // 2
    except OSError:
        pass
    return 2 << 30


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is for want of memory, on any device."""
    # On the CPU torch says it with a plain RuntimeError.
    return isinstance(error, MemoryBoundError | MemoryError) or (
        isinstance(error, RuntimeError) and "memory" in str(error)
    )


def in_bytes(count: float) -> str:
    """A number of bytes in words, such as ``1.5 MB``; a kB is 1000 bytes, as where `memory` is given."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


@contextlib.contextmanager
def kept_for_backward(model: nn.Module) -> Iterator[dict[int, int]]:
    """Inside, notes what forward passes keep for the backward pass beside `model`'s parameters: storage to bytes."""
    own = {one.untyped_storage().data_ptr() for one in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


def bytes_per_member(task: Task, recipe: Recipe) -> tuple[int, int]:
    """Bytes that a member needs while it waits, and those that it needs on top while it trains.

    Waiting: parameters, buffers, the optimizer's state. Training: a second copy of these, the gradient, and what
    the forward pass keeps for the backward pass, measured on one batch, with as much again for its gradients.
    """
    with borrowed_rng(0):
        model = task.make_model(recipe.seed)
        order = BatchOrder(task.train.size, recipe.batch_size, recipe.order_seed)
        batch = task.batch(task.train, order.index(0))
        with kept_for_backward(model) as kept:
            loss = task.loss_of(model, batch)
    del loss
    parameter_groups(task, model, recipe)
    numbers = sum(p.numel() * p.element_size() for p in model.parameters())
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    known = recipe.optimizer in RULES and not lacking(recipe.optimizer, recipe.options)
    slots = len(make_rule(recipe.optimizer, recipe.options).slots()) if known else 2
    waiting = numbers * (1 + slots) + buffers
    return waiting, math.ceil(waiting + numbers + 2.0 * sum(kept.values())) or 1
