"""Pace: how fast a loss goes down, against how far it has come and how far it may still have to go.

A rate far too low carries the training only along the beginning of a course that a good rate runs to its end. How far
along it got shows in the pace: the fall over the whole log as a part of the loss, whether it slackens, and where it
would come to rest if it went on slackening as it does. Where rates are logged, paces count the rate that was spent and
not the steps, so that a schedule does not look like a course. No pace has a unit, and none depends on the length.
"""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.evidence import Series
from surefoot.diagnose.trend import Trend, bounded_log
from surefoot.records import FloatSeries

__all__ = ["NAMES", "paces_of"]

_TINY = 1e-12
_LEAST = 4
"""Levels from which a pace is told."""


def paces_of(trend: Trend, losses: FloatSeries, rates: Series | None) -> dict[str, float]:
    """Every pace by name; left out where the run does not tell.

    Args:
        trend: of the loss.
        losses: the finite entries of the loss.
        rates: that were logged.
    """
    found = {"pace_surge": _surge(losses)}
    level = trend.level
    count = len(level)
    if count < _LEAST:
        return found
    spent, mean = _spent(trend, rates)
    size = max(abs(trend.initial), _TINY)
    noise = max(0.0 if math.isnan(trend.noise) else trend.noise, 1e-4 * size)
    least = 3.5 * noise / math.sqrt(trend.entries)
    half, quarter = count - count // 2, max(count // 4, 2)
    first, second = _slope(spent[:half], level[:half]), _slope(spent[-half:], level[-half:])
    whole = _slope(spent, level)
    found |= {
        "pace_rate": mean,
        "pace_first": bounded_log(max(_slope(spent[:quarter], level[:quarter]), 2.0 * least) / size),
        "pace_whole": bounded_log(max(whole, least) / size),
        "pace_late": bounded_log(max(second, 2.0 * least) / max(abs(trend.final), _TINY)),
        "pace_kept": min(max(second / max(abs(first), least), -10.0), 10.0),
        "pace_bend": min(max((second - first) / max(abs(whole), least), -20.0), 20.0),
    }
    if 0.0 < second < first:
        kept = second / first
        found["pace_rest"] = bounded_log(0.5 * second * kept / (1.0 - kept + 1e-9) / size + 1e-6)
        found["pace_reach"] = bounded_log(-0.5 / math.log(kept))
    if (level > 0).all() and trend.initial > 0:
        found["pace_early"] = bounded_log(max((trend.initial - float(level[count // 4])) / trend.initial, 1e-5))
        halved = math.log(float(level[count // 2]) / max(trend.final, _TINY)) if trend.final > 0 else 0.0
        found["pace_later"] = bounded_log(max(halved, 1e-5))
        far = spent > 0.1
        if far.sum() >= _LEAST:
            found["pace_power"] = min(max(_slope(np.log(spent[far]), np.log(level[far])), -5.0), 20.0)
    return found


def _spent(trend: Trend, rates: Series | None) -> tuple[FloatSeries, float]:
    """For each level the share of all the rate that was spent by then, of all the steps if rates are not logged.

    Beside it the mean rate over the peak rate; NaN if rates are not logged.
    """
    if rates is None or len(rates) < 2:
        return trend.share, math.nan
    first, last = float(trend.step[0]), float(trend.step[-1] - 1)
    steps = np.linspace(first, max(last, first + 1.0), 200)
    lr = np.interp(steps, rates.step, rates.value)
    if not lr.max() > 0:
        return trend.share, math.nan
    total = np.append(0.0, np.cumsum(0.5 * (lr[1:] + lr[:-1])))
    spent = np.interp(first + trend.share * (steps[-1] - first), steps, total / max(total[-1], 1e-300))
    return spent, float(lr.mean() / lr.max())


def _slope(x: FloatSeries, y: FloatSeries) -> float:
    """Fall of `y` for each unit of `x`, by least squares; 0 where `x` does not move."""
    away = x - x.mean()
    spread = float(away @ away)
    return -float(away @ (y - y.mean())) / spread if spread > 1e-12 else 0.0


def _surge(losses: FloatSeries) -> float:
    """log10 of the largest rise of the loss's logarithm from one entry to the next."""
    size = np.maximum(np.abs(losses), _TINY * max(float(np.abs(losses).max(initial=0.0)), 1e-300))
    return bounded_log(max(float(np.diff(np.log(size)).max()), 1e-6)) if len(losses) > 1 else math.nan


NAMES = (
    "pace_rate", "pace_first", "pace_whole", "pace_late", "pace_kept", "pace_bend", "pace_rest", "pace_reach",
    "pace_early", "pace_later", "pace_power", "pace_surge",
)  # fmt: skip
"""Names of all paces."""
