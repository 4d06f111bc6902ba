"""Descent down a bowl, step by step in closed form: the answer key of paths on a quadratic.

On f(w) = 1/2 sum of lambda_i w_i^2 an update at rate r multiplies the coordinate i by 1 - r lambda_i. With r lambda_i
below 1 it shrinks on its side; from 1 on it *flips*, landing on the other side of the valley at every update; past 2 it
grows. With a rate that falls in time, every coordinate flips at first and settles later (`quadratics.decay_times`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["exact_path", "flip_steps", "regime"]

Floats = npt.NDArray[np.float64]

_LANDED = 1e-13
"""A step that leaves less than this share of a coordinate has landed on the floor: what is left is rounding."""


def exact_path(
    start: Sequence[float] | Floats,
    eigenvalues: Sequence[float] | Floats,
    rates: Sequence[float] | Floats,
    momentum: float = 0.0,
    *,
    nesterov: bool = False,
) -> Floats:
    """Points [steps + 1, d] of the descent from `start` with the rate of each update.

    Without momentum w_t = w_0 * product of (1 - r_s lambda); with it, the recursion m <- momentum m + g,
    w <- w - r m (or w - r (g + momentum m) for Nesterov's), of which each coordinate is independent of the others.

    Args:
        start: [d].
        eigenvalues: [d]; of any sign.
        rates: one per update.
        momentum: of the heavy ball, 0 to below 1.
        nesterov: whether the gradient is taken ahead, as torch's SGD does it.
    """
    begin, steep, steps = (np.asarray(one, dtype=np.float64) for one in (start, eigenvalues, rates))
    if momentum == 0:
        factors = 1.0 - steps[:, None] * steep[None, :]
        return np.asarray(begin * np.vstack([np.ones(len(begin)), np.cumprod(factors, axis=0)]))
    path, speed = [begin], np.zeros_like(begin)
    for rate in steps:
        slope = steep * path[-1]
        speed = momentum * speed + slope
        path.append(path[-1] - rate * (slope + momentum * speed if nesterov else speed))
    return np.array(path)


def flip_steps(coordinate: Floats) -> npt.NDArray[np.int64]:
    """Numbers of the updates (from 0) that changed the sign of a coordinate [steps + 1].

    Signs of what a step has reduced to rounding do not count.
    """
    size = np.abs(coordinate)
    with np.errstate(invalid="ignore"):
        real = np.logical_and.accumulate(size[1:] > _LANDED * size[:-1])
        return np.flatnonzero((np.sign(coordinate[1:]) * np.sign(coordinate[:-1]) < 0) & real)


def regime(eigenvalue: float, rates: Sequence[float] | Floats) -> str:
    """What plain descent does along an eigenvector, from the rates of its updates.

    `monotone` below 1 / eigenvalue, `flips` from there to 2 / eigenvalue, `diverges` past that; `flips, then settles`
    and `grows, then settles` where the rate falls below these bounds; `leaves` along a direction that bends down.
    """
    reach = np.asarray(rates, dtype=np.float64) * eigenvalue
    if eigenvalue < 0:
        return "leaves"
    if not len(reach) or reach.max() <= 1:
        return "monotone"
    if reach.max() <= 2:
        return "flips, then settles" if reach[-1] <= 1 else "flips"
    return "grows, then settles" if reach[-1] <= 2 else "diverges"
