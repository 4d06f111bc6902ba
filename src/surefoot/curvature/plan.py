"""The plan: which examples the Hessian is of, in what pieces, and what is kept, so that memory is enough.

What one product needs is estimated from what a forward pass over a few examples keeps for the backward pass; the graph
of the gradient holds about four times as much. Next to it stand the vectors of the eigenvalue search.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from surefoot.engines.memory import allowed_bytes, in_bytes, kept_for_backward
from surefoot.errors import InputError, MemoryBoundError
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task

__all__ = ["Plan", "make_plan"]

_PROBED = 16
"""Examples of the forward pass whose memory is measured."""
_GRAPH = 4.0
"""Memory of a gradient with its graph, in units of what the forward pass keeps."""
_WORTH = 1 << 26
"""Bytes a forward pass over all measured examples should keep at most: a bound on time as much as on memory."""
_FEWEST, _MOST = 256, 2048
"""Examples measured when nothing is said; all of a smaller data set."""
_VECTORS = 100
"""Products, and so vectors, of an eigenvalue search at most."""
_FEWEST_VECTORS = 12


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is computed at once."""

    examples: int
    chunk: int
    """Examples whose graph is held at once."""
    keep: bool
    """Whether graphs of all pieces are kept between products."""
    most: int
    """Products of an eigenvalue search at most."""
    rows: int
    """Gradients that are held at once at most."""
    short: bool
    """Whether memory is why `most` is no more."""
    notes: tuple[str, ...]


def make_plan(task: Task, model: nn.Module, *, examples: int | None = None, memory: int | None = None) -> Plan:
    """How the curvature of `task` is computed within `memory` bytes (None: half of what is free).

    Raises:
        InputError: a number below 1.
        MemoryBoundError: it does not fit one example at a time.
    """
    if examples is not None and examples < 1:
        raise InputError(f"`examples` is {examples}; it is a whole number from 1")
    allowed = allowed_bytes(memory)
    size, per_example = task.train.size, _per_example(task, model)
    notes = []
    if examples is None:
        examples = min(size, max(_FEWEST, min(_MOST, _WORTH // max(per_example, 1))))
    examples = min(examples, size)
    if examples < size:
        notes.append(f"the Hessian is that of {examples} of {size} training examples; `examples` takes more")
    vector = sum(one.numel() * one.element_size() for one in model.parameters() if one.requires_grad)
    most = min(_VECTORS, int(0.5 * allowed / (2 * vector)))
    rows = int(0.25 * allowed / vector)
    graph = _GRAPH * per_example
    chunk = min(examples, 1024, int(0.4 * allowed / max(graph, 1.0)))
    if most < _FEWEST_VECTORS or chunk < 1:
        needed = max(2 * vector * _FEWEST_VECTORS / 0.5, graph / 0.4)
        raise MemoryBoundError(
            f"the curvature needs about {in_bytes(needed)} of memory even in the smallest pieces, and "
            f"{in_bytes(allowed)} are allowed; allow more with `memory`, or take a smaller model"
        )
    if chunk < min(examples, 1024):
        notes.append(f"memory allows the graph of {chunk} examples at once: products are added up in pieces")
    keep = graph * examples <= 0.4 * allowed
    return Plan(examples, chunk, keep, most, rows, most < _VECTORS, tuple(notes))


def _per_example(task: Task, model: nn.Module) -> int:
    """Bytes that a forward pass keeps for the backward pass, for one example."""
    count = min(_PROBED, task.train.size)
    buffers = [one.detach().clone() for one in model.buffers()]
    try:
        with borrowed_rng(0), torch.enable_grad(), kept_for_backward(model) as kept:
            batch = task.batch(task.train, torch.arange(count))
            loss = task.loss_of(model, batch)
        del loss
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - whatever fails here is said properly where the product is made
        return 1
    finally:
        with torch.no_grad():
            for one, before in zip(model.buffers(), buffers, strict=True):
                one.copy_(before)
    return max(1, sum(kept.values()) // count)
