"""Colours: one scale from low to high rates, and the fixed colours of findings, readable on white and on black."""

from __future__ import annotations

import math

__all__ = ["BAD", "FAINT", "GOOD", "LINE", "SCALE", "SECOND", "colour_of_rate"]

LINE = "#2f6fde"
SECOND = "#dd6b20"
GOOD = "#1c9c62"
BAD = "#d64550"
FAINT = "#8a93a3"

SCALE = ("#5b55d6", "#a044b4", "#d9567a", "#ee8a43", "#dcae2c")
"""Anchors from the lowest to the highest rate; evenly spaced, of rising lightness."""


def colour_of_rate(lr: float, low: float, high: float) -> str:
    """The colour of `lr` on the scale from `low` to `high`, by its logarithm; hexadecimal."""
    if not 0 < low < high or not lr > 0:
        return SCALE[len(SCALE) // 2]
    share = min(max(math.log(lr / low) / math.log(high / low), 0.0), 1.0) * (len(SCALE) - 1)
    place = min(int(share), len(SCALE) - 2)
    return _mixed(SCALE[place], SCALE[place + 1], share - place)


def _mixed(one: str, other: str, share: float) -> str:
    parts = [round(int(one[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)
