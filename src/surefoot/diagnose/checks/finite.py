"""Checks that come first: is there enough to go by, and are the losses numbers?"""

from __future__ import annotations

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.evidence import Series
from surefoot.diagnose.trend import Trend

__all__ = ["diverged", "log_too_short", "loss_not_finite"]

ENTRIES = 8
"""Finite entries below which no course can be told from noise."""
RISE = 1.5
"""A loss that ends this many times its start has diverged."""


@check()
def log_too_short(losses: Series) -> Answer:
    """The log has fewer than 8 finite losses.

    Why: the noise of the loss cannot be told from its course then, and every other check would guess.

    Remedy: log more often, about 50 times in a training; a loss for every step is best.
    """
    count = int(np.isfinite(losses.value).sum())
    span = (int(losses.step[0]), int(losses.step[-1]))
    return Answer(count < ENTRIES, f"{count} finite losses", (number("finite losses", count),), span)


@check()
def loss_not_finite(losses: Series) -> Answer:
    """The training loss stops being a number: NaN or infinity.

    Why: weights that took part in such a loss are lost, so whatever follows is no training.

    Remedy: restore the last good checkpoint. Where the loss rose before, cut the rate; where it did not, look for a bad
    example (missing value, empty target), a logarithm or division of zero, or an overflow of half precision, and skip
    such batches.
    """
    bad = np.flatnonzero(~np.isfinite(losses.value))
    if not len(bad):
        return Answer(False, "every logged loss is a finite number", (number("losses that are not finite", 0),))
    first, last = int(losses.step[bad[0]]), int(losses.step[bad[-1]])
    kept = np.isfinite(losses.value[bad[0] :]).any()
    said = "some later losses are finite, so the logger or the loop skipped batches" if kept else "and none after it"
    return Answer(
        True,
        f"the loss at step {first} is not finite, {said}",
        (number("losses that are not finite", len(bad)),),
        (first, last),
    )


@check(after=("log-too-short",))
def diverged(trend: Trend) -> Answer:
    """The training loss ends far above where it began.

    Why: above the stability limit of the rate every update overshoots by more than it corrects, so the loss grows until
    something saturates or overflows.

    Remedy: cut the rate, by the interval given with the verdict; where it only happened early, warm up. Clipping
    gradients hides the cause.

    Source: the limit 2 / sharpness of gradient descent on a quadratic; Lewkowycz et al. 2020 for losses that come back.
    """
    top = float(trend.level[-3:].min())
    gain = (top - trend.initial) / max(abs(trend.initial), 1e-12)
    error = trend.final_error / max(abs(trend.initial), 1e-12)
    at = int(np.argmax(trend.level > trend.initial)) if (trend.level > trend.initial).any() else 0
    return Answer(
        gain > RISE - 1.0 and gain > 4.0 * error,
        f"the loss went from {trend.initial:.4g} to {trend.final:.4g}",
        (number("rise over the first loss, as share of it", gain, error, n=trend.entries),),
        (int(trend.step[at]), int(trend.step[-1]) - 1),
    )
