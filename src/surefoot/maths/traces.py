"""Traces and spectra of a symmetric matrix that is known only by its products with vectors.

*Hutchinson*: the mean of zᵀAz over random signs z is the trace. *Hutch++* (Meyer, Musco, Musco, Woodruff 2021,
arXiv 2010.09649) takes the largest part out by a random projection first, exactly, so that only a small rest is left to
chance. *Stochastic Lanczos quadrature* (Ubaru, Chen, Saad 2017) turns the tridiagonal matrices of random starts into a
density of eigenvalues.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from surefoot.errors import InputError
from surefoot.maths.krylov import Floats, Matvec, random_vector, tridiagonal

__all__ = ["Estimate", "Spectrum", "hutch_plus_plus", "hutchinson", "spectrum"]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A random estimate with its standard error."""

    value: float
    error: float
    """Standard error; NaN where too few draws tell it."""
    products: int


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Eigenvalues as a density: a share of all of them at each node."""

    nodes: Floats
    """Ascending."""
    weights: Floats
    """Shares; they add up to 1."""
    products: int

    def density(self, at: Floats, width: float) -> Floats:
        """The density at places `at`, every node widened to a normal of standard deviation `width` above 0."""
        apart = (np.asarray(at)[:, None] - self.nodes[None, :]) / width
        return np.asarray(np.exp(-0.5 * apart**2) @ self.weights / (width * math.sqrt(2 * math.pi)))


def hutchinson(matvec: Matvec, like: Tensor, draws: int, seed: int = 0) -> Estimate:
    """Trace by `draws` random sign vectors of the size and type of `like` [n]; the slow twin of Hutch++.

    Raises:
        InputError: fewer than one draw.
    """
    if draws < 1:
        raise InputError(f"`draws` is {draws}; it is a whole number from 1")
    signs = _signs(draws, like, seed)
    found = [float(one @ matvec(one)) for one in signs]
    return Estimate(float(np.mean(found)), _standard_error(found), draws)


def hutch_plus_plus(matvec: Matvec, like: Tensor, products: int, seed: int = 0) -> Estimate:
    """Trace with `products` products: a third to find the large part, a third to sum it exactly, a third for the rest.

    Raises:
        InputError: fewer than three products.
    """
    if products < 3:
        raise InputError(f"`products` is {products}; it is a whole number from 3")
    third = min(products // 3, like.numel())
    sketch = torch.stack([matvec(one) for one in _signs(third, like, seed)])
    large = torch.linalg.qr(sketch.T)[0].T  # [third, n], orthonormal rows
    inside = sum(float(row @ matvec(row)) for row in large)
    rests = []
    for one in _signs(max(1, products - 2 * third), like, seed + 1):
        rest = one - (large @ one) @ large
        rests.append(float(rest @ matvec(rest)))
    return Estimate(inside + float(np.mean(rests)), _standard_error(rests), 2 * third + len(rests))


def spectrum(matvec: Matvec, like: Tensor, *, draws: int = 4, steps: int = 30, seed: int = 0) -> Spectrum:
    """Density of eigenvalues from `draws` random starts of `steps` products each.

    The weight of a Ritz value is the squared first entry of its eigenvector in the tridiagonal matrix.

    Raises:
        InputError: fewer than one draw or step.
    """
    if draws < 1 or steps < 1:
        raise InputError(f"`draws` is {draws} and `steps` is {steps}; both are whole numbers from 1")
    nodes, weights, products = [], [], 0
    for draw in range(draws):
        start = random_vector(like.numel(), seed + draw, dtype=like.dtype, device=like.device)
        seen = tridiagonal(matvec, start, steps)
        values, vectors = seen.eigen()
        nodes.append(values)
        weights.append(vectors[0] ** 2 / draws)
        products += len(values)
    every = np.concatenate(nodes)
    order = np.argsort(every)
    return Spectrum(every[order], np.concatenate(weights)[order], products)


def _signs(count: int, like: Tensor, seed: int) -> Tensor:
    drawn = torch.randint(0, 2, (count, like.numel()), generator=torch.Generator().manual_seed(seed))
    return (2 * drawn - 1).to(dtype=like.dtype, device=like.device)


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
