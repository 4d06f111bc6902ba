"""Warm starts: extreme eigenvalues of a matrix that is near one whose eigenvectors are known.

Davidson's method (1975): like Lanczos, but a new direction is the residual r divided by a cheap model M of the matrix,
(M - θ)⁻¹ r, instead of the residual itself. Here M is what the calls before learned: eigenvectors with their values,
and one mean value elsewhere. The better M, the fewer products; with a useless M it is Lanczos, more or less.

M learns from the products of a call by the symmetric rank-one rule, for all of them at once: M + D (Dᵀ T)⁻¹ Dᵀ with
the tried vectors T, their products Y and D = Y - M T (Broyden 1967; Davidon 1968). Of all rules that bring M T to Y
this one leaves alone what M already had right: where the matrix did not move, D is orthogonal to it. What is learned
in one call is therefore still there after the next. What that rule cannot take in, because its pivots would be next to
nothing, is taken in by the smallest symmetric change that does it, D Tᵀ + T Dᵀ - T (Tᵀ D) Tᵀ (Powell 1970).

A matrix that swings to and fro, as the Hessian does with every update at the edge of stability, is nearer to the one
before the last than to the last. Both models are therefore kept, and the first products tell which of them is right.

The step that would come next also tells how far the value is still to go, rᵀ (θ - M)⁻¹ r to second order. Where M is
poor that is too little, by a factor that changes slowly and is measured: how far the value came since the last product,
over how much less it was told to have left. A settled search returns the value moved by what is told times the factor.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from surefoot.maths.krylov import Eigenpairs, Floats, Matvec, eigenpairs, ritz_errors

__all__ = ["warm_eigenpairs"]

_RIVAL = 0.9
"""The runner-up of the last call is looked at too if it was within this share of what is found: it may be ahead now."""
_MIXED = 0.35
"""Length of the runner-up in the second direction, beside the step of length 1: it then takes no product of its own."""
_PIVOT = 0.15
"""Smallest share of what was missed that lies along the vector itself, for the rank-one rule."""
_KEPT = 32
"""Vectors of the model, where there is room: at most half of the products that are allowed."""
_MOVED = 0.3
"""What counts as the same: a share of how far the matrix has moved away from its model, along its first vectors."""
_SAME = 1e-2
"""Smallest distance of a model's value from θ, as a share of θ: dividing by less would only bring back the vector."""
_DOUBTS = 2
"""How often a settled value is doubted because the corrected model has a larger one."""
_FARTHEST = 4.0
"""Most that a value goes over what the step that would come next tells of it."""
_TOLD, _TOLD_OF_GAP = 5.0, 0.05
"""Error told, over what that step tells and at least over residual² / gap: a value that was moved is mostly nearer."""


