"""Krylov methods: extreme eigenvalues of a symmetric matrix that is known only by its products with vectors.

A *product* is one call of ``matvec(vector)``, shape [n] to [n]; it is what everything here is counted in. A *Ritz
value* is an eigenvalue of the matrix seen from the space that the products span; its *residual* is ‖A y - θ y‖ for the
unit Ritz vector y. Some eigenvalue of the matrix always lies within the residual of a Ritz value, and within
residual² / gap of it when the nearest other eigenvalue is a gap away (Parlett, The Symmetric Eigenvalue Problem, 1998,
theorems 4.5.1 and 11.7.1).

An extreme Ritz value lies inside of the eigenvalue it goes to. How far, the products already tell: the tridiagonal
matrix they make ends with a number that says how the next row is coupled, and rows change little from one to the next.
With a *tail* of rows like the last ones the extreme eigenvalue is mostly several times nearer (the terminator of the
recursion method: Haydock, Heine, Kelly, J. Phys. C 8, 1975), which is what a settled search returns.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Eigenpairs", "Matvec", "Tridiagonal", "eigenpairs", "random_vector", "ritz_errors", "tridiagonal"]

Matvec = Callable[[Tensor], Tensor]
"""Product of a symmetric matrix with a vector, shape [n] to [n], in the vector's type."""

Floats = npt.NDArray[np.float64]

_REMEMBERED = 31
"""Eigenvectors kept for a warm start beyond the wanted ones."""
_NOTHING = 2 / 3
"""Power of the rounding unit: the share of a product that is left when the space of the start vector is exhausted."""
_TAIL = 8
"""Rows of the tail; what more of them would add is below what the guess is worth."""
_ROUNDED = 8
"""Rounding units of the largest magnitude seen, at which an eigenvalue is as settled as rounding allows."""
_FEW_DIGITS = 1e-4
"""Rounding unit from which on a type is one of few digits."""
_AFTER_RESTART = 3
"""Products after a fresh start vector before an answer is believed: one that was found already has residual 0."""


@dataclasses.dataclass(frozen=True)
class Eigenpairs:
    """Extreme eigenvalues, the extreme one first, with how sure they are."""

    values: Floats
    """[count] eigenvalues."""
    vectors: Tensor
    """[count, n] unit eigenvectors."""
    residuals: Floats
    """[count] ‖A y - θ y‖ of the vectors y with their own Ritz values θ."""
    errors: Floats
    """[count] estimated distance of `values` from the eigenvalues; at most the residual but for rounding."""
    products: float
    """Those over some of the examples count as that share."""
    converged: bool
    """Whether every error is within the tolerance."""
    space: Tensor
    """[m, n] orthonormal: the part of the matrix that is known, for a warm start of a matrix nearby."""
    known: Floats
    """[m] its value along each row of `space`, the extreme one first."""
    elsewhere: float = 0.0
    """What the matrix is like outside of `space`, on the mean."""
    older: Eigenpairs | None = None
    """What the warm start that found this began with, without its own."""
    swung: bool = False
    """Whether the matrix was nearer to the one before the last than to the last."""

    @property
    def value(self) -> float:
        """The extreme eigenvalue."""
        return float(self.values[0])

    @property
    def vector(self) -> Tensor:
        """[n] its unit eigenvector."""
        return self.vectors[0]


@dataclasses.dataclass(frozen=True)
class Tridiagonal:
    """The matrix as the Krylov space of one start vector sees it: T = Qᵀ A Q."""

    diagonal: Floats
    beside: Floats
    """One entry fewer than `diagonal`."""

    def eigen(self) -> tuple[Floats, Floats]:
        """Eigenvalues ascending [k] and eigenvectors as columns [k, k]."""
        full = np.diag(self.diagonal) + np.diag(self.beside, 1) + np.diag(self.beside, -1)
        values, vectors = np.linalg.eigh(full)
        return values, vectors


