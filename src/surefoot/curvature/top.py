"""Top: the largest eigenvalues of a Hessian, from few products.

A cold search begins with gradients. They mostly lie along the sharpest directions; and taken over a few examples each,
which costs no more than the whole gradient, they also tell which examples the curvature comes from. In a network that
fits its data that is mostly a small part of them (where outputs are certain, the loss is flat). The Hessian of these
*steep* examples is then nearly the whole one, at a fraction of the cost, and its largest eigenvector is where the
search in the whole begins, unless the second one is close to it.

Where the gradients are spread evenly over the examples the search begins with their mean, and with as much of a random
direction: late in a training the gradient is next to nothing along the sharpest ones, and what the start does not hold
is found late. A warm search begins with what was found at weights nearby.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from surefoot.curvature.hvp import Hvp
from surefoot.errors import InputError
from surefoot.maths.davidson import warm_eigenpairs
from surefoot.maths.krylov import Eigenpairs, Floats, eigenpairs, random_vector

__all__ = ["top_eigenvector"]

_PARTS = 16
"""Parts of the examples with a gradient each."""
_STEEP, _ENOUGH = 0.25, 0.5
"""Largest share of the examples that is called steep, and the share of the squared gradients that they must hold."""
_MOST_OF_IT = 0.9
"""With so much of the squared gradients fewer examples are taken."""
_ROUGH, _LEAST = 3e-3, 8
"""Error, as a share, at which the search in the steep examples ends; products that it may take in any case."""
_CLOSE = 0.7
"""With a second eigenvalue so near, as a share, the steep examples do not tell which is the first in the whole."""


def top_eigenvector(
    hvp: Hvp, *, warm: Eigenpairs | None = None, count: int = 1, tolerance: float = 1e-6, most: int = 100, seed: int = 0
) -> Eigenpairs:
    """The largest algebraic eigenvalues of the Hessian and their vectors, with residual and error.

    `products` of what is returned counts a product with the Hessian of some of the examples as that share of one; the
    gradient at the beginning of a cold search is not counted.

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
    start, shares, spent = _start(hvp, most, seed)
    hvp.products += spent
    next_one = float(shares[count]) if len(shares) > count else None
    found = eigenpairs(hvp, start, count=count, tolerance=tolerance, most=most, seed=seed, next_one=next_one)
    return dataclasses.replace(found, products=found.products + spent) if spent else found


def _start(hvp: Hvp, most: int, seed: int) -> tuple[Tensor, Floats, float]:
    """Where a cold search begins, the eigenvalues of the steep examples as shares of the first, and products spent.

    The shares are empty where the steep examples do not tell.
    """
    unknown: Floats = np.empty(0)
    drawn = random_vector(hvp.size, seed, dtype=hvp.dtype, device=hvp.device)
    parts = hvp.parts(min(_PARTS, most))
    try:
        rows = hvp.over(parts).gradients()
    except (InputError, RuntimeError):
        # A loss of the user's may need batches of a certain size.
        parts = hvp.parts(1)
        rows = hvp.over(parts).gradients()
    shares = torch.tensor([held for _, held in parts], dtype=torch.float64) / sum(held for _, held in parts)
    rows *= shares.sqrt().to(drawn)[:, None]
    slope = shares.sqrt().to(drawn) @ rows + hvp.decay * hvp.weights()
    squares = torch.stack([row.double().square().sum() for row in rows]).cpu()
    steep = _steep(squares, shares)
    plain = _mixed(slope, drawn)
    if not steep:
        return plain, unknown, 0.0
    few = hvp.over([parts[place] for place in steep])
    share = float(shares[steep].sum())
    along = torch.linalg.eigh((rows @ rows.T).double().cpu())[1][:, -1].to(drawn) @ rows
    begin = _mixed(along, drawn)
    del rows, along, slope  # a search takes as much again
    near = eigenpairs(few, begin, tolerance=_ROUGH, most=min(most, max(_LEAST, int(1 / share))), seed=seed)
    spent = near.products * share
    if not near.converged or near.value <= 0 or (len(near.known) > 1 and near.known[1] > _CLOSE * near.value):
        return plain, unknown, spent
    return _mixed(near.vector, drawn), near.known / near.value, spent


def _mixed(direction: Tensor, drawn: Tensor) -> Tensor:
    """As much of a direction as of a random one; the random one alone where there is no direction or both cancel."""
    norm = float(direction.norm())
    both = drawn + direction / norm if norm > 0 else drawn
    return both if float(both.norm()) > 0.1 else drawn


def _steep(squares: Tensor, shares: Tensor) -> list[int]:
    """The parts that hold most of the squared gradients, if they are few; else none."""
    whole = float(squares.sum())
    if not 0 < whole < float("inf"):
        return []
    order = torch.argsort(squares, descending=True)
    held, among = (squares[order] / whole).cumsum(0), shares[order].cumsum(0)
    fits = int((among <= _STEEP).sum())
    if not fits or float(held[fits - 1]) < _ENOUGH:
        return []
    return sorted(order[: min(fits, int((held < _MOST_OF_IT).sum()) + 1)].tolist())
