"""A trend: the course of a noisy loss, as levels with standard errors, beside the noise around it.

A *level* is the mean loss over a slice of the entries. The *noise* is the standard deviation of an entry around the
trend, estimated from second differences, which a smooth course hardly enters: for independent noise of deviation s,
``y[i+1] - 2 y[i] + y[i-1]`` has deviation ``sqrt(6) s``; its median absolute value, times 1.4826, resists outliers
(Rice 1984; Gasser, Sroka and Jennen-Steinmetz 1986). Neither needs to know whether entries are batches or averages.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from surefoot.records import FloatSeries, IntSeries

__all__ = ["SLICES", "Trend", "bounded_log", "noise_of", "trend_of"]

SLICES = 20
"""Levels of a trend at most."""


@dataclasses.dataclass(frozen=True)
class Trend:
    """The course of a loss. All levels are in the loss's own unit; `share` runs from 0 (first entry) to 1 (last)."""

    step: IntSeries
    """First step of each slice, and one past the last."""
    share: FloatSeries
    """Middle of each slice, as share of the logged steps."""
    level: FloatSeries
    error: FloatSeries
    """Standard error of each level."""
    entries: int
    """Finite entries behind the trend."""
    initial: float
    """The first entry; the mean of the first hundredth where there are many."""
    final: float
    """Mean of the last tenth of the entries."""
    final_error: float
    noise: float
    """Standard deviation of an entry around the trend; NaN below 5 entries."""
    noise_start: float
    """The same over the first third."""
    noise_end: float
    """The same over the last third."""

    @property
    def lowest(self) -> float:
        """The lowest level."""
        return float(self.level.min())

    @property
    def lowest_at(self) -> int:
        """Number of the slice with the lowest level."""
        return int(self.level.argmin())

    @property
    def drop(self) -> float:
        """How far the loss came down at best; 0 if it never did."""
        return max(self.initial - min(self.lowest, self.final), 0.0)

    def reached(self, part: float) -> float:
        """Share of the logged steps after which the loss had done `part` of its drop."""
        target = self.initial - part * self.drop
        below = np.flatnonzero(self.level <= target)
        if not len(below):
            return 1.0
        at = int(below[0])
        before = self.initial if at == 0 else float(self.level[at - 1])
        start = 0.0 if at == 0 else float(self.share[at - 1])
        height = before - float(self.level[at])
        inside = 1.0 if height <= 0 else min(max((before - target) / height, 0.0), 1.0)
        return start + inside * (float(self.share[at]) - start)


def bounded_log(value: float) -> float:
    """log10, from -9 for what is next to nothing to 9."""
    return math.log10(min(max(value, 1e-9), 1e9))


def noise_of(values: FloatSeries) -> float:
    """Standard deviation of the entries around a smooth course; NaN below 5 entries."""
    if len(values) < 5:
        return math.nan
    second = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])
    return 1.4826 * float(np.median(second)) / math.sqrt(6.0)


def trend_of(step: IntSeries, loss: FloatSeries) -> Trend | None:
    """The trend of a loss; entries that are not finite are left out. None below two finite entries."""
    fine = np.isfinite(loss)
    step, loss = step[fine], loss[fine]
    count = len(loss)
    if count < 2:
        return None
    # A loss near the largest float would overflow in sums of squares.
    loss = np.clip(loss, -1e100, 1e100)
    edges = np.unique(np.linspace(0, count, min(count, SLICES) + 1).round().astype(np.int64))
    sizes = np.diff(edges)
    level = np.add.reduceat(loss, edges[:-1]) / sizes
    third = max(count // 3, min(count, 5))
    noise = noise_of(loss)
    first, last = noise_of(loss[:third]), noise_of(loss[-third:])
    local = np.interp(np.arange(len(level)), [0, max(len(level) - 1, 1)], [first, last])
    error = local / np.sqrt(sizes)
    span = max(float(step[-1] - step[0]), 1.0)
    middle = np.array([float(step[a:b].mean()) for a, b in itertools.pairwise(edges)])
    tail = loss[-max(1, count // 10) :]
    return Trend(
        step=np.append(step[edges[:-1]], step[-1] + 1),
        share=(middle - float(step[0])) / span,
        level=level,
        error=error,
        entries=count,
        initial=float(loss[: max(1, min(count // 100, 20))].mean()),
        final=float(tail.mean()),
        final_error=last / math.sqrt(len(tail)),
        noise=noise,
        noise_start=first,
        noise_end=last,
    )
