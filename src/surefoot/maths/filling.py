"""Filling: a smooth function on all lines of a grid, from its values where a few of the lines cross.

The *places* of an axis are its grid lines, counted from 0. A few of them are *chosen*, and a *filling* turns values
there into values at all places, by a polynomial through them in a stretched variable. Two axes are filled one after the
other, so that a grid of L x L places takes m x m values and two matrix products.

- *Which lines.* Equally spaced points are the worst to put a polynomial through. Chebyshev points are good, but crowd
  at the ends and lie on no grid. Hale and Trefethen (2008, SIAM J. Numer. Anal. 46, 930-948) stretch them by a map g
  after which they are almost even, and what is analytic near the axis then takes up to pi/2 times fewer of them. So
  lines of the grid lie close to the points that are wanted, and whatever is evaluated to fill the grid is part of it.
  More lines are added where a polynomial would be worst: discrete Leja points (Bos, De Marchi, Sommariva and Vianello
  2010, SIAM J. Numer. Anal. 48, 1984-1999).
- *Which degree.* The largest at which no error of the values grows by more than `_GROWTH`. The factor is the norm of
  the matrix, the Lebesgue constant (Trefethen 2019, Approximation Theory and Approximation Practice, chapter 15).
- *Whether it is good.* Coefficients of an analytic function fall geometrically (ibid., chapter 8): how large the last
  ones are is told by `tail`. Who fills should look at fresh places too: those are `Filling.worst`.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
from numpy.polynomial.chebyshev import chebvander

__all__ = ["Filling", "filled", "filling", "stretched", "tail", "unstretched"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_SERIES = np.array([1, 1 / 6, 3 / 40, 5 / 112, 35 / 1152])
"""Of arcsin: the terms that g takes."""
_SLOPES: Floats = _SERIES * np.arange(1.0, 2 * len(_SERIES), 2)
_GROWTH = 5.0
_LAST = 2
"""Coefficients along each axis that are the tail."""


@dataclasses.dataclass(frozen=True)
class Filling:
    """How values on chosen lines of one axis become values on all of them."""

    chosen: Places
    """Places of the chosen lines, [m], rising."""
    matrix: Floats
    """Values at the chosen places to values at all, [L, m]."""
    last: Floats
    """Values at the chosen places to the last coefficients, [2, m]."""

    @property
    def growth(self) -> float:
        """The largest factor by which errors of the values grow: the Lebesgue constant."""
        return float(np.abs(self.matrix).sum(axis=1).max())

    def worst(self, count: int) -> Places:
        """At most `count` places that were not chosen, one from each stretch: where errors of the values grow most."""
        free = np.setdiff1d(np.arange(len(self.matrix)), self.chosen, assume_unique=True)
        grown = np.abs(self.matrix).sum(axis=1)
        parts = [part for part in np.array_split(free, count) if len(part)]
        return np.array([part[np.argmax(grown[part])] for part in parts], dtype=np.int64)


@functools.lru_cache(maxsize=32)
def filling(size: int, *counts: int) -> Filling:
    """The filling of an axis with evenly spaced lines; kept, because it is one and the same for all axes of a size.

    Args:
        size: lines of the axis; 1 makes an axis that is filled already.
        *counts: lines to choose, rising to at most `size`: so many first, of at least 3; then more, to so many; and so
            on. The last is the number of values, m.
    """
    if counts[-1] >= size:
        return Filling(np.arange(size), np.eye(size), np.zeros((_LAST, size)))
    even = np.linspace(-1.0, 1.0, size)
    points = unstretched(even)
    if len(counts) == 1:
        chosen = _nearest(even, stretched(-np.cos(np.pi * np.arange(counts[0]) / (counts[0] - 1))))
    else:
        chosen = _more(points, filling(size, *counts[:-1]).chosen, counts[-1])
    basis = chebvander(points, len(chosen) - 1)
    orthogonal, right = np.linalg.qr(basis[chosen])
    columns = np.linalg.solve(right.T, basis.T).T
    # Of a lower degree the first columns of both factors are used.
    for degree in range(len(chosen) - 1, 1, -1):
        matrix = columns[:, : degree + 1] @ orthogonal[:, : degree + 1].T
        if np.abs(matrix).sum(axis=1).max() <= _GROWTH:
            break
    used = slice(degree + 1)
    last = np.linalg.solve(right[used, used], orthogonal[:, used].T)[-_LAST:]
    return Filling(chosen, matrix, last)


def filled(values: Floats, first: Filling, second: Filling) -> Floats:
    """Values on the whole grid, [L0, L1], of values [m0, m1] where chosen lines of two axes cross."""
    return np.asarray(first.matrix @ values @ second.matrix.T)


def tail(values: Floats, first: Filling, second: Filling) -> float:
    """How large the last coefficients along one axis are anywhere along the other, of values [m0, m1]."""
    ends = first.last @ values @ second.matrix.T, first.matrix @ values @ second.last.T
    return float(max(np.abs(one).max() for one in ends))


def stretched(points: Floats) -> Floats:
    """g: [-1, 1] to itself, the series of arcsin to degree 9, scaled to keep the ends; [n] to [n]."""
    return np.asarray(points * _sum(_SERIES, points) / _SERIES.sum())


def unstretched(points: Floats) -> Floats:
    """The inverse of `stretched`, by Newton's method; [n] to [n]."""
    wanted = np.asarray(points, dtype=np.float64)
    found = np.sin(wanted * np.pi / 2)
    for _ in range(4):
        found = np.clip(found - (stretched(found) - wanted) * _SERIES.sum() / _sum(_SLOPES, found), -1.0, 1.0)
    return found


def _sum(terms: Floats, points: Floats) -> Floats:
    """An even polynomial, its coefficients in `terms`."""
    square = np.square(points)
    total = np.full_like(square, terms[-1])
    for one in terms[-2::-1]:
        total = total * square + one
    return total


def _more(points: Floats, kept: Places, count: int) -> Places:
    """`count` places, rising, with those that are kept: the others one after the other where a polynomial is worst."""
    with np.errstate(divide="ignore"):
        apart = np.log(np.abs(points[:, None] - points[kept])).sum(axis=1)
        chosen = list(kept)
        while len(chosen) < count:
            chosen.append(int(np.argmax(apart)))
            apart += np.log(np.abs(points - points[chosen[-1]]))
    return np.sort(np.array(chosen, dtype=np.int64))


def _nearest(points: Floats, wanted: Floats) -> Places:
    """For every wanted point the place of a point of its own near it, [m]; both rise, and begin and end alike."""
    found = np.searchsorted((points[1:] + points[:-1]) / 2, wanted)
    middle, last = len(found) // 2, len(points) - 1
    # Where several want one line, those nearer to an end keep the outer lines.
    for place in range(1, middle):
        found[place] = max(found[place], found[place - 1] + 1)
    found[-1] = last
    for place in range(len(found) - 2, middle - 1, -1):
        found[place] = min(found[place], found[place + 1] - 1)
    if np.any(np.diff(found) < 1):  # too few lines for that
        found = np.linspace(0, last, len(found)).round().astype(np.int64)
    return np.asarray(found, dtype=np.int64)
