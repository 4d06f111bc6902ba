"""Models of many members: one user's module, K sets of numbers, losses and gradients of all of them at once.

A *form* of a module says how that is computed: stacked (layers written for many members) or vmapped (torch's `vmap`
over the module itself). A form *places* K members: room for their numbers, gradients and intermediate values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from surefoot.engines.parameters import Blocks, Layout

__all__ = ["Form", "Place"]


class Place(Protocol):
    """Room for K members."""

    weights: Blocks
    grads: Blocks
    buffers: dict[str, Tensor]
    """Buffer name to values [K, ...]."""

    def start(self, step: int) -> None:
        """Begin update number `step`: fixes the random numbers that the models draw."""
        ...

    def losses(self, batch: Any) -> Tensor:
        """Training losses [K] on a prepared batch; their gradients go to `grads`."""
        ...

    def outputs(self, batch: Any) -> Tensor:
        """Outputs [K, n, ...] in evaluation mode for the n examples of a prepared batch."""
        ...


class Form(Protocol):
    """How a module is computed for many members."""

    layout: Layout
    one_seed: bool
    """Whether members that are placed together must have the same seed."""

    def prepare(self, batch: Any) -> Any:
        """A batch as `Place.losses` and `Place.outputs` take it."""
        ...

    def place(self, seeds: Sequence[int]) -> Place:
        """Room for members with these seeds."""
        ...
