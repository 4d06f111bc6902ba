"""When a member is dead: its loss is no number any more, or has run away for good.

A loss that is NaN or infinite cannot come back, because the weights took part in it. A loss far above where it
started may come back within a few steps (the catapult of Lewkowycz et al. 2020), so only `PATIENCE` steps in a row
beyond the bound count.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["FACTOR", "PATIENCE", "bound_of", "died_at"]

FACTOR = 10.0
"""The bound lies this many times the first loss's size above the first loss."""
PATIENCE = 20
"""Consecutive steps beyond the bound after which a member is given up."""


def bound_of(first_loss: float, first_val_loss: float = math.nan) -> float:
    """The loss beyond which training that began at these losses counts as running away.

    One batch, of a single example perhaps, can be lucky: where the validation loss before training is known and
    higher, it is the start.
    """
    start = first_val_loss if first_val_loss > first_loss else first_loss
    return start + FACTOR * abs(start)


def died_at(losses: npt.NDArray[np.float64], bound: float) -> int | None:
    """Index of the loss at which the member was dead; None while it lives.

    Args:
        losses: every loss of the member so far, in order.
        bound: see `bound_of`.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    first_bad = int(bad[0]) if len(bad) else None
    beyond = losses > bound
    if int(beyond.sum()) >= PATIENCE:
        run = np.convolve(beyond.astype(np.int64), np.ones(PATIENCE, dtype=np.int64), mode="valid")
        full = np.flatnonzero(run == PATIENCE)
        if len(full):
            runaway = int(full[0]) + PATIENCE - 1
            return runaway if first_bad is None else min(runaway, first_bad)
    return first_bad
