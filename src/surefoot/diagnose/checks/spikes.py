"""Spikes: losses far above the course around them."""

from __future__ import annotations

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.evidence import Series
from surefoot.diagnose.spikes import regularity, spikes_of
from surefoot.diagnose.trend import Trend

__all__ = ["spike_not_recovered", "spike_recovered", "spikes_recurrent"]

MANY = 3
_BACK = 2.0
"""Noise widths of the level before within which a level counts as back."""


def _spikes(losses: Series) -> tuple[Series, list[tuple[int, float]]]:
    fine = np.isfinite(losses.value)
    finite = Series(losses.step[fine], losses.value[fine])
    return finite, spikes_of(np.clip(finite.value, -1e100, 1e100))


@check(after=("log-too-short", "diverged"))
def spikes_recurrent(losses: Series) -> Answer:
    """Three or more single losses, or short bursts, stand far above the course around them.

    Why: the same bad examples coming round again each epoch give spikes at even distances; a rate near the stability
    limit gives them at odd ones.

    Remedy: if they are evenly spaced, find what is in those batches (a value out of scale, an empty or broken example)
    and repair or drop it; if not, cut the rate a little, clip gradients, or raise Adam's epsilon or lower its beta2.
    """
    finite, found = _spikes(losses)
    if not found:
        return Answer(False, "no spikes", (number("spikes", 0),))
    at = [place for place, _ in found]
    even = regularity(at)
    said = "" if even != even else ", evenly spaced" if even < 0.25 else ", unevenly spaced"
    span = (int(finite.step[at[0]]), int(finite.step[at[-1]]))
    text = f"{len(found)} spike{'' if len(found) == 1 else 's'}{said}"
    return Answer(len(found) >= MANY, text, (number("spikes", len(found)),), span)


def _after(losses: Series, trend: Trend) -> tuple[Series, int, float, float, float] | None:
    """The highest spike: its place, the level before, the lowest level after, and the noise before."""
    finite, found = _spikes(losses)
    if not found:
        return None
    at, _ = max(found, key=lambda one: one[1])
    reach = max(4, len(finite) // 16)
    before = finite.value[max(0, at - 2 * reach) : max(at - 1, 1)]
    after = finite.value[at + 1 :]
    if len(after) < reach or len(before) < 3:
        return None
    noise = max(1.4826 * float(np.median(np.abs(before - np.median(before)))), 1e-4 * abs(trend.initial))
    later = float(np.median(after[-max(reach, len(after) // 2) :]))
    return finite, at, float(np.median(before)), later, noise


@check(after=("log-too-short", "diverged", "spikes-recurrent"))
def spike_recovered(losses: Series, trend: Trend) -> Answer:
    """The loss shot up once and came back to where it was, or lower.

    Why: one odd batch or one overshoot; a rule that counts steps without a new lowest loss would take it for a plateau
    and cut the rate for nothing.

    Remedy: nothing, if it is rare. Keep the rate; clip gradients at the 90th percentile of their norms if it comes
    back.

    Source: users of ReduceLROnPlateau have asked for the difference since 2019 (pytorch issue 30873).
    """
    found = _after(losses, trend)
    if found is None:
        return Answer(False, "no spike with a course on both sides")
    finite, at, before, later, noise = found
    above = (later - before) / noise
    text = f"a spike to {finite.value[at]:.4g} at step {finite.step[at]}; before it {before:.4g}, later {later:.4g}"
    height = (float(finite.value[at]) - before) / max(trend.drop, 1e-12 * max(abs(trend.initial), 1.0))
    numbers = (
        number("later level over the one before, in noise widths", above),
        number("height of the spike over the whole drop", height),
    )
    return Answer(above < _BACK, text, numbers, (int(finite.step[at]), int(finite.step[-1])))


@check(after=("log-too-short", "diverged", "spikes-recurrent", "spike-recovered"))
def spike_not_recovered(losses: Series, trend: Trend) -> Answer:
    """The loss shot up once and has stayed higher since.

    Why: one huge update has thrown the weights somewhere else, or pushed units out of reach of the gradient.

    Remedy: go back to the checkpoint before the spike, leave out that batch, and cut the rate or clip gradients.
    """
    found = _after(losses, trend)
    if found is None:
        return Answer(False, "no spike with a course on both sides")
    finite, at, before, later, noise = found
    above = (later - before) / noise
    text = f"a spike to {finite.value[at]:.4g} at step {finite.step[at]}; before it {before:.4g}, later {later:.4g}"
    numbers = (number("later level over the one before, in noise widths", above),)
    return Answer(above >= 2 * _BACK, text, numbers, (int(finite.step[at]), int(finite.step[-1])))
