"""Wander: whether a loss moves around its trend as the draw of batches alone would have it, or as moving weights do.

Far below the stability limit the weights hardly move, so what is left around the trend are the batches: no entry knows
of the one before. At a larger rate the weights themselves wander, and means over some entries vary by more than those
of independent entries (Allan 1966). Second differences keep the trend out of both.
"""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.trend import Trend
from surefoot.records import FloatSeries

__all__ = ["NAMES", "wander_of"]

_TINY = 1e-12
_LEAST = 6
"""Means from which their variation is told."""


def wander_of(trend: Trend, loss: FloatSeries) -> dict[str, float]:
    """Every feature of the wander by name; left out where the run does not tell.

    Args:
        trend: of the loss.
        loss: the finite entries, at least 8.
    """
    size, count = max(abs(trend.initial), _TINY), len(loss)
    drop = max(trend.drop, 1e-4 * size)
    noise = max(0.0 if math.isnan(trend.noise) else trend.noise, 1e-4 * size)
    third, half = max(count // 3, 4), max(count // 2, 8)
    fall = float(loss[:third].mean() - loss[-third:].mean()) * 1.5 / count
    found = {
        "wander_4": _excess(loss, 4, size),
        "wander_16": _excess(loss, 16, size),
        "wander_late": _excess(loss[-(count // 2) :], 4, size),
        "wander_kept": _kept(loss[-half:]),
        "wander_kept_first": _kept(loss[:half]),
        "wander_against": min(max(100.0 * fall / noise, -50.0), 50.0),
    }
    steps = np.diff(trend.level)
    if len(steps) >= 4:
        falls = np.maximum(-steps, 0.0)
        found |= {
            "wander_up": math.log10(max(float(steps.max()) / drop, 1e-4)),
            "wander_down": float((steps < 0).mean()),
            "wander_even": float(((falls / max(float(falls.sum()), _TINY)) ** 2).sum()),
            "wander_rest": float((np.abs(trend.level - trend.final) < 0.05 * drop).mean()),
        }
    return found


def _excess(loss: FloatSeries, width: int, size: float) -> float:
    """log10 of how much means over `width` entries vary, relative to means of independent entries."""
    count = len(loss) // width
    if count < _LEAST:
        return math.nan
    means = loss[len(loss) - count * width :].reshape(count, width).mean(1)
    alone = _varied(loss) / math.sqrt(width)
    return math.log10(max(_varied(means), 1e-9 * size) / max(alone, 1e-9 * size))


def _varied(values: FloatSeries) -> float:
    return float(np.median(np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])))


def _kept(loss: FloatSeries) -> float:
    """Correlation of an entry with the next, around a parabola."""
    at = np.linspace(-1.0, 1.0, len(loss))
    around = loss - np.polyval(np.polyfit(at, loss, 2), at)
    total = float(around @ around)
    return float(around[1:] @ around[:-1]) / total if total > 0 else math.nan


NAMES = (
    "wander_4", "wander_16", "wander_late", "wander_kept", "wander_kept_first", "wander_against", "wander_up",
    "wander_down", "wander_even", "wander_rest",
)  # fmt: skip
"""Names of all features of the wander."""
