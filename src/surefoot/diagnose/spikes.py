"""Spikes: where a loss stands far above the course around it."""

from __future__ import annotations

import math

import numpy as np

from surefoot.records import FloatSeries

__all__ = ["regularity", "spikes_of"]


def spikes_of(loss: FloatSeries) -> list[tuple[int, float]]:
    """Place and height of each entry, or burst of entries, far above the course before it.

    An entry is far above when it exceeds the median of the entries around it by 8 times their noise, and by a fifth of
    that median's size.
    """
    reach = max(4, min(len(loss) // 16, 25))
    if len(loss) < 2 * reach + 1:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(loss, 2 * reach + 1)
    if len(windows) > 5000:
        windows = windows[:: len(windows) // 5000 + 1]
    every = (len(loss) - 2 * reach + len(windows) - 1) // len(windows)
    middle = np.median(windows, axis=1)
    spread = 1.4826 * np.median(np.abs(windows - middle[:, None]), axis=1)
    places = reach + every * np.arange(len(middle))
    level = np.interp(np.arange(len(loss)), places, middle)
    noise = np.interp(np.arange(len(loss)), places, spread)
    above = loss - level
    high = np.flatnonzero((above > 8.0 * noise) & (above > 0.2 * np.abs(level)) & (np.arange(len(loss)) > reach))
    found: list[tuple[int, float]] = []
    for at in high.tolist():
        if found and at - found[-1][0] <= max(3, reach // 2):
            if above[at] > found[-1][1]:
                found[-1] = (at, float(above[at]))
        else:
            found.append((at, float(above[at])))
    return found


def regularity(places: list[int]) -> float:
    """How evenly spikes are spaced: deviation of the gaps over their mean; NaN below three gaps."""
    if len(places) < 4:
        return math.nan
    gaps = np.diff(places)
    return float(gaps.std() / gaps.mean())
