"""The plan: which examples the Hessian is of, in what pieces, and what is kept, so that memory is enough.

What one product needs is estimated from what a forward pass over a few examples keeps for the backward pass; the graph
of the gradient holds about four times as much. Next to it stand *vectors*, each as large as all weights: copies of the
model and the state of its optimizer all the time, what a product passes through, and those of the search itself. A
warm start takes many more of them than a cold one, for it holds what it knows several times; where memory is short a
search begins at the eigenvectors alone, and where it is very short it ends before it has converged.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from surefoot.curvature.sharpness import Sharpness
from surefoot.engines.memory import allowed_bytes, in_bytes, kept_for_backward
from surefoot.errors import InputError, MemoryBoundError
from surefoot.maths.krylov import Eigenpairs
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
_COLD, _WARM = 1.5, 15.5
"""Vectors held at the peak of a search for each product that it may take."""
_HELD, _PASSING = 6, 14
"""Vectors beside the models: of optimizer and run all the time, and those a product or a gradient passes through."""
_MODELS = 3
_SHARE = 0.85
"""Of what is allowed; the rest is lost between allocations."""
_KEPT_GRADIENTS = 4
"""Batches at least whose gradients are kept with the graph, which holds as much as a gradient once more."""
_LOOK, _SETTLE = 12, 48
"""Products that a warm start must be allowed, for a rough look and for an answer; else it begins as a cold one."""


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
    """Gradients, or other vectors, that are held at once at most."""
    warm: int
    """Products at most of a search that begins with all that is known of one at weights nearby."""
    enough: int
    """Bytes with which `most` would be as large as it ever is."""
    notes: tuple[str, ...]

    @property
    def short(self) -> str:
        """What to raise where a search did not converge because of memory; empty where memory is not why."""
        if self.most == _VECTORS:
            return ""
        return f"memory allowed {self.most} products of a search; {in_bytes(self.enough)} of `memory` allow {_VECTORS}"

    def begin(self, known: Sharpness | None, *, rough: bool) -> tuple[Sharpness | None, int]:
        """What of `known` a search begins with, and the products that it may take; a `rough` one needs few."""
        if known is None:
            return None, self.most
        if self.warm < (_LOOK if rough else _SETTLE):
            return _trimmed(known, 0), self.most
        return _trimmed(known, self.warm // 2), self.warm


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
    beside = _beside(model, vector)
    graph = _GRAPH * per_example
    usable = _SHARE * allowed
    room = usable - beside - _COLD * _FEWEST_VECTORS * vector
    # Half of what is left is for graphs, half for more products; one example is always taken.
    chunk = min(examples, 1024, max(1, int(0.5 * room / graph)))
    if room < graph:
        needed = (beside + _COLD * _FEWEST_VECTORS * vector + graph) / _SHARE
        raise MemoryBoundError(
            f"the curvature needs about {in_bytes(needed)} of memory even in the smallest pieces, and "
            f"{in_bytes(allowed)} are allowed; allow more with `memory`, or take a smaller model"
        )
    if chunk < min(examples, 1024):
        notes.append(f"memory allows the graph of {chunk} examples at once: products are added up in pieces")
    whole = graph * examples + 2 * vector * max(_KEPT_GRADIENTS, examples / chunk)
    keep = whole <= 0.5 * room
    graphs = whole if keep else graph * chunk
    rows = int((usable - beside - graphs) / vector)
    most = min(_VECTORS, int(rows / _COLD))
    # Its algebra is there for types of enough digits only.
    warm = min(_VECTORS, int(rows / _WARM)) if _many_digits(model) else 0
    enough = int((beside + whole + _COLD * _VECTORS * vector) / _SHARE) + 1
    return Plan(examples, chunk, keep, most, rows, warm, enough, tuple(notes))


def _beside(model: nn.Module, vector: int) -> float:
    """Bytes that are held beside graphs and the vectors of a search."""
    everything = sum(one.numel() * one.element_size() for one in (*model.parameters(), *model.buffers()))
    return _MODELS * everything + (_HELD + _PASSING) * vector


def _many_digits(model: nn.Module) -> bool:
    kinds = {one.dtype for one in model.parameters() if one.requires_grad}
    return all(torch.promote_types(kind, torch.float32) == kind for kind in kinds)


def _trimmed(found: Sharpness, rows: int) -> Sharpness:
    """The same with at most `rows` of what is known beside the eigenvectors; none make a cold start from these."""
    scaled = None if found.scaled is None else _shorter(found.scaled, rows)
    return Sharpness(_shorter(found.plain, rows), scaled)


def _shorter(found: Eigenpairs, rows: int) -> Eigenpairs:
    if len(found.space) <= rows:
        return found
    # The vectors are mostly a part of `space`, which would stay with them.
    vectors, space = found.vectors.clone(), found.space[:rows].clone()
    older = None if found.older is None or not rows else _shorter(found.older, rows)
    return dataclasses.replace(found, vectors=vectors, space=space, known=found.known[:rows], older=older)


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
