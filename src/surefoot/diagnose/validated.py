"""Validated: how the validation loss went, as features without a unit.

Every entry is of the same examples, so the draw of a batch is not in it. Where the training loss moves by less than
that draw, the validation loss still tells whether anything was learned, when, and whether that goes on.
"""

from __future__ import annotations

import math

import numpy as np

from surefoot.diagnose.evidence import Validation
from surefoot.diagnose.trend import Trend, bounded_log

__all__ = ["NAMES", "validated_of"]

_TINY = 1e-12
_SMOOTHED = 6
"""Entries from which means of three are taken."""


def validated_of(validation: Validation, trend: Trend) -> dict[str, float]:
    """Features of the validation loss beside the training loss."""
    loss = validation.loss
    size = max(abs(float(loss[0])), _TINY)
    smooth = np.convolve(loss, np.ones(3) / 3, mode="valid") if len(loss) >= _SMOOTHED else loss
    low, final = float(smooth.min()), float(smooth[-1])
    fallen = float(loss[0]) - low
    noise = max(0.0 if math.isnan(validation.noise) else validation.noise, 1e-4 * size)
    span = max(fallen, noise)
    third = max(len(loss) // 3, 1)
    share = (validation.step - validation.step[0]) / max(float(validation.step[-1] - validation.step[0]), 1.0)
    late, middle = (float(np.interp(at, share, loss)) for at in (2 / 3, 0.5))
    certain = float(loss[:third].mean() - loss[-third:].mean()) / (noise * math.sqrt(2.0 / third))
    return {
        "val_points": bounded_log(len(loss)),
        "val_fallen": fallen / size,
        "val_end": bounded_log(max(final, _TINY) / size) if loss[0] > 0 else math.nan,
        "val_rise": min((final - low) / span, 50.0),
        "val_rise_noise": bounded_log((final - low) / noise),
        "val_best_at": float(np.argmin(smooth)) / max(len(smooth) - 1, 1),
        "val_gap": min(max((final - trend.final) / max(abs(trend.initial), _TINY), -20.0), 20.0),
        "val_noise": bounded_log(noise / size),
        "val_fallen_log": bounded_log(max(fallen, 0.0) / size),
        "val_certain": certain,
        "val_half": _reached(loss, share, float(loss[0]) - 0.5 * fallen),
        "val_most": _reached(loss, share, float(loss[0]) - 0.9 * fallen),
        "val_late_fall": (late - final) / span,
        "val_late_certain": (late - final) / (2.0 * noise),
        "val_late_power": math.log2(max(middle, _TINY) / max(final, _TINY)) if min(middle, final) > 0 else 0.0,
        "val_uphill": float((np.diff(loss) > noise).mean()),
        "val_peak": bounded_log(max(float(loss.max()), _TINY) / size) if loss[0] > 0 else math.nan,
        "val_beside": (float(loss[0]) - final) / max(abs(trend.initial - trend.final), 1e-3 * size),
    }


def _reached(loss: np.ndarray, share: np.ndarray, target: float) -> float:
    """The share of the steps at which the loss first is at most `target`."""
    below = np.flatnonzero(loss <= target)
    return float(share[below[0]]) if len(below) else 1.0


NAMES = (
    "val_points", "val_fallen", "val_end", "val_rise", "val_rise_noise", "val_best_at", "val_gap", "val_noise",
    "val_fallen_log", "val_certain", "val_half", "val_most", "val_late_fall", "val_late_certain", "val_late_power",
    "val_uphill", "val_peak", "val_beside",
)  # fmt: skip
"""Names of all features of the validation loss."""
