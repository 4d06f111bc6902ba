"""Smooth surfaces: a few lines of a grid are evaluated where they cross, and the rest is filled in by a polynomial.

A network whose activations are smooth has a loss that is analytic along a plane, and its values at a few hundred points
say what it is at all others (`surefoot.maths.filling`). Whether that is so is measured, not assumed: at fresh
crossings, where the polynomial is least to be trusted, the loss is evaluated as well. Where the difference is not far
below what a picture shows, more lines are taken; where these do not help, as with the kinks of ReLU, the whole grid is
evaluated. Nothing is lost by the attempt: every crossing that was evaluated is one of the grid.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt

from surefoot.landscape.sheet import Sheet
from surefoot.maths.filling import Filling, filled, filling, tail

__all__ = ["fill"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Crossings = tuple[npt.NDArray[np.intp], ...]
"""Rows and columns that index where they cross, as of `numpy.ix_`."""

_FEWEST = 500
"""Crossings of a grid below which it is not worth it."""
_FIRST, _MORE = 13, 1.3
"""Lines along an axis that are tried first, and how many times as many next."""
_SHARE = 0.35
"""Of the grid, that is evaluated at most to fill the rest."""
_ALLOWED = 5e-5
"""Difference at the fresh crossings, as a share of the range of losses."""
_ROUNDING = 4.0
"""The same in units of the rounding error of the largest loss, where that is more: nothing can be closer than this."""
_FLAT = 1e-4
"""Share of the range from which rounding errors would be seen: the surface is too flat to be filled."""
_SURE = 4.0
"""The stated error over the largest difference at the fresh crossings, and of the tail over what is allowed."""
_FRESH = 5, 15
"""Lines along an axis with fresh crossings: on a plane, on a line."""
_SEEN = 0.01
"""Share of a loss from which an error is seen on a logarithmic picture: such losses are evaluated."""
_FALLS = 0.5
"""Of the difference with fewer lines, below which more of them help."""


def fill(sheet: Sheet) -> float | None:
    """Fill a sheet from a few of its crossings; the largest error, as measured, or None where that is not possible.

    Then, and after an interrupt, what was evaluated is on the sheet.
    """
    if sheet.known.size < _FEWEST:
        return None
    most = _most(sheet)
    counts: tuple[int, ...] = (_FIRST,)
    before = math.inf
    while counts[-1] <= most:
        sketch = _sketched(*sheet.known.shape, counts)
        found = _difference(sheet, sketch)
        if found is None:
            return None
        losses, difference, allowed = found
        if difference <= allowed:
            return _finished(sheet, losses, difference)
        if difference > _FALLS * before or _lines_needed(counts[-1], difference, allowed) > most:
            return None
        before, counts = difference, (*counts, math.ceil(_MORE * counts[-1]))
    return None


def _most(sheet: Sheet) -> int:
    """Lines along an axis that may be taken."""
    share = _SHARE if len(sheet.lines) == 1 else math.sqrt(_SHARE)
    return int(share * min(len(line) for line in sheet.lines))


@dataclasses.dataclass(frozen=True)
class _Sketch:
    """What is evaluated of a grid to fill the rest."""

    first: Filling
    second: Filling
    crossings: Crossings
    """Of chosen lines."""
    fresh: Crossings
    """Of lines between them."""
    wanted: Mask
    """Both, [rows, columns]."""


@functools.lru_cache(maxsize=8)
def _sketched(rows: int, columns: int, counts: tuple[int, ...]) -> _Sketch:
    """The sketch by so many lines, those of before among them."""
    plane = rows > 1
    first, second = filling(rows, *counts), filling(columns, *counts)
    crossings = np.ix_(first.chosen, second.chosen)
    fresh = np.ix_(first.worst(_FRESH[0]) if plane else first.chosen, second.worst(_FRESH[0 if plane else 1]))
    wanted = np.zeros((rows, columns), dtype=bool)
    wanted[crossings] = wanted[fresh] = True
    return _Sketch(first, second, crossings, fresh, wanted)


def _difference(sheet: Sheet, sketch: _Sketch) -> tuple[Floats, float, float] | None:
    """Filled losses, their largest difference at fresh crossings or in the tail, and what is allowed.

    None after an interrupt, where a loss is not finite, and where the surface is too flat.
    """
    sheet.few = sketch.second.chosen
    if not sheet.take(sketch.wanted):
        return None
    known = sheet.losses[sheet.known]
    low, high = float(known.min()), float(known.max())
    if not math.isfinite(high):
        return None
    rounding = _ROUNDING * sheet.ground.precision * max(abs(low), abs(high))
    if rounding > _FLAT * (high - low):
        return None
    values = sheet.losses[sketch.crossings]
    losses = filled(values, sketch.first, sketch.second)
    difference = float(np.abs(losses[sketch.fresh] - sheet.losses[sketch.fresh]).max())
    end = tail(values, sketch.first, sketch.second) / _SURE
    return losses, max(difference, end), max(_ALLOWED * (high - low), rounding)


def _finished(sheet: Sheet, losses: Floats, difference: float) -> float | None:
    """Take over what was filled in, but where an error would be seen because the loss is small: that is evaluated."""
    error = _SURE * max(difference, sheet.ground.precision * float(np.abs(losses).max()))
    small = _SEEN * np.abs(losses) < error
    if np.mean(small | sheet.known) > _SHARE or not sheet.take(small):
        return None
    sheet.fill(losses)
    return error


def _lines_needed(count: int, difference: float, allowed: float) -> float:
    """Lines at which the difference would be allowed, if it kept falling by as much with each of them."""
    whole = allowed / _ALLOWED
    return count * math.log(_ALLOWED) / math.log(min(difference / whole, 0.5))
