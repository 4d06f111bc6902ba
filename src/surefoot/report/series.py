"""Series as they are drawn: smoothed, thinned, and with the scale that shows them best."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["is_wide", "log_axis", "smoothed", "thinned_places"]

Floats = npt.NDArray[np.float64]

_WIDE = 20.0
_LABELS = 12
"""Powers of ten beside an axis at most."""


def smoothed(values: Floats, share: float = 0.04) -> Floats:
    """Exponential average of `values` over about `share` of their number, without the bias towards the start.

    Entries that are not finite stay as they are and do not enter the average.
    """
    span = max(1.0, share * len(values))
    decay = 1.0 - 1.0 / span
    out = np.array(values, dtype=np.float64)
    total = weight = 0.0
    for place, value in enumerate(out.tolist()):
        if not math.isfinite(value):
            continue
        total = decay * total + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        out[place] = total / weight
    return out


def thinned_places(length: int, points: int) -> npt.NDArray[np.int64]:
    """At most `points` places out of `length`, evenly spread, the first and the last among them."""
    if length <= points:
        return np.arange(length, dtype=np.int64)
    return np.unique(np.linspace(0, length - 1, points).round().astype(np.int64))


def is_wide(values: Iterable[float]) -> bool:
    """Whether finite positive values span so much that only a logarithmic scale shows them all."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) > _WIDE


def log_axis(values: Iterable[float]) -> dict[str, Any]:
    """A logarithmic axis in Plotly's words, with two labels or more for finite positive `values` of any span."""
    places = [math.log10(value) for value in values if value > 0 and math.isfinite(value)]
    span = max(places) - min(places) if places else 0.0
    return {"type": "log", "dtick": "D1" if span < 1 else "D2" if span < 2 else math.ceil(span / _LABELS)}
