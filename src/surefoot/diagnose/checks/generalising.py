"""What the validation loss says beside the training loss."""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.evidence import Validation
from surefoot.diagnose.fitted import threshold
from surefoot.diagnose.trend import Trend

_ERRORS = 4.0
"""Standard errors that a rise must have: one more than usual, because it is counted from the lowest of many."""

__all__ = ["best_is_not_last", "overfitting", "rise_of"]


def rise_of(validation: Validation) -> tuple[float, float, float, int]:
    """Rise since the lowest smoothed loss as a share of the fall before, its standard error, noise, place of lowest."""
    loss = validation.loss
    smooth = np.convolve(loss, np.ones(3) / 3, mode="valid") if len(loss) >= 6 else loss
    width = len(loss) - len(smooth) + 1
    at = int(smooth.argmin())
    size = max(abs(float(loss[0])), 1e-12)
    noise = max(0.0 if math.isnan(validation.noise) else validation.noise, 1e-4 * size)
    fall = max(float(loss[0]) - float(smooth[at]), noise)
    error = math.sqrt(2.0 / width) * noise / fall
    return (float(smooth[-1]) - float(smooth[at])) / fall, error, noise, at + width // 2


@check(after=("log-too-short", "diverged"))
def overfitting(validation: Validation, trend: Trend) -> Answer:
    """The validation loss rises again, by more than its own noise, while the training loss goes on falling.

    Why: what is learned from there on holds for the training examples only.

    Remedy: use the checkpoint of the best validation loss; stop there next time, or regularise: weight decay, dropout,
    augmentation, more data. A lower rate only gets there later.

    Source: that the noise of the validation loss must be beaten is what most tools leave out; of 24 public fine-tunings
    that ended above their best validation loss, 10 had done so by noise alone (finetune-doctor's own study).
    """
    if len(validation.loss) < 5:
        return Answer(None, "fewer than 5 validation losses: a rise cannot be told from noise")
    rise, error, noise, at = rise_of(validation)
    if float(validation.loss[0]) - float(validation.loss[at]) < 3.0 * noise:
        return Answer(None, "the validation loss never fell, so it cannot rise again")
    level = np.interp(validation.step[[at, -1]], trend.step[:-1], trend.level)
    falling = float(level[1]) <= float(level[0])
    text = (
        f"from step {validation.step[at]}, the best, to the end the validation loss rises by {rise:.0%} of its fall, "
        f"and the training loss {'falls on' if falling else 'does not fall'}"
    )
    holds = falling and rise > threshold("overfitting") and rise > _ERRORS * error
    unsure = falling and rise > threshold("overfitting") and not holds
    numbers = (number("rise over the fall before", rise, error, n=len(validation.loss)),)
    span = (int(validation.step[at]), int(validation.step[-1]))
    return Answer(None if unsure else holds, text, numbers, span)


@check(after=("log-too-short",))
def best_is_not_last(validation: Validation) -> Answer:
    """The best validation loss lies before the end, by more than its noise.

    Why: whoever keeps only the last checkpoint keeps a worse one.

    Remedy: keep the best checkpoints, or go back to this step.
    """
    best, last = validation.best_at, len(validation.loss) - 1
    noise = 0.0 if math.isnan(validation.noise) else validation.noise
    if last < 4:
        return Answer(None, "fewer than 5 validation losses: the best cannot be told from the last")
    above = validation.final - float(validation.loss[best])
    # The lowest of many noisy losses lies below their mean by about this much.
    chance = noise * math.sqrt(2.0 * math.log(last + 1))
    text = f"best at step {validation.step[best]}: {validation.loss[best]:.4g}; at the end {validation.final:.4g}"
    numbers = (number("last above best", above, noise, n=last + 1),)
    holds = best < last and above > chance and above > 1e-3 * abs(float(validation.loss[best]))
    return Answer(holds, text, numbers, (int(validation.step[best]), int(validation.step[-1])))
