"""Determinism: a product is only worth computing if the same vector gives the same product again.

Batch normalisation and dropout make the gradient of one batch differ from call to call. A probe compares two
gradients of the same batch; where they differ, the model is put into eval mode, then its randomness is frozen by a
seed. What still differs is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from surefoot.errors import TaskError
from surefoot.tasks.borrowing import seed_all

__all__ = ["Steady", "steady"]

_SLACK = 5e-5
"""Relative difference of two gradients that rounding in parallel sums may make."""


class Steady:
    """How gradients of a model are made repeatable; `notes` say it in words."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.frozen = False
        self.notes: tuple[str, ...] = ()
        self._buffers: list[Tensor] | None = None

    def keep_buffers(self, model: nn.Module) -> None:
        """From now on, put the buffers back to what they are."""
        self._buffers = [one.detach().clone() for one in model.buffers()] if self._buffers is not None else None

    @contextlib.contextmanager
    def held(self, model: nn.Module) -> Iterator[None]:
        """Inside, one evaluation of `model`; afterwards its buffers are as before."""
        if self.frozen:
            seed_all(self.seed)
        try:
            yield
        finally:
            if self._buffers is not None:
                with torch.no_grad():
                    for one, before in zip(model.buffers(), self._buffers, strict=True):
                        one.copy_(before)


def steady(model: nn.Module, gradient: Callable[[], Tensor], seed: int) -> Steady:
    """Find what makes `gradient` repeatable, and leave `model` in that mode; call it in borrowed random state.

    Raises:
        TaskError: nothing does.
    """
    way = Steady(seed)
    before = [one.detach().clone() for one in model.buffers()]
    model.train()
    seed_all(seed)
    first, second = gradient(), gradient()
    moved = any(not torch.equal(one, other) for one, other in zip(model.buffers(), before, strict=True))
    _restore(model, before)
    if _alike(first, second) and not moved:
        return way
    model.eval()
    first, second = gradient(), gradient()
    moved_in_eval = any(not torch.equal(one, other) for one, other in zip(model.buffers(), before, strict=True))
    _restore(model, before)
    if _alike(first, second) and not moved_in_eval:
        what = "running statistics" if moved else "randomness"
        way.notes = (f"the model's {what} would change the loss from call to call: it is measured in eval mode",)
        return way
    way.frozen, way._buffers = True, before
    with way.held(model):
        first = gradient()
    with way.held(model):
        second = gradient()
    if not _alike(first, second):
        raise TaskError(
            "two gradients of `loss` on the same batch differ, in eval mode and from the same seed too; remove what "
            "changes from call to call"
        )
    way.notes = ("the model is random in eval mode too: its randomness is frozen by one seed for every product",)
    return way


def _restore(model: nn.Module, before: list[Tensor]) -> None:
    with torch.no_grad():
        for one, was in zip(model.buffers(), before, strict=True):
            one.copy_(was)


def _alike(first: Tensor, second: Tensor) -> bool:
    # Not finite numbers are alike when they are in the same places: they are refused elsewhere.
    scale = float(torch.nan_to_num(first).abs().max()) if first.numel() else 0.0
    return bool(torch.allclose(first, second, rtol=_SLACK, atol=_SLACK * scale, equal_nan=True))
