"""Is anything learned at all?"""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.evidence import Series
from surefoot.diagnose.trend import Trend

__all__ = ["learning", "not_learning", "weights_not_updated"]

_ALIKE = 1e-5
"""Losses whose spread is below this share of their size are the same number but for rounding."""


def learning(trend: Trend) -> tuple[float, float]:
    """Fall of the level to the last third, and its standard error.

    It is counted from the first third or from the first losses, whichever stands out more.
    """
    third = max(len(trend.level) // 3, 1)
    fall = float(trend.level[:third].mean() - trend.level[-third:].mean())
    error = float(np.hypot(np.sqrt((trend.error[:third] ** 2).mean()), np.sqrt((trend.error[-third:] ** 2).mean())))
    error /= math.sqrt(third)
    early = trend.initial - float(trend.level[-third:].mean())
    noise = trend.noise if math.isnan(trend.noise_start) else trend.noise_start
    early_error = 0.0 if math.isnan(noise) else noise / math.sqrt(max(1, min(trend.entries // 100, 20)))
    early_error = math.hypot(early_error, error)
    # The first losses alone are noisier, but a fast descent may be over before the first third is.
    return (early, early_error) if early * error > fall * early_error else (fall, error)


@check(after=("log-too-short", "diverged"))
def not_learning(trend: Trend) -> Answer:
    """The loss does not come below its start by more than its own noise.

    Why: a model that ignores its inputs already reaches this loss by answering with the mean; whatever should change
    the weights does not, or what they are shown says nothing about the target.

    Remedy: overfit one small batch on purpose; where that fails, look whether the optimizer holds the model's
    parameters, whether gradients reach them, and whether inputs and targets belong together; where it succeeds, raise
    the rate tenfold.

    Source: the overfit-one-batch and input-independent-baseline tests of practice (Karpathy 2019).
    """
    fall, error = learning(trend)
    size = max(abs(trend.initial), 1e-12)
    still = fall <= 3.0 * error or fall < 0.003 * size
    unsure = not still and fall < 0.01 * size
    text = f"from the start to the last third of the log the loss fell by {fall:.3g}, give or take {1.96 * error:.2g}"
    span = (int(trend.step[0]), int(trend.step[-1]) - 1)
    return Answer(None if unsure else still, text, (number("fall", fall, error, n=trend.entries),), span)


@check(after=("log-too-short", "diverged"))
def weights_not_updated(losses: Series, trend: Trend) -> Answer:
    """The loss does not move at all: the same numbers again, or nothing but the noise of the batches.

    Why: an optimizer that holds other parameters, frozen layers, a rate of zero, or a missing `optimizer.step()` leave
    a loss that only the batches shake.

    Remedy: compare a weight before and after a step. If it is the same, give the optimizer `model.parameters()` after
    the model is on its device, look for `requires_grad=False` and `detach()`, and for a rate of zero.
    """
    fine = losses.value[np.isfinite(losses.value)]
    spread = float(np.ptp(fine)) / max(abs(trend.initial), 1e-12)
    fall, error = learning(trend)
    moved = abs(fall) / max(error, 1e-6 * abs(trend.initial), 1e-300)
    same = spread < _ALIKE
    # A straight line through noise alone exceeds 2 standard errors once in twenty.
    still = same or (moved < 2.0 and abs(fall) < 0.01 * max(abs(trend.initial), 1e-12))
    text = "all losses are the same number" if same else f"the fall is {moved:.1f} of its standard errors"
    numbers = (number("fall over its standard error", moved, n=trend.entries), number("spread of the losses", spread))
    return Answer(still if still or moved > 4.0 else None, text, numbers, (int(trend.step[0]), int(trend.step[-1]) - 1))
