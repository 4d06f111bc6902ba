"""Early stopping: give a member up when its validation loss has not improved for a while.

An improvement must stand out from the noise of the validation data. The losses of its parts are compared with those of
the *reference*, the last validation that was an improvement: the same examples, so that the standard error of the mean
difference is small and honest. A slow but steady fall is not lost: it is measured from the reference until it stands
out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.engines.engine import Validation
from surefoot.errors import RecipeError
from surefoot.records import Fate

__all__ = ["EarlyStop", "standard_error"]


@dataclasses.dataclass
class _Wait:
    """How a member has fared: the reference, the best validation, and the validations since the reference."""

    loss: float = math.inf
    groups: npt.NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.empty(0))
    best: float = math.inf
    best_step: int = 0
    waited: int = 0


class EarlyStop:
    """A monitor for `train_members` that stops members whose validation loss no longer falls (Prechelt 1998).

    Args:
        patience: validations without improvement after which a member stops; from 1.
        min_delta: an improvement is more than this, in units of the loss; from 0.
        noise: an improvement is more than this many standard errors of the paired difference; from 0. 0 takes every
            fall for an improvement.

    Raises:
        RecipeError: a number out of its range.
    """

    def __init__(self, patience: int, min_delta: float = 0.0, noise: float = 1.0) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise RecipeError(f"`patience` is {patience!r}; it is a whole number from 1")
        for name, value in (("min_delta", min_delta), ("noise", noise)):
            if not (math.isfinite(value) and value >= 0):
                raise RecipeError(f"`{name}` is {value}; it is a finite number from 0")
        self.patience, self.min_delta, self.noise = patience, float(min_delta), float(noise)
        self._members: dict[int, _Wait] = {}

    def __call__(self, validation: Validation) -> dict[int, tuple[Fate, str]]:
        """Members to stop now, with the reason."""
        stop: dict[int, tuple[Fate, str]] = {}
        for row, member in enumerate(validation.members):
            loss, groups = float(validation.loss[row]), validation.groups[row]
            if validation.step == 0:
                self._members[member] = _Wait()  # it may have begun anew
            wait = self._members.setdefault(member, _Wait())
            if loss < wait.best:
                wait.best, wait.best_step = loss, validation.step
            # Of a loss that is no number nothing can be an improvement, and nothing could be worse.
            if wait.loss - loss > self.margin(wait.groups, groups) or (math.isinf(wait.loss) and math.isfinite(loss)):
                wait.loss, wait.groups, wait.waited = loss, groups.copy(), 0
                continue
            wait.waited += 1
            if wait.waited >= self.patience:
                stop[member] = (
                    "stopped",
                    f"no improvement in {self.patience} validations; best {wait.best:.4g} at step {wait.best_step}",
                )
        return stop

    def margin(self, before: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> float:
        """What a fall of the loss between two validations must exceed, from the losses of their parts."""
        return max(self.min_delta, self.noise * standard_error(before, now))

    def waited(self, member: int = 0) -> int:
        """Validations of a member since its last improvement."""
        return self._members[member].waited if member in self._members else 0

    def fresh(self) -> EarlyStop:
        """The same rule, with nothing seen yet."""
        return EarlyStop(self.patience, self.min_delta, self.noise)

    def settings(self) -> dict[str, Any]:
        """The arguments that make the same rule."""
        return {"patience": self.patience, "min_delta": self.min_delta, "noise": self.noise}

    def state(self) -> dict[int, dict[str, Any]]:
        """What was seen, as plain values and arrays."""
        return {member: dict(vars(wait)) for member, wait in self._members.items()}

    def load(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        """Go on from what `state` returned."""
        self._members = {member: _Wait(**values) for member, values in state.items()}


def standard_error(before: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> float:
    """Standard error of the mean difference of paired losses, [parts] each; 0 where fewer than 2 parts tell nothing."""
    if len(before) != len(now) or len(now) < 2:
        return 0.0
    difference = now - before
    if not np.all(np.isfinite(difference)):
        return 0.0
    return float(difference.std(ddof=1) / math.sqrt(len(difference)))
