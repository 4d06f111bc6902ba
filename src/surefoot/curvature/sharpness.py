"""Sharpness: the largest eigenvalue of the loss's Hessian, alone and as the optimizer in use meets it."""

from __future__ import annotations

import dataclasses

import numpy as np
from torch import Tensor

from surefoot.curvature.hvp import Hvp
from surefoot.curvature.limits import Reading, Scaled
from surefoot.curvature.top import top_eigenvector
from surefoot.errors import TaskError
from surefoot.maths.davidson import warm_eigenpairs
from surefoot.maths.krylov import Eigenpairs, Floats, eigenpairs, random_vector
from surefoot.maths.traces import Estimate, Spectrum, hutch_plus_plus, spectrum

__all__ = ["Sharpness", "bulk", "density_grid", "largest", "smallest"]


@dataclasses.dataclass(frozen=True)
class Sharpness:
    """Top eigenpairs of the Hessian H and, where the optimizer scales its steps, of s H s."""

    plain: Eigenpairs
    scaled: Eigenpairs | None

    @property
    def meets(self) -> Eigenpairs:
        """The ones that the limit follows from."""
        return self.plain if self.scaled is None else self.scaled


def largest(
    hvp: Hvp,
    reading: Reading,
    *,
    warm: Sharpness | None = None,
    count: int = 1,
    tolerance: float = 1e-6,
    most: int = 100,
    seed: int = 0,
    plain: bool = True,
) -> Sharpness:
    """Top eigenpairs at the weights of `hvp`, whose decay is set to what `reading` adds to the gradient.

    `plain` False leaves those of H at what `warm` knew where only s H s is asked for.

    Raises:
        TaskError: a product is not finite.
    """
    hvp.decay = reading.added_decay
    try:
        own = (
            warm.plain
            if not plain and warm is not None and reading.scale is not None
            else top_eigenvector(
                hvp, warm=None if warm is None else warm.plain, count=count, tolerance=tolerance, most=most, seed=seed
            )
        )
        if reading.scale is None:
            return Sharpness(own, None)
        matrix = Scaled(hvp, reading.scale)
        if warm is not None and warm.scaled is not None:
            return Sharpness(own, warm_eigenpairs(matrix, warm.scaled, tolerance=tolerance, most=most, seed=seed))
        start = reading.scale * hvp.gradient()
        start = start / start.norm().clamp_min(1e-30)
        start = start + random_vector(hvp.size, seed, dtype=hvp.dtype, device=hvp.device)
        return Sharpness(own, eigenpairs(matrix, start, tolerance=tolerance, most=most, seed=seed))
    except FloatingPointError:
        raise TaskError(
            "the second derivative of `loss` is not finite at these weights; take earlier weights or a smaller rate, "
            "or guard roots, norms and divisions in the loss"
        ) from None


def smallest(hvp: Hvp, *, tolerance: float = 1e-4, most: int = 100, seed: int = 0) -> Eigenpairs:
    """The smallest algebraic eigenvalue."""
    start = random_vector(hvp.size, seed + 1, dtype=hvp.dtype, device=hvp.device)
    return eigenpairs(hvp, start, which="smallest", tolerance=tolerance, most=most, seed=seed)


def bulk(hvp: Hvp, like: Tensor, *, products: int = 30, draws: int = 4, steps: int = 30, seed: int = 0) -> tuple[
    Estimate, Spectrum
]:  # fmt: skip
    """Trace of the Hessian and the density of its eigenvalues."""
    return hutch_plus_plus(hvp, like, products, seed), spectrum(hvp, like, draws=draws, steps=steps, seed=seed)


def density_grid(found: Spectrum, points: int = 400) -> tuple[Floats, Floats]:
    """Places and density for drawing; every node is widened by a hundredth of the whole width."""
    low, high = float(found.nodes[0]), float(found.nodes[-1])
    width = 0.01 * max(high - low, 1e-12)
    at = np.linspace(low - 5 * width, high + 5 * width, points)
    return at, found.density(at, width)
