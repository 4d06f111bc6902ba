"""Traces and spectra of a symmetric matrix that is known only by its products with vectors.

*Hutchinson*: the mean of zᵀAz over random signs z is the trace. *Hutch++* (Meyer, Musco, Musco, Woodruff 2021,
arXiv 2010.09649) takes the largest part out by a random projection first, exactly, so that only a small rest is left to
chance. *Stochastic Lanczos quadrature* (Ubaru, Chen, Saad 2017) turns the tridiagonal matrices of random starts into a
density of eigenvalues.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

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
    found = [float(one @ matvec(one)) for one in _signs(draws, like, seed)]
    return Estimate(float(np.mean(found)), _standard_error(found), draws)


def hutch_plus_plus(matvec: Matvec, like: Tensor, products: int, seed: int = 0) -> Estimate:
    """Trace with `products` products: a third to find the large part, a third to sum it exactly, a third for the rest.

    Raises:
        InputError: fewer than three products.
    """
    if products < 3:
        raise InputError(f"`products` is {products}; it is a whole number from 3")
    third = min(products // 3, like.numel())
    # Types of fewer digits would leave the rows at angles.
    large = like.new_empty((third, like.numel()), dtype=torch.promote_types(like.dtype, torch.float32))
    for row, one in zip(large, _signs(third, like, seed), strict=True):
        row.copy_(matvec(one))
    large = large[: _orthonormal(large)]
    inside = sum(float(row @ matvec(row.to(like)).to(row)) for row in large)
    rests = []
    for one in _signs(max(1, products - 2 * third), like, seed + 1):
        rest = one.to(large) - (large @ one.to(large)) @ large
        rests.append(float(rest @ matvec(rest.to(like)).to(rest)))
    return Estimate(inside + float(np.mean(rests)), _standard_error(rests), third + len(large) + len(rests))


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


def _signs(count: int, like: Tensor, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        drawn = torch.randint(0, 2, (like.numel(),), generator=generator, dtype=torch.int8)
        yield (2 * drawn - 1).to(dtype=like.dtype, device=like.device)


def _orthonormal(rows: Tensor) -> int:
    """Make the first rows an orthonormal basis of all of them, in place; how many these are."""
    least, count = 100 * float(torch.finfo(rows.dtype).eps), 0
    for row in rows:
        rest, before = row.clone(), float(row.norm())
        for _ in range(2):
            rest -= (rows[:count] @ rest) @ rows[:count]
        left = float(rest.norm())
        # Next to nothing is rounding, which has no direction; what is not finite stays to be seen.
        if not left <= least * before:
            rows[count] = rest / left
            count += 1
    return count


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
