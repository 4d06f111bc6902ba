"""Intervals for the place where a curve is lowest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["lowest_place_interval"]

Floats = npt.NDArray[np.float64]


def lowest_place_interval(
    x: Floats, curves: Floats, *, noise: float, tail: float, resolution: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Central interval of the place where curves drawn from a posterior, measured once more with noise, are lowest.

    Without the noise the interval of a flat curve would be as narrow as the posterior of its shape allows, although
    no measurement could tell places on it apart.

    Args:
        x: [n] evenly spaced places, ascending.
        curves: [draws, n].
        noise: standard deviation of the noise at each measured place, in the unit of the curves.
        tail: share of the draws left out on either side; above 0, below 0.5.
        resolution: distance between two measured places, in the unit of `x`.
        rng: draws the noise and where the measured places begin.
    """
    every = min(max(1, round(resolution / (x[1] - x[0]))), len(x)) if len(x) > 1 else 1
    lowest = np.empty(len(curves))
    for begin in range(every):
        rows = np.arange(begin, len(curves), every)
        if not len(rows):
            break
        seen = curves[rows][:, begin::every]
        lowest[rows] = x[begin::every][(seen + noise * rng.standard_normal(seen.shape)).argmin(1)]
    low, high = np.quantile(lowest, [tail, 1.0 - tail])
    return float(low), float(high)
