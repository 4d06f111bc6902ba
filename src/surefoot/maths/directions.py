"""Directions in the space of weights, and where a path lies beside them.

A *point* is all weights of a model as one vector [P]; a *direction* is another. Directions span a line or a plane
through an origin. The *coordinates* of a point are those of the nearest point of the plane, and its *distance* is how
far it lies off. Points may be float32; sums are taken in float64, a block of weights at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError

__all__ = [
    "chance_shares",
    "coordinates_of",
    "filter_scaled",
    "inner_products",
    "layer_scaled",
    "orthonormal",
    "principal_directions",
    "whole_scaled",
]

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]
"""float32 or float64."""

_BLOCK = 1 << 16
"""Weights of a point that are turned into float64 at once."""
_DEPENDENT = 1e-6
"""A direction of which less than this share is left beside the others brings nothing new."""


def whole_scaled(direction: Sequence[Numbers], weights: Sequence[Numbers]) -> list[Numbers]:
    """The direction, one array per parameter, scaled to the norm of all weights together."""
    size = _norm(direction)
    factor = _norm(weights) / size if size > 0 else 0.0
    return [one * np.asarray(factor, dtype=one.dtype) for one in direction]


def layer_scaled(direction: Sequence[Numbers], weights: Sequence[Numbers]) -> list[Numbers]:
    """The direction with each parameter of two or more dimensions scaled to the norm of that parameter.

    Biases and scales (one dimension or none) get zero, as in `filter_scaled`.
    """
    return [
        np.zeros_like(one) if one.ndim < 2 else whole_scaled([one], [own])[0]
        for one, own in zip(direction, weights, strict=True)
    ]


def filter_scaled(direction: Sequence[Numbers], weights: Sequence[Numbers]) -> list[Numbers]:
    """The direction with each filter scaled to the norm of the model's filter.

    A filter is what one output unit holds: an entry along the first axis. d_ij becomes d_ij ||w_ij|| / ||d_ij||, so
    that rescaling a layer of a ReLU network does not change the picture. Parameters of one dimension get zero: a plane
    should not move what normalisation layers scale by. A filter of zeros stays where it is.

    Source: Li, Xu, Taylor, Studer and Goldstein 2018, arXiv:1712.09913, section 4.
    """
    scaled: list[Numbers] = []
    for one, own in zip(direction, weights, strict=True):
        if one.ndim < 2:
            scaled.append(np.zeros_like(one))
            continue
        rows, wanted = one.reshape(len(one), -1), own.reshape(len(own), -1)
        size = np.linalg.norm(rows.astype(np.float64), axis=1)
        factor = np.linalg.norm(wanted.astype(np.float64), axis=1) / np.where(size > 0, size, 1.0)
        scaled.append((rows * factor[:, None].astype(one.dtype)).reshape(one.shape))
    return scaled


def inner_products(points: Numbers, others: Numbers) -> Floats:
    """Inner products [n, m] of the rows of `points` [n, P] and `others` [m, P], summed in float64."""
    total = np.zeros((len(points), len(others)))
    for start in range(0, points.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        total += points[:, part].astype(np.float64) @ others[:, part].astype(np.float64).T
    return total


def orthonormal(directions: Numbers, names: Sequence[str] | None = None) -> Numbers:
    """Unit directions [k, P] at right angles; the first keeps its course, later ones what the earlier leave of them.

    Gram-Schmidt, twice over for the sake of rounding.

    Raises:
        InputError: a direction is zero, or nothing of it is left beside the earlier ones.
    """
    called = names or [f"direction {place + 1}" for place in range(len(directions))]
    kept = np.zeros_like(directions)
    for place, one in enumerate(directions):
        size = float(np.linalg.norm(one.astype(np.float64)))
        if not size > 0:
            raise InputError(f"the {called[place]} is zero, so it spans nothing; take other `directions`")
        left = (one / np.asarray(size, dtype=one.dtype)).astype(directions.dtype)
        for _ in range(2):
            if place:
                shares = inner_products(left[None], kept[:place])[0]
                left = left - shares.astype(left.dtype) @ kept[:place]
            rest = float(np.linalg.norm(left.astype(np.float64)))
            if rest < _DEPENDENT:
                raise InputError(
                    f"the {called[place]} points along {' and '.join(called[:place])}; no plane is spanned, take other "
                    "`directions`"
                )
            left = left / np.asarray(rest, dtype=left.dtype)
        kept[place] = left
    return kept


def coordinates_of(points: Numbers, origin: Numbers, directions: Numbers) -> tuple[Floats, Floats]:
    """Coordinates [n, k] of the points' nearest neighbours on the plane, and distances [n] of the points from it.

    The directions need be neither of unit length nor at right angles: the coordinates solve the least squares problem.
    A point that is not finite has NaN for all of these.

    Args:
        points: [n, P].
        origin: a point of the plane, [P].
        directions: [k, P], independent.
    """
    gram = inner_products(directions, directions)
    found = np.empty((len(points), len(directions)))
    distances = np.empty(len(points))
    for place, point in enumerate(points):
        shift = point.astype(np.float64) - origin
        along = inner_products(shift[None], directions)[0]
        found[place] = np.linalg.solve(gram, along)
        # The difference itself, not ||shift||² - ||along||²: of two nearly equal numbers little would be left.
        distances[place] = np.linalg.norm(shift - found[place] @ directions.astype(np.float64))
    return found, distances


def principal_directions(points: Numbers, count: int = 2) -> tuple[Floats, Numbers, Floats]:
    """Mean [P], the unit directions [count, P] of largest spread, and the shares of the variance of all directions.

    By the inner products of the points, so that the cost grows with P only linearly.

    Raises:
        InputError: the points spread in fewer than `count` directions.
    """
    mean = np.zeros(points.shape[1])
    for one in points:
        mean += one
    mean /= len(points)
    centred = (points - mean.astype(points.dtype)).astype(points.dtype)
    sizes, columns = np.linalg.eigh(inner_products(centred, centred))
    sizes, columns = np.maximum(sizes[::-1], 0.0), columns[:, ::-1]
    total = float(sizes.sum())
    if not total > 0 or len(points) <= count or sizes[count - 1] <= 1e-12 * total:
        raise InputError(
            f"{len(points)} points of a path spread in fewer than {count} directions; train longer, keep more "
            "`points`, or take other `directions`"
        )
    directions = (columns[:, :count].T.astype(points.dtype) @ centred) / np.sqrt(sizes[:count, None]).astype(
        points.dtype
    )
    return mean, orthonormal(directions), sizes / total


def chance_shares(walks: Sequence[Sequence[float] | Floats], count: int = 2) -> Floats:
    """Shares of the variance in the first components if the steps had had their lengths, but random directions.

    In many dimensions random steps are at right angles, so inner products of the points are sums of squared lengths
    of shared steps: exact in the limit of many dimensions, for any lengths. Long walks of equal steps give
    `quadratics.walk_shares`.

    Args:
        walks: lengths of the steps of each walk; all walks begin at the same point.
        count: how many components.
    """
    squares = [np.concatenate([[0.0], np.cumsum(np.square(np.asarray(one, dtype=np.float64)))]) for one in walks]
    size = sum(len(one) for one in squares)
    gram = np.zeros((size, size))
    at = 0
    for one in squares:
        gram[at : at + len(one), at : at + len(one)] = np.minimum(one[:, None], one[None, :])
        at += len(one)
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    sizes = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    total = float(sizes.sum())
    shares = sizes / total if total > 0 else np.zeros_like(sizes)
    return np.asarray(np.concatenate([shares, np.zeros(count)])[:count])


def _norm(arrays: Sequence[Numbers]) -> float:
    return float(np.sqrt(sum(float(np.square(one.astype(np.float64)).sum()) for one in arrays)))
