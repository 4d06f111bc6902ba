"""Onset: how soon a loss begins to fall, counted in updates and in shares of the log on a logarithmic scale.

Near the stability limit the sharpest directions of a loss are done within some ten updates, and what follows is a long
tail, whatever the budget; at a hundredth of that rate nothing has happened by then. So the first updates tell a rate
that is right but short of time, whose course is steep and then slack, from one that is too low, whose course has hardly
begun. Updates are only counted where the log counts steps: a log by epochs does not tell them.
"""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.evidence import Series, Validation
from surefoot.diagnose.trend import Trend
from surefoot.records import FloatSeries, float_series

__all__ = ["NAMES", "onset_of"]

_TINY = 1e-12
_UPDATES = (1, 3, 10, 30, 100, 300)
_SHARES = {"onset_hundredth": 0.01, "onset_thirtieth": 0.03, "onset_tenth": 0.1, "onset_third": 0.3}
_PARTS = {"onset_begun": 0.1, "onset_half": 0.5, "onset_most": 0.9}
_AROUND = 1.35
"""A level at a time is the mean over the times from this factor earlier to this factor later."""


def onset_of(trend: Trend, losses: Series, validation: Validation | None, *, in_steps: bool) -> dict[str, float]:
    """Every feature of the onset by name; left out where the run does not tell.

    Args:
        trend: of the loss.
        losses: the finite entries of the loss, at least 8.
        validation: the validation loss.
        in_steps: whether the log counts updates.
    """
    loss = losses.value
    between = float(np.median(np.diff(losses.step)))
    time = float_series(losses.step - float(losses.step[0]) + 0.5 * between)
    whole = float(time[-1]) + 0.5 * between
    size = max(abs(trend.initial), _TINY)
    noise = max(0.0 if math.isnan(trend.noise) else trend.noise, 1e-4 * size)
    first = float(loss[0])
    # The trend begins with a mean, which a fall within a few updates has already passed.
    drop = max(trend.drop, first - min(trend.lowest, trend.final), 1e-4 * size)
    grid = np.geomspace(max(float(time[0]), 0.5), float(time[-1]), 24)
    course = _levels(time, loss, grid)
    found = {
        name: _fallen(first, at, drop)
        for name, at in zip(_SHARES, _levels(time, loss, whole * np.array([*_SHARES.values()])), strict=True)
    }
    later = first - float(loss[1:4].mean())
    found |= {
        "onset_first": math.log10(max(later / size, 1e-5)),
        "onset_certain": min(max(later / noise, -20.0), 50.0),
    }
    bent = _levels(time, loss, np.geomspace(whole / 30, whole / 1.2, 9))
    if np.isfinite(bent).all():
        falls = -np.diff(bent) / drop
        middle = max(abs(float(falls.mean())), 1e-3)
        found["onset_bend"] = min(max(float(falls[-3:].mean() - falls[:3].mean()) / middle, -20.0), 20.0)
        found["onset_late"] = min(max(float(bent[4] - bent[-1]) / drop, -5.0), 5.0)
    if in_steps:
        found |= _in_steps(time, loss, whole, between, drop, grid, course)
    if validation is not None and len(validation.loss) >= 5:
        val = validation.loss
        val_drop = max(float(val[0] - val.min()), 1e-4 * max(abs(float(val[0])), _TINY))
        found["onset_val"] = float(np.argmax(val <= val[0] - 0.5 * val_drop)) / len(val)
        found["val_noise_drop"] = math.log10(max(validation.noise / val_drop, 1e-5))
    return found


def _in_steps(
    time: FloatSeries,
    loss: FloatSeries,
    whole: float,
    between: float,
    drop: float,
    grid: FloatSeries,
    course: FloatSeries,
) -> dict[str, float]:
    first = float(loss[0])
    found = {"onset_steps": math.log10(max(whole, 1.0)), "onset_between": math.log10(max(between, 1.0))}
    after = _levels(time, loss, np.array(_UPDATES, float))
    if between <= 1.01:
        after[0] = loss[1]
    else:
        after[0] = math.nan
    for count, level in zip(_UPDATES, after, strict=True):
        found[f"onset_{count}"] = _fallen(first, level, drop) if count <= whole else math.nan
    for name, part in _PARTS.items():
        reached = np.flatnonzero(course <= first - part * drop)
        found[name] = math.log10(grid[reached[0]]) if len(reached) else math.log10(whole) + 0.3
    return found


def _fallen(first: float, level: float, drop: float) -> float:
    return math.nan if math.isnan(level) else float(min(max((first - level) / drop, -5.0), 2.0))


def _levels(time: FloatSeries, loss: FloatSeries, at: FloatSeries) -> FloatSeries:
    """The mean loss around each time; between entries a straight line; NaN before the first and after the last."""
    low, high = np.searchsorted(time, at / _AROUND), np.searchsorted(time, at * _AROUND, side="right")
    total = np.append(0.0, np.cumsum(loss))
    means = (total[high] - total[low]) / np.maximum(high - low, 1)
    straight = np.interp(at, time, loss, left=math.nan, right=math.nan)
    found: FloatSeries = np.where(high > low, means, straight)
    return found


NAMES = (
    *_SHARES, "onset_first", "onset_certain", "onset_bend", "onset_late", "onset_steps", "onset_between",
    *(f"onset_{count}" for count in _UPDATES), *_PARTS, "onset_val", "val_noise_drop",
)  # fmt: skip
"""Names of all features of the onset."""
