"""Candidates: which rates to try, before anything is known and after."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from surefoot.records import Recipe

__all__ = ["default_range", "first_rates", "spread_out"]

Floats = npt.NDArray[np.float64]

_RANGES = {
    "sgd": (1e-4, 10.0),
    "adam": (1e-5, 0.3),
    "adamw": (1e-5, 0.3),
    "adamax": (1e-5, 0.3),
    "nadam": (1e-5, 0.3),
    "radam": (1e-5, 0.3),
    "rmsprop": (1e-5, 0.1),
    "adagrad": (1e-4, 1.0),
    "adadelta": (1e-2, 100.0),
    "rprop": (1e-5, 0.1),
    "adafactor": (1e-4, 1.0),
    "asgd": (1e-4, 10.0),
}
_ANY = (1e-5, 1.0)


def default_range(recipe: Recipe) -> tuple[float, float]:
    """Rates within which the best one usually lies, by optimizer and momentum."""
    low, high = _RANGES.get(recipe.optimizer, _ANY)
    momentum = recipe.options.get("momentum", 0.0)
    if recipe.optimizer in ("sgd", "rmsprop") and isinstance(momentum, int | float) and 0 < momentum < 1:
        # In the long run momentum moves a weight 1/(1 - momentum) times as far, in the short run not at all.
        factor = math.sqrt(1.0 - momentum)
        return low * factor, high * factor
    return low, high


def first_rates(low: float, high: float, gap: float) -> list[float]:
    """Rates from `low` to `high`, evenly spaced by at most `gap` decades."""
    count = max(2, math.ceil(math.log10(high / low) / gap - 1e-9) + 1)
    return [float(lr) for lr in np.geomspace(low, high, count)]


def spread_out(wanted: Floats, count: int, gap: float, low: float, high: float) -> list[float]:
    """`count` places at even quantiles of `wanted`, moved apart to at least `gap`, within `low` to `high`.

    All are log10 of rates. Fewer come back where `low` to `high` is too narrow for them.
    """
    places = np.quantile(wanted, (np.arange(count) + 0.5) / count)
    for _ in range(100):
        short = gap - np.diff(places)
        if not np.any(short > 1e-6):
            break
        push = np.maximum(short, 0.0) / 2.0
        places[:-1] -= push
        places[1:] += push
        places.sort()
    kept: list[float] = []
    for place in np.clip(places, low, high):
        if not kept or place - kept[-1] > gap / 2.0:
            kept.append(float(place))
    return kept
