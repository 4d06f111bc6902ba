"""What the rates say, and what the loss did when they changed."""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.checks.course import FLOOR
from surefoot.diagnose.evidence import Series
from surefoot.diagnose.fitted import threshold
from surefoot.diagnose.trend import Trend

__all__ = ["logged_rate_wrong", "rate_jumped", "schedule_too_early", "schedule_too_late"]

GONE = 0.03
"""Share of the peak below which a rate has decayed."""
JUMP = math.log(3.0)
"""A rate that rises threefold from one entry to the next, or falls twentyfold, is no smooth schedule."""
FALL = math.log(20.0)


@check(after=("log-too-short", "diverged"))
def schedule_too_early(rates: Series, trend: Trend) -> Answer:
    """The rate has decayed to almost nothing long before the end, and the loss stands still from there.

    Why: steps at a rate near zero cost as much as others and gain nothing.

    Remedy: lay the schedule out for the steps that are made (its length in steps, not epochs or batches of one of many
    workers), or stop where it ends.
    """
    share = rates.value / float(rates.value.max())
    peak = int(share.argmax())
    low = np.flatnonzero(share[peak:] < GONE)
    if not len(low):
        return Answer(False, f"the rate ends at {share[-1]:.2g} of its peak", (number("share of the steps left", 0.0),))
    at = peak + int(low[0])
    span = max(int(rates.step[-1] - rates.step[0]), 1)
    left = float(rates.step[-1] - rates.step[at]) / span
    low_for_good = bool((share[at:] < 2 * GONE).all())
    text = f"from step {rates.step[at]} on the rate is below {GONE:.0%} of its peak, for {left:.0%} of the log"
    numbers = (number("share of the steps left", left),)
    early = low_for_good and left > threshold("schedule-too-early") and trend.drop > 0
    return Answer(early, text, numbers, (int(rates.step[at]), int(rates.step[-1])))


@check(after=("log-too-short", "loss-not-finite", "diverged", "not-learning", "still-falling"))
def schedule_too_late(rates: Series, trend: Trend) -> Answer:
    """The rate is still near its peak at the end, and the loss rests at a floor of noise.

    Why: the floor is as high as the rate; only a decay brings it down.

    Remedy: decay the rate to zero by the end of the training.
    """
    share = float(rates.value[-1]) / float(rates.value.max())
    noise = trend.noise_end if not math.isnan(trend.noise_end) else 0.0
    floor = noise / max(trend.drop, 1e-12 * max(abs(trend.initial), 1.0))
    text = f"the last rate is {share:.2g} of the peak, the noise {floor:.1%} of the drop"
    numbers = (number("last rate over peak", share), number("noise over drop", floor))
    span = (int(rates.step[len(rates) // 2]), int(rates.step[-1]))
    return Answer(share > 0.3 and floor > FLOOR, text, numbers, span)


@check()
def rate_jumped(rates: Series) -> Answer:
    """The rate changes at once to another value, as after a resume with another configuration.

    Why: a schedule that was not saved with the checkpoint starts anew, or a new configuration overrides it; the loss
    jumps or freezes there, for no reason of the model's.

    Remedy: save and load the state of the schedule with that of the optimizer; if the step was meant, nothing.
    """
    value = np.maximum(rates.value, 1e-12 * float(rates.value.max()))
    change = np.diff(np.log(value))
    if not len(change):
        return Answer(None, "one rate alone cannot jump")
    size = np.where(change > 0, change / JUMP, -change / FALL)
    # A warmup that starts at almost nothing multiplies its first rates too.
    size[: max(1, len(size) // 20)] = 0.0
    at = int(np.argmax(size))
    times = math.exp(min(max(float(change[at]), -700.0), 700.0))
    text = f"at step {rates.step[at + 1]} the rate is {times:.3g} times the one before"
    numbers = (number("largest jump, as factor", times),)
    return Answer(bool(size[at] > 1.0), text, numbers, (int(rates.step[at]), int(rates.step[at + 1])))


@check()
def logged_rate_wrong(rates: Series, true_rates: Series) -> Answer:
    """The logged rate is not the one that the optimizer used.

    Why: a scheduler that is stepped before the log is written shows the next step's rate; one that holds another
    optimizer shows a rate that nothing uses.

    Remedy: log `optimizer.param_groups[0]["lr"]` right before `optimizer.step()`.
    """
    logged = np.interp(true_rates.step, rates.step, rates.value)
    off = np.abs(np.log(np.maximum(logged, 1e-300) / np.maximum(true_rates.value, 1e-300)))
    worst = int(np.argmax(off))
    factor = math.exp(min(float(off[worst]), 700.0))
    text = f"at step {true_rates.step[worst]} logged {logged[worst]:.3g}, used {true_rates.value[worst]:.3g}"
    numbers = (number("largest factor between them", factor),)
    wrong = float((off > 0.05).mean())
    return Answer(wrong > 0.1, text, numbers, (int(true_rates.step[0]), int(true_rates.step[-1])))
