"""Early stopping: give a member up when its validation loss has not improved for a while."""

from __future__ import annotations

import math

from surefoot.engines.engine import Validation
from surefoot.errors import RecipeError
from surefoot.records import Fate

__all__ = ["EarlyStop"]


class EarlyStop:
    """A monitor for `train_members` that stops members whose validation loss no longer falls (Prechelt 1998).

    Args:
        patience: validations without improvement after which a member stops; from 1.
        min_delta: an improvement is at least this much; from 0, in units of the loss.
    """

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        if patience < 1:
            raise RecipeError(f"`patience` is {patience}; it is a whole number from 1")
        if not (math.isfinite(min_delta) and min_delta >= 0):
            raise RecipeError(f"`min_delta` is {min_delta}; it is a finite number from 0")
        self.patience, self.min_delta = patience, min_delta
        self._best: dict[int, tuple[float, int]] = {}
        self._waited: dict[int, int] = {}

    def __call__(self, validation: Validation) -> dict[int, tuple[Fate, str]]:
        """Members to stop now, with the reason."""
        stop: dict[int, tuple[Fate, str]] = {}
        for member, loss in zip(validation.members, validation.loss.tolist(), strict=True):
            best, at = self._best.get(member, (math.inf, 0))
            if loss < best - self.min_delta:
                self._best[member], self._waited[member] = (loss, validation.step), 0
                continue
            self._waited[member] = self._waited.get(member, 0) + 1
            if self._waited[member] >= self.patience:
                stop[member] = (
                    "stopped",
                    f"no improvement in {self.patience} validations; best {best:.4g} at step {at}",
                )
        return stop
