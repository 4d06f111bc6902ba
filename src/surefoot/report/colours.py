"""Colours: one scale from low to high rates, and the fixed colours of findings, readable on white and on black."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surefoot.records import Run

__all__ = ["BAD", "CYCLE", "FAINT", "GOOD", "LINE", "SCALE", "SECOND", "colour_of_rate", "coloured_rates"]

LINE = "#2f6fde"
SECOND = "#dd6b20"
GOOD = "#1c9c62"
BAD = "#d64550"
FAINT = "#8a93a3"

SCALE = ("#5b55d6", "#a044b4", "#d9567a", "#ee8a43", "#dcae2c")
"""Anchors from the lowest to the highest rate; evenly spaced, of rising lightness."""
CYCLE = (LINE, SECOND, GOOD, BAD, SCALE[1], SCALE[4], SCALE[0], "#0f9bb0", "#7d5a3c", FAINT)
"""Colours of curves, in order."""


def colour_of_rate(lr: float, low: float, high: float) -> str:
    """The colour of `lr` on the scale from `low` to `high`, by its logarithm; hexadecimal."""
    if not 0 < low < high or not lr > 0:
        return SCALE[len(SCALE) // 2]
    share = min(max(math.log(lr / low) / math.log(high / low), 0.0), 1.0) * (len(SCALE) - 1)
    place = min(int(share), len(SCALE) - 2)
    return _mixed(SCALE[place], SCALE[place + 1], share - place)


def coloured_rates(runs: Sequence[Run]) -> tuple[float, float]:
    """Rates at the ends of the scale: those of the runs that got beyond the shortest length, or else of all.

    The first rung of a race spans many decades; with all of them on the scale, the rates that matter look alike.
    """
    known = [(run.recipe.lr, run) for run in runs if run.recipe is not None and run.recipe.lr is not None]
    shortest = min((run.steps for _, run in known if run.fate == "finished"), default=0)
    further = {lr for lr, run in known if run.steps > shortest}
    rates = further if len(further) >= 3 else {lr for lr, _ in known}
    return (min(rates), max(rates)) if rates else (1.0, 1.0)


def _mixed(one: str, other: str, share: float) -> str:
    parts = [round(int(one[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)
