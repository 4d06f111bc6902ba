"""Layers: size of gradient, weights and update of every trainable parameter, and the sharpness of each alone."""

from __future__ import annotations

import math

from torch import Tensor

from surefoot.curvature.hvp import Hvp
from surefoot.maths.krylov import eigenpairs, random_vector
from surefoot.records import LayerCurvature

__all__ = ["layer_curvatures"]

_EXACT, _MOST = 16, 40
"""Rows of a block that takes as many products, and products at most for larger ones."""


def layer_curvatures(
    hvp: Hvp,
    *,
    update: Tensor | None = None,
    sharpness: bool = True,
    tolerance: float = 1e-6,
    most: int = _MOST,
    seed: int = 0,
) -> tuple[LayerCurvature, ...]:
    """Every trainable parameter at the weights of `hvp`.

    Args:
        hvp: the Hessian.
        update: [P] the last update of the training, if there was one.
        sharpness: whether the largest eigenvalue of every parameter's own block is measured, which takes products.
        tolerance: of those eigenvalues. A search that may end at a larger one takes a second eigenvalue that is near
            the first for it now and then.
        most: products at most for a block that is not small, if memory allows no more.
        seed: draws their starts.
    """
    gradient, weights = hvp.gradient(), hvp.weights()
    found = []
    for name, place in hvp.slices.items():
        top, size = None, place.stop - place.start
        if sharpness:
            start = random_vector(size, seed, dtype=hvp.dtype, device=hvp.device)
            # With as many products as a small block has rows nothing is left that a start could have missed.
            wanted, allowed = (0.0, size) if size <= _EXACT else (tolerance, min(most, _MOST))
            top = eigenpairs(_Block(hvp, place), start, tolerance=wanted, most=allowed, seed=seed)
        found.append(
            LayerCurvature(
                name=name,
                size=size,
                gradient=_rms(gradient[place]),
                weight=_rms(weights[place]),
                update=None if update is None else _rms(update[place]),
                sharpness=None if top is None else top.value,
                residual=None if top is None else float(top.residuals[0]),
                error=None if top is None else float(top.errors[0]),
                converged=None if top is None else top.converged,
            )
        )
    return tuple(found)


class _Block:
    """The diagonal block of one parameter: products [p] to [p]."""

    def __init__(self, hvp: Hvp, place: slice) -> None:
        self._hvp, self._place = hvp, place

    def __call__(self, vector: Tensor) -> Tensor:
        whole = vector.new_zeros(self._hvp.size)
        whole[self._place] = vector
        return self._hvp(whole)[self._place]


def _rms(part: Tensor) -> float:
    return float(part.norm()) / math.sqrt(part.numel())
