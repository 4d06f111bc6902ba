"""Models of many members: one user's module, K sets of numbers, losses and gradients of all of them at once.

A *form* of a module says how that is computed: stacked (layers written for many members) or vmapped (torch's `vmap`
over the module itself). A form *places* K members: room for their numbers, gradients and intermediate values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.engines.parameters import Blocks, Layout

__all__ = ["Form", "Place", "Unsupported", "plain_attributes", "random_states"]


class Unsupported(Exception):  # noqa: N818 - not an error: another engine takes over
    """The module cannot be computed in this form; the text says why."""


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
    examples_apart: bool
    """Whether, in evaluation mode, the output for an example depends on no other example of its batch."""

    def prepare(self, batch: Any) -> Any:
        """A batch as `Place.losses` and `Place.outputs` take it."""
        ...

    def place(self, seeds: Sequence[int]) -> Place:
        """Room for members with these seeds."""
        ...


def plain_attributes(module: nn.Module) -> dict[str, object]:
    """Numbers and words that the modules carry beside tensors: a forward pass that changes them has a memory."""
    return {
        f"{prefix}.{name}".lstrip("."): value
        for prefix, one in module.named_modules()
        for name, value in vars(one).items()
        if isinstance(value, bool | int | float | str | None)
    }


def random_states() -> list[bytes]:
    """States of the random number generators of torch, NumPy and Python, to be compared."""
    _, numbers, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the user's generator is meant
    return [
        torch.get_rng_state().numpy().tobytes(),
        np.asarray(numbers).tobytes() + repr(rest).encode(),
        repr(random.getstate()).encode(),
    ]
