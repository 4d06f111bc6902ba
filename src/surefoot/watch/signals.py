"""Signals: what a training shows while it runs that would justify doing something about it.

A signal looks at the latest part of a training and answers with a `Finding`. It is stricter than a check of a finished
log: what it says may change the user's training. Levels are means over *blocks* of updates, so that their errors come
from the scatter between blocks and need no independence within one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.diagnose.trend import noise_of
from surefoot.engines.divergence import PATIENCE, bound_of, died_at
from surefoot.records import Finding, FloatSeries, Measurement

__all__ = ["diverged", "noise_floor", "oscillation_growing", "overfitting", "slow_descent"]

BLOCKS = 16
LEAST = 160
"""Updates without which the course of the loss says nothing."""
_RECENT = 16
"""Updates whose median is the present level."""


def diverged(losses: FloatSeries) -> Finding:
    """Whether the loss is no number, has run away, or has lost all that the training had won."""
    name = "diverged"
    if not len(losses):
        return Finding(name, "unknown", text="no loss was told")
    last = len(losses) - 1
    finite = losses[np.isfinite(losses)]
    start = float(np.median(finite[:5])) if len(finite) else math.nan
    dead = died_at(losses, bound_of(start)) if len(finite) else last
    if dead is not None:
        number = Measurement("loss", None, reason="no number") if not np.isfinite(losses[dead]) else None
        return Finding(
            name, "holds", (number or Measurement("loss", float(losses[dead]), method="at the step it was given up"),),
            (max(0, dead - PATIENCE), dead), f"the loss is {losses[dead]:.4g} after it began at {start:.4g}",
            "go back to weights from before and take a lower rate",
        )  # fmt: skip
    if len(losses) < 4 * _RECENT:
        return Finding(name, "fails", text="the loss is finite")
    medians = np.median(losses[: len(losses) // _RECENT * _RECENT].reshape(-1, _RECENT), axis=1)
    recent = losses[-_RECENT:]
    noise = noise_of(losses[: int(medians.argmin() + 1) * _RECENT])
    noise = noise if math.isfinite(noise) else 0.0
    best = float(medians.min())
    won, lost = start - best, float(recent.min()) - best
    # Even the lowest of the latest losses is above where the training began, and far above its noise.
    if won > 6 * noise / math.sqrt(_RECENT) and float(np.median(recent)) > start + 3 * noise and lost > 6 * noise:
        number = Measurement("loss lost", lost / max(won, 1e-30), "share of what was won", n=_RECENT)
        text = f"the loss came down from {start:.4g} to {best:.4g} and is at {np.median(recent):.4g} again"
        remedy = "go back to weights from before and take a lower rate"
        return Finding(name, "holds", (number,), (last - _RECENT + 1, last), text, remedy)
    return Finding(name, "fails", text="the loss is finite and below where it began")


def oscillation_growing(losses: FloatSeries) -> Finding:
    """Whether the loss swings more and more while its level rises: the rate is beyond the stability limit."""
    name, window = "oscillation-growing", losses[-LEAST:]
    if len(window) < LEAST // 2 or not np.isfinite(window).all():
        return Finding(name, "unknown", text="too few updates")
    swing = np.abs(window[2:] - 2 * window[1:-1] + window[:-2]) / math.sqrt(6.0)
    count = len(swing) // BLOCKS * BLOCKS
    blocks = np.log(np.maximum(np.mean(swing[-count:].reshape(BLOCKS, -1), axis=1), 1e-30))
    slope, error = _line(blocks)
    growth = math.exp(min(slope * (BLOCKS - 1), 50.0))
    levels = window[-count:].reshape(BLOCKS, -1).mean(1)
    rise, rise_error = _line(levels)
    number = Measurement("growth of the swings", growth, "times", n=BLOCKS, method="line through logarithms of blocks")
    steps = (len(losses) - len(window), len(losses) - 1)
    if growth > 4.0 and slope > 6 * error and rise > 4 * rise_error:
        text = f"the loss swings {growth:.3g} times as far as {len(window)} updates ago, and rises"
        return Finding(name, "holds", (number,), steps, text, "lower the rate: it is beyond the stability limit")
    return Finding(name, "fails", (number,), steps, "its swings do not grow together with its level")


def noise_floor(losses: FloatSeries, rates: FloatSeries, since: int = 0) -> Finding:
    """Whether the loss hovers at the noise of this rate, so that only a lower rate would bring it down.

    Args:
        losses: of every update.
        rates: of every update.
        since: update from which on the training is what it is now, such as the last change of the rate.
    """
    name = "noise-floor"
    first = max(since, len(losses) - max(LEAST, (len(losses) - since) // 2))
    window = losses[first:]
    if len(window) < LEAST or not np.isfinite(window).all():
        return Finding(name, "unknown", text=f"fewer than {LEAST} updates at this rate")
    used = rates[first:]
    if not float(used.max()) <= 1.02 * float(used.min()):
        return Finding(name, "unknown", text="the rate is being changed by its schedule")
    count = len(window) // BLOCKS * BLOCKS
    levels = window[-count:].reshape(BLOCKS, -1).mean(1)
    slope, error = _line(levels)
    noise = noise_of(window)
    steps = (first, len(losses) - 1)
    fall, doubt = -slope * (BLOCKS - 1), 2 * error * (BLOCKS - 1)
    number = Measurement(
        "descent", fall, "loss", fall - doubt, fall + doubt, n=BLOCKS, method="line through block means"
    )
    before = losses[:first]
    before = before[np.isfinite(before)]
    scatter = max(float(levels.std(ddof=1)), noise / math.sqrt(count / BLOCKS))
    if len(before) >= 2 * _RECENT:
        parts = before[: len(before) // _RECENT * _RECENT].reshape(-1, _RECENT).mean(1)
        lowest, highest = float(parts.min()), float(parts.max())
        # After a spike the loss is on its way back: above where it was before, or its start is.
        if float(levels[-4:].mean()) > lowest + 3 * noise / math.sqrt(_RECENT) + 2 * scatter:
            return Finding(name, "fails", (number,), steps, "the loss has been lower: it recovers from a rise")
        if highest - float(levels.mean()) < 4 * scatter:
            return Finding(name, "unknown", (number,), steps, "the loss has not come down since the training began")
    elif float(losses[: _RECENT // 2].mean()) - float(levels.mean()) < 4 * scatter:
        return Finding(name, "unknown", (number,), steps, "the loss has not come down since the training began")
    if float(levels.max()) > float(np.median(levels)) + 6 * max(error * BLOCKS / 3, noise / math.sqrt(count / BLOCKS)):
        return Finding(name, "fails", (number,), steps, "the loss recovers from a spike")
    # Not falling, and no fall hidden below the error that would be worth as much as the noise of an update.
    if -slope < 1.5 * error and fall + doubt < 0.5 * noise:
        text = f"over {len(window)} updates the loss has not fallen, while batches scatter by {noise:.3g} around it"
        return Finding(name, "holds", (number,), steps, text, "lower the rate: the loss hovers at its noise floor")
    return Finding(name, "fails", (number,), steps, "the loss still falls, or may fall within its noise")


def overfitting(validations: Sequence[tuple[int, float]], patience: int = 5) -> Finding:
    """Whether the last validations are all worse than the best one by more than validation scatters."""
    name = "overfitting"
    if len(validations) < patience + 2:
        return Finding(name, "unknown", text="too few validations")
    loss = np.array([value for _, value in validations])
    if not np.isfinite(loss).all():
        return Finding(name, "unknown", text="a validation loss is no number")
    best = int(loss.argmin())
    noise = noise_of(loss)
    after = loss[best + 1 :]
    rise = float(after[-patience:].min() - loss[best]) if len(after) >= patience else 0.0
    number = Measurement("rise", rise, "loss", method=f"least of the last {patience} over the best")
    steps = (validations[best][0], validations[-1][0])
    if len(after) >= patience and rise > 2 * noise and float(after[-1]) > float(after[-patience]):
        text = f"the validation loss was lowest, {loss[best]:.4g}, after {steps[0]} updates and rises since"
        return Finding(name, "holds", (number,), steps, text, "stop, and take the weights of the best validation")
    return Finding(name, "fails", (number,), steps, "the validation loss does not rise beyond its noise")


def slow_descent(losses: FloatSeries, rates: FloatSeries, since: int = 0) -> Finding:
    """Whether the loss falls in a straight line: every update wins as much as the one before, so the rate limits it."""
    name = "slow-linear-descent"
    window, used = losses[since:], rates[since:]
    if len(window) < LEAST or not np.isfinite(window).all():
        return Finding(name, "unknown", text=f"fewer than {LEAST} updates at this rate")
    if not float(used.max()) <= 1.02 * float(used.min()):
        return Finding(name, "unknown", text="the rate is being changed by its schedule")
    count = len(window) // BLOCKS * BLOCKS
    levels = window[-count:].reshape(BLOCKS, -1).mean(1)
    slope, error = _line(levels)
    x = np.linspace(-1, 1, BLOCKS)
    bend = np.polynomial.polynomial.polyfit(x, levels, 2)
    rest = levels - np.polynomial.polynomial.polyval(x, bend)
    bend_error = float(np.sqrt((rest**2).sum() / (BLOCKS - 3) / ((x**2 - (x**2).mean()) ** 2).sum()))
    fall = -slope * (BLOCKS - 1)
    share = fall / max(abs(float(levels[0])), 1e-30)
    number = Measurement("fall", share, "share of the loss", n=BLOCKS, method="line through block means")
    steps = (since, len(losses) - 1)
    # In a straight line: what the bend changes from end to end is small against the fall, and that is certain.
    straight = abs(float(bend[2])) + 2 * bend_error < 0.15 * fall
    if slope < -10 * error and straight and share < 0.5:
        text = f"over {len(window)} updates the loss fell by {100 * share:.2g}% in a straight line"
        return Finding(name, "holds", (number,), steps, text, "raise the rate: every update wins the same little")
    return Finding(name, "fails", (number,), steps, "the loss does not fall in a straight line")


def _line(levels: FloatSeries) -> tuple[float, float]:
    """Slope per block of the line through `levels`, and its standard error."""
    x = np.arange(len(levels)) - (len(levels) - 1) / 2
    square = float((x**2).sum())
    slope = float((x * levels).sum()) / square
    rest = levels - levels.mean() - slope * x
    return slope, math.sqrt(max(float((rest**2).sum()), 1e-60) / (len(levels) - 2) / square)
