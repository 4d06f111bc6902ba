"""The top of the spectrum: the direction in which the loss bends most, and a rate that makes a path show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from surefoot.curvature.hvp import Hvp
from surefoot.curvature.top import top_eigenvector
from surefoot.engines.optimizers import name_of
from surefoot.errors import InputError, TaskError
from surefoot.landscape.ground import Ground
from surefoot.landscape.weights import Numbers
from surefoot.records import Recipe

__all__ = ["suggested_rate", "top_direction"]

Floats = npt.NDArray[np.float64]

_SURE = 1e-6
"""Error of an eigenvalue, as a share of it; its vector is then right to about the root of it."""
_LARGE = 1.6
"""The large rate times the sharpness at the start: between 1, where steps begin to cross the valley, and 2."""

_NOT_FINITE = (
    "the second derivative of `loss` is not finite at these weights; take other `directions`, draw `around` earlier "
    "weights, or guard roots, norms and divisions in the loss"
)


def top_direction(ground: Ground, point: Numbers, seed: int, *, count: int = 1) -> tuple[Numbers, Floats, list[str]]:
    """Unit eigenvectors [count, P] of the largest eigenvalues of the Hessian at a point, the values, and notes.

    Over the same examples as the ground, dropout and batch normalisation treated alike.

    Raises:
        TaskError: the curvature is not finite there.
    """
    hvp = Hvp(ground.task, ground.model, ground.batches, seed=seed)
    # Behind the weights a point may hold what training does not move.
    hvp.put(torch.as_tensor(point[: hvp.size]).to(hvp.device, hvp.dtype))
    if hvp.size == 1:  # there is one direction, and nothing to search
        value = float(hvp(torch.ones(1, dtype=hvp.dtype, device=hvp.device)))
        if not math.isfinite(value):
            raise TaskError(_NOT_FINITE)
        return np.ones((1, 1), dtype=point.dtype), np.array([value]), list(hvp.notes)
    try:
        found = top_eigenvector(hvp, count=count, tolerance=_SURE, seed=seed)
    except (FloatingPointError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]
        raise TaskError(_NOT_FINITE) from None
    notes = list(hvp.notes)
    if not found.converged and found.residuals[0] > 0:
        notes.append(
            f"the top eigenvalue {found.value:.4g} has not settled after {found.products} products: residual "
            f"{float(found.residuals[0]):.2g}"
        )
    vectors = found.vectors.detach().cpu().double().numpy().astype(point.dtype)
    # A sign for good: the largest entry is positive.
    largest = np.abs(vectors).argmax(axis=1)
    vectors *= np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
    return vectors, found.values, notes


def suggested_rate(ground: Ground, start: Numbers, optimizers: Sequence[Any], base: Recipe, notes: list[str]) -> float:
    """A rate at which plain gradient descent crosses the steepest valley at the start with every step.

    Raises:
        InputError: the optimizer is not plain SGD, for which this is so, or the loss does not bend upwards.
    """
    if [name_of(one) for one in optimizers] != ["sgd"] or base.options.get("momentum"):
        raise InputError(
            "no `lr` is given; only for plain sgd one can be measured for the picture: give the large rate"
        )
    _, values, _ = top_direction(ground, start, base.seed)
    if not values[0] > 0:
        raise InputError(f"no `lr` is given, and the largest eigenvalue at the start is {values[0]:.3g}: give the rate")
    rate = float(f"{_LARGE / values[0]:.2g}")
    notes.append(
        f"the large rate {rate:g} is {_LARGE:g} / sharpness, which is {values[0]:.4g} at the start; the sharpness "
        "moves in training, so this is a rate for the picture and no advice: `find` measures one"
    )
    return rate