def warm_eigenpairs(
    matvec: Matvec,
    before: Eigenpairs,
    *,
    count: int = 1,
    which: Literal["largest", "smallest"] = "largest",
    tolerance: float = 1e-6,
    most: int = 100,
    seed: int = 0,
) -> Eigenpairs:
    """What `eigenpairs` returns, from what it returned for a matrix nearby; see there for the arguments.

    Raises:
        FloatingPointError: a product is not finite.
    """
    size = before.space.shape[1]
    if len(before.space) < count or size <= 2 * count:
        return eigenpairs(
            matvec, before.vectors.sum(dim=0), count=count, which=which, tolerance=tolerance, most=most, seed=seed
        )
    sign = 1.0 if which == "largest" else -1.0
    known = [one for one in (before, before.older) if one is not None and len(one.space) >= count]
    models = [_Model(one.space, sign * one.known, sign * one.elsewhere) for one in known]
    firsts = [list((one.vectors if len(one.vectors) >= count else one.space)[:count]) for one in known]
    nearest = len(known) - 1 if before.swung else 0
    keep = max(len(before.space), min(_KEPT, most // 2))  # twice: this model, and the one before
    eps = float(torch.finfo(before.space.dtype).eps)
    tried = before.space.new_empty((0, size))
    images = before.space.new_empty((0, size))
    waiting = firsts[nearest]
    looked = chosen = False
    doubts = 0
    last = np.empty(0), np.empty(0)
    while True:
        for row in waiting:
            fresh = _outside(tried, row)
            if fresh is None:
                continue
            image = sign * matvec(fresh)
            if not bool(torch.isfinite(image).all()):
                raise FloatingPointError("a matrix-vector product is not finite")
            tried, images = torch.cat([tried, fresh[None]]), torch.cat([images, image[None]])
        if not chosen:
            away = [float((images - one.times(tried)).norm(dim=1).max()) for one in models]
            begun, nearest, chosen = nearest, int(np.argmin(away)), True
            model, moved = models[nearest], away[nearest]
            if nearest != begun and len(tried) < most:
                # From here it may be far, and the first to be found a neighbour.
                waiting = firsts[nearest]
                continue
        values, ritz = _eigen(tried.double() @ images.double().T)
        columns = torch.as_tensor(ritz.T.copy(), dtype=tried.dtype, device=tried.device)
        vectors, ahead = columns @ tried, columns @ images
        rests = ahead - torch.as_tensor(values, dtype=tried.dtype, device=tried.device)[:, None] * vectors
        residuals = rests.norm(dim=1).double().cpu().numpy()
        errors = _believed(values, residuals, model.values, count)
        moves = np.array(
            [-float(row @ model.step(row, float(theta), moved)) for row, theta in zip(rests, values, strict=True)]
        )
        moves = np.where((moves > 0) & (moves < residuals), moves, residuals)
        further, last = _further(values, moves, *last), (values, moves)
        errors = np.minimum(np.maximum(_TOLD * moves, _TOLD_OF_GAP * errors), residuals)
        errors = np.hypot(errors, 4 * eps * float(np.abs(values).max()))
        top = slice(0, count)
        settled = bool(np.all(errors[top] <= tolerance * max(float(np.abs(values[top]).max()), 1e-300)))
        made = len(tried)
        rival = learned = None
        if not looked and made < most and len(model.values) > count:
            near = model.values[count] > values[count - 1] - (1 - _RIVAL) * abs(values[count - 1])
            rival = _outside(tried, model.space[count]) if near else None
        if settled and rival is None and made < most and doubts < _DOUBTS:
            learned = model.learned(tried, images, keep)
            if learned.values[count - 1] > values[count - 1] + errors[count - 1]:
                doubts, rival = doubts + 1, _outside(tried, learned.space[count - 1], least=1e-3)
        if made >= min(most, size) or (settled and rival is None):
            break
        worst = int(np.argmax(errors[top]))
        step = _outside(tried, model.step(rests[worst], float(values[worst]), moved))
        step = rests[worst] if step is None else step
        if rival is not None:
            looked, step = True, rival if settled else step + _MIXED * rival
        waiting = [step]
    if learned is None:
        learned = model.learned(tried, images, keep)
    if settled:
        values = values + np.minimum(further * moves, errors)
    return Eigenpairs(
        sign * values[top],
        vectors[top] / vectors[top].norm(dim=1, keepdim=True),
        residuals[top],
        errors[top],
        made,
        settled,
        learned.space,
        sign * learned.values,
        sign * learned.elsewhere,
        dataclasses.replace(before, older=None),
        nearest > 0,
    )


class _Model:
    """V diag(values) Vᵀ + elsewhere (1 - V Vᵀ), with the rows of `space` for V; values descend."""

    def __init__(self, space: Tensor, values: Floats, elsewhere: float) -> None:
        self.space, self.values, self.elsewhere = space, values, elsewhere

    def times(self, rows: Tensor) -> Tensor:
        """M times each row."""
        spread = torch.as_tensor(self.values - self.elsewhere, dtype=rows.dtype, device=rows.device)
        return (rows @ self.space.T * spread) @ self.space + self.elsewhere * rows

    def step(self, rest: Tensor, theta: float, moved: float) -> Tensor:
        """(M - θ)⁻¹ times a residual; `moved` is how far the matrix has moved away from M."""
        inside = self.space @ rest
        least = max(_SAME * abs(theta), _MOVED * moved)
        distance = self.values - theta
        distance = np.where(np.abs(distance) < least, -least, distance)
        divided = inside / torch.as_tensor(distance, dtype=rest.dtype, device=rest.device)
        outer = min(self.elsewhere - theta, -least)
        return (rest - inside @ self.space) / outer + divided @ self.space

    def learned(self, tried: Tensor, images: Tensor, keep: int) -> _Model:
        """The model corrected by exact products, `images` of the orthonormal rows `tried`; `keep` vectors of it."""
        # An orthonormal basis of all there is, made anew each time: rounding would else add up from call to call.
        basis = torch.linalg.qr(torch.cat([self.space, tried, images]).T)[0].T
        own, t, y = ((basis @ rows.T).double().cpu().numpy() for rows in (self.space, tried, images))
        spread = (own * (self.values - self.elsewhere)) @ own.T
        y = y - self.elsewhere * t
        missed = y - spread @ t
        pivots, turned = np.linalg.eigh(_symmetric(t.T @ missed))
        missed = missed @ turned
        # Where the pivot is next to nothing the rule would blow up.
        used = np.abs(pivots) > _PIVOT * np.maximum(np.linalg.norm(missed, axis=0), 1e-300)
        spread = spread + (missed[:, used] / pivots[used]) @ missed[:, used].T
        missed = y - spread @ t
        spread = spread + missed @ t.T + t @ missed.T - t @ _symmetric(t.T @ missed) @ t.T
        found, ritz = np.linalg.eigh(_symmetric(spread))
        # By size, of whatever sign: a correction has both, and half of one is worse than none.
        chosen = np.sort(np.argsort(-np.abs(found), kind="stable")[:keep])[::-1]
        kept = torch.as_tensor(ritz[:, chosen].T.copy(), dtype=basis.dtype, device=basis.device) @ basis
        return _Model(kept / kept.norm(dim=1, keepdim=True), found[chosen] + self.elsewhere, self.elsewhere)


def _eigen(matrix: Tensor) -> tuple[Floats, Floats]:
    """Eigenvalues, descending, and eigenvectors as columns of a matrix that is symmetric but for rounding."""
    values, vectors = np.linalg.eigh(_symmetric(matrix.double().cpu().numpy()))
    return values[::-1].copy(), vectors[:, ::-1].copy()


def _symmetric(matrix: Floats) -> Floats:
    return 0.5 * (matrix + matrix.T)


def _believed(values: Floats, residuals: Floats, before: Floats, count: int) -> Floats:
    """Errors of descending Ritz values; the next ones below, not yet tried, are taken from the model."""
    missing = before[count:] if len(values) <= count else before[count : count + 1]
    theta = np.concatenate([values, missing])
    errors = ritz_errors(theta, np.concatenate([residuals, np.zeros(len(missing))]), len(values))
    return errors[: len(values)]


def _further(values: Floats, moves: Floats, were: Floats, told: Floats) -> Floats:
    """How far values go over what `moves` tell, by how far they came since `told` was told of those that there were."""
    result = np.ones(len(values))
    came, less = values[: len(were)] - were, told - moves[: len(were)]
    known = np.flatnonzero((came > 0) & (less > 0))
    result[known] = np.clip(came[known] / less[known], 1.0, _FARTHEST)
    return result


def _outside(basis: Tensor, row: Tensor, least: float = 1e-6) -> Tensor | None:
    """The unit direction of `row` outside of orthonormal rows; None where there is next to nothing."""
    norm = float(row.norm())
    if not (math.isfinite(norm) and norm > 0):
        return None
    rest = row / norm
    for _ in range(2):
        rest = rest - (basis @ rest) @ basis
        left = float(rest.norm())
        if left <= least:
            return None
        rest = rest / left
    return rest
