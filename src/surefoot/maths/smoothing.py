"""Smoothing of noisy series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["debiased_average"]

Floats = npt.NDArray[np.float64]


def debiased_average(values: Floats, decay: float) -> Floats:
    """Exponentially weighted mean of each value and those before it, [n] to [n].

    The weights of a mean sum to 1 from the first value on: the running sum ``a = decay a + (1 - decay) v`` is divided
    by ``1 - decay**(i + 1)`` (Kingma and Ba 2015, section 3), so that a constant series is returned as it is.

    Args:
        values: in order.
        decay: weight of the past, from 0 (no smoothing) to below 1.
    """
    smooth = np.empty(len(values))
    running = 0.0
    for place, value in enumerate(values):
        running = decay * running + (1.0 - decay) * float(value)
        smooth[place] = running / (1.0 - decay ** (place + 1))
    return smooth
