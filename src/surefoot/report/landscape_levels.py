"""Levels: which losses a picture of a landscape tells apart.

Near a minimum the loss spans decades and far from it explodes. Levels are spaced by factors where it spans much, else
evenly, and end a little above what the paths reach: walls above that are one colour.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from surefoot.records.landscape import Landscape, PathOnPlane
from surefoot.report.numbers import brief
from surefoot.report.series import is_wide

__all__ = ["Levels", "inside", "levels_of", "until_it_leaves"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_COUNT = 16
_DEPTH = 1e-4
"""Losses below this share of the ceiling are drawn as that: a bowl's bottom is 0, which has no logarithm."""
_ABOVE, _ABOVE_SOLID = 3.0, 1.3
"""Ceiling over the largest loss along the paths; on a bowl's surface."""


@dataclasses.dataclass(frozen=True)
class Levels:
    """The scale of losses of one picture."""

    values: Floats
    """Levels, rising, from the floor to the ceiling."""
    logarithmic: bool

    @property
    def floor(self) -> float:
        """Lowest loss that is told apart."""
        return float(self.values[0])

    @property
    def ceiling(self) -> float:
        """Highest loss that is told apart."""
        return float(self.values[-1])

    def clipped(self, losses: Floats) -> Floats:
        """Losses within floor and ceiling; infinite ones at the ceiling, NaN as it is."""
        return np.clip(np.where(np.isposinf(losses), self.ceiling, losses), self.floor, self.ceiling)

    def heights(self, losses: Floats) -> Floats:
        """Clipped losses as they are drawn upwards: their logarithm to base 10 where levels go by factors."""
        shown = self.clipped(losses)
        return np.log10(shown) if self.logarithmic else shown

    def ticks(self) -> tuple[list[float], list[str]]:
        """Heights to mark, and the losses there as text."""
        if not self.logarithmic:
            raw = (self.ceiling - self.floor) / 5
            power = 10.0 ** np.floor(np.log10(raw))
            step = power * min((1, 2, 2.5, 5, 10), key=lambda one: abs(one * power - raw))
            inside = np.arange(np.ceil(self.floor / step - 1e-9), self.ceiling / step + 1e-9) * step
            return [float(one) for one in inside], [brief(float(one), 3) for one in inside]
        low, high = np.log10(self.floor), np.log10(self.ceiling)
        powers = [p + np.log10(f) for p in range(int(np.floor(low)), int(np.ceil(high)) + 1) for f in (1, 2, 5)]
        inside = [float(one) for one in powers if low - 1e-9 <= one <= high + 1e-9]
        whole = [one for one in inside if abs(one - round(one)) < 1e-9]
        marks = whole if len(whole) >= 3 else inside[:: max(1, len(inside) // 6)]
        return [float(one) for one in marks], [brief(10.0**one, 2) for one in marks]


def levels_of(found: Landscape, *, solid: bool = False) -> Levels:
    """The scale of losses for the pictures of a landscape; `solid`: on a surface, a bowl looks like one."""
    surface = found.surface[np.isfinite(found.surface)]
    # Where a path goes on the surface and what it really loses; one that diverges does not set the scale.
    starts = [float(path.losses[0]) for path in found.paths if len(path.losses)]
    along = np.concatenate([np.empty(0), *(np.concatenate([path.losses, path.plane_losses]) for path in found.paths)])
    along = along[np.isfinite(along)]
    if starts:
        along = along[along <= 2 * max(starts)]
    every = np.concatenate([surface, along])
    if not len(every):
        return Levels(np.linspace(0.0, 1.0, _COUNT), logarithmic=False)
    low, high = float(every.min()), float(every.max())
    if len(along):
        above = _ABOVE_SOLID if solid and found.directions == "coordinates" else _ABOVE
        high = min(high, max(above * float(along.max()), low + 1e-12))
    if high <= low:
        high = low + max(abs(low), 1.0) * 1e-3
    curved = solid and found.directions == "coordinates"
    if not curved and low >= 0 and is_wide([max(low, _DEPTH * high), high]):
        return Levels(np.geomspace(max(low, _DEPTH * high), high, _COUNT), logarithmic=True)
    return Levels(np.linspace(low, high, _COUNT), logarithmic=False)


def inside(found: Landscape, one: PathOnPlane) -> Mask:
    """Points of a path that lie within the picture; what is outside cannot be cut off in three dimensions."""
    keep = np.isfinite(one.losses)
    for axis, column in zip(found.axes, one.coordinates, strict=True):
        if len(axis.values):
            keep &= (column >= axis.values[0]) & (column <= axis.values[-1])
    return keep


def until_it_leaves(found: Landscape, one: PathOnPlane) -> Mask:
    """Points up to the first one outside: what flies to and fro across the picture would cover it."""
    outside = np.flatnonzero(~inside(found, one))
    return np.asarray(np.arange(len(one.step)) <= (outside[0] if len(outside) else len(one.step)))
