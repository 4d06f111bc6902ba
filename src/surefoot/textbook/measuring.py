"""Measuring: numbers over seeds become measurements with an interval at 95%.

Each function takes the name of the measurement, what was seen (one number per seed or repetition) and words for the
method, and returns a `Measurement`. Non-finite numbers make an unknown measurement with its reason, never a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.records.measurement import Measurement

__all__ = ["TIMED", "counted", "exact", "mean_of", "median_of", "share_of", "slope_of", "unknown"]

TIMED = "timed"
"""First word of the method of a number that belongs to the machine; a check compares its verdict, not its value."""

_CONFIDENCE = 0.95
_NORMAL = 1.959964


def exact(name: str, value: float, *, unit: str = "", method: str = "") -> Measurement:
    """A number without spread: computed, counted, or the same in every repetition."""
    if math.isnan(value):
        return unknown(name, "not a number", unit=unit, method=method)
    return Measurement(name, float(value), unit=unit, method=method)


counted = exact


def unknown(name: str, reason: str, *, unit: str = "", method: str = "", n: int = 1) -> Measurement:
    """A number that could not be measured."""
    return Measurement(name, None, unit=unit, method=method, n=max(1, n), reason=reason)


def mean_of(name: str, values: Any, *, unit: str = "", method: str = "") -> Measurement:
    """Mean over repetitions, with Student's interval; paired differences or ratios are given as their values."""
    seen = _finite(values)
    if seen is None:
        return unknown(name, "some repetitions gave no finite number", unit=unit, method=method, n=len(list(values)))
    mean = float(seen.mean())
    if len(seen) < 2:
        return Measurement(name, mean, unit=unit, method=method, n=len(seen))
    half = _student(len(seen) - 1) * float(seen.std(ddof=1)) / math.sqrt(len(seen))
    return Measurement(name, mean, unit=unit, low=mean - half, high=mean + half, n=len(seen), method=method)


def median_of(name: str, values: Any, *, unit: str = "", method: str = "") -> Measurement:
    """Median over repetitions, with the interval between order statistics (exact for any distribution).

    Infinite values are allowed: a run that never arrives takes infinitely long. Below six repetitions the interval
    is the whole range, which then holds the median with less than 95%.
    """
    seen = np.sort(np.asarray(list(values), dtype=float))
    if not len(seen) or np.isnan(seen).any():
        return unknown(name, "some repetitions gave no number", unit=unit, method=method, n=len(seen))
    count = len(seen)
    # Binomial(count, 1/2): the largest k with at most 2.5% below it on either side.
    tail, k = 0.0, 0
    while k < count // 2:
        tail += math.comb(count, k) / 2**count
        if tail > (1 - _CONFIDENCE) / 2:
            break
        k += 1
    low, high = seen[max(0, k - 1)], seen[count - max(1, k)]
    middle = float(seen[(count - 1) // 2]) if np.isinf(seen).any() else float(np.median(seen))
    return Measurement(name, middle, unit=unit, low=float(low), high=float(high), n=count, method=method)


def share_of(name: str, hits: int, n: int, *, method: str = "") -> Measurement:
    """Share of `n` repetitions, with Wilson's interval."""
    if n < 1:
        return unknown(name, "no repetitions", method=method)
    p, z = hits / n, _NORMAL
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Measurement(name, p, low=min(low, p), high=max(high, p), n=n, method=method)


def slope_of(name: str, x: Sequence[float], curves: Any, *, method: str = "") -> Measurement:
    """Exponent of a power law: slope of log y on log x, fitted in every repetition; `curves` is [repetitions, x]."""
    y = np.atleast_2d(np.asarray(curves, dtype=float))
    if not np.all(np.isfinite(y)) or np.any(y <= 0):
        return unknown(name, "a power law needs finite numbers above 0", method=method, n=len(y))
    slopes = [float(np.polyfit(np.log(x), np.log(one), 1)[0]) for one in y]
    return mean_of(name, slopes, method=method)


def _finite(values: Any) -> npt.NDArray[np.float64] | None:
    seen = np.asarray(list(values), dtype=float)
    return seen if len(seen) and bool(np.all(np.isfinite(seen))) else None


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + _CONFIDENCE / 2, freedom))
