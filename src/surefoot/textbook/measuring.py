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

__all__ = [
    "TIMED",
    "best_of",
    "best_places",
    "counted",
    "exact",
    "geometric_mean_of",
    "mean_of",
    "median_of",
    "share_of",
    "size_of",
    "slope_of",
    "spread_of",
    "unknown",
]

TIMED = "timed"
"""First word of the method of a number that belongs to the machine; a check compares its verdict, not its value."""

_CONFIDENCE = 0.95
_NORMAL = 1.959964
_DRAWS = 2000
"""Samples of the bootstrap."""


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


def geometric_mean_of(name: str, values: Any, *, unit: str = "", method: str = "") -> Measurement:
    """Mean on a logarithmic axis with Student's interval there, of numbers above 0 such as rates."""
    seen = _finite(values)
    if seen is None or np.any(seen <= 0):
        return unknown(name, "a geometric mean needs finite numbers above 0", unit=unit, method=method)
    logs = mean_of(name, np.log(seen))
    value, low, high = (None if one is None else math.exp(one) for one in (logs.value, logs.low, logs.high))
    return Measurement(name, value, unit=unit, low=low, high=high, n=len(seen), method=method or "geometric mean")


def size_of(name: str, values: Any, *, unit: str = "", method: str = "") -> Measurement:
    """Size of a mean whatever its sign, with Student's interval folded at 0.

    The mean of the sizes would not do: it is above 0 by noise alone.
    """
    signed = mean_of(name, values, unit=unit, method=method)
    if signed.value is None or signed.low is None or signed.high is None:
        return signed if signed.value is None else Measurement(name, abs(signed.value), unit=unit, method=method)
    low = max(0.0, signed.low, -signed.high)
    high = max(abs(signed.low), abs(signed.high))
    return Measurement(name, abs(signed.value), unit=unit, low=low, high=high, n=signed.n, method=method)


def spread_of(name: str, values: Any, *, method: str = "standard deviation over mean") -> Measurement:
    """Standard deviation over the mean, with the interval of a normal sample's standard deviation (chi squared)."""
    seen = _finite(values)
    if seen is None or len(seen) < 2 or not seen.mean():
        return unknown(name, "a spread needs at least two finite numbers", method=method)
    from scipy.stats import chi2

    freedom, value = len(seen) - 1, float(seen.std(ddof=1) / abs(seen.mean()))
    low, high = (value * math.sqrt(freedom / float(chi2.ppf(p, freedom))) for p in (0.975, 0.025))
    return Measurement(name, value, low=low, high=high, n=len(seen), method=method)


def best_places(results: Any) -> npt.NDArray[np.int64]:
    """Row with the highest mean over columns, first in the sample and then in each of its bootstraps over columns."""
    table = np.asarray(results, dtype=float)
    # How the columns are drawn belongs to the method, not to the experiment: it is the same for all.
    picks = np.random.default_rng(0).integers(0, table.shape[1], (_DRAWS, table.shape[1]))
    return np.array([table.mean(axis=1).argmax(), *table[:, picks].mean(axis=2).argmax(axis=0)])


def best_of(
    name: str, xs: Sequence[float] | npt.NDArray[np.float64], results: Any, *, unit: str = "", method: str = ""
) -> Measurement:
    """The x whose results [x, repetitions] have the highest mean, with the bootstrap's interval over repetitions."""
    if not np.all(np.isfinite(results)):
        return unknown(name, "some repetitions gave no finite number", unit=unit, method=method)
    best = np.asarray(xs, dtype=float)[best_places(results)]
    low, high = np.quantile(best[1:], [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2], method="nearest")
    value = float(best[0])
    return Measurement(
        name,
        value,
        unit=unit,
        low=min(value, float(low)),
        high=max(value, float(high)),
        n=np.asarray(results).shape[1],
        method=method or "highest mean over seeds, bootstrap",
    )


def _finite(values: Any) -> npt.NDArray[np.float64] | None:
    seen = np.asarray(list(values), dtype=float)
    return seen if len(seen) and bool(np.all(np.isfinite(seen))) else None


def _student(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + _CONFIDENCE / 2, freedom))
