"""Rules that read a rate off a range test: loss against a rate that grows exponentially from batch to batch.

A *range test* (Smith 2017, "Cyclical Learning Rates", section 3.3) yields rates and smoothed losses. Every *rule* here
is defined as in fastai's ``lr_find`` (callback/schedule.py), whose four rules other tools share in part. A rule gives
None where the curve is too short for it or, for `valley`, never falls.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["RULES", "minimum", "slide", "steep", "trimmed", "valley"]

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Floats], float | None]


def trimmed(lrs: Floats, losses: Floats, steps: int) -> tuple[Floats, Floats]:
    """The part of a range test that rules read: not its first tenth, not its last 5 points, nothing from a NaN on.

    Args:
        lrs: [n] rate of each step.
        losses: [n] smoothed loss of each step; n is less than `steps` where the test stopped early.
        steps: steps the test was laid out for.
    """
    first = steps // 10
    lrs, losses = lrs[first:-5], losses[first:-5]
    bad = np.flatnonzero(np.isnan(losses))
    end = int(bad[0]) if len(bad) else len(losses)
    return lrs[:end], losses[:end]


def steep(lrs: Floats, losses: Floats) -> float | None:
    """The rate where the loss falls fastest per unit of log rate, by forward differences."""
    if len(lrs) < 2:
        return None
    return float(lrs[int(np.argmin(np.diff(losses) / np.diff(np.log(lrs))))])


def minimum(lrs: Floats, losses: Floats) -> float | None:
    """A tenth of the rate with the lowest loss."""
    if not len(lrs):
        return None
    return float(lrs[int(np.argmin(losses))]) / 10.0


def valley(lrs: Floats, losses: Floats) -> float | None:
    """Half way down the longest descent.

    The descent is the longest strictly falling subsequence that ends first among the longest; of length n and ending
    at index e it is taken to begin at e - n, and the rule reads index e - n + floor(n/3) + floor(n/6).
    """
    if len(lrs) < 2:
        return None
    length = np.ones(len(losses), dtype=np.int64)
    for place in range(1, len(losses)):
        above = losses[:place] > losses[place]
        if above.any():
            length[place] = int(length[:place][above].max()) + 1
    longest = int(length.max())
    if longest < 2:
        return None
    begin = int(np.argmax(length)) - longest
    index = begin + math.floor(longest / 3) + math.floor(longest / 6)
    return float(lrs[max(index, 0)])


def slide(lrs: Floats, losses: Floats, *, window: int = 15, threshold: float = 0.005) -> float | None:
    """From the highest rate down: the last rate before two slopes `window` points apart agree within `threshold`.

    Slopes are central differences of the loss per point. If no two agree, the walk ends at the lowest rate.
    """
    if len(lrs) < window + 2:
        return None
    slope = np.gradient(losses)
    right = len(lrs) - 1
    left = right - window
    found = left
    while left >= 0 and abs(slope[right] - slope[left]) > threshold:
        found = left
        right, left = right - 1, left - 1
    return float(lrs[found])


RULES: dict[str, Rule] = {"valley": valley, "steep": steep, "slide": slide, "minimum": minimum}
"""Every rule by its name; each takes rates and smoothed losses [n]."""