def random_vector(
    size: int, seed: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """A unit vector of uniform direction, shape [size], from a generator of its own."""
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unit: Tensor = drawn / drawn.norm()
    return unit.to(dtype=dtype, device=device)


def eigenpairs(
    matvec: Matvec,
    start: Tensor,
    *,
    count: int = 1,
    which: Literal["largest", "smallest"] = "largest",
    tolerance: float = 1e-6,
    most: int = 100,
    seed: int = 0,
    next_one: float | None = None,
) -> Eigenpairs:
    """The `count` algebraically largest (or smallest) eigenvalues by Lanczos with full reorthogonalisation.

    Algebraic means by sign: of the spectrum (3, 1, -5) the largest is 3. With a start vector near the eigenvector
    sought (a warm start) a few products are enough. All directions that matter must be present in `start`.

    Args:
        matvec: the matrix.
        start: [n] where to begin, of any length above 0.
        count: eigenvalues wanted, from 1 to n.
        which: end of the spectrum.
        tolerance: error at which an eigenvalue is settled, as a share of the largest magnitude among the wanted ones,
            or where rounding leaves more: then that is enough, unless the tolerance is below the rounding unit of
            float32 or wider numbers itself. 0 takes as many products as there may be.
        most: products at most; from `count`.
        seed: draws a fresh direction where the space of the start vector is exhausted.
        next_one: where the eigenvalue after the wanted ones is expected, as a share of the first, if a matrix alike has
            told. Few products from a good start do not show it, and errors would come out too small.

    Raises:
        FloatingPointError: a product is not finite.
    """
    size = start.numel()
    sign = 1.0 if which == "largest" else -1.0
    limit = min(most, size)
    eps = float(torch.finfo(start.dtype).eps)
    # A processor takes no memory for rows before they are written; elsewhere there are more of them when needed.
    basis = start.new_empty((limit if start.device.type == "cpu" else min(limit, 32), size))
    basis[0] = start / start.norm()
    diagonal: list[float] = []
    beside: list[float] = []
    fresh = unchanged = 0
    seen: Floats = np.empty(0)
    while True:
        at = len(diagonal)
        product = matvec(basis[at])
        alpha, rest, beta = _orthogonal(basis[: at + 1], product * sign)
        diagonal.append(alpha)
        fresh += 1
        values, ritz = Tridiagonal(np.array(diagonal), np.array(beside)).eigen()
        scale = float(np.abs(values).max()) or 1.0
        exhausted = beta <= eps**_NOTHING * scale
        ends = values[::-1][:count] if exhausted else _tailed(diagonal, [*beside, beta])[:count]
        found = _judged(values, ritz, beta, ends, 4 * eps * scale, None if exhausted else next_one)
        # Next to much larger eigenvalues rounding may leave more than a tolerance that the numbers themselves allow.
        allowed = _ROUNDED * eps * scale if _meant(tolerance, eps) else 0.0
        settled = len(found[0]) == count and _settled(found[0], found[2], tolerance, allowed)
        if exhausted:
            # Every copy of a multiple eigenvalue, and whatever the start did not hold, is outside of this space.
            same = len(found[0]) == len(seen) and np.allclose(found[0], seen, rtol=tolerance, atol=0)
            unchanged, seen = unchanged + 1 if same else 0, found[0]
        believed = unchanged >= _AFTER_RESTART or (not exhausted and (fresh > _AFTER_RESTART or len(diagonal) == fresh))
        if (settled and believed) or at + 1 >= limit:
            break
        if at + 1 == len(basis):
            basis = torch.cat([basis, basis.new_empty((min(limit - len(basis), len(basis)), size))])
        if exhausted:
            drawn = random_vector(size, seed + at + 1, dtype=start.dtype, device=start.device)
            _, rest, norm = _orthogonal(basis[: at + 1], drawn)
            rest, beta, fresh = rest / norm, 0.0, 0
            basis[at + 1] = rest
        else:
            basis[at + 1] = rest / beta
        beside.append(beta)
    made = len(diagonal)
    # Where few products are allowed that is mostly for want of memory.
    keep = min(made, count + min(_REMEMBERED, most // 3))
    order = np.argsort(values)[::-1]
    space = torch.as_tensor(ritz[:, order[:keep]].T.copy(), dtype=start.dtype, device=start.device) @ basis[:made]
    space /= space.norm(dim=1, keepdim=True)
    rest_of = values[order[keep:]]
    if settled and len(ends) == len(found[0]):
        found = (np.maximum(ends, found[0]), *found[1:])
    return Eigenpairs(
        sign * found[0], space[:count], found[1], found[2], made, settled or made == size,
        space, sign * values[order[:keep]], sign * float(rest_of.mean()) if len(rest_of) else 0.0,
    )  # fmt: skip


def tridiagonal(matvec: Matvec, start: Tensor, steps: int) -> Tridiagonal:
    """`steps` products from `start` [n], fewer where its space is exhausted; the basis is kept orthogonal in full.

    Raises:
        FloatingPointError: a product is not finite.
    """
    limit = min(steps, start.numel())
    eps = float(torch.finfo(start.dtype).eps)
    basis = start.new_empty((limit, start.numel()))
    basis[0] = start / start.norm()
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        at = len(diagonal)
        alpha, rest, beta = _orthogonal(basis[: at + 1], matvec(basis[at]))
        diagonal.append(alpha)
        if at + 1 == limit or beta <= eps**_NOTHING * max(map(abs, diagonal), default=1.0):
            return Tridiagonal(np.array(diagonal), np.array(beside))
        basis[at + 1] = rest / beta
        beside.append(beta)


def _meant(tolerance: float, eps: float) -> bool:
    """Whether a tolerance is one that rounding may loosen: below the unit more digits were asked for than there are.

    Nobody asks that of types of two or three digits.
    """
    return tolerance >= 4 * eps or (tolerance > 0 and eps > _FEW_DIGITS)


def _settled(values: Floats, errors: Floats, tolerance: float, allowed: float) -> bool:
    return bool(np.all(errors <= max(tolerance * float(np.abs(values).max()), allowed, 1e-300)))


def _orthogonal(basis: Tensor, product: Tensor) -> tuple[float, Tensor, float]:
    """Component of `product` along the last row of `basis`, what is orthogonal to all rows, and its norm."""
    along = basis @ product
    rest = product - along @ basis
    # Twice is enough (Kahan; see Parlett, section 6-9).
    more = basis @ rest
    rest = rest - more @ basis
    alpha, norm = float(along[-1] + more[-1]), float(rest.norm())
    if not (math.isfinite(alpha) and math.isfinite(norm)):
        raise FloatingPointError("a matrix-vector product is not finite")
    return alpha, rest, norm


def _tailed(diagonal: list[float], beside: list[float]) -> Floats:
    """Eigenvalues, descending, of the tridiagonal matrix with a tail; the last of `beside` couples it."""
    recent = max(1, len(diagonal) // 2)
    rows = np.array(diagonal + [float(np.mean(diagonal[-recent:]))] * _TAIL)
    between = np.array(beside + [float(np.mean(beside[-recent:]))] * (_TAIL - 1))
    values: Floats = Tridiagonal(rows, between).eigen()[0][::-1]
    return values


def _judged(
    values: Floats, ritz: Floats, beta: float, ends: Floats, rounding: float, next_one: float | None
) -> tuple[Floats, Floats, Floats]:
    """The largest Ritz values with residuals and the errors that they have once they are moved to `ends`.

    Their distance from there is about their own error, that from residual² / gap mostly too large; the mean of both, in
    proportions, held for the moved value.
    """
    order = np.argsort(values)[::-1]
    theta, residuals = values[order], beta * np.abs(ritz[-1])[order]
    count = min(len(ends), len(theta))
    if next_one is None or theta[0] <= 0:
        errors = ritz_errors(theta, residuals)[:count]
    else:
        errors = ritz_errors(np.append(theta, next_one * theta[0]), np.append(residuals, 0.0), count)
    moves = np.clip(ends[:count] - theta[:count], 0, None)
    errors = np.where(moves > 0, np.minimum(np.sqrt(moves * errors), residuals[:count]), errors)
    # The recurrence goes on to shrink below what a product can tell.
    told = np.maximum(residuals[:count], rounding if np.any(theta) else 0.0)
    return theta[:count], told, errors + rounding


def ritz_errors(theta: Floats, residuals: Floats, count: int | None = None) -> Floats:
    """Estimated errors of Ritz values: the residual, or residual² / gap where the gap is known to be larger.

    Args:
        theta: values, in any order; those after the first `count` only matter as neighbours.
        residuals: theirs.
        count: how many are Ritz values; None takes all.
    """
    moves = _gap_errors(theta, residuals, np.zeros_like(theta))
    # A neighbour may still move by its own error, and so narrow the gap.
    return _gap_errors(theta, residuals, moves)[: len(theta) if count is None else count]


def _gap_errors(theta: Floats, residuals: Floats, moves: Floats) -> Floats:
    errors = residuals.copy()
    for place in range(len(theta)):
        others = np.delete(np.arange(len(theta)), place)
        apart = np.abs(theta[others] - theta[place])
        # More than half of the gap is not given away: a neighbour that is that uncertain is mostly far below.
        gap = float(np.maximum(apart - moves[others], 0.5 * apart).min()) if len(others) else 0.0
        if gap > residuals[place]:
            errors[place] = residuals[place] ** 2 / gap
    return errors
