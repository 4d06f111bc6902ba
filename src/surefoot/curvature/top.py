"""Top: the largest eigenvalues of a Hessian, from few products.

A cold search begins with the gradient, which mostly lies along the sharpest directions, and with as much of a random
direction: late in a training the gradient is next to nothing along the sharpest ones, and what the start does not hold
is found late. A warm search begins with what was found at weights nearby.
"""

from __future__ import annotations

from surefoot.curvature.hvp import Hvp
from surefoot.maths.davidson import warm_eigenpairs
from surefoot.maths.krylov import Eigenpairs, eigenpairs, random_vector

__all__ = ["top_eigenvector"]


def top_eigenvector(
    hvp: Hvp, *, warm: Eigenpairs | None = None, count: int = 1, tolerance: float = 1e-6, most: int = 100, seed: int = 0
) -> Eigenpairs:
    """The largest algebraic eigenvalues of the Hessian and their vectors, with residual and error.

    Args:
        hvp: the Hessian.
        warm: what was found at weights nearby; fewer products are then needed.
        count: how many.
        tolerance: error, as a share of the eigenvalue, at which it is settled.
        most: products at most; `converged` of the result says whether they were enough.
        seed: draws the start.
    """
    if warm is not None:
        return warm_eigenpairs(hvp, warm, count=count, tolerance=tolerance, most=most, seed=seed)
    start = random_vector(hvp.size, seed, dtype=hvp.dtype, device=hvp.device)
    slope = hvp.gradient()
    if float(slope.norm()) > 0:
        start = start + slope / slope.norm()
    return eigenpairs(hvp, start, count=count, tolerance=tolerance, most=most, seed=seed)
