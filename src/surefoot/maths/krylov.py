"""Krylov methods: extreme eigenvalues of a symmetric matrix that is known only by its products with vectors.

A *product* is one call of ``matvec(vector)``, shape [n] to [n]; it is what everything here is counted in. A *Ritz
value* is an eigenvalue of the matrix seen from the space that the products span; its *residual* is ‖A y - θ y‖ for the
unit Ritz vector y. Some eigenvalue of the matrix always lies within the residual of a Ritz value, and within
residual² / gap of it when the nearest other eigenvalue is a gap away (Parlett, The Symmetric Eigenvalue Problem, 1998,
theorems 4.5.1 and 11.7.1).
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

__all__ = ["Eigenpairs", "Matvec", "Tridiagonal", "eigenpairs", "random_vector", "tridiagonal"]

Matvec = Callable[[Tensor], Tensor]
"""Product of a symmetric matrix with a vector, shape [n] to [n], in the vector's type."""

Floats = npt.NDArray[np.float64]

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
    """[count] ‖A y - θ y‖."""
    errors: Floats
    """[count] estimated distance from the eigenvalue, with rounding; at most the residual but for rounding."""
    products: int
    converged: bool
    """Whether every error is within the tolerance."""

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
) -> Eigenpairs:
    """The `count` algebraically largest (or smallest) eigenvalues by Lanczos with full reorthogonalisation.

    Algebraic means by sign: of the spectrum (3, 1, -5) the largest is 3. With a start vector near the eigenvector
    sought (a warm start) a few products are enough. All directions that matter must be present in `start`.

    Args:
        matvec: the matrix.
        start: [n] where to begin, of any length above 0.
        count: eigenvalues wanted, from 1 to n.
        which: end of the spectrum.
        tolerance: error at which an eigenvalue is settled, as a share of the largest magnitude among the wanted ones.
        most: products at most; from `count`.
        seed: draws a fresh direction where the space of the start vector is exhausted.

    Raises:
        FloatingPointError: a product is not finite.
    """
    size = start.numel()
    sign = 1.0 if which == "largest" else -1.0
    limit = min(most, size)
    eps = float(torch.finfo(start.dtype).eps)
    basis = start.new_empty((min(limit, 32), size))
    basis[0] = start / start.norm()
    diagonal: list[float] = []
    beside: list[float] = []
    fresh = 0
    while True:
        at = len(diagonal)
        product = matvec(basis[at])
        alpha, rest, beta = _orthogonal(basis[: at + 1], product * sign)
        diagonal.append(alpha)
        fresh += 1
        values, ritz = Tridiagonal(np.array(diagonal), np.array(beside)).eigen()
        scale = float(np.abs(values).max()) or 1.0
        exhausted = beta <= 8 * eps * scale
        found = _judged(values, ritz, 0.0 if exhausted else beta, count, eps * scale)
        settled = len(found[0]) == count and bool(np.all(found[2] <= tolerance * max(np.abs(found[0]).max(), eps)))
        believed = fresh > _AFTER_RESTART or (len(diagonal) == fresh and not exhausted)
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
    top, residuals, errors, columns = found
    vectors = torch.as_tensor(columns.T.copy(), dtype=start.dtype, device=start.device) @ basis[: len(diagonal)]
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    return Eigenpairs(sign * top, vectors, residuals, errors, len(diagonal), settled or len(diagonal) == size)


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
        if at + 1 == limit or beta <= 8 * eps * max(map(abs, diagonal), default=1.0):
            return Tridiagonal(np.array(diagonal), np.array(beside))
        basis[at + 1] = rest / beta
        beside.append(beta)


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


def _judged(
    values: Floats, ritz: Floats, beta: float, count: int, rounding: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """The `count` largest Ritz values with residuals, estimated errors and coefficients (columns)."""
    order = np.argsort(values)[::-1]
    every = beta * np.abs(ritz[-1])
    top = order[:count]
    errors = []
    for place in top:
        residual = float(every[place])
        others = np.delete(np.arange(len(values)), place)
        gaps = np.abs(values[others] - values[place]) - every[others]
        gap = float(gaps.min()) if len(gaps) else 0.0
        errors.append((min(residual, residual**2 / gap) if gap > residual else residual) + rounding)
    return values[top], every[top], np.array(errors), ritz[:, top]
