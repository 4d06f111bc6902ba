"""How the loss went: too slowly, to a floor of noise, to rest, or back and forth."""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.checks.learning import learning
from surefoot.diagnose.evidence import Series
from surefoot.diagnose.fitted import threshold
from surefoot.diagnose.trend import Trend

__all__ = [
    "FLOOR", "converged", "early_bump", "noise_floor", "oscillation_growing", "oscillation_stable", "plateau",
    "slow_descent", "still_falling",
]  # fmt: skip

FLOOR = 0.05
"""Noise over drop from which the noise is worth a decay: the share of the improvement that counts as lost elsewhere.
It is not fitted: on the calibration trainings it alone does not tell rates that are too high from good ones."""
FIRST = ("log-too-short", "loss-not-finite", "diverged")


def _span(trend: Trend, first: int = 0) -> tuple[int, int]:
    return int(trend.step[first]), int(trend.step[-1]) - 1


def late_fall(trend: Trend) -> tuple[float, float]:
    """Fall over the last third as a share of the whole drop, and its standard error."""
    late = max(len(trend.level) * 2 // 3 - 1, 0)
    drop = max(trend.drop, 1e-12 * max(abs(trend.initial), 1.0))
    error = math.hypot(float(trend.error[late]), trend.final_error) / drop
    return (float(trend.level[late]) - trend.final) / drop, error


@check(after=(*FIRST, "weights-not-updated"))
def slow_descent(trend: Trend) -> Answer:
    """The loss goes down almost along a straight line, and is still going down when the log ends.

    Why: far below the best rate every step gains about as much as the one before, so the curve is straight; near it the
    first part of a training gains most, so the curve sags.

    Remedy: raise the rate, by the interval given with the verdict; if the rate is right, train for longer.

    Source: the shapes of loss curves at low, good and high rates (Stanford CS231n).
    """
    fall, error = learning(trend)
    drop = max(trend.drop, 1e-12 * max(abs(trend.initial), 1.0))
    if fall < 3.0 * error:
        return Answer(None, "the loss has hardly moved, so its course has no shape")
    # 1 for a straight line, below for one that sags; the mean of a straight line lies half way.
    share = 2.0 * (float(trend.level.mean()) - trend.final) / drop
    late, late_error = late_fall(trend)
    text = f"straightness {share:.2f} (1 is a straight line); the last third did {late:.0%} of the drop"
    numbers = (
        number("straightness", share, 2.0 * error / drop, n=trend.entries),
        number("part of the drop in the last third", late, late_error),
    )
    straight = share > threshold("slow-descent") and late > 2.0 * late_error
    return Answer(straight, text, numbers, _span(trend))


@check(after=(*FIRST, "weights-not-updated"))
def still_falling(trend: Trend) -> Answer:
    """The loss is still going down when the log ends, by more than its noise.

    Why: the training was cut off before it was done; how much there is to gain the log does not tell.

    Remedy: train for longer, or raise the rate if the descent is slow from the start.
    """
    late, error = late_fall(trend)
    text = f"the last third did {late:.1%} of the drop"
    numbers = (number("part of the drop in the last third", late, error),)
    holds = late > 3.0 * error and late > threshold("still-falling")
    return Answer(holds, text, numbers, _span(trend, len(trend.level) * 2 // 3))


@check(after=(*FIRST, "not-learning", "still-falling"))
def plateau(trend: Trend) -> Answer:
    """The loss has stopped going down: over the last third it fell by no more than its noise.

    Why: three causes look alike at first: a minimum is reached (see `converged`), steps as large as the distance to it
    keep the loss up (see `noise-floor`), or nothing pulls any more (see `gradient-vanishing`, `dead-units`).

    Remedy: see which of the three holds.
    """
    late, error = late_fall(trend)
    text = f"the last third did {late:.1%} of the drop, give or take {1.96 * error:.1%}"
    numbers = (number("part of the drop in the last third", late, error),)
    return Answer(late < 2.0 * error, text, numbers, _span(trend, len(trend.level) * 2 // 3))


def _floor(trend: Trend) -> float:
    """Noise of the last third over the drop."""
    noise = trend.noise_end if not math.isnan(trend.noise_end) else trend.noise
    return noise / max(trend.drop, 1e-12 * max(abs(trend.initial), 1.0))


@check(after=(*FIRST, "not-learning", "still-falling"))
def noise_floor(trend: Trend) -> Answer:
    """The loss rests at a level that its own steps hold up: flat, and noisy for the distance it came.

    Why: near a minimum the excess loss of a constant rate is proportional to the rate, and so is its wobble; a decay
    lets both go to zero.

    Remedy: let the rate decay to zero over the last half (cosine or linear), or cut it tenfold now; more steps at this
    rate gain nothing.

    Source: the stationary excess of gradient descent with noise on a quadratic.
    """
    floor = _floor(trend)
    noisy = floor > FLOOR
    text = f"the noise of the last third is {floor:.1%} of the drop"
    return Answer(
        noisy, text, (number("noise over drop", floor, n=trend.entries),), _span(trend, len(trend.level) // 2)
    )


@check(after=(*FIRST, "not-learning", "still-falling", "noise-floor"))
def converged(trend: Trend) -> Answer:
    """The loss has come to rest: flat, and quiet for the distance it came.

    Why: neither longer training nor a decay of the rate would gain much on the training loss.

    Remedy: nothing; the last part of the training can be saved next time. A lower loss needs another model or more
    data.
    """
    floor = _floor(trend)
    late, error = late_fall(trend)
    text = f"the last third did {late:.1%} of the drop, with noise of {floor:.1%} of it"
    numbers = (number("part of the drop in the last third", late, error), number("noise over drop", floor))
    return Answer(late < max(2.0 * error, 0.01), text, numbers, _span(trend, len(trend.level) * 2 // 3))


def _swing(losses: Series) -> tuple[float, float, float]:
    """Mean product of neighbouring differences over their mean square, its error; noise at the end over the start.

    Independent noise gives -0.5, a smooth course 1, a strict back and forth -1.
    """
    value = np.clip(losses.value[np.isfinite(losses.value)], -1e100, 1e100)
    steps = np.diff(value[len(value) // 2 :])
    size = max(float(np.mean(steps**2)), 1e-300)
    parts = np.array_split(value, 4)
    first, last = (1.4826 * float(np.median(np.abs(np.diff(part)))) for part in (parts[1], parts[3]))
    return float(np.mean(steps[1:] * steps[:-1])) / size, 1.0 / math.sqrt(len(steps)), last / max(first, 1e-300)


_BACK_AND_FORTH = -0.75
"""Half way between independent noise and a strict alternation."""
_GROWN = 1.6


def _oscillation(losses: Series, growing: bool) -> Answer:
    if int(np.isfinite(losses.value).sum()) < 24:
        return Answer(None, "too few losses to tell an oscillation from noise")
    swing, error, growth = _swing(losses)
    back = swing + 2.0 * error < -0.5 and swing < _BACK_AND_FORTH
    text = f"neighbouring changes correlate by {swing:.2f} (noise: -0.5), and the last are {growth:.2g} times as large"
    numbers = (number("correlation of neighbouring changes", swing, error), number("growth", min(growth, 1e300)))
    half = int(losses.step[len(losses) // 2])
    return Answer(back and (growth > _GROWN) == growing, text, numbers, (half, int(losses.step[-1])))


@check(after=FIRST)
def oscillation_growing(losses: Series) -> Answer:
    """The loss goes back and forth from entry to entry, more and more.

    Why: a step beyond the stability limit lands on the other side of the valley, higher than before, each time.

    Remedy: cut the rate at least twofold now; this comes before divergence.

    Source: gradient descent on a quadratic beyond 2 / sharpness; the edge of stability (Cohen et al. 2021).
    """
    return _oscillation(losses, growing=True)


@check(after=FIRST)
def oscillation_stable(losses: Series) -> Answer:
    """The loss goes back and forth from entry to entry without growing.

    Why: the rate is at the stability limit of the sharpest direction. With full batches training may go on well like
    this (the edge of stability); with noise it costs loss.

    Remedy: try half the rate, or let it decay.

    Source: Cohen et al. 2021.
    """
    return _oscillation(losses, growing=False)


@check(after=("log-too-short",))
def early_bump(losses: Series, trend: Trend) -> Answer:
    """In the first tenth the loss rises far above its start, and comes back later: a warmup is missing.

    Why: the sharpest directions and Adam's first estimates are worst at initialisation; a rate that is right later is
    too high there.

    Remedy: raise the rate from near 0 over the first 5% to 10% of the steps.

    Source: Gilmer et al. 2022 on instability at the start; warmup as in Goyal et al. 2017.
    """
    fine = losses.value[np.isfinite(losses.value)]
    first = np.clip(fine[: max(len(fine) // 10, 3)], -1e100, 1e100)
    noise = trend.noise_start if not math.isnan(trend.noise_start) else 0.0
    top = float(first.max())
    rise = (top - trend.initial) / max(abs(trend.initial), 1e-12)
    holds = rise > threshold("early-bump") and top - trend.initial > 5.0 * noise and trend.final < trend.initial
    text = f"the highest of the first losses is {top:.4g}, the first {trend.initial:.4g}"
    span = (int(losses.step[0]), int(losses.step[min(len(first), len(losses)) - 1]))
    return Answer(holds, text, (number("rise over the first loss, as share of it", rise),), span)
